// ONNX's recurrent layers: X, W [D, G*H, I], R [D, G*H, H], B [D, 2*G*H], sequence_lens, initial_h,
// initial_c, P.
#include <algorithm>
#include <string>
#include <utility>

#include "base/text.h"
#include "ops/shared/onnx.h"
#include "ops/shared/recurrent.h"
#include "ops/shared/weights.h"

namespace q {

namespace {

constexpr size_t kWeight = 1, kRecurrent = 2, kBias = 3, kLengths = 4, kInitialH = 5, kInitialC = 6,
                 kPeepholes = 7;

void replace(OnnxNode::Input& input, Tensor tensor) {
  input.type = tensor.type;
  input.constant = std::move(tensor);
  input.absent = false;
}

void refuse_variants(OnnxNode& node, std::string_view activations) {
  const auto refuse = [](const std::string& found, std::string_view wanted) {
    throw Error(ErrorKind::kUnsupported, text(found, ", wanted ", wanted));
  };
  if (has_input(node, kPeepholes)) refuse("has peepholes P", "none");
  if (node.attrs.contains("clip")) refuse("has attribute clip", "none");
  if (take_attr<int64_t>(node.attrs, "input_forget", 0) != 0) refuse("input_forget is 1", "0");
  for (const char* name : {"activation_alpha", "activation_beta"})
    if (!take_attr<Floats>(node.attrs, name, {}).empty()) refuse(text("has attribute ", name), "none");
  const std::string found = take_attr<std::string>(node.attrs, "activations", "");
  if (!found.empty() && found != activations && found != text(activations, ",", activations))
    refuse(text("activations are ", found), activations);
}

// Lengths are fine where they say that all samples have all steps.
void drop_lengths(OnnxNode& node, int64_t layout) {
  if (node.inputs.size() <= kLengths) return;
  OnnxNode::Input& input = node.inputs[kLengths];
  input.used = false;
  if (input.absent) return;
  const int64_t steps = node.inputs[0].type.shape[layout == 1 ? 1 : 0];
  if (!input.constant) throw Error(ErrorKind::kUnsupported, "sequence_lens is computed, wanted a constant");
  for (const int64_t length : take_ints_input(node, kLengths, "sequence_lens"))
    if (length != steps)
      throw Error(ErrorKind::kUnsupported,
                  text("sequence_lens has ", length, ", wanted all ", steps, " steps of every sample"));
}

// [D, G * H, columns] as [D * G * H, columns], with the gates in our order.
Tensor rearranged(const Tensor& weight, std::span<const int> order) {
  const Shape& shape = weight.type.shape;
  const int64_t gates = std::ssize(order);
  if (shape.rank != 3 || shape[1] % gates != 0)
    throw Error(ErrorKind::kInvalid,
                text("weight is ", to_string(shape), ", wanted [directions, ", gates, " * hidden, inputs]"));
  const int64_t block = shape[1] / gates * shape[2];
  Tensor out = make_tensor(DType::kF32, Shape{shape[0] * shape[1], shape[2]});
  for (int64_t i = 0; i < shape[0] * gates; ++i)
    std::copy_n(weight.as<float>() + (i / gates * gates + order[static_cast<size_t>(i % gates)]) * block,
                block, out.as<float>() + i * block);
  return out;
}

// [D, 2 * G * H] as [2, D * G * H].
Tensor rearranged_bias(const Tensor& bias, std::span<const int> order, int64_t directions, int64_t hidden) {
  const int64_t gates = std::ssize(order), rows = gates * hidden;
  const Shape wanted = {directions, 2 * rows};
  if (bias.type.shape != wanted)
    throw Error(ErrorKind::kInvalid,
                text("bias is ", to_string(bias.type.shape), ", wanted ", to_string(wanted)));
  Tensor out = make_tensor(DType::kF32, Shape{2, directions * rows});
  float* to = out.as<float>();
  for (int64_t which = 0; which < 2; ++which) {
    for (int64_t direction = 0; direction < directions; ++direction) {
      const float* from = bias.as<float>() + direction * 2 * rows + which * rows;
      for (const int gate : order) to = std::copy_n(from + gate * hidden, hidden, to);
    }
  }
  return out;
}

bool is_zero(const OnnxNode::Input& input) {
  if (input.absent) return true;
  if (!input.constant || input.type.dtype != DType::kF32) return false;
  const float* values = input.constant->as<float>();
  return std::all_of(values, values + elements(input.type.shape), [](float x) { return x == 0; });
}

// Initial states that are zeros are left out, but one that comes before another.
void complete_states(OnnxNode& node, const Shape& zeros) {
  while (node.inputs.size() > kInitialH && is_zero(node.inputs.back())) node.inputs.pop_back();
  for (size_t i = kInitialH; i < node.inputs.size(); ++i)
    if (node.inputs[i].absent) replace(node.inputs[i], make_tensor(DType::kF32, zeros));
}

}  // namespace

bool map_onnx_recurrent(OnnxNode& node, std::span<const int> order, std::string_view activations) {
  refuse_variants(node, activations);
  const int64_t layout = node.attrs.contains("layout") ? attr_int(node.attrs, "layout") : 0;
  if (node.inputs.at(0).type.shape.rank != 3)
    throw Error(ErrorKind::kInvalid,
                text("input is ", to_string(node.inputs[0].type.shape), ", wanted rank 3"));
  if (node.inputs.size() > kPeepholes) node.inputs.pop_back();  // it is absent
  drop_lengths(node, layout);

  const Tensor weight = onnx_constant(node, kWeight, "weight"),
               recurrent = onnx_constant(node, kRecurrent, "recurrent weight");
  replace(node.inputs[kWeight], rearranged(weight, order));
  replace(node.inputs[kRecurrent], rearranged(recurrent, order));
  const int64_t directions = recurrent.type.shape[0], hidden = recurrent.type.shape[2];
  if (const int64_t given = take_attr<int64_t>(node.attrs, "hidden_size", hidden); given != hidden)
    throw Error(ErrorKind::kInvalid,
                text("hidden_size is ", given, ", recurrent weight is ", to_string(recurrent.type.shape)));

  complete_states(node, layout == 1 ? Shape{1, directions, hidden} : Shape{directions, 1, hidden});
  if (has_input(node, kBias))
    replace(node.inputs[kBias],
            rearranged_bias(onnx_constant(node, kBias, "bias"), order, directions, hidden));
  else if (node.inputs.size() > kInitialH)
    replace(node.inputs[kBias], make_tensor(DType::kF32, Shape{2, node.inputs[kWeight].type.shape[0]}));
  return true;
}

}  // namespace q
