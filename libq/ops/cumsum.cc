// cumsum: the sums of the elements up to each one along an axis.
#include <algorithm>

#include "ops/shared/lines.h"
#include "ops/shared/onnx.h"
#include "ops/shared/reduce.h"
#include "q/op.h"

namespace q {

namespace {

std::vector<Shape> infer(const Attrs& attrs, std::span<const TensorType> in) {
  attr_bool(attrs, "exclusive");
  attr_bool(attrs, "reverse");
  return infer_along_axis(attrs, in);
}

// Sums in binary64 in the order of the elements.
struct Order {
  bool exclusive, reverse;

  // y[i] = the sum up to x[i], where elements lie side by side along their line; goes on with `sum`.
  template <typename T, typename Load>
  void along(const T* x, int64_t n, const Load& load, double& sum, double* y) const {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = reverse ? n - 1 - i : i;
      const double before = sum;
      sum += load(x[at]);
      y[at] = exclusive ? before : sum;
    }
  }

  // y[i] = the sum up to x[i] in line i; goes on with sums[i].
  template <typename T, typename Load>
  void across(const T* x, int64_t n, const Load& load, double* sums, double* y) const {
    for (int64_t i = 0; i < n; ++i) {
      const double before = sums[i];
      sums[i] += load(x[i]);
      y[i] = exclusive ? before : sums[i];
    }
  }
};

template <typename T, typename Load, typename Put>
Run compile(const CompileCall& call, const Load& load, const Put& put) {
  static_assert(kMostOutputs >= kMostLines);  // what Put takes
  const Order order{attr_bool(call.attrs, "exclusive"), attr_bool(call.attrs, "reverse")};
  return [lines = lines_of(call), order, load, put](const RunCall& run) {
    for_line_groups(lines, [&](int64_t outer, int64_t first, int64_t n) {
      const int64_t start = outer * lines.extent * lines.step + first;
      const T* x = run.in[0].as<T>() + start;
      T* out = run.out[0].as<T>() + start;
      double sums[kMostLines] = {}, y[kMostLines];
      const int64_t most = lines.step == 1 ? kMostLines : 1;  // elements of a line at once
      for (int64_t done = 0; done < lines.extent; done += most) {
        const int64_t count = std::min(most, lines.extent - done);
        const int64_t at = (order.reverse ? lines.extent - done - count : done) * lines.step;
        if (lines.step == 1)
          order.along(x + at, count, load, sums[0], y);
        else
          order.across(x + at, n, load, sums, y);
        put(y, lines.step == 1 ? count : n, out + at);
      }
    });
  };
}

Run compile_f32(const CompileCall& call) {
  return compile<float>(
      call, [](float x) { return static_cast<double>(x); }, PutF32{});
}

Run compile_quant(const CompileCall& call) {
  const AffineU8 from = affine_of(call.in[0], "input");
  return compile<uint8_t>(call, RealsOfU8{from.scale, from.zero_point},
                          PutU8{call.kernels.quantize_u8, to_u8_of(call.out[0])});
}

bool map_onnx(OnnxNode& node) {
  const Ints axis = take_ints_input(node, 1, "axis");
  if (axis.size() != 1)
    throw Error(ErrorKind::kInvalid, text("axis has ", axis.size(), " entries, wanted one"));
  node.attrs.emplace("axis", axis[0]);
  return true;
}

constexpr OnnxName kOnnx[] = {{"CumSum", 11, map_onnx}};

constexpr AttrSpec kAttrs[] = {
    {"axis", "the axis along which the sums go on", AttrKind::kInt},
    {"exclusive", "1: the sum of what stands before an element, without it", AttrKind::kInt, "0"},
    {"reverse", "1: from the end", AttrKind::kInt, "0"},
};

constexpr Shape kRows[] = {{3, 70}};
constexpr Shape kImage[] = {{2, 5, 3, 37}};
constexpr Case kCases[] = {
    {.attrs = "axis=-1", .inputs = kRows},
    {.attrs = "axis=1;exclusive=1", .inputs = kImage},
    {.attrs = "axis=1;reverse=1", .inputs = kRows},
    {.attrs = "axis=0;reverse=1;exclusive=1", .inputs = kRows},
    {.attrs = "axis=-1;exclusive=1", .inputs = kImage},
};

}  // namespace

extern const OpDef op_cumsum;
constinit const OpDef op_cumsum = {
    .name = "cumsum",
    .doc = "sums of the elements of x up to each one along an axis",
    .attrs = kAttrs,
    .onnx = kOnnx,
    .layout = Layout::kPlain,
    .infer = infer,
    .samples = samples_beside_axis,
    .f32 = compile_f32,
    .quant = compile_quant,
    .cases = kCases,
};

}  // namespace q
