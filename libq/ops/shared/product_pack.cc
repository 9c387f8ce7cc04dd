#include "ops/shared/product_pack.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/parallel.h"

namespace q {

namespace {

constexpr int64_t kGrain = 1 << 14;  // elements whose packing outweighs starting a thread
// Columns that inner loops do at once: a number that is known where they are compiled makes vectors of them.
constexpr int64_t kColumns = 16;

struct ScaledFloat {
  float alpha;
  explicit ScaledFloat(const Packing<float>& packing) : alpha(packing.alpha) {}
  float operator()(float x) const { return x * alpha; }
  void step(const float* from, float* to) const { *to = *from * alpha; }
};
struct SignedByte {
  explicit SignedByte(const Packing<uint8_t>&) {}
  int8_t operator()(uint8_t q) const { return static_cast<int8_t>(q ^ kSignShift); }
  void step(const uint8_t* from, int8_t* to) const {  // the four that lie side by side, as one number
    uint32_t four;
    std::memcpy(&four, from, sizeof four);
    four ^= 0x80808080u;
    std::memcpy(to, &four, sizeof four);
  }
};

// `count` columns of one row, to every kStep-th element.
template <typename T, typename Weight, typename Convert>
void spread(const T* __restrict from, int64_t count, const Convert convert, Weight* __restrict to) {
  constexpr int64_t kStep = WeightedTypes<T>::kStep;
  for (; count >= kColumns; count -= kColumns, from += kColumns, to += kColumns * kStep) {
    for (int64_t n = 0; n < kColumns; ++n) to[n * kStep] = convert(from[n]);
  }
  for (int64_t n = 0; n < count; ++n) to[n * kStep] = convert(from[n]);
}

// Of kStep rows, `row` elements apart: side by side. Written out, and not inlined, because compilers make
// vectors of it only so.
[[gnu::noinline]] void interleave(const uint8_t* __restrict from, int64_t row, int64_t count,
                                  const SignedByte convert, int8_t* __restrict to) {
  const uint8_t *a = from, *b = a + row, *c = b + row, *d = c + row;
  int64_t first = 0;
  for (; first + kColumns <= count; first += kColumns) {
    for (int64_t n = 0; n < kColumns; ++n) {
      to[(first + n) * 4] = convert(a[first + n]);
      to[(first + n) * 4 + 1] = convert(b[first + n]);
      to[(first + n) * 4 + 2] = convert(c[first + n]);
      to[(first + n) * 4 + 3] = convert(d[first + n]);
    }
  }
  for (int64_t step = 0; step < 4; ++step)
    spread(from + step * row + first, count - first, convert, to + first * 4 + step);
}
void interleave(const float* from, int64_t, int64_t count, const ScaledFloat convert, float* to) {
  spread(from, count, convert, to);
}

// Rows `first` to `end` of a matrix [k][n], into all of its panels: they are read as they lie.
template <typename T, typename Weight, typename Convert>
void pack_rows(const T* from, int64_t first, int64_t end, const ProductShape& shape, const Convert& convert,
               const PackedWeights<T>& packed, Weight* panels) {
  constexpr int64_t kStep = WeightedTypes<T>::kStep;
  for (int64_t i = first; i < end; i += kStep) {
    Weight* to = panels + i * packed.nr;
    for (int64_t column = 0; column < shape.n; column += packed.nr, to += packed.panel_elements) {
      const T* source = from + i * shape.n + column;
      const int64_t count = std::min(packed.nr, shape.n - column);
      if (i + kStep <= shape.k) {
        interleave(source, shape.n, count, convert, to);
      } else {
        for (int64_t step = 0; i + step < shape.k; ++step)
          spread(source + step * shape.n, count, convert, to + step);
      }
    }
  }
}

// Columns of a matrix [n][k], `count` of them from `from` on, as a panel. A few at a time, so that both are
// read and written in longer runs.
template <typename T, typename Weight, typename Convert>
void pack_columns(const T* __restrict from, int64_t k, int64_t count, const Convert convert, int64_t nr,
                  Weight* __restrict to) {
  constexpr int64_t kStep = WeightedTypes<T>::kStep;
  for (int64_t first = 0; first < count; first += kColumns) {
    const int64_t columns = std::min(kColumns, count - first);
    const T* column = from + first * k;
    for (int64_t i = 0; i < k; i += kStep) {
      Weight* target = to + i * nr + first * kStep;
      const int64_t steps = std::min(kStep, k - i);
      if (columns == kColumns && steps == kStep) {
        for (int64_t n = 0; n < kColumns; ++n) convert.step(column + n * k + i, target + n * kStep);
        continue;
      }
      for (int64_t n = 0; n < columns; ++n) {
        for (int64_t step = 0; step < steps; ++step)
          target[n * kStep + step] = convert(column[n * k + i + step]);
      }
    }
  }
}

void set_column_bias(const Packing<float>&, const ProductShape&, bool, const float*, PackedWeights<float>&,
                     int64_t) {}

// Adds kColumns columns of [rows][n] up. Not inlined for the same reason.
[[gnu::noinline]] void add_columns(const uint8_t* __restrict q, int64_t rows, int64_t n,
                                   int32_t* __restrict sums) {
  constexpr int64_t kRows = 256;  // whose sums fit in 16 bits
  for (int64_t first = 0; first < rows; first += kRows) {
    uint16_t lanes[kColumns] = {};
    for (int64_t row = first; row < std::min(first + kRows, rows); ++row, q += n) {
      for (int64_t i = 0; i < kColumns; ++i) lanes[i] = static_cast<uint16_t>(lanes[i] + q[i]);
    }
    for (int64_t i = 0; i < kColumns; ++i) sums[i] += lanes[i];
  }
}

// The sums of `count` columns.
void sum_columns(const uint8_t* q, int64_t rows, int64_t n, int64_t count, int32_t* sums) {
  std::fill_n(sums, count, 0);
  int64_t column = 0;
  for (; column + kColumns <= count; column += kColumns) add_columns(q + column, rows, n, sums + column);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t rest = column; rest < count; ++rest) sums[rest] += q[row * n + rest];
  }
}

