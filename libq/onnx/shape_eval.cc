#include "onnx/shape_eval.h"

#include <algorithm>

#include "base/text.h"
#include "ops/shared/move.h"

namespace q {

namespace {

using Result = std::optional<std::variant<IntVector, Tensor>>;
using Inputs = std::span<const ShapeInput>;

// Elements a constant made from a shape may have: a few bytes of model must not ask for all of the memory.
constexpr int64_t kMostElements = int64_t{1} << 24;

int64_t int_or(const OnnxNode& node, std::string_view name, int64_t fallback) {
  return node.attrs.contains(name) ? attr_int(node.attrs, name) : fallback;
}

int64_t fixed(const Extent& extent) {
  if (extent.per_sample)
    throw Error(ErrorKind::kUnsupported, "computes with the number of samples, wanted a fixed number");
  return extent.value;
}

// Input `index`, or else the attribute of that name (as older opsets have it), as fixed numbers; nothing when
// both are left out.
std::optional<Ints> numbers(const OnnxNode& node, Inputs in, size_t index, std::string_view attribute) {
  if (index < in.size() && in[index].ints != nullptr) {
    Ints out;
    for (const Extent& extent : in[index].ints->extents) out.push_back(fixed(extent));
    return out;
  }
  if (node.attrs.contains(attribute)) return attr_ints(node.attrs, attribute);
  return std::nullopt;
}

Result shape(const OnnxNode& node, Inputs in) {
  const int64_t rank = in[0].shape->rank;
  const auto bound = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  const int64_t start = bound(int_or(node, "start", 0)), end = bound(int_or(node, "end", rank));
  IntVector out;
  for (int64_t axis = start; axis < end; ++axis) {
    const int64_t extent = (*in[0].shape)[static_cast<int>(axis)];
    out.extents.push_back({is_free(extent) ? -extent : extent, is_free(extent)});
  }
  return out;
}

Result gather(const OnnxNode& node, Inputs in) {
  const IntVector &data = *in[0].ints, &indices = *in[1].ints;
  const int64_t axis = int_or(node, "axis", 0), count = static_cast<int64_t>(data.extents.size());
  if (data.is_scalar || (axis != 0 && axis != -1)) return std::nullopt;
  IntVector out{.is_scalar = indices.is_scalar};
  for (const Extent& extent : indices.extents) {
    const int64_t index = fixed(extent);
    if (index < -count || index >= count)
      throw Error(ErrorKind::kInvalid, text("index ", index, ", wanted ", -count, " to ", count - 1));
    out.extents.push_back(data.extents[static_cast<size_t>(index < 0 ? index + count : index)]);
  }
  return out;
}

// A scalar becomes a vector of one.
Result unsqueeze(const OnnxNode& node, Inputs in) {
  const Ints axes = numbers(node, in, 1, "axes").value_or(Ints{});
  if (!in[0].ints->is_scalar || (axes != Ints{0} && axes != Ints{-1})) return std::nullopt;
  return IntVector{in[0].ints->extents, false};
}

// A vector of one becomes a scalar.
Result squeeze(const OnnxNode& node, Inputs in) {
  const Ints axes = numbers(node, in, 1, "axes").value_or(Ints{0});
  if (in[0].ints->extents.size() != 1 || in[0].ints->is_scalar || (axes != Ints{0} && axes != Ints{-1}))
    return std::nullopt;
  return IntVector{in[0].ints->extents, true};
}

Result concat(const OnnxNode&, Inputs in) {
  IntVector out;
  for (const ShapeInput& input : in) {
    if (input.ints == nullptr || input.ints->is_scalar) return std::nullopt;
    out.extents.insert(out.extents.end(), input.ints->extents.begin(), input.ints->extents.end());
  }
  return out;
}

Result slice(const OnnxNode& node, Inputs in) {
  const std::optional<Ints> starts = numbers(node, in, 1, "starts"), ends = numbers(node, in, 2, "ends");
  const Ints axes = numbers(node, in, 3, "axes").value_or(Ints{0});
  const Ints steps = numbers(node, in, 4, "steps").value_or(Ints{1});
  if (in[0].ints->is_scalar || !starts || !ends || starts->size() != 1 || ends->size() != 1)
    return std::nullopt;
  if ((axes != Ints{0} && axes != Ints{-1}) || steps != Ints{1}) return std::nullopt;
  const int64_t count = static_cast<int64_t>(in[0].ints->extents.size());
  const auto bound = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + count : at, 0, count); };
  IntVector out;
  for (int64_t i = bound(starts->front()); i < bound(ends->front()); ++i)
    out.extents.push_back(in[0].ints->extents[static_cast<size_t>(i)]);
  return out;
}

