// PyTorch's answers against ours: the committed cases of tests/golden, and any others that $Q_GOLDEN names.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "golden_case.h"
#include "golden_rules.h"
#include "q/exec.h"
#include "q/graph.h"
#include "q/observer.h"
#include "q/pass.h"
#include "q/quant.h"
#include "quant/search.h"

namespace q {
namespace {

using nlohmann::json;

// ---- comparing ----

// What came of the cases of an operator.
struct Tally {
  size_t cases = 0, without_operator = 0;
  size_t elements = 0, different = 0;
};

std::vector<double> values_of(const Tensor& tensor) {
  const size_t count = static_cast<size_t>(elements(tensor.type.shape));
  const float* narrow = tensor.as<float>();
  const double* wide = tensor.as<double>();
  if (tensor.type.dtype == DType::kF32) return {narrow, narrow + count};
  if (tensor.type.dtype == DType::kF64) return {wide, wide + count};
  const std::vector<int64_t> integers = integers_of(tensor);
  return {integers.begin(), integers.end()};
}

// Fails unless the values are those the case expects under that name, as near as its tolerance says.
void compare(const GoldenCase& c, const std::string& name, const std::vector<double>& actual, Tally& tally) {
  const Tensor& tensor = c.expected.at(name);
  const std::vector<double> expected = values_of(tensor);
  ASSERT_EQ(actual.size(), expected.size()) << name;
  const GoldenTolerance& t = c.tolerance;
  const bool integers = is_integer(tensor.type.dtype);
  const bool optional = c.params.value("optional", false);  // follows an algorithm that PyTorch has given up
  size_t beyond = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (actual[i] == expected[i]) continue;
    ++tally.different;
    if (optional) continue;
    const double distance = std::abs(actual[i] - expected[i]);
    if (integers || t.limit >= 0) {
      EXPECT_LE(distance, integers ? static_cast<double>(t.units) : t.limit)
          << name << "[" << i << "] is " << actual[i] << ", torch's " << expected[i];
    }
    beyond += integers || !(distance <= t.absolute + t.relative * std::abs(expected[i]));
  }
  tally.elements += expected.size();
  EXPECT_LE(static_cast<double>(beyond),
            std::max(static_cast<double>(t.count), t.share * static_cast<double>(expected.size())))
      << "elements of " << name << " differ";
}

void compare(const GoldenCase& c, const std::string& name, const Tensor& actual, Tally& tally) {
  EXPECT_EQ(actual.type.shape, c.expected.at(name).type.shape) << name;
  compare(c, name, values_of(actual), tally);
}

// ---- running ----

// Nodes between inputs and an output, compiled and run as in a model.
class Net {
 public:
  ValueId input(const Tensor& tensor) {
    const ValueId id = add(tensor.type);
    graph_.inputs.push_back(id);
    inputs_.push_back(tensor);
    return id;
  }

  ValueId constant(const Tensor& tensor) {
    const ValueId id = add(tensor.type);
    graph_.values.back().constant = constant_of(tensor);
    return id;
  }

  // type: of the result; the operator infers its shape.
  ValueId node(const std::string& op, const std::vector<ValueId>& inputs, const Attrs& attrs,
               const TensorType& type) {
    const ValueId id = add({type.dtype, {}, type.qparams});
    graph_.nodes.push_back({op, text("node", graph_.nodes.size()), attrs, inputs, {id}, {}});
    return id;
  }

  Graph graph(ValueId output) {
    graph_.outputs = {output};
    infer_shapes(graph_);
    validate(graph_);
    return graph_;
  }

  Tensor run(ValueId output) {
    const Graph whole = graph(output);
    Executable executable(whole, {});
    std::vector<View> views;
    for (const Tensor& tensor : inputs_) views.push_back(tensor.view());
    Tensor out = make_tensor(whole.values[static_cast<size_t>(output)].type);
    executable.run(views, [&](ValueId, View view) {
      std::memcpy(out.data.get(), view.data, bytes(view.dtype, view.shape));
    });
    return out;
  }

 private:
  ValueId add(const TensorType& type) {
    return add_value(graph_, {text("value", graph_.values.size()), type, {}, {}});
  }

