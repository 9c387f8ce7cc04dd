// Operators with operands, as their cases give them: in float, and in the integers that should come near.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/text.h"
#include "kernels/dispatch.h"
#include "ops/shared/unary.h"
#include "q/op.h"
#include "q/quant.h"
#include "seed.h"

namespace q::op_problem {

constexpr size_t kGuard = 64;  // bytes behind an output that must stay as they are

// An operator with its operands, ready to be compiled.
struct Problem {
  const OpDef* op = nullptr;
  Attrs attrs{};
  std::vector<Tensor> in{};
  int constants_from = kMaxInputs;
  TensorType out{};                     // the first one
  std::vector<TensorType> more_outs{};  // the others

  std::vector<TensorType> outs() const {
    std::vector<TensorType> all = {out};
    all.insert(all.end(), more_outs.begin(), more_outs.end());
    return all;
  }
  std::vector<TensorType> types() const {
    std::vector<TensorType> types;
    for (const Tensor& tensor : in) types.push_back(tensor.type);
    return types;
  }
};

inline bool mixes_types(const OpDef& op) { return op.f32 == nullptr && op.unary == nullptr; }

inline Run compile(const Problem& p, const Kernels& kernels) {
  const std::vector<TensorType> types = p.types();
  std::vector<View> constants(types.size());
  for (size_t i = static_cast<size_t>(p.constants_from); i < types.size(); ++i) constants[i] = p.in[i].view();
  const std::vector<TensorType> outs = p.outs();
  const CompileCall call{p.attrs, types, outs, constants, kernels};
  const bool only_reals_out = p.op->reals_from == 0 && types[data_input(*p.op)].qparams;
  if (mixes_types(*p.op) || only_reals_out || (p.out.dtype == DType::kU8 && p.op->quant != nullptr))
    return p.op->quant(call);
  if (p.out.dtype == DType::kU8) return compile_table(*p.op, call);
  return p.op->f32 != nullptr ? p.op->f32(call) : compile_unary_f32(*p.op, call);
}

// Every output's bytes, and the guard behind them, over memory full of `background`.
inline std::vector<std::vector<uint8_t>> run_all(const Problem& p, const Kernels& kernels,
                                                 uint8_t background = 0xA5) {
  const Run compiled = compile(p, kernels);
  std::vector<View> in;
  for (const Tensor& tensor : p.in) in.push_back(tensor.view());
  const std::vector<TensorType> types = p.outs();
  std::vector<std::vector<uint8_t>> out;
  std::vector<MutableView> views;
  for (const TensorType& type : types) {
    out.emplace_back(bytes(type.dtype, type.shape) + kGuard, background);
    views.push_back({type.dtype, type.shape, reinterpret_cast<std::byte*>(out.back().data()),
                     type.qparams ? &*type.qparams : nullptr});
  }
  compiled({in, views});
  return out;
}

// Those of the first output.
inline std::vector<uint8_t> run(const Problem& p, const Kernels& kernels, uint8_t background = 0xA5) {
  return run_all(p, kernels, background).at(0);
}

inline const Kernels& generic() { return *kernels_up_to("generic"); }

inline std::vector<float> as_floats(const std::vector<uint8_t>& data) {
  std::vector<float> out((data.size() - kGuard) / sizeof(float));
  std::memcpy(out.data(), data.data(), out.size() * sizeof(float));
  return out;
}

// ---- problems from the cases of the operators ----

struct Subject {
  const OpDef* op;
  size_t index;
  const Case& test_case() const { return op->cases[index]; }
};

// The cases of all operators that `wanted` is true of.
inline std::vector<Subject> subjects(bool (*wanted)(const OpDef&)) {
  std::vector<Subject> out;
  for (const OpDef* op : ops())
    for (size_t i = 0; wanted(*op) && i < op->cases.size(); ++i) out.push_back({op, i});
  return out;
}

inline std::string subject_name(const testing::TestParamInfo<Subject>& info) {
  return text(info.param.op->name, "_", info.param.index);
}

// Elementwise operators get operands of one rank.
inline Shape unsqueezed(const Shape& shape, int rank) {
  Shape out;
  for (int axis = shape.rank; axis < rank; ++axis) out[out.rank++] = 1;
  for (const int64_t extent : shape.extents()) out[out.rank++] = extent;
  return out;
}

inline std::vector<Shape> input_shapes(const Subject& subject) {
  const std::span<const Shape> given = subject.test_case().inputs;
  std::vector<Shape> out(given.begin(), given.end());
  int rank = 0;
  for (const Shape& shape : out) rank = std::max(rank, shape.rank);
  if (subject.op->layout == Layout::kAny)
    for (Shape& shape : out) shape = unsqueezed(shape, rank);
  return out;
}

inline Problem float_problem(const Subject& subject, const std::vector<Shape>& shapes,
                             std::mt19937_64& random) {
  const Case& test_case = subject.test_case();
  Problem p{.op = subject.op,
            .attrs = parse_attrs(*subject.op, test_case.attrs),
            .constants_from = test_case.constants_from};
  std::uniform_real_distribution<float> draw(test_case.lo, test_case.hi);
  for (const Shape& shape : shapes) {
    const bool is_variance = std::ssize(p.in) >= p.op->parameters_from && !is_activation(*p.op, p.in.size());
    Tensor tensor = make_tensor(DType::kF32, shape);
    for (int64_t i = 0; i < elements(shape); ++i) {
      const float value = draw(random);
      tensor.as<float>()[i] = is_variance ? std::abs(value) + 0.5f : value;
      if (std::ssize(p.in) == p.op->indices)
        tensor.as<float>()[i] = static_cast<float>(random() % static_cast<uint64_t>(test_case.indices_below));
    }
    p.in.push_back(tensor);
  }
  p.constants_from = std::min(p.constants_from, static_cast<int>(p.in.size()));
  for (const Shape& shape : p.op->infer(p.attrs, p.types())) p.more_outs.push_back({DType::kF32, shape, {}});
  p.out = p.more_outs.at(0);
  p.more_outs.erase(p.more_outs.begin());
  return p;
}

inline Range range_of(const float* values, int64_t count) {
  const auto [lo, hi] = std::minmax_element(values, values + count);
  return {*lo, *hi};
}

inline QParams activation_qparams(const std::vector<float>& values) {
  const Range range = range_of(values.data(), std::ssize(values));
  return choose_qparams({}, {&range, 1}, "test");
}

inline Tensor quantized_activation(const Tensor& x) {
  const Range range = range_of(x.as<float>(), elements(x.type.shape));
  return quantize(x.view(), DType::kU8, choose_qparams({}, {&range, 1}, "test"));
}

inline Tensor quantized_weight(const Tensor& weight, int axis) {
  const Shape& shape = weight.type.shape;
  int64_t inner = 1;
  for (int i = axis + 1; i < shape.rank; ++i) inner *= shape[i];
  std::vector<Range> ranges(static_cast<size_t>(shape[axis]));
  for (int64_t i = 0; i < elements(shape); ++i) {
    Range& range = ranges[static_cast<size_t>(i / inner % shape[axis])];
    range = {std::min(range.lo, weight.as<float>()[i]), std::max(range.hi, weight.as<float>()[i])};
  }
  const QuantSpec spec{DType::kI8, QScheme::kPerChannelSymmetric, axis, -127, 127};
  return quantize(weight.view(), DType::kI8, choose_qparams(spec, ranges, "test"));
}

// The operands as integers: activations u8, weights i8, bias i32, parameters as they are.
inline std::vector<Tensor> quantized_operands(const Problem& p) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < p.in.size(); ++i) {
    const int index = static_cast<int>(i);
    if (is_weight(*p.op, i)) {
      out.push_back(quantized_weight(p.in[i], p.op->weight_axis));
    } else if (index == p.op->bias && p.op->weight != kNone) {
      int64_t saturated = 0;
      out.push_back(quantize_bias(p.in[i].view(), out[0].type.qparams->scales[0],
                                  *out[static_cast<size_t>(p.op->weight)].type.qparams, &saturated));
    } else {
      out.push_back(is_activation(*p.op, i) ? quantized_activation(p.in[i]) : p.in[i]);
    }
  }
  return out;
}

