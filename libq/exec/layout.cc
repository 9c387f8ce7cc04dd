#include "exec/layout.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"

namespace q {

namespace {

struct Matrix {
  int64_t images, rows, columns;
};

constexpr int64_t kTile = 32;

// Transposes each image's rows x columns matrix, in square tiles so that both sides stay in cache.
template <typename T>
void transpose(const T* from, T* to, const Matrix& m) {
  const int64_t bands = (m.rows + kTile - 1) / kTile;
  parallel_for(m.images * bands, [&](int64_t task) {
    const int64_t image = task / bands, first = task % bands * kTile, end = std::min(m.rows, first + kTile);
    const T* source = from + image * m.rows * m.columns;
    T* target = to + image * m.rows * m.columns;
    for (int64_t column = 0; column < m.columns; column += kTile)
      for (int64_t c = column; c < std::min(m.columns, column + kTile); ++c)
        for (int64_t r = first; r < end; ++r) target[c * m.rows + r] = source[r * m.columns + c];
  });
}

void transpose(const std::byte* from, std::byte* to, const Matrix& m, size_t element_bytes) {
  switch (element_bytes) {
    case 1:
      return transpose(reinterpret_cast<const uint8_t*>(from), reinterpret_cast<uint8_t*>(to), m);
    case 2:
      return transpose(reinterpret_cast<const uint16_t*>(from), reinterpret_cast<uint16_t*>(to), m);
    case 4:
      return transpose(reinterpret_cast<const uint32_t*>(from), reinterpret_cast<uint32_t*>(to), m);
    default:
      return transpose(reinterpret_cast<const uint64_t*>(from), reinterpret_cast<uint64_t*>(to), m);
  }
}

int64_t pixels(const Shape& logical) {
  int64_t count = 1;
  for (int axis = 2; axis < logical.rank; ++axis) count *= logical[axis];
  return count;
}

}  // namespace

Shape stored_shape(const Shape& logical) {
  Shape out = logical;
  for (int axis = 0; axis < logical.rank; ++axis) out[stored_axis(axis, logical.rank)] = logical[axis];
  return out;
}

int stored_axis(int axis, int rank) { return axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1; }

bool same_bytes(const Shape& logical) { return logical[1] == 1 || pixels(logical) == 1; }

void to_channels_last(const std::byte* from, std::byte* to, const Shape& logical, size_t element_bytes) {
  transpose(from, to, {logical[0], logical[1], pixels(logical)}, element_bytes);
}

void to_row_major(const std::byte* from, std::byte* to, const Shape& logical, size_t element_bytes) {
  transpose(from, to, {logical[0], pixels(logical), logical[1]}, element_bytes);
}

}  // namespace q