  Graph graph_;
  std::vector<Tensor> inputs_;
};

Ints ints_of(const json& value) { return value.is_number() ? Ints{value.get<int64_t>()} : value.get<Ints>(); }

Attrs clamp_below_if(bool relu) { return relu ? Attrs{{"min", 0.0}} : Attrs{}; }

// The result of one operator on all inputs of the case, in the order of their names.
Tensor result_of(const GoldenCase& c, const std::string& op, const Attrs& attrs) {
  Net net;
  std::vector<ValueId> inputs;
  for (const auto& [name, tensor] : c.inputs) inputs.push_back(net.input(tensor));
  return net.run(net.node(op, inputs, attrs, c.expected.at("y").type));
}

// A test of one case. False: libq has no operator for it.
using Test = bool (*)(const GoldenCase&, Tally&);

bool test_plain(const GoldenCase& c, Tally& tally, const std::string& op, const Attrs& attrs = {}) {
  compare(c, "y", result_of(c, op, attrs), tally);
  return true;
}

// ---- quantize and dequantize ----

bool test_quantize(const GoldenCase& c, Tally& tally) {
  const Tensor& x = c.inputs.at("x");
  const TensorType& type = c.expected.at("q").type;
  compare(c, "q", quantize(x.view(), type.dtype, *type.qparams), tally);
  if (is_per_channel(type.qparams->scheme) || type.dtype == DType::kI32) return true;
  Net net;  // activations
  compare(c, "q", net.run(net.node("quantize", {net.input(x)}, {}, type)), tally);
  return true;
}

bool test_dequantize(const GoldenCase& c, Tally& tally) {
  const Tensor& q = c.inputs.at("q");
  compare(c, "x", dequantize(q.view()), tally);
  if (is_per_channel(q.type.qparams->scheme) || q.type.dtype == DType::kI32) return true;
  Net net;
  compare(c, "x", net.run(net.node("dequantize", {net.input(q)}, {}, c.expected.at("x").type)), tally);
  return true;
}

// ---- observers ----

// Nothing for a scheme that libq does not have.
std::optional<QuantSpec> spec_of(const json& params) {
  const std::optional<QScheme> scheme = parse_qscheme(params.value("qscheme", ""));
  if (!scheme) return {};
  return QuantSpec{.dtype = params.at("dtype") == "quint8" ? DType::kU8 : DType::kI8,
                   .scheme = *scheme,
                   .axis = params.value("ch_axis", 0),
                   .quant_min = params.value("effective_quant_min", 0),
                   .quant_max = params.value("effective_quant_max", 255),
                   .eps = params.value("eps", 0x1p-23f)};
}

void compare_qparams(const GoldenCase& c, const QParams& qparams, Tally& tally) {
  compare(c, "scale", qparams.scales, tally);
  compare(c, "zero_point", {qparams.zero_points.begin(), qparams.zero_points.end()}, tally);
}

bool test_min_max(const GoldenCase& c, Tally& tally) {
  const std::optional<QuantSpec> spec = spec_of(c.params);
  if (!spec) return false;
  const bool per_channel = is_per_channel(spec->scheme);
  const ObserverDef& observer = *find_observer(per_channel ? "per_channel_minmax" : "minmax");
  ObserverState state = observer.init(per_channel ? c.inputs.at("x0").type.shape[spec->axis] : 1);
  for (const auto& [name, x] : c.inputs) observer.update(state, x.view(), spec->axis, kernels_for(""));
  const std::vector<Range> ranges =
      observer.finish(state, {.spec = *spec, .observer = {}, .method = "minmax", .shares = {}});
  std::vector<double> lo, hi;
  for (const Range& range : ranges) lo.push_back(range.lo), hi.push_back(range.hi);
  compare(c, "min_val", lo, tally);
  compare(c, "max_val", hi, tally);
  QParams qparams = choose_qparams(*spec, ranges, c.name);
  // Torch tells the limits of quint8 when they are given from the same limits when they are not: 127 instead
  // of 128. Ours does not.
  const bool given_whole = spec->dtype == DType::kU8 && is_symmetric(spec->scheme) &&
                           !c.params.at("quant_min").is_null() && spec->quant_min == 0 &&
                           spec->quant_max == 255;
  if (given_whole)
    for (int32_t& zero_point : qparams.zero_points) --zero_point;
  compare_qparams(c, qparams, tally);
  return true;
}

// Only the search: our histograms have other bins. torch searches among the bins of the case's histogram, for
// 256 levels between its ends whatever the scheme and its limits are.
bool test_search(const GoldenCase& c, Tally& tally) {
  const Tensor& histogram = c.expected.at("histogram");
  std::vector<int64_t> counts;
  // Torch deals counts to finer bins when the range widens: the fractions are of powers of two.
  for (double count : values_of(histogram)) counts.push_back(std::llround(std::ldexp(count, 14)));
  const float bins = static_cast<float>(counts.size());
  const Range found = search_mse({even_bins(0), 0, counts, {0, bins}}, QuantSpec{});

  const float lo = *c.expected.at("min_val").as<float>(), hi = *c.expected.at("max_val").as<float>();
  const float width = (hi - lo) / bins;
  const Range range{lo + width * found.lo, lo + width * found.hi};
  if (c.expected.contains("new_min")) {
    compare(c, "start_bin", {found.lo}, tally);
    compare(c, "end_bin", {found.hi - 1.0}, tally);
    compare(c, "new_min", {range.lo}, tally);
    compare(c, "new_max", {range.hi}, tally);
  }
  compare_qparams(c, choose_qparams(*spec_of(c.params), {&range, 1}, c.name), tally);
  return true;
}

// ---- folding ----

bool test_fold(const GoldenCase& c, Tally& tally) {
  const std::string kind = c.params.at("kind"), op = kind.substr(0, kind.find('_'));
  if (find_op(op) == nullptr) return false;
  const Tensor& weight = c.inputs.at("weight");
  const auto parameter = [&](const char* name) { return c.inputs.at(name); };
  Shape image = weight.type.shape;  // one that the kernel covers
  image[0] = 1;

  Net net;
  std::vector<ValueId> inputs = {net.input(make_tensor(DType::kF32, image)), net.constant(weight)};
  if (c.inputs.contains("bias")) inputs.push_back(net.constant(parameter("bias")));
  const ValueId before = net.node(op, inputs, {}, weight.type);
  const ValueId normalized =
      net.node("batch_norm",
               {before, net.constant(parameter("bn_weight")), net.constant(parameter("bn_bias")),
                net.constant(parameter("bn_mean")), net.constant(parameter("bn_var"))},
               {{"epsilon", c.params.at("eps").get<double>()}}, weight.type);
  Changes changes;
  const Graph folded = run_pass("fold_batch_norm", net.graph(normalized), {}, changes);
  EXPECT_EQ(folded.nodes.size(), 1u);
  const auto operand = [&](size_t index) {
    return folded.values[static_cast<size_t>(folded.nodes[0].inputs.at(index))].constant();
  };
  compare(c, "weight", operand(1), tally);
  compare(c, "bias", operand(2), tally);
  return true;
}

// ---- convolutions and linear ----

// The entries of a parameter for the last axes of a window.
GoldenWindow::Axes axes_of(const json& value, GoldenWindow::Axes fallback) {
  const Ints given = value.is_null() ? Ints{} : ints_of(value);
  std::copy(given.begin(), given.end(), fallback.end() - std::ssize(given));
  return fallback;
}

GoldenWindow window_of(const json& params) {
  const auto parameter = [&](const char* name) { return params.value(name, json()); };
  return {.kernel = axes_of(parameter("kernel"), {1, 1, 1}),
          .stride = axes_of(parameter("stride"), {1, 1, 1}),
          .padding = axes_of(parameter("padding"), {0, 0, 0}),
          .dilation = axes_of(parameter("dilation"), {1, 1, 1})};
}

Attrs window_attrs(const json& params) {
  Attrs attrs;
  const auto copy = [&](const char* from, const char* to) {
    if (params.contains(from)) attrs.emplace(to, ints_of(params.at(from)));
  };
  copy("kernel", "kernel_shape");
  copy("stride", "strides");
  copy("dilation", "dilations");
  if (params.contains("padding")) {
    Ints pads = ints_of(params.at("padding"));
    const Ints ends = pads;
    pads.insert(pads.end(), ends.begin(), ends.end());
    attrs.emplace("pads", pads);
  }
  if (params.value("ceil_mode", false)) attrs.emplace("ceil_mode", int64_t{1});
  return attrs;
}

// u8 activations as the i8 ones that mean the same, and back.
TensorType with_other_sign(const TensorType& type) {
  TensorType out = type;
  const int32_t shift = type.dtype == DType::kU8 ? -128 : 128;
  out.dtype = type.dtype == DType::kU8 ? DType::kI8 : DType::kU8;
  out.qparams->quant_min += shift;
  out.qparams->quant_max += shift;
  for (int32_t& zero_point : out.qparams->zero_points) zero_point += shift;
  return out;
}

Tensor with_other_sign(const Tensor& tensor) {
  Tensor out = make_tensor(with_other_sign(tensor.type));
  for (int64_t i = 0; i < elements(tensor.type.shape); ++i)
    out.as<uint8_t>()[i] = tensor.as<uint8_t>()[i] ^ 0x80;
  return out;
}

Tensor weighted_result(const GoldenCase& c, const std::string& op, const Attrs& attrs, const Tensor& x,
                       const TensorType& out) {
  const Tensor& weight = c.inputs.at("weight");
  Net net;
  std::vector<ValueId> inputs = {net.input(x), net.constant(weight)};
  if (c.inputs.contains("bias")) {
    const Tensor& bias = c.inputs.at("bias");
    int64_t saturated = 0;
    inputs.push_back(net.constant(
        out.qparams ? quantize_bias(bias.view(), x.type.qparams->scales[0], *weight.type.qparams, &saturated)
                    : bias));
  }
  return net.run(net.node(op, inputs, attrs, out));
}

bool test_weighted(const GoldenCase& c, Tally& tally, const std::string& op) {
  const Tensor &x = c.inputs.at("x"), &y = c.expected.at("y");
  const bool relu = c.params.at("relu");
  Attrs attrs = window_attrs(c.params);
  attrs.merge(clamp_below_if(relu));
  if (c.params.contains("groups")) attrs.emplace("group", c.params.at("groups").get<int64_t>());
  const bool transposed = c.params.value("transpose", false);
  if (transposed) attrs.emplace("output_padding", ints_of(c.params.at("output_padding")));
  const Tensor actual = weighted_result(c, op, attrs, x, y.type);
  compare(c, "y", actual, tally);
  if (!y.type.qparams || transposed) return true;

  // whatever the engine's rounding was, ours is exactly the rule
  const Tensor& weight = c.inputs.at("weight");
  GoldenWindow window = window_of(c.params);
  for (int axis = 2; axis < weight.type.shape.rank; ++axis)
    window.kernel[static_cast<size_t>(axis + 3 - weight.type.shape.rank)] = weight.type.shape[axis];
  const Tensor* bias = c.inputs.contains("bias") ? &c.inputs.at("bias") : nullptr;
  EXPECT_EQ(integers_of(actual),
            weighted_by_rule(x, weight, bias, window, c.params.value("groups", 1), relu, y.type));
  // and the same for the type of activations that torch's engines do not take
  const Tensor other = weighted_result(c, op, attrs, with_other_sign(x), with_other_sign(y.type));
  EXPECT_EQ(integers_of(with_other_sign(other)), integers_of(actual));
  return true;
}

// ---- pools ----

// Ours is the rule of torch's kernels for channels-last images, and for volumes. Those for contiguous images
// round the mean of q, not of q - z, and qnnpack's multiply by s / (s * n) instead of 1 / n: the results
// differ by one where the mean lies in the middle between two integers.
void compare_means(const GoldenCase& c, const std::vector<GoldenMean>& means, const Tensor& actual,
                   Tally& tally) {
  const bool shifted = c.params.at("memory_format") == "contiguous" && c.op != "avg_pool3d";
  const bool other_rule = shifted || c.engine == "qnnpack";
  const std::vector<int64_t> ours = integers_of(actual), theirs = integers_of(c.expected.at("y"));
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    if (ours[i] == theirs[i]) continue;
    ++tally.different;
    EXPECT_TRUE(other_rule && means[i].is_tie() && std::abs(ours[i] - theirs[i]) == 1)
        << "[" << i << "] is " << ours[i] << ", torch's " << theirs[i] << ", the mean of q - z "
        << means[i].sum << " / " << means[i].divisor;
  }
  tally.elements += ours.size();
}

