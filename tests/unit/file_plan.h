// Files as a person would write them, to be spoiled before they are written.
#pragma once

#include <algorithm>
#include <map>
#include <string>

#include "io/h5_attribute.h"
#include "io/h5_dataset.h"

namespace q {

using PlannedAttributes = std::map<std::string, h5::AttributeValue>;

// By path: the attributes of groups, and datasets with theirs.
struct Plan {
  std::map<std::string, PlannedAttributes> groups;
  std::map<std::string, Tensor> datasets;
  std::map<std::string, TensorType> promises;  // datasets that are never written
  std::map<std::string, PlannedAttributes> dataset_attributes;
};

// A valid model: y is the linear of x, clamped at 0.
inline Plan good_plan() {
  Plan plan;
  plan.groups["/"] = {{"format", "q-model"}, {"format_version", int64_t{1}}};
  plan.groups["/constants"] = {};
  plan.groups["/graph"] = {{"inputs", h5::Strings{"x"}}, {"outputs", h5::Strings{"y"}}};
  plan.groups["/graph/fc"] = {{"op", "linear"},
                              {"order", int64_t{0}},
                              {"inputs", h5::Strings{"x", "w"}},
                              {"outputs", h5::Strings{"y"}},
                              {"min", 0.0}};
  plan.groups["/values"] = {};
  plan.groups["/values/x"] = {{"order", int64_t{0}}, {"shape", Ints{-1, 2}}, {"dtype", "f32"}};
  plan.groups["/values/w"] = {{"order", int64_t{1}}};
  plan.groups["/values/y"] = {{"order", int64_t{2}}, {"shape", Ints{-1, 3}}, {"dtype", "f32"}};
  plan.datasets["/constants/w"] = make_tensor(Shape{3, 2}, std::vector<float>{-6, -5, -4, -3, -2, -1});
  return plan;
}

// The group at that path, made where it is missing.
inline h5::Object open_or_create(const h5::Object& root, const std::string& path) {
  h5::Object at = root;
  for (size_t begin = 1; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    at = h5::has_child(at, name) ? h5::open_group(at, name) : h5::create_group(at, name);
    begin = end + 1;
  }
  return at;
}

inline void write_plan(const std::string& path, const Plan& plan) {
  h5::Object root = h5::create_file(path, path);
  for (const auto& [group, attributes] : plan.groups) {
    const h5::Object at = open_or_create(root, group);
    for (const auto& [name, value] : attributes) h5::write_attribute(at, name, value);
  }
  const auto create = [&](const std::string& where, const TensorType& type) {
    const size_t slash = where.rfind('/');
    const h5::Object parent = open_or_create(root, where.substr(0, slash));
    h5::Object dataset = h5::create_dataset(parent, where.substr(slash + 1), type.dtype, type.shape);
    const auto attributes = plan.dataset_attributes.find(where);
    if (attributes == plan.dataset_attributes.end()) return dataset;
    for (const auto& [name, value] : attributes->second) h5::write_attribute(dataset, name, value);
    return dataset;
  };
  for (const auto& [where, tensor] : plan.datasets)
    h5::write_all(create(where, tensor.type), tensor.type.dtype, tensor.data.get());
  for (const auto& [where, type] : plan.promises) create(where, type);
  h5::close_file(std::move(root));
}

}  // namespace q
