#include "ops/shared/product.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/binary.h"
#include "ops/shared/gemm.h"
#include "ops/shared/product_pack.h"
#include "ops/shared/through_floats.h"
#include "ops/shared/u8.h"
#include "ops/shared/weights.h"

namespace q {

namespace {

constexpr int64_t kGrain = 1 << 14;  // elements whose rearrangement outweighs starting a thread

Shape batch_of(const Shape& shape) {
  Shape out;
  for (int axis = 0; axis + 2 < shape.rank; ++axis) out[out.rank++] = shape[axis];
  return out;
}

// Rows and columns of an operand's matrices.
std::pair<int64_t, int64_t> matrix_of(const Shape& shape, bool transposed) {
  const int64_t rows = shape[shape.rank - 2], columns = shape[shape.rank - 1];
  return transposed ? std::pair{columns, rows} : std::pair{rows, columns};
}

// Which of an operand's matrices each matrix of the output is computed from.
std::vector<int64_t> matrices_of(const Shape& operand, const Shape& batch) {
  std::vector<int64_t> out;
  for (int64_t index = 0; index < elements(batch); ++index) {
    int64_t matrix = 0, step = 1, rest = index;
    for (int back = 1; back <= batch.rank; ++back) {
      const int64_t extent = back <= operand.rank ? operand[operand.rank - back] : 1;
      matrix += extent == 1 ? 0 : rest % batch[batch.rank - back] * step;
      step *= extent;
      rest /= batch[batch.rank - back];
    }
    out.push_back(matrix);
  }
  return out;
}

template <typename T>
struct Product {
  ProductShape shape;
  bool a_transposed = false, b_transposed = false;
  Packing<T> packing{};
  Gemm<T> gemm{};
  Tensor a_rows{};  // where a comes transposed
};

// Rows of a that comes as [k][m]; returns where they are.
template <typename T>
const T* find_a_rows(Product<T>& product, const T* a) {
  if (!product.a_transposed) return a;
  const int64_t m = product.shape.m, k = product.shape.k;
  T* rows = product.a_rows.template as<T>();
  parallel_blocks(elements(product.shape.a_batch) * m, kGrain / k + 1, [&](int64_t first, int64_t end) {
    for (int64_t row = first; row < end; ++row) {
      const T* column = a + row / m * m * k + row % m;
      for (int64_t i = 0; i < k; ++i) rows[row * k + i] = column[i * m];
    }
  });
  return rows;
}

// What sums of a row start from where b has a zero point.
void sum_rows(Product<float>&, const float*) {}
void sum_rows(Product<uint8_t>& product, const uint8_t* a) {
  if (product.gemm.row_bias.data == nullptr) return;
  const int64_t k = product.shape.k;
  int32_t* bias = product.gemm.row_bias.as<int32_t>();
  parallel_blocks(elements(product.gemm.row_bias.type.shape), kGrain / k + 1,
                  [&](int64_t first, int64_t end) {
                    for (int64_t row = first; row < end; ++row)
                      bias[row] = -product.packing.b_zero * sum_of(a + row * k, k);
                  });
}

// ---- what is known before ----

void check_types(const CompileCall& call, DType wanted) {
  for (const TensorType& type : {call.in[0], call.in[1], call.out[0]}) {
    if (type.dtype != wanted)
      throw Error(ErrorKind::kUnsupported,
                  text("an operand is ", name_of(type.dtype), ", wanted ", name_of(wanted)));
  }
}

// The bias, float32 in both forms; null when there is none.
const float* bias_of(const CompileCall& call) {
  if (call.in.size() < 3) return nullptr;
  if (call.constants[2].data == nullptr || call.in[2].dtype != DType::kF32)
    throw Error(ErrorKind::kUnsupported, "bias is no f32 constant");
  return call.constants[2].as<float>();
}

// Every group's bias is the same.
template <typename E>
void set_bias(PackedWeights<float>& packed, const E* bias, int64_t columns) {
  for (int64_t g = 0; g < packed.shape.groups; ++g)
    std::copy_n(bias, columns, packed.bias.as<E>() + g * packed.panels * packed.nr);
}

PackedWeights<float> plan_weights(const CompileCall& call, const WeightsShape& shape,
                                  Packing<float>& packing) {
  check_types(call, DType::kF32);
  packing.alpha = static_cast<float>(attr_float(call.attrs, "alpha"));
  const F32Output out{.bias = nullptr,
                      .lo = static_cast<float>(attr_float(call.attrs, "min")),
                      .hi = static_cast<float>(attr_float(call.attrs, "max"))};
  PackedWeights<float> packed = unpacked_weights<float>(shape, out, 1, call.kernels);
  if (const float* bias = bias_of(call)) set_bias(packed, bias, shape.columns);
  return packed;
}

// What an integer of the sum stands for.
float step_of(const CompileCall& call) {
  return static_cast<float>(call.in[0].qparams->scales[0] * call.in[1].qparams->scales[0] *
                            attr_float(call.attrs, "alpha"));
}

// rint(f32(b * (1 / step))) for every column. Nothing when a sum could leave int32.
std::optional<std::vector<int32_t>> integer_bias(const CompileCall& call, const ProductShape& shape) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const int64_t room = kMost - 255 * 255 * std::min(shape.k, kMost);
  if (room < 0) return {};
  std::vector<int32_t> out(static_cast<size_t>(shape.n));
  const float* bias = bias_of(call);
  const float inverse = 1.f / step_of(call);
  for (size_t c = 0; bias != nullptr && c < out.size(); ++c) {
    const double level = std::rint(bias[c] * inverse);
    if (!(std::abs(level) <= static_cast<double>(room))) return {};
    out[c] = static_cast<int32_t>(level);
  }
  return out;
}

PackedWeights<uint8_t> plan_weights(const CompileCall& call, const WeightsShape& shape,
                                    Packing<uint8_t>& packing) {
  check_types(call, DType::kU8);
  const AffineU8 a = affine_of(call.in[0], "input"), b = affine_of(call.in[1], "second input");
  const double alpha = attr_float(call.attrs, "alpha");
  packing.a_zero = a.zero_point;
  packing.b_zero = b.zero_point - kSignShift;
  packing.bias = integer_bias(call, product_shape(call.attrs, call.in)).value();
  const ToU8 to = to_u8_of(call.out[0], static_cast<float>(attr_float(call.attrs, "min")),
                           static_cast<float>(attr_float(call.attrs, "max")));
  const float multiplier = a.scale * b.scale * static_cast<float>(alpha) * to.inverse_scale;
  if (!std::isfinite(multiplier))
    throw Error(ErrorKind::kInvalid, text("scales are ", number(a.scale), " and ", number(b.scale),
                                          ", wanted a finite quotient by the output's"));
  const U8Output out{
      .bias = nullptr, .multiplier = nullptr, .zero_point = to.zero_point, .lo = to.lo, .hi = to.hi};
  PackedWeights<uint8_t> packed = unpacked_weights<uint8_t>(shape, out, multiplier, call.kernels);
  for (int64_t g = 0; g < shape.groups; ++g)
    std::ranges::copy(packing.bias, packed.bias.as<int32_t>() + g * packed.panels * packed.nr);
  return packed;
}

// One group for each matrix of the output; where all have the same second operand, one for all of their rows.
std::vector<GroupPlace> groups_of(const ProductShape& shape) {
  if (elements(shape.b_batch) == 1) return {GroupPlace{.a = 0, .c = 0, .weights = 0, .row = 0}};
  const std::vector<int64_t> a = matrices_of(shape.a_batch, shape.batch),
                             b = matrices_of(shape.b_batch, shape.batch);
  std::vector<GroupPlace> groups;
  for (size_t i = 0; i < a.size(); ++i)
    groups.push_back({.a = a[i] * shape.m * shape.k,
                      .c = static_cast<int64_t>(i) * shape.m * shape.n,
                      .weights = b[i],
                      .row = a[i] * shape.m});
  return groups;
}

template <typename T>
Product<T> plan_product(const CompileCall& call) {
  Product<T> product{.shape = product_shape(call.attrs, call.in),
                     .a_transposed = attr_int(call.attrs, "trans_a") != 0,
                     .b_transposed = attr_int(call.attrs, "trans_b") != 0};
  const ProductShape& shape = product.shape;
  const int64_t a_rows = elements(shape.a_batch) * shape.m, b_count = elements(shape.b_batch);
  const WeightsShape weights{.groups = b_count, .columns = shape.n, .k = shape.k, .taps = 1};
  PackedWeights<T> packed = plan_weights(call, weights, product.packing);
  product.gemm = plan_gemm<T>(std::move(packed), dense_rows(b_count == 1 ? a_rows : shape.m, shape.k), T{},
                              groups_of(shape), shape.n);
  if (product.a_transposed) product.a_rows = make_tensor(dtype_of<T>, Shape{a_rows, shape.k});
  if constexpr (std::is_same_v<T, uint8_t>)
    if (product.packing.b_zero != 0) product.gemm.row_bias = make_tensor(DType::kI32, Shape{a_rows});
  return product;
}

}  // namespace

