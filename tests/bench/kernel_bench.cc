// Kernels of every row this machine can run, and operators made of them: multiply-adds per second beside the
// row's limit, elements per second, or bytes per second, read and written, beside memcpy. Names are
// kernel/row/shape. Turns are short unless the command line says otherwise.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "q/exec.h"
#include "q/op.h"
#include "quant/bins.h"

namespace q {
namespace {

using Body = std::function<void(benchmark::State&)>;

void add(const std::string& kernel, const std::string& row, const std::string& shape, const Body& body) {
  benchmark::RegisterBenchmark((kernel + "/" + row + "/" + shape).c_str(), body);
}

// ---- multiply-adds ----

// Calls again and again what does so many multiply-adds. The limit is what the row's own products reach on
// operands in the first-level cache: only a row's folder has its instructions.
template <typename Call>
void count_macs(benchmark::State& state, size_t macs, double limit, const Call& call) {
  const std::clock_t start = std::clock();
  for (auto _ : state) {
    call();
    benchmark::ClobberMemory();
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  const double total = static_cast<double>(state.iterations()) * static_cast<double>(macs);
  state.counters["MAC/s"] = benchmark::Counter(total, benchmark::Counter::kIsRate);
  state.counters["percent of limit"] = 100 * total / seconds / limit;
}

struct Limits {
  double f32, int8;
};

// What a product of one panel reads and writes: 64 rows, as an operator hands them over.
template <typename A, typename B, typename C>
struct Panel {
  static constexpr size_t kRows = 64;

  Panel(size_t mr, size_t nr, size_t k)
      : activations(kRows * (k + 64)),
        weights((k + 3) / 4 * 4 * nr),
        rows((kRows + mr - 1) / mr * mr),
        c(kRows * nr) {
    for (size_t r = 0; r < rows.size(); ++r) rows[r] = activations.data() + std::min(r, kRows - 1) * (k + 64);
  }
  std::vector<A> activations;
  std::vector<B> weights;
  std::vector<const A*> rows;
  std::vector<C> c;
};

struct U8Epilogue {
  explicit U8Epilogue(size_t channels)
      : bias(channels + kChannelBlock), multiplier(channels + kChannelBlock, 1e-3f) {}
  U8Output output() const { return {bias.data(), multiplier.data(), 128, 0, 255}; }
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
};

void gemm_u8i8(benchmark::State& state, const Kernels& kernels, size_t k, double limit) {
  const size_t nr = kernels.gemm_u8i8_nr;
  Panel<uint8_t, int8_t, uint8_t> panel(kernels.gemm_u8i8_mr, nr, k);
  const U8Epilogue epilogue(nr);
  count_macs(state, panel.kRows * nr * k, limit, [&] {
    kernels.gemm_u8i8({.rows = panel.kRows,
                       .columns = nr,
                       .taps = 1,
                       .k = k,
                       .a = panel.rows.data(),
                       .b = panel.weights.data(),
                       .out = epilogue.output(),
                       .c = panel.c.data(),
                       .c_stride = nr});
  });
}

void gemm_f32(benchmark::State& state, const Kernels& kernels, size_t k, double limit) {
  const size_t nr = kernels.gemm_f32_nr;
  Panel<float, float, float> panel(kernels.gemm_f32_mr, nr, k);
  const std::vector<float> bias(nr);
  count_macs(state, panel.kRows * nr * k, limit, [&] {
    kernels.gemm_f32({.rows = panel.kRows,
                      .columns = nr,
                      .taps = 1,
                      .k = k,
                      .a = panel.rows.data(),
                      .b = panel.weights.data(),
                      .out = {bias.data(), 0, 6},
                      .c = panel.c.data(),
                      .c_stride = nr});
  });
}

// A line of a square window's outputs.
struct Line {
  size_t window, stride, channels = 96, pixels = 56;
  size_t positions() const { return (pixels - 1) * stride + window; }
  size_t macs() const { return window * window * channels * pixels; }
  std::string shape() const {
    const std::string size = std::to_string(window);
    return size + "x" + size + ",stride" + std::to_string(stride) + ",channels" + std::to_string(channels);
  }
};

template <typename T>
struct LineRows {
  explicit LineRows(const Line& line) : pixels(line.window * line.positions() * line.channels + 64) {
    for (size_t x = 0; x < line.positions(); ++x)
      for (size_t y = 0; y < line.window; ++y)
        rows.push_back(pixels.data() + (y * line.positions() + x) * line.channels);
  }
  std::vector<T> pixels;
  std::vector<const T*> rows;
};

void depthwise_u8i8(benchmark::State& state, const Kernels& kernels, const Line& line, double limit) {
  const LineRows<uint8_t> rows(line);
  const std::vector<int8_t> weights(line.window * line.window * line.channels);
  const U8Epilogue epilogue(line.channels);
  std::vector<uint8_t> c(line.pixels * line.channels);
  count_macs(state, line.macs(), limit, [&] {
    kernels.depthwise_u8i8({.channels = line.channels,
                            .pixels = line.pixels,
                            .outer_taps = line.window,
                            .inner_taps = line.window,
                            .stride = line.stride,
                            .dilation = 1,
                            .rows = rows.rows.data(),
                            .weights = weights.data(),
                            .out = epilogue.output(),
                            .c = c.data()});
  });
}

void depthwise_f32(benchmark::State& state, const Kernels& kernels, const Line& line, double limit) {
  const LineRows<float> rows(line);
  const std::vector<float> weights(line.window * line.window * line.channels),
      bias(line.channels + kChannelBlock);
  std::vector<float> c(line.pixels * line.channels);
  count_macs(state, line.macs(), limit, [&] {
    kernels.depthwise_f32({.channels = line.channels,
                           .pixels = line.pixels,
                           .outer_taps = line.window,
                           .inner_taps = line.window,
                           .stride = line.stride,
                           .dilation = 1,
                           .rows = rows.rows.data(),
                           .weights = weights.data(),
                           .out = {bias.data(), 0, 6},
                           .c = c.data()});
  });
}

void add_products(const std::string& row, const Kernels& kernels) {
  const Limits limits = {peak_rate(row, "f32"), peak_rate(row, "int8")};
  for (const size_t k : {64, 256, 576, 2304}) {
    const std::string shape = "k" + std::to_string(k);
    add("gemm_u8i8", row, shape, [=, &kernels](auto& state) { gemm_u8i8(state, kernels, k, limits.int8); });
    add("gemm_f32", row, shape, [=, &kernels](auto& state) { gemm_f32(state, kernels, k, limits.f32); });
  }
  for (const Line& line : {Line{3, 1}, Line{3, 2}, Line{5, 1}, Line{5, 2}}) {
    add("depthwise_u8i8", row, line.shape(),
        [=, &kernels](auto& state) { depthwise_u8i8(state, kernels, line, limits.int8); });
    add("depthwise_f32", row, line.shape(),
        [=, &kernels](auto& state) { depthwise_f32(state, kernels, line, limits.f32); });
  }
}

// ---- multiply-adds of whole operators, on one thread ----

struct Layer {
  const char *op, *shape, *attrs;
  std::vector<Shape> in;
  size_t constants_from;
};

const std::vector<Layer>& layers() {
  static const std::vector<Layer> all = {
      {"conv2d", "3x3,64x56x56", "pads=1,1,1,1", {{1, 64, 56, 56}, {64, 64, 3, 3}}, 1},
      {"conv2d", "1x1,256x14x14", "", {{1, 256, 14, 14}, {256, 256, 1, 1}}, 1},
      {"conv3d", "3x3x3,64x8x14x14", "pads=1,1,1,1,1,1", {{1, 64, 8, 14, 14}, {64, 64, 3, 3, 3}}, 1},
      {"conv_transpose2d", "2x2,stride2,128x28x28", "strides=2,2", {{1, 128, 28, 28}, {128, 64, 2, 2}}, 1},
      {"conv_transpose2d",
       "4x4,stride2,64x28x28",
       "strides=2,2;pads=1,1,1,1",
       {{1, 64, 28, 28}, {64, 64, 4, 4}},
       1},
      {"conv_transpose3d",
       "2x2x2,stride2,64x8x14x14",
       "strides=2,2,2",
       {{1, 64, 8, 14, 14}, {64, 64, 2, 2, 2}},
       1},
      {"conv_transpose2d",
       "depthwise,4x4,stride2,96x28x28",
       "group=96;strides=2,2;pads=1,1,1,1",
       {{1, 96, 28, 28}, {96, 1, 4, 4}},
       1},
      {"linear", "196x768x768", "", {{196, 768}, {768, 768}}, 1},
      {"matmul", "196x768x768", "", {{196, 768}, {768, 768}}, 2},
      {"matmul", "256x256x256", "", {{256, 256}, {256, 256}}, 2},
      {"matmul", "12x196x64x196,trans_b", "trans_b=1", {{12, 196, 64}, {12, 196, 64}}, 2},
      {"matmul", "12x196x196x64", "", {{12, 196, 196}, {12, 196, 64}}, 2},
  };
  return all;
}

TensorType operand_type(const OpDef& op, size_t index, const Shape& shape, bool integers) {
  const int32_t zero_point = is_weight(op, index) ? 0 : 121 + static_cast<int32_t>(index);
  if (!integers) return {DType::kF32, shape, {}};
  const int32_t lo = is_weight(op, index) ? -128 : 0;
  return {is_weight(op, index) ? DType::kI8 : DType::kU8, shape,
          QParams{QScheme::kPerTensorAffine, 0, lo, lo + 255, {0.02}, {zero_point}}};
}

// An operator on operands of its own, with these kernels.
class Operation {
 public:
  // Reals are whole numbers from -125 to 125, times the unit.
  Operation(const Layer& layer, bool integers, const Kernels& kernels, float unit = 1)
      : op_(*find_op(layer.op)), attrs_(parse_attrs(op_, layer.attrs)) {
    for (const Shape& shape : layer.in) {
      types_.push_back(operand_type(op_, types_.size(), shape, integers));
      in_.push_back(make_tensor(types_.back()));
      fill(in_.back(), integers, unit);
    }
    out_ = make_tensor(operand_type(op_, 0, op_.infer(attrs_, types_).at(0), integers));
    for (const Tensor& tensor : in_) views_.push_back(tensor.view());
    std::vector<View> constants(in_.size());
    for (size_t i = layer.constants_from; i < in_.size(); ++i) constants[i] = views_[i];
    const CompileCall call{attrs_, types_, {&out_.type, 1}, constants, kernels};
    run_ = integers ? op_.quant(call) : op_.f32(call);
  }
  void run() {
    const MutableView written = out_.mutable_view();
    run_({views_, {&written, 1}});
  }
  size_t macs() const { return static_cast<size_t>(op_.macs(attrs_, types_, out_.type.shape)); }
  int64_t outputs() const { return elements(out_.type.shape); }

 private:
  static void fill(Tensor& tensor, bool integers, float unit) {
    for (int64_t i = 0; i < elements(tensor.type.shape); ++i) {
      if (integers)
        tensor.as<uint8_t>()[i] = static_cast<uint8_t>(i * 37 % 251);
      else
        tensor.as<float>()[i] = (static_cast<float>(i * 37 % 251) - 125) * unit;
    }
  }

  const OpDef& op_;
  const Attrs attrs_;
  std::vector<Tensor> in_;
  std::vector<TensorType> types_;
  Tensor out_;
  std::vector<View> views_;
  Run run_;
};

void layer(benchmark::State& state, const Kernels& kernels, const Layer& layer, bool integers, double limit) {
  Operation operation(layer, integers, kernels);
  set_thread_count(1);
  operation.run();  // memory that was never touched is not what is measured
  count_macs(state, operation.macs(), limit, [&] { operation.run(); });
  set_thread_count(0);
}

void add_layers(const std::string& row, const Kernels& kernels) {
  for (const Layer& each : layers()) {
    add(std::string(each.op) + "_u8", row, each.shape,
        [&, limit = peak_rate(row, "int8")](auto& state) { layer(state, kernels, each, true, limit); });
    add(std::string(each.op) + "_f32", row, each.shape,
        [&, limit = peak_rate(row, "f32")](auto& state) { layer(state, kernels, each, false, limit); });
  }
}

// ---- elements of operators that are more than bytes and not multiply-adds, on one thread ----

void elementwise(benchmark::State& state, const Kernels& kernels, const Layer& layer, bool integers) {
  Operation operation(layer, integers, kernels, 1.f / 16);  // no exponential is subnormal
  set_thread_count(1);
  operation.run();
  for (auto _ : state) {
    operation.run();
    benchmark::ClobberMemory();
  }
  set_thread_count(0);
  state.SetItemsProcessed(operation.outputs() * state.iterations());
}

void add_softmax(const std::string& row, const Kernels& kernels) {
  static const std::vector<Layer> all = {
      {"softmax", "64x1000", "", {{64, 1000}}, 1},
      {"softmax", "64x1000,axis0", "axis=0", {{64, 1000}}, 1},
      {"log_softmax", "64x1000", "", {{64, 1000}}, 1},
  };
  for (const Layer& each : all) {
    const std::string name = each.op;
    add(name + "_u8", row, each.shape, [&](auto& state) { elementwise(state, kernels, each, true); });
    add(name + "_f32", row, each.shape, [&](auto& state) { elementwise(state, kernels, each, false); });
  }
}

// ---- bytes ----

constexpr size_t kLarge = size_t{256} << 20, kSmall = size_t{256} << 10;

// Page-aligned memory.
std::unique_ptr<std::byte[], void (*)(std::byte*)> allocate(size_t bytes) {
  constexpr std::align_val_t kPage{4096};
  return {static_cast<std::byte*>(operator new(bytes, kPage)),
          [](std::byte* p) { operator delete(p, kPage); }};
}

// What all stream kernels read: normally distributed reals, in every second stretch none below 0, as after a
// relu; and the same bytes as levels. Made when first used, and never written again.
const std::byte* input() {
  static const auto memory = [] {
    auto bytes = allocate(kLarge);
    std::vector<float> pattern(1 << 15);
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < pattern.size(); ++i)
      pattern[i] = i < pattern.size() / 2 ? normal(random) : std::max(0.f, normal(random));
    const size_t step = pattern.size() * sizeof(float);
    for (size_t at = 0; at < kLarge; at += step) std::memcpy(bytes.get() + at, pattern.data(), step);
    return bytes;
  }();
  return memory.get();
}

std::byte* output() {
  static const auto memory = [] {
    auto bytes = allocate(kLarge);
    std::memset(bytes.get(), 1, kLarge);
    return bytes;
  }();
  return memory.get();
}

// A call over n elements; `second` is where the second operand starts.
struct Streams {
  size_t n;
  const float* reals;
  const float* second_reals;
  const uint8_t* levels;
  const uint8_t* second_levels;
  float* out_reals;
  uint8_t* out_levels;
};

struct StreamKernel {
  const char* name;
  size_t bytes_read, bytes_written;  // of an element
  void (*call)(const Kernels&, const Streams&);
};

constexpr AffineU8 kLevelsA = {0.05f, 120}, kLevelsB = {0.03f, 131};
constexpr ToU8 kToLevels = {10, 128, 0, 255};

void look_up(const Kernels& k, const Streams& s) {
  uint8_t table[256];
  for (size_t i = 0; i < 256; ++i) table[i] = static_cast<uint8_t>(255 - i / 2);
  k.lut_u8(s.levels, s.n, table, s.out_levels);
}

void range(const Kernels& k, const Streams& s) {
  MinMaxF32 found = {0, 0, 0};
  k.minmax_f32(s.reals, s.n, &found);
  benchmark::DoNotOptimize(found);
}

void histogram(const Kernels& k, const Streams& s) {
  uint32_t counts[2 * 2048 + 2 * 497] = {};
  k.histogram_f32(s.reals, s.n, split_bins(-8), -2048 - 497, counts);
  benchmark::DoNotOptimize(counts);
}

const StreamKernel kStreams[] = {
    {"quantize_u8", 4, 1,
     [](const Kernels& k, const Streams& s) { k.quantize_u8(s.reals, s.n, kToLevels, s.out_levels); }},
    {"dequantize_u8", 1, 4,
     [](const Kernels& k, const Streams& s) { k.dequantize_u8(s.levels, s.n, kLevelsA, s.out_reals); }},
    {"requantize_u8", 1, 1, look_up},
    {"lut_u8", 1, 1, look_up},
    {"add_u8", 2, 1,
     [](const Kernels& k, const Streams& s) {
       k.add_u8(s.levels, s.second_levels, s.n, kLevelsA, kLevelsB, kToLevels, s.out_levels);
     }},
    {"mul_u8", 2, 1,
     [](const Kernels& k, const Streams& s) {
       k.mul_u8(s.levels, s.second_levels, s.n, 120, 131, {0.01f, 128, 0, 255}, s.out_levels);
     }},
    {"add_f32", 8, 4,
     [](const Kernels& k, const Streams& s) { k.add_f32(s.reals, s.second_reals, s.n, 0, 6, s.out_reals); }},
    {"mul_f32", 8, 4,
     [](const Kernels& k, const Streams& s) { k.mul_f32(s.reals, s.second_reals, s.n, 0, 6, s.out_reals); }},
    {"minmax_f32", 4, 0, range},
    {"histogram_f32", 4, 0, histogram},
};

// Reads and writes `total` bytes a turn.
void stream(benchmark::State& state, const Kernels& kernels, const StreamKernel& kernel, size_t total) {
  const size_t n = total / (kernel.bytes_read + kernel.bytes_written) / 64 * 64;
  const auto* reals = reinterpret_cast<const float*>(input());
  const auto* levels = reinterpret_cast<const uint8_t*>(input());
  const Streams streams = {n,
                           reals,
                           reals + n,
                           levels,
                           levels + n,
                           reinterpret_cast<float*>(output()),
                           reinterpret_cast<uint8_t*>(output())};
  for (auto _ : state) {
    kernel.call(kernels, streams);
    benchmark::ClobberMemory();
  }
  const size_t bytes = n * (kernel.bytes_read + kernel.bytes_written);
  state.SetBytesProcessed(static_cast<int64_t>(bytes) * state.iterations());
}

void copy(benchmark::State& state, size_t total) {
  const std::byte* from = input();
  std::byte* to = output();
  for (auto _ : state) {
    std::memcpy(to, from, total / 2);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(total) * state.iterations());
}

// The small total stays in the second-level cache, the large one in no cache.
void add_sizes(const std::string& kernel, const std::string& row,
               const std::function<void(benchmark::State&, size_t total)>& body) {
  add(kernel, row, "256kB", [=](auto& state) { body(state, kSmall); });
  add(kernel, row, "256MB", [=](auto& state) { body(state, kLarge); });
}

void add_streams(const std::string& row, const Kernels& kernels) {
  for (const StreamKernel& kernel : kStreams)
    add_sizes(kernel.name, row,
              [&](benchmark::State& state, size_t total) { stream(state, kernels, kernel, total); });
}

// ---- pools: bytes of a window's rows, all in cache ----

struct Window {
  size_t taps = 9, channels = 256;
  template <typename T>
  std::vector<const T*> rows() const {
    std::vector<const T*> out;
    for (size_t t = 0; t < taps; ++t) out.push_back(reinterpret_cast<const T*>(input()) + t * channels);
    return out;
  }
};

template <typename T>
void pool(benchmark::State& state, const std::function<void(const T* const* rows, T* out)>& call,
          const Window& window) {
  const std::vector<const T*> rows = window.rows<T>();
  std::vector<T> out(window.channels);
  for (auto _ : state) {
    call(rows.data(), out.data());
    benchmark::ClobberMemory();
  }
  const size_t bytes = (window.taps + 1) * window.channels * sizeof(T);
  state.SetBytesProcessed(static_cast<int64_t>(bytes) * state.iterations());
}

void add_pools(const std::string& row, const Kernels& k) {
  const Window w;
  const std::string shape = "3x3,channels" + std::to_string(w.channels);
  add("max_u8", row, shape, [=, &k](auto& state) {
    pool<uint8_t>(
        state, [=, &k](auto rows, auto* out) { k.max_u8(rows, w.taps, w.channels, out); }, w);
  });
  add("max_f32", row, shape, [=, &k](auto& state) {
    pool<float>(
        state, [=, &k](auto rows, auto* out) { k.max_f32(rows, w.taps, w.channels, out); }, w);
  });
  add("average_u8", row, shape, [=, &k](auto& state) {
    pool<uint8_t>(
        state, [=, &k](auto rows, auto* out) { k.average_u8(rows, w.taps, w.channels, 128, 0.1f, out); }, w);
  });
  add("average_f32", row, shape, [=, &k](auto& state) {
    pool<float>(
        state, [=, &k](auto rows, auto* out) { k.average_f32(rows, w.taps, w.channels, 9, out); }, w);
  });
}

void add_all() {
  add_sizes("memcpy", "-", copy);
  for (const std::string& row : available_isas()) {
    const Kernels& kernels = kernels_for(row);
    add_products(row, kernels);
    add_layers(row, kernels);
    add_softmax(row, kernels);
    add_streams(row, kernels);
    add_pools(row, kernels);
  }
}

}  // namespace
}  // namespace q

int main(int argc, char** argv) {
  std::string short_turns = "--benchmark_min_time=0.02";
  std::vector<char*> arguments = {argv[0], short_turns.data()};
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  q::add_all();
  benchmark::RunSpecifiedBenchmarks();
}
