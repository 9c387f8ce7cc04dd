// Recurrent layers: what they share is all but the arithmetic of a cell.
//   gx = W x[t] + b[0],  gh = R h + b[1],  h' = cell(gx, gh, h)      and c' of a cell that has one
// for t = 0 ... T - 1, or backwards. Inputs are, D being the number of directions and G that of the gates,
//   x [T, N, I], weight [D*G*H, I], recurrent weight [D*G*H, H], bias [2, D*G*H],
//   initial h and c [D, N, H], or [D, 1, H] for all samples; zeros where they are left out
// and outputs y [T, D, N, H], h_n [D, N, H] and c_n [D, N, H]. With layout=1 samples come first:
//   x [N, T, I], h and c [N, D, H], y [N, T, D, H]
//
// Of gx and gh each is one chain of fused multiply-adds from its bias on; the cell adds the two. Integers:
// x and h are u8, the weights i8, the sums exact, and
//   gx = f32(sum) * f32(sw * sx) + b[0],  gh = f32(sum) * f32(sr * sh) + b[1]
// The cell computes in float32 from there. h', rounded in the parameters of y, is what y holds, the next step
// multiplies, and the cell sees as h; an initial h becomes that too, and so does r * h where a GRU multiplies
// it. c stays float32; h_n and c_n are rounded from float32. (PyTorch's quantizable LSTM rounds gx, gh, their
// sum, every product of the cell, and c to 8 bits as well.)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "q/op.h"
#include "q/tensor.h"

namespace q {

// One sample in one step.
struct CellRow {
  int64_t hidden;
  float* gx;             // of all gates, [G][H]; may be overwritten
  const float* gh;       // those of the last gate are `gh_last`
  const float* gh_last;  // [H]
  float *h, *c;          // before the step and behind it
};

struct Cell {
  int gates;
  bool has_c = false;
  void (*step)(const CellRow&);
  // Where the last gate multiplies something else than h: writes that to `out`, gh of the others being known.
  void (*reset)(const CellRow&, float* out) = nullptr;
};
// Gates in PyTorch's order.
extern const Cell kLstmCell;       // i f g o
extern const Cell kGruCell;        // r z n, with r * (R h + b)
extern const Cell kGruBeforeCell;  // r z n, with R (r * h) + b, of r * h in the parameters of y
extern const Cell kRnnTanhCell, kRnnReluCell;

std::vector<Shape> infer_recurrent(const Attrs& attrs, std::span<const TensorType> in, const Cell& cell);
// Samples lie along N.
void samples_recurrent(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape> out);
int64_t recurrent_macs(const Attrs& attrs, std::span<const TensorType> in, const Shape& out);

// How extents and elements of a call are found.
struct RecurrentGeometry {
  int64_t steps, samples, inputs, hidden, directions;
  int64_t x_step, x_sample;
  int64_t y_step, y_direction, y_sample;
  int64_t state_sample;
  int sample_axis;       // of x and of states
  bool starts_reversed;  // the first direction
};
RecurrentGeometry recurrent_geometry(const Attrs& attrs, std::span<const TensorType> in);

// Activations of type T: float or uint8_t.
template <typename T>
Run compile_recurrent(const CompileCall& call, const Cell& cell);

// What all of ONNX's layers have. order: ONNX's gate that is ours. activations: of a direction, with commas.
bool map_onnx_recurrent(OnnxNode& node, std::span<const int> order, std::string_view activations);

inline constexpr AttrSpec kDirection = {"direction",
                                        "forward, reverse, or bidirectional, which is both side by side",
                                        AttrKind::kString, "forward"};
inline constexpr AttrSpec kLayout = {"layout", "1: samples come first, [N, T, I], instead of [T, N, I]",
                                     AttrKind::kInt, "0"};

}  // namespace q