Result cast(const OnnxNode& node, Inputs in) {
  constexpr int64_t kFloat = 1, kInt32 = 6, kInt64 = 7;  // onnx.TensorProto.DataType
  const int64_t to = attr_int(node.attrs, "to");
  if (to == kInt64 || to == kInt32) return *in[0].ints;
  if (to != kFloat) return std::nullopt;
  std::vector<float> values;
  for (const Extent& extent : in[0].ints->extents) values.push_back(static_cast<float>(fixed(extent)));
  return make_tensor(in[0].ints->is_scalar ? Shape{} : Shape{static_cast<int64_t>(values.size())}, values);
}

// One step of arithmetic; false when int64 cannot hold the result, or it is no multiple of the number of
// samples.
using Arithmetic = bool (*)(const Extent& a, const Extent& b, Extent& out);

bool add(const Extent& a, const Extent& b, Extent& out) {
  out.per_sample = a.per_sample;
  return (a.per_sample == b.per_sample || b.value == 0) &&
         !__builtin_add_overflow(a.value, b.value, &out.value);
}
bool subtract(const Extent& a, const Extent& b, Extent& out) {
  out.per_sample = a.per_sample;
  return (a.per_sample == b.per_sample || b.value == 0) &&
         !__builtin_sub_overflow(a.value, b.value, &out.value);
}
bool multiply(const Extent& a, const Extent& b, Extent& out) {
  out.per_sample = a.per_sample || b.per_sample;
  return !(a.per_sample && b.per_sample) && !__builtin_mul_overflow(a.value, b.value, &out.value);
}
bool divide(const Extent& a, const Extent& b, Extent& out) {
  if (b.value == 0 || (a.value == INT64_MIN && b.value == -1) || (b.per_sample && !a.per_sample))
    return false;
  out = {a.value / b.value, a.per_sample && !b.per_sample};
  return !a.per_sample || a.value % b.value == 0;
}

// There is at least one sample.
bool equal(const Extent& a, const Extent& b, Extent& out) {
  out = {a.value == b.value && a.per_sample == b.per_sample};
  if (a.per_sample == b.per_sample) return true;
  const Extent &counted = a.per_sample ? a : b, &fixed = a.per_sample ? b : a;
  return fixed.value < counted.value;
}
bool less(const Extent& a, const Extent& b, Extent& out) {
  out = {a.value < b.value};
  if (a.per_sample == b.per_sample) return true;
  return a.per_sample ? b.value <= a.value : a.value < b.value;
}
bool greater(const Extent& a, const Extent& b, Extent& out) { return less(b, a, out); }
bool minimum(const Extent& a, const Extent& b, Extent& out) {
  Extent is_less;
  if (!less(a, b, is_less)) return false;
  out = is_less.value != 0 ? a : b;
  return true;
}
bool maximum(const Extent& a, const Extent& b, Extent& out) {
  Extent is_less;
  if (!less(a, b, is_less)) return false;
  out = is_less.value != 0 ? b : a;
  return true;
}

std::string words(const Extent& extent) {
  return extent.per_sample ? text(extent.value, " per sample") : text(extent.value);
}

// Elementwise, a scalar or vector of one going with every element.
template <Arithmetic compute>
Result arithmetic(const OnnxNode&, Inputs in) {
  if (in.size() != 2) return std::nullopt;
  const IntVector &left = *in[0].ints, &right = *in[1].ints;
  const size_t a_count = left.extents.size(), b_count = right.extents.size();
  if (a_count != b_count && a_count != 1 && b_count != 1)
    throw Error(ErrorKind::kInvalid, text(a_count, " integers with ", b_count, ", wanted as many"));
  IntVector out{.is_scalar = left.is_scalar && right.is_scalar};
  const size_t count = a_count == 1 ? b_count : a_count;
  for (size_t i = 0; i < count; ++i) {
    const Extent &a = left.extents[a_count == 1 ? 0 : i], &b = right.extents[b_count == 1 ? 0 : i];
    if (!compute(a, b, out.extents.emplace_back()))
      throw Error(ErrorKind::kUnsupported, text("cannot compute with ", words(a), " and ", words(b)));
  }
  return out;
}

