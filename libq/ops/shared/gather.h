// Positions among the operands: whole numbers of any type, counted from the end where they are below 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/text.h"
#include "q/op.h"

namespace q {

// Throws unless they are of a type that holds positions.
void check_position_type(const TensorType& positions);

// body(values): the positions in their own type.
template <typename Body>
void visit_positions(const View& positions, const Body& body) {
  if (positions.dtype == DType::kI64)
    body(positions.as<int64_t>());
  else if (positions.dtype == DType::kI32)
    body(positions.as<int32_t>());
  else
    body(positions.as<float>());
}

// Throws unless positions first, first + step, ... of `count` are whole numbers from -extent to extent - 1.
void check_positions(const View& positions, int64_t count, int64_t extent, int64_t first = 0,
                     int64_t step = 1);

// A checked position, from the front.
template <typename T>
int64_t from_front(T position, int64_t extent) {
  const auto index = static_cast<int64_t>(position);
  return index < 0 ? index + extent : index;
}

// Of each of `outer` parts with `extent` runs, those that `count` positions name.
struct Picks {
  int64_t outer, extent, count;
  size_t run_bytes;
};
// Checks the positions, then copies the runs one behind the other.
void copy_picks(const Picks& picks, const View& positions, const std::byte* from, std::byte* to);
// Runs in a block of work.
int64_t grain_of_runs(size_t run_bytes);

// ---- the kinds of ONNX's Gather ----

// One place of an axis that the file gives.
bool gathers_one(const OnnxNode& node);
// Rows of a constant matrix, at computed places.
bool gathers_rows(const OnnxNode& node);

}  // namespace q
