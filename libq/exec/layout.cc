#include "exec/layout.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"

namespace q {

namespace {

struct Matrix {
  int64_t images, rows, columns;
};

// A tile of both matrices fits in the first-level cache; few rows make long tiles, which are read ahead.
constexpr int64_t kTile = 32, kLongTile = 4096;
constexpr int64_t kGrain = 1 << 14;  // elements of a block of work

template <typename T>
void transpose_tile(const T* from, T* to, const Matrix& m, int64_t row, int64_t end_row, int64_t column,
                    int64_t end_column) {
  for (int64_t c = column; c < end_column; ++c)
    for (int64_t r = row; r < end_row; ++r) to[c * m.rows + r] = from[r * m.columns + c];
}

// The channels of an image are often three.
template <typename T, int64_t kRows>
void transpose_rows(const T* from, T* to, int64_t columns, int64_t column, int64_t end_column) {
  for (int64_t c = column; c < end_column; ++c)
#pragma GCC unroll 4
    for (int64_t r = 0; r < kRows; ++r) to[c * kRows + r] = from[r * columns + c];
}

// Transposes each image's rows x columns matrix, in tiles so that both sides stay in cache.
template <typename T>
void transpose(const T* from, T* to, const Matrix& m) {
  const int64_t tile_rows = std::min(m.rows, kTile), tile_columns = m.rows <= 4 ? kLongTile : kTile;
  const int64_t row_tiles = (m.rows + tile_rows - 1) / tile_rows;
  const int64_t column_tiles = (m.columns + tile_columns - 1) / tile_columns;
  parallel_blocks(m.images * row_tiles * column_tiles, kGrain / (tile_rows * tile_columns),
                  [&](int64_t first, int64_t end) {
                    for (int64_t task = first; task < end; ++task) {
                      const int64_t image = task / column_tiles / row_tiles * m.rows * m.columns;
                      const int64_t row = task / column_tiles % row_tiles * tile_rows,
                                    column = task % column_tiles * tile_columns;
                      const int64_t end_column = std::min(m.columns, column + tile_columns);
                      if (m.rows == 3)
                        transpose_rows<T, 3>(from + image, to + image, m.columns, column, end_column);
                      else
                        transpose_tile(from + image, to + image, m, row, std::min(m.rows, row + tile_rows),
                                       column, end_column);
                    }
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