Result where(const OnnxNode&, Inputs in) {
  size_t count = 1;
  bool is_scalar = true;
  for (const ShapeInput& input : in.first(3)) {
    const size_t own = input.ints->extents.size();
    is_scalar = is_scalar && input.ints->is_scalar;
    if (own == 1) continue;
    if (count != 1 && own != count)
      throw Error(ErrorKind::kInvalid, text(own, " integers with ", count, ", wanted as many"));
    count = own;
  }
  const auto at = [&](size_t input, size_t i) {
    const std::vector<Extent>& extents = in[input].ints->extents;
    return extents[extents.size() == 1 ? 0 : i];
  };
  IntVector out{.is_scalar = is_scalar};
  for (size_t i = 0; i < count; ++i) out.extents.push_back(at(fixed(at(0, i)) != 0 ? 1 : 2, i));
  return out;
}

Result size(const OnnxNode&, Inputs in) {
  const int64_t count = product(*in[0].shape, 0, in[0].shape->rank);
  return IntVector{{{count < 0 ? -count : count, count < 0}}, true};
}

Result range(const OnnxNode&, Inputs in) {
  for (const ShapeInput& input : in.first(3))
    if (input.ints->extents.size() != 1) return std::nullopt;
  const int64_t start = fixed(in[0].ints->extents[0]), limit = fixed(in[1].ints->extents[0]),
                delta = fixed(in[2].ints->extents[0]);
  if (delta == 0) throw Error(ErrorKind::kInvalid, "steps by 0, wanted another number");
  IntVector out;
  for (int64_t at = start; delta > 0 ? at < limit : at > limit;) {
    if (std::ssize(out.extents) == kMostElements)
      throw Error(ErrorKind::kUnsupported, text("more than ", kMostElements, " numbers, wanted fewer"));
    out.extents.push_back({at});
    if (__builtin_add_overflow(at, delta, &at)) break;
  }
  return out;
}

Result constant_of_shape(const OnnxNode& node, Inputs in) {
  if (in[0].ints == nullptr) return std::nullopt;
  Ints extents;
  for (const Extent& extent : in[0].ints->extents) extents.push_back(fixed(extent));
  const Shape wanted = make_shape(extents);
  const int64_t count = elements(wanted);
  if (count > kMostElements)
    throw Error(ErrorKind::kUnsupported,
                text("shape ", to_string(wanted), ", wanted at most ", kMostElements, " elements"));
  const auto value = node.tensor_attrs.find("value");
  if (value == node.tensor_attrs.end()) return make_tensor(DType::kF32, wanted);
  const Tensor& one = value->second;
  if (elements(one.type.shape) != 1) throw Error(ErrorKind::kInvalid, "attribute value: wanted one element");
  Tensor out = make_tensor(one.type.dtype, wanted);
  const size_t size = bytes(one.type.dtype, Shape{});
  for (int64_t i = 0; i < count; ++i)
    std::copy_n(one.data.get(), size, out.data.get() + static_cast<size_t>(i) * size);
  return out;
}

Result reshape(const OnnxNode& node, Inputs in) {
  const Ints target = numbers(node, in, 1, "shape").value_or(Ints{0, 0});
  const int64_t count = static_cast<int64_t>(in[0].ints->extents.size());
  if (target.size() > 1 || (target.size() == 1 && target[0] != -1 && target[0] != count)) return std::nullopt;
  if (target.empty() && count != 1) return std::nullopt;
  return IntVector{in[0].ints->extents, target.empty()};
}

Result identity(const OnnxNode&, Inputs in) { return *in[0].ints; }

struct ShapeType {
  std::string_view type;
  size_t inputs;     // at least
  bool of_integers;  // the first inputs must be integers
  Result (*evaluate)(const OnnxNode&, Inputs);
};