inline QParams fixed_qparams(const OpDef& op) {
  const double scale = (static_cast<double>(op.fixed_hi) - op.fixed_lo) / 256;
  return {QScheme::kPerTensorAffine, 0, 0, 255, {scale}, {static_cast<int32_t>(-op.fixed_lo / scale)}};
}

// An integer form with the float result it must come near to.
struct Pair {
  Problem integer;
  std::vector<float> real;
  std::vector<std::vector<float>> more_real{};  // of the other outputs
};

// Nothing when the operator has no integer form.
inline std::optional<Pair> quantized_pair(const Problem& p) {
  if (p.op->name == "quantize") {
    Pair pair{p, {p.in[0].as<float>(), p.in[0].as<float>() + elements(p.out.shape)}};
    pair.integer.out = {DType::kU8, p.out.shape, activation_qparams(pair.real)};
    return pair;
  }
  if (p.op->name == "cast")
    return Pair{p, {p.in[0].as<float>(), p.in[0].as<float>() + elements(p.out.shape)}};
  if (!has_integer_form(*p.op)) return {};
  Pair pair{p, {}};
  pair.integer.in = quantized_operands(p);
  Problem dequantized = p;  // so that rounding the operands does not count
  for (size_t i = 0; i < p.in.size(); ++i)
    if (pair.integer.in[i].type.qparams) dequantized.in[i] = dequantize(pair.integer.in[i].view());
  if (p.op->name == "dequantize") {
    pair.real.assign(dequantized.in[0].as<float>(), dequantized.in[0].as<float>() + elements(p.out.shape));
    return pair;
  }
  for (const std::vector<uint8_t>& data : run_all(dequantized, generic()))
    pair.more_real.push_back(as_floats(data));
  pair.real = pair.more_real[0];
  pair.more_real.erase(pair.more_real.begin());
  if (p.op->reals_from == 0) return pair;
  pair.integer.out.dtype = DType::kU8;
  const auto qparams = [&](const std::vector<float>& real) {
    if (p.op->qrule == QRule::kAsInput) return *pair.integer.in[data_input(*p.op)].type.qparams;
    return p.op->qrule == QRule::kFixed ? fixed_qparams(*p.op) : activation_qparams(real);
  };
  pair.integer.out.qparams = qparams(pair.real);
  for (size_t i = 0; i < p.more_outs.size(); ++i)
    if (static_cast<int>(i) + 1 < p.op->reals_from)
      pair.integer.more_outs[i] = {DType::kU8, p.more_outs[i].shape, qparams(pair.more_real[i])};
  return pair;
}

class Op : public testing::TestWithParam<Subject> {
 protected:
  // All forms the operator has.
  std::vector<Problem> forms() {
    std::vector<Problem> out;
    if (!mixes_types(*problem.op)) out.push_back(problem);
    if (const std::optional<Pair> pair = quantized_pair(problem)) out.push_back(pair->integer);
    return out;
  }

  uint64_t seed = test_seed();
  testing::ScopedTrace trace{__FILE__, __LINE__, testing::Message() << "Q_TEST_SEED=" << seed};
  std::mt19937_64 random{seed};
  Problem problem = float_problem(GetParam(), input_shapes(GetParam()), random);
};

}  // namespace q::op_problem
