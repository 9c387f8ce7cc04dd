// pad: x with a border of a constant, of its mirror image, of its edge, or of its other side.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "ops/shared/move.h"
#include "ops/shared/onnx.h"
#include "ops/shared/samples.h"
#include "ops/shared/u8.h"
#include "q/op.h"

namespace q {

namespace {

constexpr int64_t kBorder = -1;  // a position outside of the input, filled with the constant

// Where an output position reads along an axis of extent `in`.
int64_t source(const std::string& mode, int64_t position, int64_t in) {
  if (position >= 0 && position < in) return position;
  if (mode == "edge") return std::clamp<int64_t>(position, 0, in - 1);
  if (mode == "wrap") return position < 0 ? in - 1 - (-1 - position) % in : position % in;
  if (mode == "reflect") return position < 0 ? -position : 2 * (in - 1) - position;
  return kBorder;
}

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  Shape out = in[0].shape;
  const Ints& pads = attr_ints(attrs, "pads");
  const std::string& mode = attr_string(attrs, "mode");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    throw Error(ErrorKind::kInvalid,
                text("attribute mode is \"", mode, "\", wanted constant, reflect, edge or wrap"));
  if (std::ssize(pads) != 2 * out.rank)
    throw Error(ErrorKind::kInvalid,
                text("attribute pads has ", pads.size(), " entries, wanted 2 per axis of ", to_string(out)));
  for (int axis = 0; axis < out.rank; ++axis) {
    const int64_t begin = pads[static_cast<size_t>(axis)], end = pads[static_cast<size_t>(axis + out.rank)];
    if (begin == 0 && end == 0) continue;
    const int64_t extent = out[axis], most = mode == "reflect" ? extent - 1 : INT32_MAX;
    if (is_free(extent)) throw mixes_samples(text("pads along axis ", axis));
    if (std::max(begin, end) > most || std::min(begin, end) < -extent || extent > INT32_MAX ||
        extent + begin + end < 1)
      throw Error(ErrorKind::kInvalid, text("pads are ", begin, " and ", end, " on axis ", axis, " of ",
                                            to_string(out), ", which mode ", mode, " cannot give"));
    out[axis] = extent + begin + end;
  }
  return {out};
}

// An axis of the tensor as it is stored.
struct Axis {
  int64_t in = 1, step = 1;      // extent, and elements between positions, of the input
  std::vector<int64_t> sources;  // per output position
};

struct Plan {
  std::vector<Axis> outer;
  Axis row;                            // the axis that moves fastest
  int64_t copy_begin = 0, copied = 0;  // its output positions that are a piece of the input
  int64_t rows = 1;
};

Plan plan_pad(const CompileCall& call) {
  const Shape &in = call.in[0].shape, &out = call.out[0].shape;
  const Ints& pads = attr_ints(call.attrs, "pads");
  std::vector<int> order;  // of the axes in memory: channels last for ranks that have them
  const bool channels_last = in.rank >= 3 && in.rank <= 5;
  for (int axis = 0; axis < in.rank; ++axis)
    if (axis != 1 || !channels_last) order.push_back(axis);
  if (channels_last) order.push_back(1);

  Plan plan;
  for (const int axis : order) {
    const int64_t begin = pads[static_cast<size_t>(axis)];
    Axis stored{.in = in[axis], .step = 1, .sources = {}};
    for (int64_t i = 0; i < out[axis]; ++i)
      stored.sources.push_back(source(attr_string(call.attrs, "mode"), i - begin, in[axis]));
    for (Axis& before : plan.outer) before.step *= in[axis];
    plan.outer.push_back(std::move(stored));
  }
  if (plan.outer.empty()) plan.outer.push_back({1, 1, {0}});
  plan.row = std::move(plan.outer.back());
  plan.outer.pop_back();
  for (const Axis& axis : plan.outer) plan.rows *= std::ssize(axis.sources);
  const int64_t begin = order.empty() ? 0 : pads[static_cast<size_t>(order.back())];
  plan.copy_begin = std::max<int64_t>(0, begin);
  plan.copied = std::min(std::ssize(plan.row.sources), begin + plan.row.in) - plan.copy_begin;
  return plan;
}

template <typename T>
void pad_row(const Plan& plan, const T* in, T value, int64_t row, T* out) {
  int64_t from = 0;
  for (size_t axis = plan.outer.size(); axis-- > 0;) {
    const std::vector<int64_t>& sources = plan.outer[axis].sources;
    const int64_t at = sources[static_cast<size_t>(row % std::ssize(sources))];
    row /= std::ssize(sources);
    from = at == kBorder || from == kBorder ? kBorder : from + at * plan.outer[axis].step;
  }
  const int64_t extent = std::ssize(plan.row.sources);
  if (from == kBorder) {
    std::fill_n(out, extent, value);
    return;
  }
  const auto border = [&](int64_t first, int64_t end) {
    for (int64_t i = first; i < end; ++i) {
      const int64_t at = plan.row.sources[static_cast<size_t>(i)];
      out[i] = at == kBorder ? value : in[from + at];
    }
  };
  border(0, plan.copy_begin);
  if (plan.copied > 0)
    std::memcpy(out + plan.copy_begin, in + from + plan.row.sources[static_cast<size_t>(plan.copy_begin)],
                static_cast<size_t>(plan.copied) * sizeof(T));
  border(plan.copy_begin + plan.copied, extent);
}

template <typename T>
Run compile(const CompileCall& call, T value) {
  moved_element_bytes(call);
  if (elements(call.out[0].shape) == 0) return [](const RunCall&) {};
  constexpr int64_t kGrain = 1 << 14;  // elements
  auto plan = std::make_shared<const Plan>(plan_pad(call));
  const int64_t extent = std::ssize(plan->row.sources);
  return [plan, value, extent, grain = std::max<int64_t>(1, kGrain / extent)](const RunCall& run) {
    parallel_blocks(plan->rows, grain, [&](int64_t first, int64_t end) {
      for (int64_t row = first; row < end; ++row)
        pad_row(*plan, run.in[0].as<T>(), value, row, run.out[0].as<T>() + row * extent);
    });
  };
}

Run compile_f32(const CompileCall& call) {
  return compile(call, static_cast<float>(attr_float(call.attrs, "value")));
}

Run compile_quant(const CompileCall& call) {
  const float value = static_cast<float>(attr_float(call.attrs, "value"));
  return compile(call, static_cast<uint8_t>(to_u8_of(call.out[0], value, value).lo));
}

std::optional<float> border(const Attrs& attrs) {
  const Ints& pads = attr_ints(attrs, "pads");
  const bool adds = std::ranges::any_of(pads, [](int64_t extent) { return extent > 0; });
  if (!adds || attr_string(attrs, "mode") != "constant") return {};
  return static_cast<float>(attr_float(attrs, "value"));
}

// Pads of the axes that are listed, as pads of all.
Ints pads_of_all(const Ints& pads, const Ints& axes, int rank) {
  if (pads.size() != 2 * axes.size())
    throw Error(ErrorKind::kInvalid, text(pads.size(), " pads of ", axes.size(), " axes, wanted 2 for each"));
  Ints out(static_cast<size_t>(2 * rank), 0);
  std::vector<bool> is_given(static_cast<size_t>(rank), false);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(normalize_axis(axes[i], rank, "axes"));
    if (is_given[axis]) throw Error(ErrorKind::kInvalid, text("axes hold ", axis, " twice"));
    is_given[axis] = true;
    out[axis] = pads[i];
    out[axis + static_cast<size_t>(rank)] = pads[i + axes.size()];
  }
  return out;
}