bool test_mean(const GoldenCase& c, Tally& tally, bool adaptive) {
  Attrs attrs = window_attrs(c.params);
  const json override = c.params.value("divisor_override", json());
  if (!override.is_null()) attrs.emplace("divisor_override", override.get<int64_t>());
  const bool counts_padding = c.params.value("count_include_pad", false);
  if (adaptive)
    attrs.emplace("output_size", ints_of(c.params.at("output_size")));
  else if (counts_padding)
    attrs.emplace("count_include_pad", int64_t{1});
  const Tensor actual = result_of(c, adaptive ? "adaptive_avg_pool" : "avg_pool", attrs);
  const Tensor &x = c.inputs.at("x"), &y = c.expected.at("y");
  EXPECT_EQ(actual.type.shape, y.type.shape);
  if (!y.type.qparams) {
    compare(c, "y", actual, tally);
    return true;
  }

  std::vector<GoldenMean> means = adaptive ? adaptive_means_of(x, y.type.shape)
                                           : means_of(x, window_of(c.params), counts_padding, y.type.shape);
  if (!override.is_null())
    for (GoldenMean& mean : means) mean.divisor = override.get<int64_t>();
  EXPECT_EQ(integers_of(actual), averages_by_rule(means, adaptive, y.type));
  // qnnpack's kernel counts padding whether it is asked to or not
  if (c.engine == "qnnpack" && !adaptive && !counts_padding) return true;
  compare_means(c, means, actual, tally);
  return true;
}

