#include "ops/shared/recurrent.h"

#include <algorithm>

#include "base/math.h"
#include "base/text.h"
#include "ops/shared/samples.h"
#include "ops/shared/weights.h"

namespace q {

namespace {

// ---- cells ----

void sigmoid_of(float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = static_cast<float>(sigmoid(double{x[i]}));
}
void tanh_of(float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = static_cast<float>(tanh(double{x[i]}));
}
void add_to(float* x, const float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] += y[i];
}

// c' = f c + i g,  h' = o tanh(c')
void step_lstm(const CellRow& row) {
  const int64_t n = row.hidden;
  float *i = row.gx, *f = i + n, *g = f + n, *o = g + n;
  add_to(row.gx, row.gh, 3 * n);
  add_to(o, row.gh_last, n);
  sigmoid_of(i, 2 * n);
  tanh_of(g, n);
  sigmoid_of(o, n);
  for (int64_t j = 0; j < n; ++j) row.h[j] = row.c[j] = f[j] * row.c[j] + i[j] * g[j];
  tanh_of(row.h, n);
  for (int64_t j = 0; j < n; ++j) row.h[j] *= o[j];
}

// n of the update is ready: h' = (h - n) z + n
void update_gru(const CellRow& row, const float* z, float* n) {
  tanh_of(n, row.hidden);
  for (int64_t j = 0; j < row.hidden; ++j) row.h[j] = (row.h[j] - n[j]) * z[j] + n[j];
}

void step_gru(const CellRow& row) {
  const int64_t count = row.hidden;
  float *r = row.gx, *z = r + count, *n = z + count;
  add_to(row.gx, row.gh, 2 * count);
  sigmoid_of(row.gx, 2 * count);
  for (int64_t j = 0; j < count; ++j) n[j] += r[j] * row.gh_last[j];
  update_gru(row, z, n);
}

void reset_gru(const CellRow& row, float* out) {
  add_to(row.gx, row.gh, 2 * row.hidden);
  sigmoid_of(row.gx, 2 * row.hidden);
  for (int64_t j = 0; j < row.hidden; ++j) out[j] = row.gx[j] * row.h[j];
}
void step_gru_before(const CellRow& row) {
  float *z = row.gx + row.hidden, *n = z + row.hidden;
  add_to(n, row.gh_last, row.hidden);
  update_gru(row, z, n);
}

void step_rnn_tanh(const CellRow& row) {
  for (int64_t j = 0; j < row.hidden; ++j) row.h[j] = row.gx[j] + row.gh_last[j];
  tanh_of(row.h, row.hidden);
}
void step_rnn_relu(const CellRow& row) {
  for (int64_t j = 0; j < row.hidden; ++j) {
    const float x = row.gx[j] + row.gh_last[j];
    row.h[j] = x < 0 ? 0 : x;
  }
}

// ---- shapes ----

int64_t layout_of(const Attrs& attrs) {
  const int64_t layout = attr_int(attrs, "layout");
  if (layout != 0 && layout != 1)
    throw Error(ErrorKind::kInvalid, text("layout is ", layout, ", wanted 0 or 1"));
  return layout;
}

int64_t directions_of(const Attrs& attrs) {
  const std::string& direction = attr_string(attrs, "direction");
  if (direction == "bidirectional") return 2;
  if (direction != "forward" && direction != "reverse")
    throw Error(ErrorKind::kInvalid,
                text("direction is ", direction, ", wanted forward, reverse or bidirectional"));
  return 1;
}

void expect_shape(std::string_view what, const Shape& found, const Shape& wanted) {
  if (found != wanted)
    throw Error(ErrorKind::kInvalid, text(what, " is ", to_string(found), ", wanted ", to_string(wanted)));
}

Shape state_shape(int64_t layout, int64_t directions, int64_t samples, int64_t hidden) {
  return layout == 1 ? Shape{samples, directions, hidden} : Shape{directions, samples, hidden};
}

}  // namespace

