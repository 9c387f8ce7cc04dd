// Operators that move, pick and resample elements, on numbers that can be checked by hand.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "op_problem.h"
#include "ops/shared/samples.h"

namespace q {
namespace {

using namespace op_problem;

using F32 = std::vector<float>;
using U8 = std::vector<uint8_t>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
const std::string kToEnd = "9223372036854775807", kToStart = "-9223372036854775808";

struct Reals {
  Shape shape;
  F32 values;
};

// 0, 1, 2, ... in that shape.
Reals counted(const Shape& shape) {
  F32 values(static_cast<size_t>(elements(shape)));
  std::iota(values.begin(), values.end(), 0.f);
  return {shape, values};
}

Problem problem_of(std::string_view name, std::string_view attrs, std::vector<Tensor> in) {
  Problem p{.op = find_op(name), .attrs = parse_attrs(*find_op(name), attrs), .in = std::move(in)};
  for (const Shape& shape : p.op->infer(p.attrs, p.types())) p.more_outs.push_back({DType::kF32, shape, {}});
  if (p.op->weight != kNone) p.constants_from = p.op->weight;
  p.out = p.more_outs.at(0);
  p.more_outs.erase(p.more_outs.begin());
  return p;
}

// All outputs of an operator stored row-major, or that of an image stored channels-last.
std::vector<F32> reals(std::string_view name, std::string_view attrs, const std::vector<Reals>& in) {
  std::vector<Tensor> tensors;
  for (const Reals& each : in) tensors.push_back(make_tensor(each.shape, each.values));
  std::vector<F32> out;
  for (const std::vector<uint8_t>& bytes : run_all(problem_of(name, attrs, tensors), generic()))
    out.push_back(as_floats(bytes));
  return out;
}

F32 real(std::string_view name, std::string_view attrs, const std::vector<Reals>& in) {
  return reals(name, attrs, in).at(0);
}

// Of integers with scale 0.5 and zero point 10 to the same.
U8 moved(std::string_view name, std::string_view attrs, const Shape& shape, const U8& values) {
  const QParams qparams{QScheme::kPerTensorAffine, 0, 0, 255, {0.5}, {10}};
  Tensor x = make_tensor({DType::kU8, shape, qparams});
  std::ranges::copy(values, x.as<uint8_t>());
  Problem p = problem_of(name, attrs, {x});
  p.out.dtype = DType::kU8;
  p.out.qparams = qparams;
  U8 out = run(p, generic());
  out.resize(out.size() - kGuard);
  return out;
}

Shape inferred(std::string_view name, std::string_view attrs, const std::vector<Shape>& in) {
  const OpDef& op = *find_op(name);
  std::vector<TensorType> types;
  for (const Shape& shape : in) types.push_back({DType::kF32, shape, {}});
  const Attrs parsed = parse_attrs(op, attrs);
  const std::vector<Shape> out = op.infer(parsed, types);
  check_samples(op, parsed, types, out);
  return out.at(0);
}

template <typename Body>
std::string message_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing thrown";
}

std::string refusal(std::string_view name, std::string_view attrs, const std::vector<Shape>& in) {
  return message_of([&] { inferred(name, attrs, in); });
}

// ---- slice, select, split, stack ----

TEST(Slice, GoesForwardsAndBackwardsInSteps) {
  const Reals x = counted({6});
  EXPECT_EQ(real("slice", "axes=0;starts=1;ends=5;steps=2", {x}), (F32{1, 3}));
  EXPECT_EQ(real("slice", "axes=0;starts=-2;ends=" + kToEnd, {x}), (F32{4, 5}));
  EXPECT_EQ(real("slice", "axes=0;starts=-1;ends=" + kToStart + ";steps=-1", {x}), (F32{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(real("slice", "axes=0;starts=99;ends=0;steps=-2", {x}), (F32{5, 3, 1}));
  EXPECT_EQ(real("slice", "axes=0;starts=4;ends=-6;steps=-3", {x}), (F32{4, 1}));
  EXPECT_EQ(real("slice", "axes=0;starts=-99;ends=99;steps=" + kToEnd, {x}), (F32{0}));
  EXPECT_EQ(real("slice", "axes=0;starts=3;ends=" + kToStart + ";steps=" + kToStart, {x}), (F32{3}));
}

TEST(Slice, CutsEachAxisThatIsNamed) {
  EXPECT_EQ(real("slice", "axes=-1,0;starts=2,1;ends=0,2;steps=-1,1", {counted({2, 3})}), (F32{5, 4}));
  EXPECT_EQ(moved("slice", "axes=1;starts=1;ends=3", {2, 3}, {1, 2, 3, 4, 5, 6}), (U8{2, 3, 5, 6}));
}

TEST(Slice, LeavesSomethingOfEveryAxisAndSamplesAlone) {
  EXPECT_EQ(refusal("slice", "axes=0;starts=3;ends=3", {{6}}),
            "nothing is left of axis 0 of [6] from 3 to 3 by 1");
  EXPECT_EQ(refusal("slice", "axes=0;starts=0;ends=3;steps=0", {{6}}), "attribute steps is 0 on axis 0");
  EXPECT_EQ(refusal("slice", "axes=1,-1;starts=0,0;ends=3,3", {{6, 6}}), "attribute axes names axis 1 twice");
  EXPECT_EQ(refusal("slice", "axes=0;starts=0,1;ends=3", {{6}}),
            "attributes starts, ends, axes and steps have 2, 1, 1 and 1 entries, wanted as many of each");
  EXPECT_EQ(refusal("slice", "axes=0;starts=0;ends=3", {{kFree, 6}}), "mixes samples: part of axis 0");
  EXPECT_EQ(inferred("slice", "axes=0,1;starts=0,2;ends=" + kToEnd + ",5", {{-3, 6}}), (Shape{-3, 3}));
}

TEST(Select, TakesOnePlaceAndTheAxisAway) {
  EXPECT_EQ(real("select", "axis=1;index=-1", {counted({2, 3, 2})}), (F32{4, 5, 10, 11}));
  EXPECT_EQ(inferred("select", "axis=-1;index=0", {{kFree, 4, 5}}), (Shape{kFree, 4}));
  EXPECT_EQ(refusal("select", "axis=1;index=3", {{2, 3}}),
            "attribute index is 3, wanted -3 to 2 on axis 1 of [2,3]");
  EXPECT_EQ(refusal("select", "axis=0;index=0", {{kFree, 3}}), "mixes samples: one place of axis 0");
}

TEST(Split, GivesAnOutputForEachPart) {
  EXPECT_EQ(reals("split", "axis=1;split=1,2", {counted({2, 3})}), (std::vector<F32>{{0, 3}, {1, 2, 4, 5}}));
  EXPECT_EQ(refusal("split", "axis=1;split=1,1", {{2, 3}}),
            "attribute split has 2 entries, wanted extents from 1 on whose sum is 3, that of axis 1");
  EXPECT_NE(refusal("split", "axis=1;split=4,-1", {{2, 3}}), "nothing thrown");
  EXPECT_NE(refusal("split", "axis=1;split=3,0", {{2, 3}}), "nothing thrown");
  EXPECT_EQ(refusal("split", "axis=0;split=1,1", {{-2, 3}}), "mixes samples: parts of axis 0");
}

TEST(Stack, PutsInputsBesideEachOtherAlongANewAxis) {
  const Reals a{{2}, {1, 2}}, b{{2}, {3, 4}};
  EXPECT_EQ(real("stack", "", {a, b}), (F32{1, 2, 3, 4}));
  EXPECT_EQ(real("stack", "axis=-1", {a, b}), (F32{1, 3, 2, 4}));
  EXPECT_EQ(inferred("stack", "axis=1", {{kFree, 3}, {kFree, 3}}), (Shape{kFree, 2, 3}));
  EXPECT_NE(refusal("stack", "", {{kFree, 3}, {1, 3}}), "nothing thrown");
  EXPECT_NE(refusal("stack", "axis=3", {{2, 3}}), "nothing thrown");
}

TEST(Transpose, PutsAxesInAnotherOrder) {
  EXPECT_EQ(real("transpose", "perm=2,0,1", {counted({2, 2, 3})}),
            (F32{0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11}));
}

// ---- index_select, gather, gather_nd ----

TEST(IndexSelect, TakesIndicesOfAnyRankFromBothEnds) {
  const Reals x = counted({3, 2});
  EXPECT_EQ(real("index_select", "", {x, {{3}, {2, -3, 2}}}), (F32{4, 5, 0, 1, 4, 5}));
  EXPECT_EQ(real("index_select", "axis=1", {x, {{}, {-1}}}), (F32{1, 3, 5}));
  EXPECT_EQ(inferred("index_select", "axis=1", {{kFree, 5, 6}, {2, 3}}), (Shape{kFree, 2, 3, 6}));
  EXPECT_EQ(inferred("index_select", "", {{5, 6}, {kFree, 3}}), (Shape{kFree, 3, 6}));
  EXPECT_EQ(refusal("index_select", "", {{kFree, 6}, {3}}), "mixes samples: places of axis 0");
}

TEST(IndexSelect, ReadsIntegersOfEveryType) {
  Tensor wide = make_tensor(DType::kI64, {2}), narrow = make_tensor(DType::kI32, {2});
  wide.as<int64_t>()[0] = 2, wide.as<int64_t>()[1] = -2;
  narrow.as<int32_t>()[0] = 2, narrow.as<int32_t>()[1] = -2;
  const Tensor x = make_tensor({3}, F32{5, 6, 7});
  for (const Tensor& indices : {wide, narrow})
    EXPECT_EQ(as_floats(run(problem_of("index_select", "", {x, indices}), generic())), (F32{7, 6}));
  EXPECT_EQ(message_of([&] {
              problem_of("index_select", "", {x, make_tensor(DType::kU8, {2})});
            }),
            "positions are u8, wanted i64, i32 or f32");
}

TEST(Positions, AreWholeAndInRange) {
  const Reals x = counted({3, 2});
  const auto with = [&](float index) {
    return message_of([&] { real("index_select", "", {x, {{1}, {index}}}); });
  };
  EXPECT_EQ(with(3), "index 3, wanted -3 to 2");
  EXPECT_EQ(with(-4), "index -4, wanted -3 to 2");
  EXPECT_EQ(with(0.5), "index 0.5, wanted -3 to 2");
  EXPECT_EQ(with(kNan), "index nan, wanted -3 to 2");
  EXPECT_EQ(message_of([&] { real("gather", "axis=1", {x, {{1, 2}, {0, 2}}}); }), "index 2, wanted -2 to 1");
  EXPECT_EQ(message_of([&] { real("gather_nd", "", {x, {{1, 2}, {2, 2}}}); }), "index 2, wanted -2 to 1");
  EXPECT_EQ(message_of([&] { real("embedding", "", {{{1}, {3}}, x}); }), "index 3, wanted -3 to 2");
  EXPECT_EQ(message_of([&] { real("embedding_bag", "", {{{1, 1}, {3}}, x}); }), "index 3, wanted -3 to 2");
}

TEST(Gather, HasOnePositionForEachElement) {
  const Reals x{{2, 2}, {1, 2, 3, 4}};
  EXPECT_EQ(real("gather", "axis=1", {x, {{2, 2}, {0, 0, 1, 0}}}), (F32{1, 1, 4, 3}));  // ONNX's example
  EXPECT_EQ(real("gather", "axis=0", {x, {{3, 1}, {-1, 0, 1}}}), (F32{3, 1, 3}));
  EXPECT_EQ(inferred("gather", "axis=1", {{kFree, 5}, {kFree, 7}}), (Shape{kFree, 7}));
  EXPECT_NE(refusal("gather", "axis=1", {{3, 5}, {4, 5}}), "nothing thrown");
  EXPECT_NE(refusal("gather", "axis=1", {{3, 5}, {kFree, 5}}), "nothing thrown");
  EXPECT_NE(refusal("gather", "axis=1", {{kFree, 5}, {3, 5}}), "nothing thrown");
  EXPECT_EQ(refusal("gather", "axis=0", {{kFree, 5}, {3, 5}}), "mixes samples: places of axis 0");
}

TEST(GatherNd, NamesPlacesByTheLastAxisOfItsIndices) {  // ONNX's examples
  const Reals x{{2, 2}, {0, 1, 2, 3}}, volume = counted({2, 2, 2});
  EXPECT_EQ(real("gather_nd", "", {x, {{2, 2}, {0, 0, 1, 1}}}), (F32{0, 3}));
  EXPECT_EQ(real("gather_nd", "", {x, {{2, 1}, {1, 0}}}), (F32{2, 3, 0, 1}));
  EXPECT_EQ(real("gather_nd", "", {volume, {{2, 1, 2}, {0, 1, -1, 0}}}), (F32{2, 3, 4, 5}));
  EXPECT_EQ(real("gather_nd", "batch_dims=1", {volume, {{2, 1}, {1, 0}}}), (F32{2, 3, 4, 5}));
  EXPECT_EQ(inferred("gather_nd", "batch_dims=1", {{kFree, 5, 6}, {kFree, 7, 1}}), (Shape{kFree, 7, 6}));
  EXPECT_NE(refusal("gather_nd", "", {{kFree, 5}, {7, 1}}), "nothing thrown");
  EXPECT_NE(refusal("gather_nd", "", {{4, 5}, {7, 3}}), "nothing thrown");
  EXPECT_NE(refusal("gather_nd", "batch_dims=2", {{4, 5}, {4, 5}}), "nothing thrown");
}

TEST(OneHot, IsOnWhereTheIndexSaysAndNowhereOutside) {
  const Reals values{{2}, {5, 7}};
  EXPECT_EQ(real("one_hot", "depth=3", {{{3}, {1, -1, 3}}, values}), (F32{5, 7, 5, 5, 5, 7, 5, 5, 5}));
  EXPECT_EQ(real("one_hot", "depth=2;axis=0", {{{3}, {1, 0, -3}}, values}), (F32{5, 7, 5, 7, 5, 5}));
  EXPECT_EQ(inferred("one_hot", "depth=3;axis=1", {{kFree, 4}, {2}}), (Shape{kFree, 3, 4}));
  EXPECT_NE(refusal("one_hot", "depth=0", {{4}, {2}}), "nothing thrown");
  EXPECT_NE(refusal("one_hot", "depth=3", {{4}, {3}}), "nothing thrown");
}

TEST(Trilu, KeepsTheTriangleOnItsSideOfADiagonal) {
  const Reals x{{3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}};
  EXPECT_EQ(real("trilu", "", {x}), (F32{1, 2, 3, 0, 5, 6, 0, 0, 9}));
  EXPECT_EQ(real("trilu", "k=1", {x}), (F32{0, 2, 3, 0, 0, 6, 0, 0, 0}));
  EXPECT_EQ(real("trilu", "upper=0", {x}), (F32{1, 0, 0, 4, 5, 0, 7, 8, 9}));
  EXPECT_EQ(real("trilu", "upper=0;k=-2", {x}), (F32{0, 0, 0, 0, 0, 0, 7, 0, 0}));
  EXPECT_EQ(real("trilu", "upper=0;k=" + kToEnd, {x}), x.values);
  EXPECT_EQ(moved("trilu", "", {2, 2}, {1, 2, 3, 4}), (U8{1, 2, 10, 4}));
  EXPECT_EQ(refusal("trilu", "", {{kFree, 3}}), "mixes samples: a triangle over axis 0");
}

// ---- expand, tile ----

TEST(Expand, RepeatsAsNumPyBroadcasts) {
  const Reals column{{2, 1}, {1, 2}};
  EXPECT_EQ(real("expand", "shape=2,3", {column}), (F32{1, 1, 1, 2, 2, 2}));
  EXPECT_EQ(real("expand", "shape=3", {column}), (F32{1, 1, 1, 2, 2, 2}));
  EXPECT_EQ(real("expand", "shape=2,1,2", {column}), (F32{1, 1, 2, 2, 1, 1, 2, 2}));
  EXPECT_EQ(inferred("expand", "shape=5,-1,4", {{kFree, 1}}), (Shape{5, kFree, 4}));
  EXPECT_EQ(inferred("expand", "shape=1,4", {{-3, 1}}), (Shape{-3, 4}));
  EXPECT_NE(refusal("expand", "shape=4,4", {{2, 1}}), "nothing thrown");
  EXPECT_NE(refusal("expand", "shape=3,4", {{kFree, 1}}), "nothing thrown");
  EXPECT_NE(refusal("expand", "shape=-1,2,4", {{2, 1}}), "nothing thrown");
}

TEST(Tile, RepeatsTheWhole) {
  EXPECT_EQ(real("tile", "repeats=2,2", {counted({2, 2})}),
            (F32{0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3}));
  EXPECT_EQ(inferred("tile", "repeats=1,2", {{kFree, 3}}), (Shape{kFree, 6}));
  EXPECT_EQ(refusal("tile", "repeats=2,1", {{kFree, 3}}), "mixes samples: axis 0 repeated");
  EXPECT_NE(refusal("tile", "repeats=0,1", {{2, 3}}), "nothing thrown");
}

// ---- pixels and channels: images are stored channels-last ----

TEST(PixelShuffle, MakesBlocksOfChannels) {
  // one pixel of channels 0 to 7: as CRD the rows 0 1 4 5 / 2 3 6 7 of two channels, interleaved
  EXPECT_EQ(real("pixel_shuffle", "blocksize=2", {counted({1, 8, 1, 1})}), (F32{0, 4, 1, 5, 2, 6, 3, 7}));
  EXPECT_EQ(real("pixel_shuffle", "blocksize=2;mode=DCR", {counted({1, 8, 1, 1})}),
            (F32{0, 1, 2, 3, 4, 5, 6, 7}));
  // two pixels of four channels, side by side
  EXPECT_EQ(real("pixel_shuffle", "blocksize=2", {counted({1, 4, 1, 2})}), (F32{0, 1, 4, 5, 2, 3, 6, 7}));
  EXPECT_NE(refusal("pixel_shuffle", "blocksize=2", {{1, 6, 2, 2}}), "nothing thrown");
  EXPECT_NE(refusal("pixel_shuffle", "blocksize=0", {{1, 4, 2, 2}}), "nothing thrown");
  EXPECT_NE(refusal("pixel_shuffle", "blocksize=2", {{1, kFree, 2, 2}}), "nothing thrown");
}

TEST(PixelUnshuffle, UndoesPixelShuffle) {
  const Reals x = counted({2, 3, 4, 6});
  for (const std::string mode : {"CRD", "DCR"}) {
    const F32 deep = real("pixel_unshuffle", "blocksize=2;mode=" + mode, {x});
    EXPECT_NE(deep, x.values);
    EXPECT_EQ(real("pixel_shuffle", "blocksize=2;mode=" + mode, {{{2, 12, 2, 3}, deep}}), x.values);
  }
  EXPECT_NE(refusal("pixel_unshuffle", "blocksize=2", {{1, 1, 2, 3}}), "nothing thrown");
}

TEST(ChannelShuffle, TakesTurnsBetweenGroups) {
  EXPECT_EQ(real("channel_shuffle", "groups=2", {counted({1, 6, 1})}), (F32{0, 3, 1, 4, 2, 5}));
  EXPECT_NE(refusal("channel_shuffle", "groups=4", {{1, 6, 1}}), "nothing thrown");
}

TEST(Pad, WrapsAroundMoreThanOnce) {
  EXPECT_EQ(real("pad", "pads=4,2;mode=wrap", {counted({3})}), (F32{2, 0, 1, 2, 0, 1, 2, 0, 1}));
  EXPECT_EQ(real("pad", "pads=-1,2;mode=wrap", {counted({3})}), (F32{1, 2, 0, 1}));
}

TEST(Pad, MayLeaveNothingOfTheInput) {
  EXPECT_EQ(real("pad", "pads=2,-3;value=7", {counted({3})}), (F32{7, 7}));
  EXPECT_EQ(real("pad", "pads=-3,2;value=7", {counted({3})}), (F32{7, 7}));
}

// ---- interpolate ----

constexpr std::string_view kTorchNearest = ";coordinate_transformation_mode=asymmetric;nearest_mode=floor";

TEST(Interpolate, TakesTheNearestPixelByItsRule) {
  const Reals x = counted({1, 1, 3});
  EXPECT_EQ(real("interpolate", text("sizes=6", kTorchNearest), {x}), (F32{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(real("interpolate", text("sizes=2", kTorchNearest), {x}), (F32{0, 1}));
  // at 0, 0.5, 1, 1.5, ...
  const std::string halves = "scales=2;coordinate_transformation_mode=asymmetric;nearest_mode=";
  EXPECT_EQ(real("interpolate", halves + "round_prefer_floor", {x}), (F32{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(real("interpolate", halves + "round_prefer_ceil", {x}), (F32{0, 1, 1, 2, 2, 2}));
  EXPECT_EQ(real("interpolate", halves + "ceil", {x}), (F32{0, 1, 1, 2, 2, 2}));
  // at -0.25, 0.25, 0.75, ...
  EXPECT_EQ(real("interpolate", "scales=2;nearest_mode=ceil", {x}), (F32{0, 1, 1, 2, 2, 2}));
  EXPECT_EQ(moved("interpolate", text("sizes=4", kTorchNearest), {1, 1, 2}, {7, 9}), (U8{7, 7, 9, 9}));
}

TEST(Interpolate, MovesWholePixelsOfSeveralChannels) {
  EXPECT_EQ(real("interpolate", text("sizes=1,4", kTorchNearest), {counted({1, 2, 1, 2})}),
            (F32{0, 1, 0, 1, 2, 3, 2, 3}));
}

TEST(Interpolate, IsLinearBetweenPixels) {
  const Reals x{{1, 1, 1, 3}, {0, 4, 8}};
  EXPECT_EQ(real("interpolate", "scales=1,2;mode=linear", {x}), (F32{0, 1, 3, 5, 7, 8}));
  EXPECT_EQ(real("interpolate", "sizes=1,5;mode=linear;coordinate_transformation_mode=align_corners", {x}),
            (F32{0, 2, 4, 6, 8}));
  EXPECT_EQ(real("interpolate", "scales=1,2;mode=linear;coordinate_transformation_mode=asymmetric", {x}),
            (F32{0, 2, 4, 6, 8, 8}));
  // ONNX: pytorch_half_pixel of one position is the first pixel, half_pixel the middle
  EXPECT_EQ(real("interpolate", "sizes=1,1;mode=linear", {x}), (F32{4}));
  EXPECT_EQ(
      real("interpolate", "sizes=1,1;mode=linear;coordinate_transformation_mode=pytorch_half_pixel", {x}),
      (F32{0}));
}

TEST(Interpolate, BlendsRowsOfBlendedColumns) {
  // ONNX's resize_upsample_scales_linear
  EXPECT_EQ(real("interpolate", "scales=2,2;mode=linear", {{{1, 1, 2, 2}, {1, 2, 3, 4}}}),
            (F32{1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4}));
}

TEST(Interpolate, TakesTheScaleThatIsGivenForTheStep) {
  // 4 * 0.6 is 2 pixels: at 0 and 1 / 0.6 by the scale, but at 0 and 2 by the sizes
  const std::string linear = ";mode=linear;coordinate_transformation_mode=asymmetric";
  const Reals x = counted({1, 1, 4});
  EXPECT_NEAR(real("interpolate", "scales=0.6" + linear, {x}).at(1), 1 / 0.6, 1e-6);
  EXPECT_EQ(real("interpolate", "sizes=2" + linear, {x}), (F32{0, 2}));
  // half_pixel_symmetric keeps the middle in the middle: 1.5 lies halfway between its two pixels
  const F32 symmetric = real("interpolate",
                             "scales=0.6;mode=linear;coordinate_transformation_mode="
                             "half_pixel_symmetric",
                             {x});
  EXPECT_NEAR((symmetric.at(0) + symmetric.at(1)) / 2, 1.5, 1e-6);
}

TEST(Interpolate, IsCubicWithKeysWeights) {
  // halfway: (-3, 19, 19, -3) / 32 for a = -0.75, edges repeated
  const Reals x{{1, 1, 4}, {0, 0, 32, 0}};
  const std::string cubic = "scales=2;mode=cubic;coordinate_transformation_mode=asymmetric";
  EXPECT_EQ(real("interpolate", cubic, {x}), (F32{0, -3, 0, 19, 32, 19, 0, -3}));
  // the last neighbour is outside of the image, and what it weighs goes to the others
  const F32 inside = real("interpolate", cubic + ";exclude_outside=1", {{{1, 1, 4}, {0, 0, 35, 0}}});
  EXPECT_NEAR(inside.at(5), 19, 1e-5);  // 35 * 19 / (-3 + 19 + 19)
}

TEST(Interpolate, RoundsIntegersBeforeTheZeroPointToEven) {
  // 10.5 and 11.5 less the zero point 10 are 0.5 and 1.5 steps
  EXPECT_EQ(moved("interpolate", "sizes=3;mode=linear;coordinate_transformation_mode=align_corners",
                  {1, 1, 2}, {10, 11}),
            (U8{10, 10, 11}));
  EXPECT_EQ(moved("interpolate", "sizes=3;mode=linear;coordinate_transformation_mode=align_corners",
                  {1, 1, 2}, {11, 12}),
            (U8{11, 12, 12}));
  // cubic beyond the integers
  EXPECT_EQ(moved("interpolate", "scales=2;mode=cubic;coordinate_transformation_mode=asymmetric", {1, 1, 4},
                  {0, 0, 255, 255}),
            (U8{0, 0, 0, 128, 255, 255, 255, 255}));
}

TEST(Interpolate, KeepsNan) {
  EXPECT_TRUE(std::isnan(real("interpolate", "scales=2;mode=linear", {{{1, 1, 2}, {kNan, 1}}}).at(1)));
}

TEST(Interpolate, RefusesWhatItCannotResize) {
  EXPECT_EQ(inferred("interpolate", "scales=2,0.5", {{kFree, 3, 4, 5}}), (Shape{kFree, 3, 8, 2}));
  EXPECT_NE(refusal("interpolate", "scales=2,2", {{1, 3, kFree, 5}}), "nothing thrown");
  EXPECT_NE(refusal("interpolate", "scales=2", {{1, 3, 4, 5}}), "nothing thrown");
  EXPECT_NE(refusal("interpolate", "", {{1, 3, 4, 5}}), "nothing thrown");
  EXPECT_NE(refusal("interpolate", "scales=2,0", {{1, 3, 4, 5}}), "nothing thrown");
  EXPECT_NE(refusal("interpolate", "sizes=2,0", {{1, 3, 4, 5}}), "nothing thrown");
  EXPECT_NE(refusal("interpolate", "scales=2,0.1", {{1, 3, 4, 5}}), "nothing thrown");
  EXPECT_EQ(refusal("interpolate", "scales=2,2;mode=area", {{1, 3, 4, 5}}),
            "attribute mode is \"area\", wanted nearest, linear or cubic");
}

// ---- embedding, embedding_bag ----

const Reals kTable{{3, 2}, {1, 2, 3, 4, 5, 6}};

TEST(Embedding, LooksRowsUp) {
  EXPECT_EQ(real("embedding", "", {{{2, 2}, {0, 2, 2, -2}}, kTable}), (F32{1, 2, 5, 6, 5, 6, 3, 4}));
  EXPECT_EQ(inferred("embedding", "", {{kFree, 7}, {10, 4}}), (Shape{kFree, 7, 4}));
  EXPECT_NE(refusal("embedding", "", {{2}, {kFree, 4}}), "nothing thrown");
  EXPECT_NE(refusal("embedding", "", {{2}, {4}}), "nothing thrown");
}

TEST(EmbeddingBag, AddsAveragesOrPicks) {
  const Reals bags{{2, 2}, {0, 2, 1, 1}};
  EXPECT_EQ(real("embedding_bag", "", {bags, kTable}), (F32{6, 8, 6, 8}));
  EXPECT_EQ(real("embedding_bag", "mode=mean", {bags, kTable}), (F32{3, 4, 3, 4}));
  EXPECT_EQ(real("embedding_bag", "mode=max", {bags, kTable}), (F32{5, 6, 3, 4}));
  EXPECT_EQ(real("embedding_bag", "", {bags, kTable, {{2, 2}, {2, -1, 0.5, 0}}}), (F32{-3, -2, 1.5, 2}));
}

TEST(EmbeddingBag, KeepsNan) {
  const Reals table{{2, 1}, {kNan, 1}};
  for (const std::string mode : {"mode=sum", "mode=max"})
    for (const F32& order : {F32{0, 1}, F32{1, 0}})
      EXPECT_TRUE(std::isnan(real("embedding_bag", mode, {{{1, 2}, order}, table}).at(0))) << mode;
}

TEST(EmbeddingBag, RoundsItsSumOnce) {
  // 1 + 2^-24 + 2^-24, which binary32 would lose twice
  const Reals table{{2, 1}, {1, 0x1p-24f}};
  EXPECT_EQ(real("embedding_bag", "", {{{1, 3}, {0, 1, 1}}, table}), (F32{1 + 0x1p-23f}));
}

TEST(EmbeddingBag, RefusesOtherForms) {
  EXPECT_EQ(refusal("embedding_bag", "", {{5}, {3, 2}}), "indices are [5], wanted [bags,positions of each]");
  EXPECT_EQ(refusal("embedding_bag", "", {{2, kFree}, {3, 2}}), "mixes samples: the positions of a bag");
  EXPECT_NE(refusal("embedding_bag", "mode=max", {{2, 2}, {3, 2}, {2, 2}}), "nothing thrown");
  EXPECT_NE(refusal("embedding_bag", "", {{kFree, 2}, {3, 2}, {2, 2}}), "nothing thrown");
  EXPECT_NE(refusal("embedding_bag", "mode=min", {{2, 2}, {3, 2}}), "nothing thrown");
}

// Rows of integers with scales 1 and 0.25.
Problem integer_rows(std::string_view name, std::string_view attrs, const Reals& indices) {
  const QParams rows{QScheme::kPerChannelSymmetric, 0, -127, 127, {1, 0.25}, {0, 0}};
  Tensor table = make_tensor({DType::kI8, {2, 2}, rows});
  std::ranges::copy(std::vector<int8_t>{3, -4, 6, 10}, table.as<int8_t>());
  Problem p = problem_of(name, attrs, {make_tensor(indices.shape, indices.values), table});
  p.out.dtype = DType::kU8;
  p.out.qparams = QParams{QScheme::kPerTensorAffine, 0, 0, 255, {1}, {100}};
  return p;
}

TEST(QuantizedEmbedding, RoundsEachRowByItsOwnScale) {
  U8 rows = run(integer_rows("embedding", "", {{2}, {1, 0}}), generic());
  rows.resize(4);
  EXPECT_EQ(rows, (U8{102, 102, 103, 96}));  // 1.5 and 2.5 to even
  U8 bag = run(integer_rows("embedding_bag", "", {{1, 2}, {1, 0}}), generic());
  bag.resize(2);
  EXPECT_EQ(bag, (U8{104, 98}));  // 4.5 and -1.5
}

}  // namespace
}  // namespace q
