// Any bytes as an ONNX model: imported, or refused with a q::Error in one line. The mutator changes what the
// bytes mean, so that most inputs are models of strange networks, not strange bytes.
#include <onnx/onnx_pb.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/text.h"
#include "q/onnx.h"
#include "q/op.h"
#include "q/pass.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using Random = std::minstd_rand;

template <typename List>
auto* any_of(List* list, Random& random) {
  return list->empty() ? nullptr
                       : list->Mutable(static_cast<int>(random() % static_cast<unsigned>(list->size())));
}

int64_t number(Random& random) {
  constexpr int64_t kEdges[] = {INT64_MIN, INT32_MIN,        -2,       -1, 0, 1, 2, 3, 7, 8, 9, 64,
                                INT32_MAX, int64_t{1} << 40, INT64_MAX};
  const size_t index = random() % (std::size(kEdges) + 1);
  return index < std::size(kEdges) ? kEdges[index] : static_cast<int64_t>(random() % 100) - 10;
}

template <typename Numbers>
void change_numbers(Numbers* numbers, Random& random) {
  const int count = numbers->size();
  if (count == 0 || random() % 6 == 0) return numbers->Add(number(random));
  if (random() % 6 == 0) return numbers->RemoveLast();
  numbers->Set(static_cast<int>(random() % static_cast<unsigned>(count)), number(random));
}

std::string any_type(Random& random) {
  std::vector<std::string> types = {"Shape",    "Gather", "Concat", "ConstantOfShape",
                                    "Constant", "Slice",  "Cast",   "Div"};
  for (const q::OpDef* op : q::ops())
    for (const q::OnnxName& name : op->onnx) types.emplace_back(name.type);
  return types[random() % types.size()];
}

std::string any_value(const onnx::GraphProto& graph, Random& random) {
  std::vector<std::string> names = {""};
  for (const auto& input : graph.input()) names.push_back(input.name());
  for (const auto& tensor : graph.initializer()) names.push_back(tensor.name());
  for (const auto& node : graph.node()) names.insert(names.end(), node.output().begin(), node.output().end());
  return names[random() % names.size()];
}

void change_attribute(onnx::AttributeProto& attribute, Random& random) {
  if (attribute.type() == onnx::AttributeProto::INT) attribute.set_i(number(random));
  if (attribute.type() == onnx::AttributeProto::INTS) change_numbers(attribute.mutable_ints(), random);
  if (attribute.type() == onnx::AttributeProto::FLOAT) attribute.set_f(static_cast<float>(number(random)));
  if (attribute.type() == onnx::AttributeProto::TENSOR)
    change_numbers(attribute.mutable_t()->mutable_dims(), random);
}

void change_node(onnx::NodeProto& node, const onnx::GraphProto& graph, Random& random) {
  switch (random() % 4) {
    case 0:
      return node.set_op_type(any_type(random));
    case 1:
      return node.add_input(any_value(graph, random));
    case 2:
      if (node.input_size() > 0)
        node.set_input(static_cast<int>(random() % static_cast<unsigned>(node.input_size())),
                       any_value(graph, random));
      return;
    default:
      if (auto* attribute = any_of(node.mutable_attribute(), random)) change_attribute(*attribute, random);
  }
}

void change_tensor(onnx::TensorProto& tensor, Random& random) {
  if (random() % 2 == 0) return change_numbers(tensor.mutable_dims(), random);
  // integers are shapes, axes and pads: typed ones are the easier to change
  if (tensor.data_type() != onnx::TensorProto::INT64) return;
  for (; tensor.raw_data().size() >= 8; tensor.mutable_raw_data()->resize(tensor.raw_data().size() - 8))
    tensor.add_int64_data(number(random));
  tensor.clear_raw_data();
  change_numbers(tensor.mutable_int64_data(), random);
}

void change(onnx::ModelProto& model, Random& random) {
  onnx::GraphProto& graph = *model.mutable_graph();
  switch (random() % 8) {
    case 0:
      if (auto* import = any_of(model.mutable_opset_import(), random)) import->set_version(7 + random() % 11);
      return;
    case 1:
      if (auto* input = any_of(graph.mutable_input(), random))
        if (auto* dim =
                any_of(input->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(), random))
          dim->set_dim_value(number(random));
      return;
    case 2:
    case 3:
      if (auto* tensor = any_of(graph.mutable_initializer(), random)) change_tensor(*tensor, random);
      return;
    default:
      if (auto* node = any_of(graph.mutable_node(), random)) change_node(*node, graph, random);
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Random random(seed);
  onnx::ModelProto model;
  if (random() % 8 == 0 || !model.ParseFromArray(data, static_cast<int>(size)))
    return LLVMFuzzerMutate(data, size, max_size);
  do change(model, random);
  while (random() % 3 != 0);
  const std::string changed = model.SerializeAsString();
  if (changed.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  changed.copy(reinterpret_cast<char*>(data), changed.size());
  return changed.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // a file without a disk, opened by its name among our descriptors
  static const int file = memfd_create("model", 0);
  if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  q::Changes changes;
  try {
    q::Graph graph = q::import_onnx(q::text("/proc/self/fd/", file), "model", changes);
    for (const char* pass : {"remove_identity", "fold_constants"})
      graph = q::run_pass(pass, std::move(graph), {}, changes);
    q::validate(graph);
  } catch (const q::Error& error) {
    if (std::string(error.what()).find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
