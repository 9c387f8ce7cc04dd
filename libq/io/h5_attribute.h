// Attributes of HDF5 objects.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "io/h5.h"
#include "q/graph.h"

namespace q::h5 {

using Strings = std::vector<std::string>;
using AttributeValue = std::variant<int64_t, double, std::string, Ints, Floats, Strings>;

// Names in byte order.
std::vector<std::string> attributes(const Object& object);
bool has_attribute(const Object& object, const std::string& name);
// Integers of any width and booleans are int64, floats binary64; one dimension makes a list. Throws on
// anything else.
AttributeValue read_attribute(const Object& object, const std::string& name);
// The same with the type that is wanted: a scalar will do for a list, an integer for a number. Throws
// otherwise.
int64_t read_int(const Object& object, const std::string& name);
int32_t read_int32(const Object& object, const std::string& name);
double read_number(const Object& object, const std::string& name);
std::string read_string(const Object& object, const std::string& name);
Ints read_ints(const Object& object, const std::string& name);
Floats read_numbers(const Object& object, const std::string& name);
Strings read_strings(const Object& object, const std::string& name);

void write_attribute(const Object& object, const std::string& name, const AttributeValue& value);
void write_attribute(const Object& object, const std::string& name, std::span<const int32_t> values);

// An attribute that is a list of records, each field a string. Fields that the file lacks are empty.
std::vector<Strings> read_records(const Object& object, const std::string& name,
                                  std::span<const char* const> fields);
// Precondition: at least one record, each with as many strings as there are fields.
void write_records(const Object& object, const std::string& name, std::span<const char* const> fields,
                   const std::vector<Strings>& records);

}  // namespace q::h5
