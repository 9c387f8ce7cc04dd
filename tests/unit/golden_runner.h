// How a case of PyTorch's answers is run through libq, and the tables of what runs it.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "golden_case.h"
#include "q/op.h"
#include "q/tensor.h"

namespace q {

// What came of the cases of an operator.
struct Tally {
  size_t cases = 0, without_operator = 0;
  size_t elements = 0, different = 0;
};

// The elements of a tensor of any plain type.
std::vector<double> values_of(const Tensor& tensor);
// Fails unless the values are those the case expects under that name, as near as its tolerance says.
void compare(const GoldenCase& c, const std::string& name, const std::vector<double>& actual, Tally& tally);
// The same, of a tensor of the same shape.
void compare(const GoldenCase& c, const std::string& name, const Tensor& actual, Tally& tally);

// ---- parameters ----

Ints ints_of(const nlohmann::json& value);  // of one integer too
// The case's parameters as attributes of the operator, which says what they are called and of which kind they
// are. Fails where it has none for a parameter that changes what is computed. `except`: not these.
Attrs attrs_of(const nlohmann::json& params, const std::string& op,
               std::initializer_list<std::string_view> except = {});

// ---- running ----

// The results of one operator on all inputs of the case, of the types that it expects under these names (f32
// where it does not name one). What the operator calls a parameter is a constant. An operator without an
// integer form runs on float32 between conversions.
std::vector<Tensor> results_of(const GoldenCase& c, const std::string& op, const Attrs& attrs,
                               std::initializer_list<std::string_view> outputs);
// The one called y.
Tensor result_of(const GoldenCase& c, const std::string& op, const Attrs& attrs);

// A test of one case with the operator libq has for it. Where there is none it counts it.
using Test = void (*)(const GoldenCase&, const std::string& op, Tally&);

// y is what the operator gives with the case's parameters.
void test_plain(const GoldenCase& c, const std::string& op, Tally& tally);
// The same, clamped below at 0.
void test_clamped(const GoldenCase& c, const std::string& op, Tally& tally);

// PyTorch's operator, observer or algorithm, the operator that it is here (empty: none), and its test.
struct Runner {
  const char* name;
  const char* op;
  Test test;
};
void PrintTo(const Runner& runner, std::ostream* out);

// ---- tables, one of each golden_<family>.cc ----

std::span<const Runner> quantize_runners();
std::span<const Runner> weighted_runners();
std::span<const Runner> pool_runners();
std::span<const Runner> elementwise_runners();
std::span<const Runner> norm_runners();
std::span<const Runner> reduce_runners();
std::span<const Runner> move_runners();
std::span<const Runner> recurrent_runners();

}  // namespace q
