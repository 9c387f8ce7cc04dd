// What the machine can do at most: the kernel of products on operands that never leave the first-level cache.
#include <algorithm>
#include <chrono>
#include <vector>

#include "base/text.h"
#include "kernels/kernels.h"
#include "q/exec.h"

namespace q {

namespace {

constexpr size_t kDepth = 512, kTiles = 2;
constexpr int kMeasurements = 20, kCalls = 100;

// Operands of one panel: tiles of mr rows that are all the same one.
template <typename Call, typename A, typename B>
double rate(void (*kernel)(const Call&), size_t mr, size_t nr, Call call) {
  const std::vector<A> row(kDepth + 64, A{1});
  const std::vector<B> weights(kDepth * nr);
  const std::vector<const A*> rows(kTiles * mr, row.data());
  call.rows = kTiles * mr;
  call.columns = nr;
  call.taps = 1;
  call.k = kDepth;
  call.a = rows.data();
  call.b = weights.data();
  call.c_stride = nr;
  double best = 0;
  for (int i = 0; i < kMeasurements; ++i) {
    const auto start = std::chrono::steady_clock::now();
    for (int j = 0; j < kCalls; ++j) kernel(call);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(kCalls * call.rows * nr * kDepth) / seconds.count());
  }
  return best;
}

}  // namespace

double peak_rate(const std::string& isa, std::string_view kernel) {
  const Kernels& kernels = kernels_for(isa);
  if (kernel == "int8") {
    const size_t mr = kernels.gemm_u8i8_mr, nr = kernels.gemm_u8i8_nr;
    const std::vector<int32_t> bias(nr);
    const std::vector<float> multiplier(nr, 1.f);
    std::vector<uint8_t> c(kTiles * mr * nr);
    return rate<GemmU8I8, uint8_t, int8_t>(
        kernels.gemm_u8i8, mr, nr, {.out = {bias.data(), multiplier.data(), 0, 0, 255}, .c = c.data()});
  }
  if (kernel == "f32") {
    const size_t mr = kernels.gemm_f32_mr, nr = kernels.gemm_f32_nr;
    const std::vector<float> bias(nr);
    std::vector<float> c(kTiles * mr * nr);
    return rate<GemmF32, float, float>(kernels.gemm_f32, mr, nr,
                                       {.out = {bias.data(), -1.f, 1.f}, .c = c.data()});
  }
  throw Error(ErrorKind::kUsage, text("kernel \"", kernel, "\" has no peak, wanted f32 or int8"));
}

}  // namespace q
