// Kernels of every row this machine can run, in multiply-adds or bytes per second.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "kernels/dispatch.h"
#include "q/exec.h"
#include "q/tensor.h"

namespace q {
namespace {

// Operands of one tile, as the driver would hand them over: every row of activations on its own.
template <typename A, typename B>
struct Tile {
  Tile(size_t mr, size_t nr, size_t k)
      : activations(mr * (k + 64)), weights((k + 3) / 4 * 4 * nr), rows(mr), bias(nr), multiplier(nr, 1e-3f) {
    for (size_t r = 0; r < mr; ++r) rows[r] = activations.data() + r * (k + 64);
  }
  std::vector<A> activations;
  std::vector<B> weights;
  std::vector<const A*> rows;
  std::vector<float> bias, multiplier;
};

void count_macs(benchmark::State& state, size_t rows, size_t columns, size_t k) {
  state.counters["MAC/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(rows * columns * k),
                         benchmark::Counter::kIsRate);
}

void gemm_u8i8(benchmark::State& state, const Kernels& kernels) {
  const size_t mr = kernels.gemm_u8i8_mr, nr = kernels.gemm_u8i8_nr, k = static_cast<size_t>(state.range(0));
  Tile<uint8_t, int8_t> tile(mr, nr, k);
  const std::vector<int32_t> bias(nr);
  std::vector<uint8_t> c(mr * nr);
  for (auto _ : state) {
    kernels.gemm_u8i8({mr,
                       nr,
                       1,
                       k,
                       tile.rows.data(),
                       tile.weights.data(),
                       {bias.data(), tile.multiplier.data(), 128, 0, 255},
                       c.data(),
                       nr});
    benchmark::ClobberMemory();
  }
  count_macs(state, mr, nr, k);
}

void gemm_f32(benchmark::State& state, const Kernels& kernels) {
  const size_t mr = kernels.gemm_f32_mr, nr = kernels.gemm_f32_nr, k = static_cast<size_t>(state.range(0));
  Tile<float, float> tile(mr, nr, k);
  std::vector<float> c(mr * nr);
  for (auto _ : state) {
    kernels.gemm_f32(
        {mr, nr, 1, k, tile.rows.data(), tile.weights.data(), {tile.bias.data(), 0, 6}, c.data(), nr});
    benchmark::ClobberMemory();
  }
  count_macs(state, mr, nr, k);
}

constexpr size_t kElements = size_t{1} << 20;

void quantize_u8(benchmark::State& state, const Kernels& kernels) {
  const std::vector<float> x(kElements, 0.5f);
  std::vector<uint8_t> out(kElements);
  for (auto _ : state) {
    kernels.quantize_u8(x.data(), kElements, {10, 128, 0, 255}, out.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kElements * 5));
}

void add_u8(benchmark::State& state, const Kernels& kernels) {
  const std::vector<uint8_t> a(kElements, 3), b(kElements, 200);
  std::vector<uint8_t> out(kElements);
  for (auto _ : state) {
    kernels.add_u8(a.data(), b.data(), kElements, {0.1f, 3}, {0.2f, 100}, {5, 10, 0, 255}, out.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kElements * 3));
}

void lut_u8(benchmark::State& state, const Kernels& kernels) {
  const std::vector<uint8_t> x(kElements, 7), table(256, 9);
  std::vector<uint8_t> out(kElements);
  for (auto _ : state) {
    kernels.lut_u8(x.data(), kElements, table.data(), out.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kElements * 2));
}

void minmax_f32(benchmark::State& state, const Kernels& kernels) {
  const std::vector<float> x(kElements, 0.5f);
  for (auto _ : state) {
    MinMaxF32 range{1, -1, 0};
    kernels.minmax_f32(x.data(), kElements, &range);
    benchmark::DoNotOptimize(range);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kElements * 4));
}

[[maybe_unused]] const bool registered = [] {
  for (const std::string& name : available_isas()) {
    const Kernels& kernels = kernels_for(name);
    const auto add = [&](const std::string& kernel, void (*body)(benchmark::State&, const Kernels&)) {
      return benchmark::RegisterBenchmark((kernel + "/" + name).c_str(), body, kernels);
    };
    add("gemm_u8i8", gemm_u8i8)->Arg(64)->Arg(576);
    add("gemm_f32", gemm_f32)->Arg(64)->Arg(576);
    add("quantize_u8", quantize_u8);
    add("add_u8", add_u8);
    add("lut_u8", lut_u8);
    add("minmax_f32", minmax_f32);
  }
  return true;
}();

}  // namespace
}  // namespace q
