// What is in a file, for people and for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "coverage.h"
#include "q/file.h"

namespace q {

std::string info_text(const File& file);
nlohmann::ordered_json info_json(const File& file);
// The graph in Graphviz' language: a box per node, coloured by how it is computed.
std::string info_dot(const File& file);

// The same of a file of tensors.
std::string tensors_text(const TensorReader& reader);
nlohmann::ordered_json tensors_json(const TensorReader& reader);

}  // namespace q