bool test_maximum(const GoldenCase& c, Tally& tally) {
  const Tensor& x = c.inputs.at("x");
  const GoldenWindow window = window_of(c.params);
  const Tensor actual = result_of(c, "max_pool", window_attrs(c.params));
  const Shape& shape = c.expected.at("y").type.shape;
  EXPECT_EQ(actual.type.shape, shape);
  if (x.type.qparams) {
    EXPECT_EQ(integers_of(actual), maxima_by_rule(x, window, shape));
  }
  // qnnpack's kernel reads the wrong pixels when there are both dilation and padding
  const bool dilated = *std::max_element(window.dilation.begin(), window.dilation.end()) > 1;
  const bool padded = *std::max_element(window.padding.begin(), window.padding.end()) > 0;
  if (!(c.engine == "qnnpack" && dilated && padded)) compare(c, "y", actual, tally);
  return true;
}

bool test_batch_norm(const GoldenCase& c, Tally& tally, bool relu = false) {
  Attrs attrs = clamp_below_if(relu);
  attrs.emplace("epsilon", c.params.at("eps").get<double>());
  Net net;
  std::vector<ValueId> inputs = {net.input(c.inputs.at("x"))};
  for (const char* name : {"weight", "bias", "mean", "var"})
    inputs.push_back(net.constant(c.inputs.at(name)));
  compare(c, "y", net.run(net.node("batch_norm", inputs, attrs, c.expected.at("y").type)), tally);
  return true;
}