ProductShape product_shape(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape &a = in[0].shape, &b = in[1].shape;
  ProductShape out{.a_batch = batch_of(a), .b_batch = batch_of(b)};
  int64_t b_k = 0;
  const auto transposed = [&](std::string_view name, const Shape& operand) {
    const int64_t value = attr_int(attrs, name);
    if (operand.rank < 1 || value < 0 || value > (operand.rank > 1))
      throw Error(ErrorKind::kInvalid, text("an operand is ", to_string(operand), " with ", name, " ", value,
                                            ", wanted rank 1 or more, and 0, or 1 for matrices"));
    return value != 0;
  };
  const bool a_transposed = transposed("trans_a", a), b_transposed = transposed("trans_b", b);
  out.has_rows = a.rank > 1;
  out.has_columns = b.rank > 1;
  std::tie(out.m, out.k) = out.has_rows ? matrix_of(a, a_transposed) : std::pair{int64_t{1}, a[0]};
  std::tie(b_k, out.n) = out.has_columns ? matrix_of(b, b_transposed) : std::pair{b[0], int64_t{1}};
  if (out.k != b_k)
    throw Error(ErrorKind::kInvalid, text("operands are ", to_string(a), " and ", to_string(b),
                                          ", which sum ", out.k, " and ", b_k, " products, wanted as many"));
  for (const Shape& operand : {a, b}) {
    for (const int64_t extent : operand.extents()) {
      if (extent == 0)
        throw Error(ErrorKind::kInvalid,
                    text("an operand is ", to_string(operand), ", wanted extents of at least 1"));
    }
  }
  const TensorType batches[] = {{DType::kF32, out.a_batch, {}}, {DType::kF32, out.b_batch, {}}};
  out.batch = infer_binary(attrs, batches).at(0);
  return out;
}

template <typename T>
Run compile_product(const CompileCall& call) {
  if constexpr (std::is_same_v<T, uint8_t>) {
    check_types(call, DType::kU8);
    affine_of(call.in[0], "input");
    affine_of(call.in[1], "second input");
    if (!integer_bias(call, product_shape(call.attrs, call.in)))
      return compile_through_floats(call, compile_product<float>);
  }
  auto product = std::make_shared<Product<T>>(plan_product<T>(call));
  const bool is_packed = call.constants[1].data != nullptr;
  const auto pack = [](Product<T>& into, const T* b) {
    pack_panels(into.packing, into.shape, into.b_transposed, b, into.gemm.weights);
  };
  if (is_packed) pack(*product, call.constants[1].template as<T>());
  return [product, pack, is_packed, epilogue = call.epilogue](const RunCall& run) {
    if (!is_packed) pack(*product, run.in[1].template as<T>());
    const T* a = find_a_rows(*product, run.in[0].template as<T>());
    sum_rows(*product, a);
    run_gemm(product->gemm, a, run.out[0].template as<T>(), part_done(epilogue, run));
  };
}

template Run compile_product<float>(const CompileCall&);
template Run compile_product<uint8_t>(const CompileCall&);

}  // namespace q
