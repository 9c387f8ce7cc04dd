#include "ops/shared/gemm.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/parallel.h"

namespace q {

namespace {

// A block's rows of activations and its pointers to them stay in the second-level cache while panels of
// weights pass; where few suffice for the work of a block, it has more.
constexpr int64_t kBlockRows = 64;
// Multiply-adds that make a block worth handing to a thread: some microseconds. More where so many blocks are
// left all the same, because lines of the output then are longer.
constexpr int64_t kLeastBlockMacs = int64_t{1} << 20, kMostBlockMacs = int64_t{1} << 22;
constexpr int64_t kManyBlocks = 32;
// Weights beyond this leave the second-level cache between two blocks of rows.
constexpr int64_t kCacheBytes = int64_t{1} << 18;

int64_t quotient_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Length of the pieces when `total` is cut into as few as pieces of `most` allow, but of like size, multiples
// of `unit`.
int64_t even_piece(int64_t total, int64_t most, int64_t unit) {
  const int64_t pieces = std::max<int64_t>(1, quotient_up(total, most));
  return std::max(unit, quotient_up(quotient_up(total, pieces), unit) * unit);
}

void set_tile(const Kernels& kernels, PackedWeights<uint8_t>& packed) {
  packed.mr = static_cast<int64_t>(kernels.gemm_u8i8_mr);
  packed.nr = static_cast<int64_t>(kernels.gemm_u8i8_nr);
  packed.kernel = kernels.gemm_u8i8;
  packed.real_kernel = kernels.gemm_u8i8_real;
}
void set_tile(const Kernels& kernels, PackedWeights<float>& packed) {
  packed.mr = static_cast<int64_t>(kernels.gemm_f32_mr);
  packed.nr = static_cast<int64_t>(kernels.gemm_f32_nr);
  packed.kernel = packed.real_kernel = kernels.gemm_f32;
}

void set_arrays(PackedWeights<uint8_t>& packed) {
  packed.out.bias = packed.bias.as<int32_t>();
  packed.out.multiplier = packed.multiplier.as<float>();
  packed.real_out = {packed.out.bias, packed.out.multiplier, packed.offset.as<float>()};
}
void set_arrays(PackedWeights<float>& packed) {
  packed.out.bias = packed.bias.as<float>();
  packed.real_out = packed.out;
}

U8Output from_column(U8Output out, int64_t column) {
  out.bias += column;
  out.multiplier += column;
  return out;
}
RealOutput from_column(RealOutput out, int64_t column) {
  out.bias += column;
  out.multiplier += column;
  out.offset += column;
  return out;
}
F32Output from_column(F32Output out, int64_t column) {
  out.bias += column;
  return out;
}

// Rows first to end of C, panels first_panel to end_panel of one group.
struct Block {
  int64_t group, first_row, end_row, first_panel, end_panel;
};

template <typename T>
Block block_at(const Gemm<T>& gemm, int64_t index) {
  const int64_t group = index / (gemm.row_blocks * gemm.panel_blocks);
  index %= gemm.row_blocks * gemm.panel_blocks;
  const int64_t row_block = gemm.rows_fastest ? index % gemm.row_blocks : index / gemm.panel_blocks;
  const int64_t panel_block = gemm.rows_fastest ? index / gemm.row_blocks : index % gemm.panel_blocks;
  const int64_t first_row = row_block * gemm.block_rows, first_panel = panel_block * gemm.block_panels;
  return {.group = group,
          .first_row = first_row,
          .end_row = std::min(first_row + gemm.block_rows, gemm.rows.count),
          .first_panel = first_panel,
          .end_panel = std::min(first_panel + gemm.block_panels, gemm.weights.panels)};
}

// Pointers to the activations of a block: [tiles][taps][mr].
template <typename T>
void find_rows(const Gemm<T>& gemm, const Block& block, const T* a, const T** pointers) {
  const OffsetTable& window = gemm.rows.window;
  const int64_t mr = gemm.weights.mr, taps = gemm.weights.shape.taps;
  const T* padding = gemm.padding.template as<T>();
  a += gemm.groups[static_cast<size_t>(block.group)].a;
  if (gemm.row_step != 0) {
    for (int64_t row = block.first_row; row < block.end_row; ++row) *pointers++ = a + row * gemm.row_step;
    return;
  }
  RowCursor cursor(gemm.rows, block.first_row);
  const T** neighbour = nullptr;  // the row before, where this one lies a step behind it under every tap
  bool inside = false;            // no outer tap of this line is padding
  int64_t r = 0;                  // in its tile
  for (int64_t row = block.first_row; row < block.end_row; ++row, cursor.advance(window)) {
    const T** found = pointers + r;
    if (neighbour != nullptr) {
      for (int64_t tap = 0; tap < taps; ++tap) found[tap * mr] = neighbour[tap * mr] + window.inside_step;
    } else {
      for (int64_t tap = 0; tap < taps; tap += window.taps)
        fill_rows(window, cursor.outer, cursor.inner, a + cursor.image * gemm.rows.image_stride, padding,
                  static_cast<size_t>(mr), found + tap * mr);
    }
    if (cursor.inner == 0 || row == block.first_row) inside = is_inside(window, cursor.outer);
    neighbour = inside && cursor.inner >= window.inside_begin && cursor.inner + 1 < window.inside_end
                    ? found
                    : nullptr;
    if (++r < mr) continue;
    r = 0;
    pointers += taps * mr;
  }
}

// So many rows from `first` on, `step` elements apart, of which columns [first, first + columns) are done.
Part part_of(int64_t first, int64_t rows, int64_t columns, int64_t step) {
  if (columns == step) return {.first = first, .count = rows * columns};
  return {.first = first, .count = columns, .lines = rows, .stride = step};
}

// Calls body(row, rows, place) for runs of rows [first, end) that lie evenly in C.
template <typename T, typename Body>
void for_each_line(const Gemm<T>& gemm, int64_t first, int64_t end, const Body& body) {
  const OffsetTable& window = gemm.rows.window;
  RowCursor cursor(gemm.rows, first);
  while (first < end) {
    const int64_t rows = std::min(end - first, window.inner_pixels - cursor.inner);
    body(first, rows,
         cursor.image * gemm.places.image_stride + gemm.places.lines[static_cast<size_t>(cursor.outer)] +
             cursor.inner * gemm.places.step);
    first += rows;
    cursor.inner = window.inner_pixels - 1;
    cursor.advance(window);
  }
}

// One panel for rows that do not lie one behind the other: a tile at a time, whose rows are then copied to
// their places. c: where the panel's columns of the first row of all are.
template <typename T>
void scatter_panel(const Gemm<T>& gemm, const Block& block, typename WeightedTypes<T>::Gemm call, T* c) {
  constexpr int64_t kTile = 72 * 64;  // elements
  const int64_t mr = gemm.weights.mr, nr = gemm.weights.nr;
  const int64_t most_rows = std::max(mr, kTile / nr / mr * mr);
  T tile[kTile];
  call.c = tile;
  call.c_stride = static_cast<size_t>(nr);
  for (int64_t first = block.first_row; first < block.end_row; first += most_rows) {
    const int64_t end = std::min(first + most_rows, block.end_row);
    call.rows = static_cast<size_t>(end - first);
    gemm.weights.kernel(call);
    for_each_line(gemm, first, end, [&](int64_t row, int64_t rows, int64_t place) {
      for (int64_t r = 0; r < rows; ++r)
        std::copy_n(tile + (row - first + r) * nr, call.columns, c + place + r * gemm.places.step);
    });
    call.a += most_rows * gemm.weights.shape.taps;
  }
}

// Tells of the columns that a block has computed.
template <typename T>
void tell(const Gemm<T>& gemm, const Block& block, int64_t first, const PartDone& done) {
  const int64_t columns = std::min(block.end_panel * gemm.weights.nr, gemm.weights.shape.columns) -
                          block.first_panel * gemm.weights.nr;
  if (gemm.places.lines.empty()) {
    done(part_of(first + block.first_row * gemm.c_stride, block.end_row - block.first_row, columns,
                 gemm.c_stride));
    return;
  }
  for_each_line(gemm, block.first_row, block.end_row, [&](int64_t, int64_t rows, int64_t place) {
    done(part_of(first + place, rows, columns, gemm.places.step));
  });
}

void set_row_bias(GemmF32&, const Gemm<float>&, int64_t) {}
void set_row_bias(GemmU8I8& call, const Gemm<uint8_t>& gemm, int64_t row) {
  if (gemm.row_bias.data != nullptr) call.row_bias = gemm.row_bias.as<int32_t>() + row;
}

// Calls run(call, column) for panels first to end of a group; what the panel says is set in the call, and
// column is its first.
template <typename T, typename Call, typename Out, typename Run>
void for_panels(const PackedWeights<T>& weights, const Out& out, int64_t group, int64_t first, int64_t end,
                Call call, const Run& run) {
  const WeightsShape& shape = weights.shape;
  call.taps = static_cast<size_t>(shape.taps);
  call.k = static_cast<size_t>(shape.k);
  for (int64_t panel = first; panel < end; ++panel) {
    const int64_t slot = group * weights.panels + panel;
    call.columns = static_cast<size_t>(std::min(weights.nr, shape.columns - panel * weights.nr));
    call.b = weights.values.template as<typename WeightedTypes<T>::Weight>() + slot * weights.panel_elements;
    call.next = slot + 1 < shape.groups * weights.panels ? call.b + weights.panel_elements : nullptr;
    call.out = from_column(out, slot * weights.nr);
    run(call, panel * weights.nr);
  }
}

template <typename T>
void run_block(const Gemm<T>& gemm, int64_t index, const T* a, T* c, const PartDone& done) {
  const Block block = block_at(gemm, index);
  const GroupPlace& group = gemm.groups[static_cast<size_t>(block.group)];
  const T* stack[kRowsOnStack];
  const T** pointers = gemm.scratch.of_block(index, stack);
  find_rows(gemm, block, a, pointers);

  typename WeightedTypes<T>::Gemm call{};
  call.rows = static_cast<size_t>(block.end_row - block.first_row);
  call.a = pointers;
  call.c_stride = static_cast<size_t>(gemm.c_stride);
  set_row_bias(call, gemm, group.row + block.first_row);
  for_panels(gemm.weights, gemm.weights.out, group.weights, block.first_panel, block.end_panel, call,
             [&](auto& panel_call, int64_t column) {
               T* columns = c + group.c + column;
               if (gemm.places.lines.empty()) {
                 panel_call.c = columns + block.first_row * gemm.c_stride;
                 gemm.weights.kernel(panel_call);
               } else {
                 scatter_panel(gemm, block, panel_call, columns);
               }
             });
  if (done) tell(gemm, block, group.c + block.first_panel * gemm.weights.nr, done);
}

// Elements from one row to the next when the rows are a plain matrix of one tap; 0 when they are not.
int64_t step_of(const ImageRows& rows) {
  const OffsetTable& window = rows.window;
  if (window.taps != 1) return 0;
  const int64_t step = window.inner_pixels > 1 ? window.inner[1] - window.inner[0] : rows.image_stride;
  if (step < 0) return 0;  // a second pixel in the padding
  for (int64_t i = 0; i < window.inner_pixels; ++i)
    if (window.inner[static_cast<size_t>(i)] != i * step) return 0;
  for (int64_t o = 0; o * window.inner_pixels < window.pixels; ++o)
    if (window.outer[static_cast<size_t>(o)] != o * window.inner_pixels * step) return 0;
  return rows.count == window.pixels || rows.image_stride == window.pixels * step ? step : 0;
}

// Weights of this shape, without values.
template <typename T>
PackedWeights<T> room_for(const WeightsShape& shape, const Kernels& kernels) {
  using Weight = typename WeightedTypes<T>::Weight;
  constexpr int64_t kStep = WeightedTypes<T>::kStep;
  PackedWeights<T> packed{.shape = shape};
  set_tile(kernels, packed);
  packed.panels = quotient_up(shape.columns, packed.nr);
  packed.panel_elements = shape.taps * quotient_up(shape.k, kStep) * packed.nr * kStep;
  packed.values = make_tensor(dtype_of<Weight>, Shape{shape.groups, packed.panels, packed.panel_elements});
  return packed;
}

// Columns of weights [columns][k][taps] side by side: [taps][ceil(k / step)][nr][step]. A few columns at a
// time, so that both are read and written in longer runs.
template <typename Weight>
void pack_panel(const Weight* from, int64_t columns, const WeightsShape& shape, int64_t nr, Weight* panel) {
  constexpr int64_t kStep = std::is_same_v<Weight, int8_t> ? WeightedTypes<uint8_t>::kStep : 1;
  constexpr int64_t kColumns = 16;
  const int64_t column_elements = shape.k * shape.taps;
  for (int64_t first = 0; first < columns; first += kColumns) {
    const int64_t count = std::min(kColumns, columns - first);
    Weight* to = panel + first * kStep;
    for (int64_t t = 0; t < shape.taps; ++t) {
      for (int64_t i = 0; i < shape.k; i += kStep, to += nr * kStep) {
        const Weight* source = from + first * column_elements + i * shape.taps + t;
        const int64_t steps = std::min(kStep, shape.k - i);
        for (int64_t n = 0; n < count; ++n, source += column_elements) {
          for (int64_t step = 0; step < steps; ++step) to[n * kStep + step] = source[step * shape.taps];
        }
      }
    }
  }
}

}  // namespace

template <typename T>
PackedWeights<T> pack_weights(const Weights<T>& weights, const Kernels& kernels) {
  using Weight = typename WeightedTypes<T>::Weight;
  const WeightsShape& shape = weights.shape;
  PackedWeights<T> packed = room_for<T>(shape, kernels);
  Weight* values = packed.values.template as<Weight>();
  parallel_for(shape.groups * packed.panels, [&](int64_t slot) {
    const int64_t first = slot % packed.panels * packed.nr, end = std::min(first + packed.nr, shape.columns);
    const Weight* from =
        weights.values.data() + (slot / packed.panels * shape.columns + first) * shape.k * shape.taps;
    pack_panel(from, end - first, shape, packed.nr, values + slot * packed.panel_elements);
  });
  packed.bias = per_column(weights.bias, shape, packed.panels * packed.nr);
  packed.multiplier = per_column(weights.multiplier, shape, packed.panels * packed.nr);
  packed.offset = per_column(weights.offset, shape, packed.panels * packed.nr);
  packed.out = weights.out;
  set_arrays(packed);
  return packed;
}

template <typename T>
PackedWeights<T> unpacked_weights(const WeightsShape& shape, typename WeightedTypes<T>::Out out,
                                  float multiplier, const Kernels& kernels) {
  PackedWeights<T> packed = room_for<T>(shape, kernels);
  const int64_t padded_columns = shape.groups * packed.panels * packed.nr;
  packed.bias = constant_row(padded_columns, typename WeightedTypes<T>::Bias{});
  packed.multiplier = constant_row(padded_columns, multiplier);
  packed.out = out;
  set_arrays(packed);
  return packed;
}

template <typename T>
Gemm<T> plan_gemm(const Weights<T>& weights, ImageRows rows, const Kernels& kernels) {
  const WeightsShape& shape = weights.shape;
  std::vector<GroupPlace> groups;
  for (int64_t g = 0; g < shape.groups; ++g)
    groups.push_back({.a = g * shape.k, .c = g * shape.columns, .weights = g, .row = 0});
  return plan_gemm(pack_weights(weights, kernels), std::move(rows), weights.padding, std::move(groups),
                   shape.groups * shape.columns);
}

template <typename T>
Gemm<T> plan_gemm(PackedWeights<T> weights, ImageRows rows, T padding, std::vector<GroupPlace> groups,
                  int64_t c_stride) {
  Gemm<T> gemm{.weights = std::move(weights),
               .rows = std::move(rows),
               .groups = std::move(groups),
               .c_stride = c_stride};
  const WeightsShape& shape = gemm.weights.shape;
  const int64_t group_count = std::ssize(gemm.groups);
  const int64_t mr = gemm.weights.mr, panels = gemm.weights.panels;
  gemm.row_step = shape.taps == 1 ? step_of(gemm.rows) : 0;
  gemm.padding = constant_row(shape.k, padding);

  const int64_t rows_on_stack = static_cast<int64_t>(kRowsOnStack) / shape.taps / mr * mr;
  const int64_t row_macs = panels * gemm.weights.panel_elements;
  const int64_t block_macs =
      std::clamp(group_count * gemm.rows.count * row_macs / kManyBlocks, kLeastBlockMacs, kMostBlockMacs);
  const int64_t wanted_rows = std::max(kBlockRows, kLeastBlockMacs / row_macs);
  gemm.block_rows = even_piece(gemm.rows.count, std::clamp(rows_on_stack, mr, std::max(mr, wanted_rows)), mr);
  gemm.row_blocks = quotient_up(gemm.rows.count, gemm.block_rows);
  const int64_t panel_macs = gemm.block_rows * gemm.weights.panel_elements;
  gemm.block_panels = even_piece(panels, std::max<int64_t>(1, block_macs / panel_macs), 1);
  gemm.panel_blocks = quotient_up(panels, gemm.block_panels);

  // The larger side is read once: weights that leave the cache stay for all rows, otherwise rows stay for all
  // weights.
  const int64_t weight_bytes = row_macs * static_cast<int64_t>(sizeof(typename WeightedTypes<T>::Weight));
  const int64_t row_bytes = gemm.rows.count * shape.k * static_cast<int64_t>(sizeof(T));
  gemm.rows_fastest = weight_bytes > kCacheBytes && weight_bytes > row_bytes;
  gemm.scratch = RowScratch(gemm.blocks(), gemm.block_rows * shape.taps);
  return gemm;
}

template <typename T>
void run_gemm(const Gemm<T>& gemm, const T* a, T* c, const PartDone& done) {
  run_gemms(std::span(&gemm, 1), a, c, done);
}

template <typename T>
void run_gemms(std::span<const Gemm<T>> gemms, const T* a, T* c, const PartDone& done) {
  int64_t blocks = 0;
  for (const Gemm<T>& gemm : gemms) blocks += gemm.blocks();
  parallel_for(blocks, [&](int64_t block) {
    const Gemm<T>* gemm = gemms.data();
    while (block >= gemm->blocks()) block -= gemm++->blocks();
    run_block(*gemm, block, a, c, done);
  });
}

template <typename T>
void multiply_rows(const PackedWeights<T>& weights, int64_t count, const T* const* pointers, float* c) {
  const int64_t panels = std::max<int64_t>(1, kLeastBlockMacs / (count * weights.panel_elements));
  parallel_blocks(weights.panels, panels, [&](int64_t first, int64_t end) {
    typename WeightedTypes<T>::RealGemm call{};
    call.rows = static_cast<size_t>(count);
    call.a = pointers;
    call.c_stride = static_cast<size_t>(weights.shape.columns);
    for_panels(weights, weights.real_out, 0, first, end, call, [&](auto& panel_call, int64_t column) {
      panel_call.c = c + column;
      weights.real_kernel(panel_call);
    });
  });
}

template PackedWeights<uint8_t> pack_weights(const Weights<uint8_t>&, const Kernels&);
template PackedWeights<float> pack_weights(const Weights<float>&, const Kernels&);
template PackedWeights<uint8_t> unpacked_weights(const WeightsShape&, U8Output, float, const Kernels&);
template PackedWeights<float> unpacked_weights(const WeightsShape&, F32Output, float, const Kernels&);
template Gemm<uint8_t> plan_gemm(PackedWeights<uint8_t>, ImageRows, uint8_t, std::vector<GroupPlace>,
                                 int64_t);
template Gemm<float> plan_gemm(PackedWeights<float>, ImageRows, float, std::vector<GroupPlace>, int64_t);
template void run_gemms(std::span<const Gemm<uint8_t>>, const uint8_t*, uint8_t*, const PartDone&);
template void run_gemms(std::span<const Gemm<float>>, const float*, float*, const PartDone&);
template Gemm<uint8_t> plan_gemm(const Weights<uint8_t>&, ImageRows, const Kernels&);
template Gemm<float> plan_gemm(const Weights<float>&, ImageRows, const Kernels&);
template void run_gemm(const Gemm<uint8_t>&, const uint8_t*, uint8_t*, const PartDone&);
template void run_gemm(const Gemm<float>&, const float*, float*, const PartDone&);
template void multiply_rows(const PackedWeights<uint8_t>&, int64_t, const uint8_t* const*, float*);
template void multiply_rows(const PackedWeights<float>&, int64_t, const float* const*, float*);

}  // namespace q