// ---- the others ----

bool test_clamp(const GoldenCase& c, Tally& tally, const char* min, const char* max) {
  return test_plain(c, tally, "clamp",
                    {{"min", c.params.at(min).get<double>()}, {"max", c.params.at(max).get<double>()}});
}

bool test_cat(const GoldenCase& c, Tally& tally, bool relu = false) {
  const TensorType& type = c.expected.at("y").type;
  Net net;
  std::vector<ValueId> parts;
  for (const auto& [name, part] : c.inputs) parts.push_back(net.input(part));
  ValueId y = net.node("cat", parts, {{"axis", c.params.at("dim").get<int64_t>()}}, type);
  if (relu) y = net.node("relu", {y}, {}, type);
  compare(c, "y", net.run(y), tally);
  return true;
}

bool test_softmax(const GoldenCase& c, Tally& tally) {
  return test_plain(c, tally, "softmax", {{"axis", c.params.at("dim").get<int64_t>()}});
}

bool test_move(const GoldenCase& c, Tally& tally, const char* list) {
  return test_plain(c, tally, c.op, {{list, ints_of(c.params.at(list))}});
}

// ---- the table ----

// PyTorch's operator, and what it is here.
struct Runner {
  const char* op;
  Test test;
};
void PrintTo(const Runner& runner, std::ostream* out) { *out << runner.op; }