constinit const Cell kLstmCell = {.gates = 4, .has_c = true, .step = step_lstm};
constinit const Cell kGruCell = {.gates = 3, .step = step_gru};
constinit const Cell kGruBeforeCell = {.gates = 3, .step = step_gru_before, .reset = reset_gru};
constinit const Cell kRnnTanhCell = {.gates = 1, .step = step_rnn_tanh};
constinit const Cell kRnnReluCell = {.gates = 1, .step = step_rnn_relu};

std::vector<Shape> infer_recurrent(const Attrs& attrs, std::span<const TensorType> in, const Cell& cell) {
  const Shape &x = in[0].shape, &weight = in[1].shape, &recurrent = in[2].shape;
  const int64_t layout = layout_of(attrs), directions = directions_of(attrs);
  if (x.rank != 3) throw Error(ErrorKind::kInvalid, text("input is ", to_string(x), ", wanted rank 3"));
  if (recurrent.rank != 2 || recurrent[1] < 1)
    throw Error(ErrorKind::kInvalid,
                text("recurrent weight is ", to_string(recurrent), ", wanted [gates, hidden]"));
  const int64_t hidden = recurrent[1], rows = directions * cell.gates * hidden;
  expect_shape("recurrent weight", recurrent, {rows, hidden});
  expect_shape("weight", weight, {rows, x[2]});
  if (in.size() > 3) expect_shape("bias", in[3].shape, {2, rows});
  const int64_t steps = x[layout == 1 ? 1 : 0], samples = x[layout == 1 ? 0 : 1];
  const Shape state = state_shape(layout, directions, samples, hidden),
              same = state_shape(layout, directions, 1, hidden);
  for (size_t i = 4; i < in.size(); ++i)
    if (in[i].shape != same) expect_shape(i == 4 ? "initial h" : "initial c", in[i].shape, state);
  const Shape y =
      layout == 1 ? Shape{samples, steps, directions, hidden} : Shape{steps, directions, samples, hidden};
  if (cell.has_c) return {y, state, state};
  return {y, state};
}

void samples_recurrent(const Attrs& attrs, std::span<const TensorType> in, std::span<const Shape>) {
  check_parameters(in.first(std::min<size_t>(in.size(), 4)));
  const int axis = free_axis(in[0].shape);
  if (axis == 2) throw mixes_samples("a sum over axis 2");
  if (axis != (layout_of(attrs) == 1 ? 0 : 1)) throw mixes_samples(text("a recurrence over axis ", axis));
}

int64_t recurrent_macs(const Attrs& attrs, std::span<const TensorType> in, const Shape& out) {
  const int64_t hidden = in[2].shape[1], gates = in[2].shape[0] / (directions_of(attrs) * hidden);
  return count_macs(out, gates * (in[1].shape[1] + hidden));
}

RecurrentGeometry recurrent_geometry(const Attrs& attrs, std::span<const TensorType> in) {
  const Shape& x = in[0].shape;
  RecurrentGeometry g{};
  g.inputs = x[2];
  g.hidden = in[2].shape[1];
  g.directions = directions_of(attrs);
  g.starts_reversed = attr_string(attrs, "direction") == "reverse";
  const int64_t hidden = g.hidden, directions = g.directions;
  if (layout_of(attrs) == 1) {
    g.samples = x[0];
    g.steps = x[1];
    g.x_step = g.inputs;
    g.x_sample = g.steps * g.inputs;
    g.y_direction = hidden;
    g.y_step = g.state_sample = directions * hidden;
    g.y_sample = g.steps * directions * hidden;
  } else {
    g.steps = x[0];
    g.samples = x[1];
    g.x_sample = g.inputs;
    g.x_step = g.samples * g.inputs;
    g.y_sample = g.state_sample = hidden;
    g.y_direction = g.samples * hidden;
    g.sample_axis = 1;
    g.y_step = directions * g.samples * hidden;
  }
  return g;
}

}  // namespace q
