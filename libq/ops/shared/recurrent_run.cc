// The steps of recurrent layers: products of several rows at a time, then cells row by row.
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "ops/shared/gemm.h"
#include "ops/shared/recurrent.h"
#include "ops/shared/u8.h"

namespace q {

namespace {

// Samples go through all steps in blocks, each by itself: so many that weights are read once for several
// tiles of rows.
constexpr int64_t kBlockSamples = 24;
// Rows of x that are multiplied at once: those of several steps.
constexpr int64_t kBlockRows = 96;
// Blocks that may be under way at a time, each with memory of its own.
constexpr int64_t kMostSlots = 32;

constexpr size_t kWeight = 1, kRecurrent = 2, kBias = 3, kFirstH = 4, kFirstC = 5;
constexpr size_t kY = 0, kLastH = 1, kLastC = 2;

// What a block of samples needs on its way. H in rows of integers is rounded up, for they are read in fours.
template <typename T>
struct Slot {
  Tensor gx, gh, gh_last;  // [rows of x][G * H], [samples][gates of Direction::state * H], [samples][H]
  Tensor h, c, reset;      // [samples][H], the last one [H]: reals
  Tensor fed, fed_reset;   // [samples][H]: h and what a reset makes of it as they are multiplied
  std::vector<const T*> x_rows, fed_rows, fed_reset_rows;
};

// The constants of a direction. last: of the last gate, where a cell resets; then `state` is without it.
template <typename T>
struct Direction {
  PackedWeights<T> input, state, last;
};

template <typename T>
struct Layer {
  RecurrentGeometry g;
  const Cell* cell;
  const Kernels* kernels;
  std::vector<Direction<T>> directions{};
  int64_t block_samples = 0, block_steps = 0, blocks = 0;
  ToU8 to_y{}, to_last_h{}, to_last_c{};
  AffineU8 h{}, first_h{}, first_c{};
  std::shared_ptr<std::vector<Slot<T>>> slots{};  // of one run at a time
};

struct Block {
  int64_t direction, first, count;  // samples
};

// Reals as an operand of this form, and back.
void put(const Layer<float>&, const ToU8&, const float* reals, int64_t count, float* out) {
  std::copy_n(reals, count, out);
}
void put(const Layer<uint8_t>& layer, const ToU8& to, const float* reals, int64_t count, uint8_t* out) {
  layer.kernels->quantize_u8(reals, static_cast<size_t>(count), to, out);
}
void get(const Layer<float>&, const AffineU8&, const float* in, int64_t count, float* reals) {
  std::copy_n(in, count, reals);
}
void get(const Layer<uint8_t>& layer, const AffineU8& from, const uint8_t* in, int64_t count, float* reals) {
  layer.kernels->dequantize_u8(in, static_cast<size_t>(count), from, reals);
}

// ---- running ----

// Elements from one row of Slot::fed to the next.
int64_t fed_stride(const RecurrentGeometry& g) { return (g.hidden + 3) / 4 * 4; }

// A sample's row in a state [D, N, H], or one for all.
int64_t state_row(const RecurrentGeometry& g, const Shape& shape, int64_t direction, int64_t sample) {
  const int64_t samples = shape[g.sample_axis];
  const int64_t direction_step = g.sample_axis == 1 ? samples * g.hidden : g.hidden;
  return direction * direction_step + (samples == 1 ? 0 : sample * g.state_sample);
}

template <typename T>
void begin(const Layer<T>& layer, const RunCall& run, const Block& block, Slot<T>& slot) {
  const RecurrentGeometry& g = layer.g;
  const auto first_state = [&](size_t input, const AffineU8& from, int64_t n, float* out) {
    if (run.in.size() <= input) {
      std::fill_n(out, g.hidden, 0.f);
      return;
    }
    const View& state = run.in[input];
    get(layer, from, state.as<T>() + state_row(g, state.shape, block.direction, block.first + n), g.hidden,
        out);
  };
  for (int64_t n = 0; n < block.count; ++n) {
    float* h = slot.h.template as<float>() + n * g.hidden;
    T* fed = slot.fed.template as<T>() + n * fed_stride(g);
    first_state(kFirstH, layer.first_h, n, h);
    put(layer, layer.to_y, h, g.hidden, fed);
    get(layer, layer.h, fed, g.hidden, h);
    if (layer.cell->has_c) first_state(kFirstC, layer.first_c, n, slot.c.template as<float>() + n * g.hidden);
  }
}

// The position in x and y of a step.
int64_t time_of(const RecurrentGeometry& g, int64_t direction, int64_t step) {
  return g.starts_reversed || direction == 1 ? g.steps - 1 - step : step;
}

// gx of so many steps: [steps][samples][G * H].
template <typename T>
void multiply_inputs(const Layer<T>& layer, const RunCall& run, const Block& block, int64_t step,
                     int64_t steps, Slot<T>& slot) {
  const RecurrentGeometry& g = layer.g;
  const PackedWeights<T>& weights = layer.directions[static_cast<size_t>(block.direction)].input;
  const T* x = run.in[0].template as<T>() + block.first * g.x_sample;
  const auto row = [&](int64_t r) {
    return x + time_of(g, block.direction, step + r / block.count) * g.x_step + r % block.count * g.x_sample;
  };
  point_to(weights, steps * block.count, row, slot.x_rows.data());
  multiply_rows(weights, steps * block.count, slot.x_rows.data(), slot.gx.template as<float>());
}

template <typename T>
CellRow row_of(const Layer<T>& layer, float* gx, int64_t n, Slot<T>& slot) {
  const int64_t hidden = layer.g.hidden, gates = layer.cell->gates;
  const bool resets = layer.cell->reset != nullptr;
  const float* gh = slot.gh.template as<float>() + n * (resets ? gates - 1 : gates) * hidden;
  return {.hidden = hidden,
          .gx = gx + n * gates * hidden,
          .gh = gh,
          .gh_last = resets ? slot.gh_last.template as<float>() + n * hidden : gh + (gates - 1) * hidden,
          .h = slot.h.template as<float>() + n * hidden,
          .c = slot.c.template as<float>() + n * hidden};
}

template <typename T>
void run_step(const Layer<T>& layer, const RunCall& run, const Block& block, int64_t step, float* gx,
              Slot<T>& slot) {
  const RecurrentGeometry& g = layer.g;
  const Direction<T>& direction = layer.directions[static_cast<size_t>(block.direction)];
  const Cell& cell = *layer.cell;
  multiply_rows(direction.state, block.count, slot.fed_rows.data(), slot.gh.template as<float>());
  if (cell.reset != nullptr) {
    float* reset = slot.reset.template as<float>();
    for (int64_t n = 0; n < block.count; ++n) {
      cell.reset(row_of(layer, gx, n, slot), reset);
      put(layer, layer.to_y, reset, g.hidden, slot.fed_reset.template as<T>() + n * fed_stride(g));
    }
    multiply_rows(direction.last, block.count, slot.fed_reset_rows.data(), slot.gh_last.template as<float>());
  }
  T* y = run.out[kY].template as<T>() + time_of(g, block.direction, step) * g.y_step +
         block.direction * g.y_direction + block.first * g.y_sample;
  for (int64_t n = 0; n < block.count; ++n, y += g.y_sample) {
    const CellRow row = row_of(layer, gx, n, slot);
    cell.step(row);
    if (step + 1 == g.steps)
      put(layer, layer.to_last_h, row.h, g.hidden,
          run.out[kLastH].template as<T>() +
              state_row(g, run.out[kLastH].shape, block.direction, block.first + n));
    put(layer, layer.to_y, row.h, g.hidden, y);
    std::copy_n(y, g.hidden, slot.fed.template as<T>() + n * fed_stride(g));
    get(layer, layer.h, y, g.hidden, row.h);
  }
}

template <typename T>
void run_block(const Layer<T>& layer, const RunCall& run, const Block& block, Slot<T>& slot) {
  const RecurrentGeometry& g = layer.g;
  begin(layer, run, block, slot);
  for (int64_t step = 0; step < g.steps; step += layer.block_steps) {
    const int64_t steps = std::min(layer.block_steps, g.steps - step);
    multiply_inputs(layer, run, block, step, steps, slot);
    float* gx = slot.gx.template as<float>();
    for (int64_t i = 0; i < steps; ++i, gx += block.count * layer.cell->gates * g.hidden)
      run_step(layer, run, block, step + i, gx, slot);
  }
  if (!layer.cell->has_c) return;
  for (int64_t n = 0; n < block.count; ++n)
    put(layer, layer.to_last_c, slot.c.template as<float>() + n * g.hidden, g.hidden,
        run.out[kLastC].template as<T>() +
            state_row(g, run.out[kLastC].shape, block.direction, block.first + n));
}

template <typename T>
void run_layer(const Layer<T>& layer, const RunCall& run) {
  const int64_t slots = std::ssize(*layer.slots), tasks = layer.blocks * layer.g.directions;
  parallel_for(slots, [&](int64_t index) {
    for (int64_t task = index; task < tasks; task += slots) {
      const int64_t first = task % layer.blocks * layer.block_samples;
      const Block block = {task / layer.blocks, first,
                           std::min(layer.block_samples, layer.g.samples - first)};
      run_block(layer, run, block, (*layer.slots)[static_cast<size_t>(index)]);
    }
  });
}

// ---- compiling ----

std::vector<float> biases(const CompileCall& call, int64_t which) {
  const int64_t rows = call.in[kWeight].shape[0];
  if (call.in.size() <= kBias) return std::vector<float>(static_cast<size_t>(rows));
  if (call.constants[kBias].data == nullptr)
    throw Error(ErrorKind::kUnsupported, "bias is computed, wanted a constant");
  const float* first = call.constants[kBias].as<float>() + which * rows;
  return {first, first + rows};
}

template <typename T>
void add_directions(Layer<T>& layer, const CompileCall& call) {
  const int64_t hidden = layer.g.hidden, gates = layer.cell->gates;
  const auto input = real_weights<T>(call.in[0], call.in[kWeight], call.constants[kWeight], biases(call, 0)),
             state = real_weights<T>(call.out[kY], call.in[kRecurrent], call.constants[kRecurrent],
                                     biases(call, 1));
  const auto pack = [&](const Weights<T>& all, int64_t first, int64_t count) {
    return pack_weights(channels_of(all, first * hidden, count * hidden), call.kernels);
  };
  for (int64_t gate = 0; gate < layer.g.directions * gates; gate += gates) {
    Direction<T> direction{.input = pack(input, gate, gates)};
    if (layer.cell->reset == nullptr) {
      direction.state = pack(state, gate, gates);
    } else {
      direction.state = pack(state, gate, gates - 1);
      direction.last = pack(state, gate + gates - 1, 1);
    }
    layer.directions.push_back(std::move(direction));
  }
}

template <typename T>
Slot<T> make_slot(const Layer<T>& layer) {
  const int64_t samples = layer.block_samples, rows = samples * layer.block_steps;
  const int64_t hidden = layer.g.hidden, stride = fed_stride(layer.g);
  const Direction<T>& direction = layer.directions[0];
  const auto reals = [](int64_t count, int64_t columns) {
    return make_tensor(DType::kF32, Shape{count, columns});
  };
  Slot<T> slot{.gx = reals(rows, direction.input.shape.columns),
               .gh = reals(samples, direction.state.shape.columns),
               .h = reals(samples, hidden),
               .fed = make_tensor(dtype_of<T>, Shape{samples, stride})};
  if (layer.cell->has_c) slot.c = reals(samples, hidden);
  slot.x_rows.resize(static_cast<size_t>(pointers_to(direction.input, rows)));
  const auto set_rows = [&](const PackedWeights<T>& weights, const Tensor& fed, std::vector<const T*>& out) {
    out.resize(static_cast<size_t>(pointers_to(weights, samples)));
    const T* first = fed.as<T>();
    point_to(
        weights, samples, [&](int64_t n) { return first + n * stride; }, out.data());
  };
  set_rows(direction.state, slot.fed, slot.fed_rows);
  if (layer.cell->reset == nullptr) return slot;
  slot.gh_last = reals(samples, hidden);
  slot.reset = reals(1, hidden);
  slot.fed_reset = make_tensor(dtype_of<T>, Shape{samples, stride});
  set_rows(direction.last, slot.fed_reset, slot.fed_reset_rows);
  return slot;
}

void set_rounding(Layer<float>&, const CompileCall&) {}
void set_rounding(Layer<uint8_t>& layer, const CompileCall& call) {
  layer.to_y = to_u8_of(call.out[kY]);
  layer.h = affine_of(call.out[kY], "y");
  layer.to_last_h = to_u8_of(call.out[kLastH]);
  if (layer.cell->has_c) layer.to_last_c = to_u8_of(call.out[kLastC]);
  if (call.in.size() > kFirstH) layer.first_h = affine_of(call.in[kFirstH], "initial h");
  if (call.in.size() > kFirstC) layer.first_c = affine_of(call.in[kFirstC], "initial c");
}

}  // namespace

template <typename T>
Run compile_recurrent(const CompileCall& call, const Cell& cell) {
  Layer<T> layer{.g = recurrent_geometry(call.attrs, call.in), .cell = &cell, .kernels = &call.kernels};
  add_directions(layer, call);
  set_rounding(layer, call);
  layer.blocks = (layer.g.samples + kBlockSamples - 1) / kBlockSamples;
  layer.block_samples = (layer.g.samples + layer.blocks - 1) / layer.blocks;
  layer.block_steps = std::clamp<int64_t>(kBlockRows / layer.block_samples, 1, layer.g.steps);
  layer.slots = std::make_shared<std::vector<Slot<T>>>();
  for (int64_t i = 0; i < std::min(kMostSlots, layer.blocks * layer.g.directions); ++i)
    layer.slots->push_back(make_slot(layer));
  return [layer = std::make_shared<const Layer<T>>(std::move(layer))](const RunCall& run) {
    run_layer(*layer, run);
  };
}
template Run compile_recurrent<float>(const CompileCall& call, const Cell& cell);
template Run compile_recurrent<uint8_t>(const CompileCall& call, const Cell& cell);

}  // namespace q