constexpr Runner kRunners[] = {
    {"quantize_per_tensor", test_quantize},
    {"quantize_per_channel", test_quantize},
    {"dequantize", test_dequantize},
    {"MinMaxObserver", test_min_max},
    {"PerChannelMinMaxObserver", test_min_max},
    {"HistogramObserver", test_search},
    {"fold_bn", test_fold},
    {"linear", [](auto& c, auto& t) { return test_weighted(c, t, "linear"); }},
    {"conv1d", [](auto& c, auto& t) { return test_weighted(c, t, "conv1d"); }},
    {"conv2d", [](auto& c, auto& t) { return test_weighted(c, t, "conv2d"); }},
    {"conv3d", [](auto& c, auto& t) { return test_weighted(c, t, "conv3d"); }},
    {"conv_transpose1d", [](auto& c, auto& t) { return test_weighted(c, t, "conv_transpose1d"); }},
    {"conv_transpose2d", [](auto& c, auto& t) { return test_weighted(c, t, "conv_transpose2d"); }},
    {"conv_transpose3d", [](auto& c, auto& t) { return test_weighted(c, t, "conv_transpose3d"); }},
    {"matmul", [](auto& c, auto& t) { return test_plain(c, t, "matmul"); }},
    {"add", [](auto& c, auto& t) { return test_plain(c, t, "add"); }},
    {"add_relu", [](auto& c, auto& t) { return test_plain(c, t, "add", clamp_below_if(true)); }},
    {"mul", [](auto& c, auto& t) { return test_plain(c, t, "mul"); }},
    {"mul_relu", [](auto& c, auto& t) { return test_plain(c, t, "mul", clamp_below_if(true)); }},
    {"cat", [](auto& c, auto& t) { return test_cat(c, t); }},
    {"cat_default", [](auto& c, auto& t) { return test_cat(c, t); }},
    {"cat_relu", [](auto& c, auto& t) { return test_cat(c, t, true); }},
    {"relu", [](auto& c, auto& t) { return test_plain(c, t, "relu"); }},
    {"relu6", [](auto& c, auto& t) { return test_plain(c, t, "relu6"); }},
    {"clamp", [](auto& c, auto& t) { return test_clamp(c, t, "min", "max"); }},
    {"hardtanh", [](auto& c, auto& t) { return test_clamp(c, t, "min_val", "max_val"); }},
    {"hardsigmoid", [](auto& c, auto& t) { return test_plain(c, t, "hardsigmoid"); }},
    {"hardswish", [](auto& c, auto& t) { return test_plain(c, t, "hardswish"); }},
    {"sigmoid", [](auto& c, auto& t) { return test_plain(c, t, "sigmoid"); }},
    {"sigmoid_qparams", [](auto& c, auto& t) { return test_plain(c, t, "sigmoid"); }},
    {"tanh", [](auto& c, auto& t) { return test_plain(c, t, "tanh"); }},
    {"softmax", test_softmax},
    {"avg_pool2d", [](auto& c, auto& t) { return test_mean(c, t, false); }},
    {"avg_pool3d", [](auto& c, auto& t) { return test_mean(c, t, false); }},
    {"adaptive_avg_pool2d", [](auto& c, auto& t) { return test_mean(c, t, true); }},
    {"adaptive_avg_pool3d", [](auto& c, auto& t) { return test_mean(c, t, true); }},
    {"max_pool1d", test_maximum},
    {"max_pool2d", test_maximum},
    {"batch_norm2d", [](auto& c, auto& t) { return test_batch_norm(c, t); }},
    {"batch_norm2d_relu", [](auto& c, auto& t) { return test_batch_norm(c, t, true); }},
    {"batch_norm3d", [](auto& c, auto& t) { return test_batch_norm(c, t); }},
    {"reshape", [](auto& c, auto& t) { return test_move(c, t, "shape"); }},
    {"flatten",
     [](auto& c, auto& t) {
       return test_plain(c, t, "flatten", {{"axis", c.params.at("axis").template get<int64_t>()}});
     }},
    {"transpose", [](auto& c, auto& t) { return test_move(c, t, "perm"); }},
    {"squeeze", [](auto& c, auto& t) { return test_move(c, t, "axes"); }},
    {"unsqueeze", [](auto& c, auto& t) { return test_move(c, t, "axes"); }},
    {"pad", [](auto& c, auto& t) { return test_move(c, t, "pads"); }},
    {"float_linear", [](auto& c, auto& t) { return test_weighted(c, t, "linear"); }},
    {"float_conv1d", [](auto& c, auto& t) { return test_weighted(c, t, "conv1d"); }},
    {"float_conv2d", [](auto& c, auto& t) { return test_weighted(c, t, "conv2d"); }},
    {"float_relu", [](auto& c, auto& t) { return test_plain(c, t, "relu"); }},
    {"float_relu6", [](auto& c, auto& t) { return test_plain(c, t, "relu6"); }},
    {"float_hardsigmoid", [](auto& c, auto& t) { return test_plain(c, t, "hardsigmoid"); }},
    {"float_hardswish", [](auto& c, auto& t) { return test_plain(c, t, "hardswish"); }},
    {"float_sigmoid", [](auto& c, auto& t) { return test_plain(c, t, "sigmoid"); }},
    {"float_silu", [](auto& c, auto& t) { return test_plain(c, t, "silu"); }},
    {"float_tanh", [](auto& c, auto& t) { return test_plain(c, t, "tanh"); }},
    {"float_softmax", test_softmax},
    {"float_avg_pool2d", [](auto& c, auto& t) { return test_mean(c, t, false); }},
    {"float_adaptive_avg_pool2d", [](auto& c, auto& t) { return test_mean(c, t, true); }},
    {"float_max_pool2d", test_maximum},
    {"float_batch_norm2d", [](auto& c, auto& t) { return test_batch_norm(c, t); }},
};