// sum of (qa - za) * (qb - zb) = sum of qa * qb - zb * sum of qa - za * sum of (qb - zb), with qb and zb less
// 128: the last term belongs to the column, the one before to the row.
void set_column_bias(const Packing<uint8_t>& packing, const ProductShape& shape, bool transposed,
                     const uint8_t* b, PackedWeights<uint8_t>& packed, int64_t slot) {
  const int64_t column = slot % packed.panels * packed.nr, count = std::min(packed.nr, shape.n - column);
  const uint8_t* matrix = b + slot / packed.panels * shape.k * shape.n;
  int32_t* bias = packed.bias.as<int32_t>() + slot * packed.nr;
  if (transposed) {
    for (int64_t n = 0; n < count; ++n) bias[n] = sum_of(matrix + (column + n) * shape.k, shape.k);
  } else {
    sum_columns(matrix + column, shape.k, shape.n, count, bias);
  }
  const int32_t zeros = static_cast<int32_t>(shape.k) * (packing.b_zero + kSignShift);
  for (int64_t n = 0; n < count; ++n)
    bias[n] = packing.bias[static_cast<size_t>(column + n)] - packing.a_zero * (bias[n] - zeros);
}

bool adds_to_bias(const Packing<float>&) { return false; }
bool adds_to_bias(const Packing<uint8_t>& packing) { return packing.a_zero != 0; }

}  // namespace

int32_t sum_of(const uint8_t* q, int64_t count) {
  constexpr int64_t kPieces = 256;  // whose sums fit in 16 bits
  int32_t sum = 0;
  while (count >= kColumns) {
    uint16_t lanes[kColumns] = {};
    for (int64_t piece = 0; piece < kPieces && count >= kColumns; ++piece, count -= kColumns, q += kColumns) {
      for (int64_t i = 0; i < kColumns; ++i) lanes[i] = static_cast<uint16_t>(lanes[i] + q[i]);
    }
    for (const uint16_t lane : lanes) sum += lane;
  }
  for (int64_t i = 0; i < count; ++i) sum += q[i];
  return sum;
}

template <typename T>
void pack_panels(const Packing<T>& packing, const ProductShape& shape, bool transposed, const T* b,
                 PackedWeights<T>& packed) {
  using Weight = typename WeightedTypes<T>::Weight;
  using Convert = std::conditional_t<std::is_same_v<T, float>, ScaledFloat, SignedByte>;
  const Convert convert(packing);
  Weight* values = packed.values.template as<Weight>();
  const int64_t matrix = shape.k * shape.n, panels = packed.panels;
  const int64_t panel_grain = kGrain / (shape.k * packed.nr) + 1;
  if (transposed) {
    parallel_blocks(packed.shape.groups * panels, panel_grain, [&](int64_t first, int64_t end) {
      for (int64_t slot = first; slot < end; ++slot) {
        const int64_t column = slot % panels * packed.nr;
        pack_columns(b + slot / panels * matrix + column * shape.k, shape.k,
                     std::min(packed.nr, shape.n - column), convert, packed.nr,
                     values + slot * packed.panel_elements);
      }
    });
  } else {
    constexpr int64_t kRows = 64;
    const int64_t blocks = (shape.k + kRows - 1) / kRows;
    parallel_blocks(packed.shape.groups * blocks, kGrain / (kRows * shape.n) + 1,
                    [&](int64_t first, int64_t end) {
                      for (int64_t block = first; block < end; ++block) {
                        const int64_t group = block / blocks, row = block % blocks * kRows;
                        pack_rows(b + group * matrix, row, std::min(row + kRows, shape.k), shape, convert,
                                  packed, values + group * panels * packed.panel_elements);
                      }
                    });
  }
  if (!adds_to_bias(packing)) return;
  parallel_blocks(packed.shape.groups * panels, panel_grain, [&](int64_t first, int64_t end) {
    for (int64_t slot = first; slot < end; ++slot)
      set_column_bias(packing, shape, transposed, b, packed, slot);
  });
}

template void pack_panels(const Packing<float>&, const ProductShape&, bool, const float*,
                          PackedWeights<float>&);
template void pack_panels(const Packing<uint8_t>&, const ProductShape&, bool, const uint8_t*,
                          PackedWeights<uint8_t>&);

}  // namespace q