constexpr ShapeType kTypes[] = {
    {"Add", 2, true, arithmetic<add>},
    {"Cast", 1, true, cast},
    {"Concat", 1, true, concat},
    {"ConstantOfShape", 1, true, constant_of_shape},
    {"Div", 2, true, arithmetic<divide>},
    {"Equal", 2, true, arithmetic<equal>},
    {"Gather", 2, true, gather},
    {"Greater", 2, true, arithmetic<greater>},
    {"Identity", 1, true, identity},
    {"Less", 2, true, arithmetic<less>},
    {"Max", 2, true, arithmetic<maximum>},
    {"Min", 2, true, arithmetic<minimum>},
    {"Mul", 2, true, arithmetic<multiply>},
    {"Range", 3, true, range},
    {"Reshape", 2, true, reshape},
    {"Shape", 1, false, shape},
    {"Size", 1, false, size},
    {"Slice", 1, true, slice},
    {"Squeeze", 1, true, squeeze},
    {"Sub", 2, true, arithmetic<subtract>},
    {"Unsqueeze", 1, true, unsqueeze},
    {"Where", 3, true, where},
};

const ShapeType* find_type(std::string_view type) {
  const auto found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const ShapeType& t) { return t.type == type; });
  return found == std::end(kTypes) ? nullptr : found;
}

}  // namespace

std::optional<IntVector> int_vector_of(const Tensor& tensor) {
  if (tensor.type.dtype != DType::kI64 || tensor.type.shape.rank > 1) return std::nullopt;
  IntVector out{.is_scalar = tensor.type.shape.rank == 0};
  const int64_t count = elements(tensor.type.shape);
  for (int64_t i = 0; i < count; ++i) out.extents.push_back({tensor.as<int64_t>()[i]});
  return out;
}

bool counts_samples(const IntVector& vector) {
  return std::ranges::any_of(vector.extents, &Extent::per_sample);
}

Tensor tensor_of(const IntVector& vector) {
  const int64_t count = static_cast<int64_t>(vector.extents.size());
  Tensor out = make_tensor(DType::kI64, vector.is_scalar ? Shape{} : Shape{count});
  for (int64_t i = 0; i < count; ++i) out.as<int64_t>()[i] = fixed(vector.extents[static_cast<size_t>(i)]);
  return out;
}

bool is_shape_type(std::string_view type) { return find_type(type) != nullptr; }

std::optional<std::variant<IntVector, Tensor>> evaluate_shape(const OnnxNode& node,
                                                              std::span<const ShapeInput> in) {
  const ShapeType* type = find_type(node.type);
  if (type == nullptr || in.size() < type->inputs) return std::nullopt;
  for (size_t i = 0; i < type->inputs; ++i)
    if (in[i].shape == nullptr || (type->of_integers && in[i].ints == nullptr)) return std::nullopt;
  return type->evaluate(node, in);
}

IntVector of_one_sample(IntVector vector) {
  for (Extent& extent : vector.extents) {
    if (extent.per_sample && extent.value != 1)
      throw Error(ErrorKind::kUnsupported, text(words(extent), ", wanted one"));
    extent.per_sample = false;
  }
  return vector;
}

Tensor free_extents(const IntVector& vector) {
  IntVector out = vector;
  for (Extent& extent : out.extents)
    if (extent.per_sample) extent = {-extent.value};
  return tensor_of(out);
}

Tensor reshape_target(const IntVector& target, const Shape& input) {
  if (!counts_samples(target)) return tensor_of(target);
  const int64_t count = product(input, 0, input.rank);
  Shape list = make_shape(Ints(target.extents.size(), 1));
  int rest = kNone;
  for (int axis = 0; axis < list.rank; ++axis) {  // a free extent is below 0
    const Extent& extent = target.extents[static_cast<size_t>(axis)];
    if (!extent.per_sample && extent.value == -1)
      rest = axis;
    else if (!extent.per_sample && extent.value == 0)
      list[axis] = axis < input.rank ? input[axis] : 1;
    else
      list[axis] = extent.per_sample ? -extent.value : extent.value;
  }
  const int64_t known = product(list, 0, list.rank);
  if (rest != kNone && known != 0) list[rest] = count / known;
  const bool is_shape = std::ranges::none_of(
      target.extents, [](const Extent& extent) { return extent.value < (extent.per_sample ? 1 : -1); });
  if (!is_shape || product(list, 0, list.rank) != count)
    throw Error(ErrorKind::kUnsupported, text(to_string(input), " as ", to_string(list)));
  list[free_axis(list)] = -1;
  IntVector out;
  for (const int64_t extent : list.extents()) out.extents.push_back({extent});
  return tensor_of(out);
}

}  // namespace q