bool has_runner(std::string_view op) {
  return std::any_of(std::begin(kRunners), std::end(kRunners),
                     [&](const Runner& runner) { return runner.op == op; });
}

// Runs all cases of the operator that are in the set, and says how many.
Tally run_cases(const GoldenSet& set, const Runner& runner) {
  Tally tally;
  for (const GoldenCase& c : set.read(runner.op)) {
    SCOPED_TRACE(c.name);
    const bool ran = runner.test(c, tally);
    tally.cases += ran;
    tally.without_operator += !ran;
  }
  std::printf(
      "             %s: %zu cases, %zu without an operator; %zu elements, %zu differ within the tolerance\n",
      runner.op, tally.cases, tally.without_operator, tally.elements, tally.different);
  return tally;
}

void print_operators_without_runner(const GoldenSet& set) {
  size_t total = 0;
  for (const auto& [op, count] : set.counts()) {
    if (has_runner(op)) continue;
    std::printf("             not run, no operator: %-36s %4zu\n", op.c_str(), count);
    total += count;
  }
  std::printf("             not run, no operator: %zu cases in all\n", total);
}

const std::string& shared_folder() {
  static const std::string folder = [] {
    const char* given = std::getenv("Q_GOLDEN");
    return given != nullptr ? std::string(given) : std::string(Q_SOURCE_DIR "/../shared/golden");
  }();
  return folder;
}

const GoldenSet& committed() {
  static const GoldenSet set(Q_SOURCE_DIR "/tests/golden");
  return set;
}

const GoldenSet& shared() {
  static const GoldenSet set(shared_folder());
  return set;
}

struct Golden : testing::TestWithParam<Runner> {};

TEST_P(Golden, CommittedCasesGiveWhatPyTorchGives) {
  EXPECT_GT(run_cases(committed(), GetParam()).cases, 0u);
}

TEST_P(Golden, SharedCasesGiveWhatPyTorchGives) {
  if (!shared().counts().contains(GetParam().op))
    GTEST_SKIP() << shared_folder() << ": no case of " << GetParam().op;
  EXPECT_GT(run_cases(shared(), GetParam()).cases, 0u);
}

std::string operator_name(const testing::TestParamInfo<Runner>& runner) { return runner.param.op; }

INSTANTIATE_TEST_SUITE_P(Operators, Golden, testing::ValuesIn(kRunners), operator_name);

TEST(GoldenSets, LeaveNoCommittedCaseWithoutATest) {
  for (const auto& [op, count] : committed().counts()) EXPECT_TRUE(has_runner(op)) << op;
}

TEST(GoldenSets, NameTheSharedCasesOfOperatorsThatAreNotHere) {
  const auto counts = shared().counts();
  const bool asked_for = std::getenv("Q_GOLDEN") != nullptr;
  if (counts.empty() && !asked_for)
    GTEST_SKIP() << shared_folder() << ": no cases; $Q_GOLDEN names another folder";
  print_operators_without_runner(shared());
  EXPECT_TRUE(
      std::any_of(counts.begin(), counts.end(), [](const auto& each) { return has_runner(each.first); }));
}

}  // namespace
}  // namespace q