bool map_onnx(OnnxNode& node) {
  Ints pads = take_ints(node, "pads", 1);
  if (has_input(node, 3))
    pads = pads_of_all(pads, take_ints_input(node, 3, "axes"), node.inputs[0].type.shape.rank);
  double value = take_attr<double>(node.attrs, "value", 0);
  if (has_input(node, 2)) value = number_input(node, 2, "the value");
  drop_inputs(node, 1);
  node.attrs.insert_or_assign("pads", std::move(pads));
  node.attrs.insert_or_assign("value", value);
  return true;
}

constexpr OnnxName kOnnx[] = {{"Pad", 7, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"pads", "elements before all axes, then behind them; below 0: that many are cut off", AttrKind::kInts},
    {"value", "what the border holds in mode constant", AttrKind::kFloat, "0"},
    {"mode", "constant, reflect (without the edge), edge or wrap", AttrKind::kString, "constant"},
};

constexpr Shape kImage[] = {{2, 3, 4, 5}};
constexpr Shape kSignal[] = {{1, 2, 9}};
constexpr Shape kMatrix[] = {{3, 7}};
constexpr Case kCases[] = {
    {.attrs = "pads=0,0,1,2,0,0,0,3", .inputs = kImage},
    {.attrs = "pads=1,2,0,1,0,1,1,0;value=0.5", .inputs = kImage},
    {.attrs = "pads=0,0,-1,2,0,0,2,-3", .inputs = kImage},
    {.attrs = "pads=0,0,3,3,0,0,1,4;mode=reflect", .inputs = kImage},
    {.attrs = "pads=0,2,2,0,2,0;mode=edge", .inputs = kSignal},
    {.attrs = "pads=0,3,2,0,0,20;mode=wrap", .inputs = kSignal},
    {.attrs = "pads=0,1,2,0;value=-1", .inputs = kMatrix},
    {.attrs = "pads=0,5,0,-7", .inputs = kMatrix},
};

}  // namespace

extern const OpDef op_pad;
constinit const OpDef op_pad = {
    .name = "pad",
    .doc = "x with a border around it",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kChannelsLast,
    .qrule = QRule::kAsInput,
    .border = border,
    .infer = infer,
    .samples = samples_anywhere,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
