// Integers computed from shapes, as models of PyTorch do to reshape by the batch.
#include "onnx/shape_eval.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.h"
#include "q/op.h"

namespace q {
namespace {

constexpr Extent kBatch = {1, true};

IntVector vector_of(const Ints& values) {
  IntVector out;
  for (int64_t value : values) out.extents.push_back({value});
  return out;
}

IntVector scalar(int64_t value) { return {{{value}}, true}; }

// The result as text: "[1N,3]", a scalar without brackets; "nothing", or what was thrown.
std::string evaluated(const OnnxNode& node, const std::vector<IntVector>& in, const Shape& shape = {}) {
  std::vector<ShapeInput> inputs;
  for (const IntVector& ints : in) inputs.push_back({&shape, &ints});
  if (in.empty()) inputs.push_back({&shape, nullptr});
  try {
    const auto result = evaluate_shape(node, inputs);
    if (!result) return "nothing";
    const auto* ints = std::get_if<IntVector>(&*result);
    if (ints == nullptr) return "tensor " + to_string(std::get<Tensor>(*result).type.shape);
    std::string out;
    for (const Extent& extent : ints->extents)
      out += text(out.empty() ? "" : ",", extent.value, extent.per_sample ? "N" : "");
    return ints->is_scalar ? out : "[" + out + "]";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(ShapeEval, ShapeGivesTheBatchAsSuch) {
  EXPECT_EQ(evaluated({.type = "Shape"}, {}, {kFree, 3, 5}), "[1N,3,5]");
  EXPECT_EQ(
      evaluated({.type = "Shape", .attrs = {{"start", int64_t{1}}, {"end", int64_t{-1}}}}, {}, {kFree, 3, 5}),
      "[3]");
  EXPECT_EQ(evaluated({.type = "Shape"}, {}, {}), "[]");
}

TEST(ShapeEval, GatherPicksElements) {
  const IntVector shape{{kBatch, {3}, {5}}};
  EXPECT_EQ(evaluated({.type = "Gather"}, {shape, scalar(0)}), "1N");
  EXPECT_EQ(evaluated({.type = "Gather"}, {shape, vector_of({-1, 0})}), "[5,1N]");
  EXPECT_EQ(evaluated({.type = "Gather"}, {shape, scalar(3)}), "index 3, wanted -3 to 2");
}

TEST(ShapeEval, SqueezeAndUnsqueezeTurnScalarsIntoVectorsAndBack) {
  const Attrs axes = {{"axes", Ints{0}}};
  EXPECT_EQ(evaluated({.type = "Unsqueeze", .attrs = axes}, {scalar(7)}), "[7]");
  EXPECT_EQ(evaluated({.type = "Unsqueeze"}, {scalar(7), vector_of({0})}), "[7]");
  EXPECT_EQ(evaluated({.type = "Unsqueeze", .attrs = axes}, {vector_of({7})}), "nothing");
  EXPECT_EQ(evaluated({.type = "Squeeze", .attrs = axes}, {vector_of({7})}), "7");
  EXPECT_EQ(evaluated({.type = "Squeeze"}, {vector_of({7, 8})}), "nothing");
}

TEST(ShapeEval, SliceTakesARange) {
  const IntVector shape{{kBatch, {3}, {5}}};
  EXPECT_EQ(evaluated({.type = "Slice"}, {shape, vector_of({0}), vector_of({2})}), "[1N,3]");
  EXPECT_EQ(evaluated({.type = "Slice"}, {shape, vector_of({-1}), vector_of({INT64_MAX})}), "[5]");
  EXPECT_EQ(evaluated({.type = "Slice", .attrs = {{"starts", Ints{1}}, {"ends", Ints{2}}}}, {shape}), "[3]");
  EXPECT_EQ(evaluated({.type = "Slice"}, {shape, vector_of({2}), vector_of({1})}), "[]");
}

TEST(ShapeEval, ArithmeticIsExactAndKeepsToMultiplesOfTheBatchOrRefuses) {
  EXPECT_EQ(evaluated({.type = "Mul"}, {vector_of({2, 3}), scalar(4)}), "[8,12]");
  EXPECT_EQ(evaluated({.type = "Div"}, {scalar(-7), scalar(2)}), "-3");
  EXPECT_EQ(evaluated({.type = "Div"}, {scalar(7), scalar(0)}), "cannot compute with 7 and 0");
  EXPECT_EQ(evaluated({.type = "Add"}, {scalar(INT64_MAX), scalar(1)}),
            "cannot compute with 9223372036854775807 and 1");
  EXPECT_EQ(evaluated({.type = "Sub"}, {vector_of({5}), vector_of({2})}), "[3]");
  EXPECT_EQ(evaluated({.type = "Mul"}, {IntVector{{kBatch}}, scalar(1)}), "[1N]");
  EXPECT_EQ(evaluated({.type = "Mul"}, {IntVector{{kBatch}}, scalar(2)}), "[2N]");
  EXPECT_EQ(evaluated({.type = "Mul"}, {IntVector{{kBatch}}, IntVector{{kBatch}}}),
            "cannot compute with 1 per sample and 1 per sample");
  EXPECT_EQ(evaluated({.type = "Div"}, {IntVector{{{12, true}}}, scalar(4)}), "[3N]");
  EXPECT_EQ(evaluated({.type = "Div"}, {IntVector{{{12, true}}}, IntVector{{{4, true}}}}), "[3]");
  EXPECT_EQ(evaluated({.type = "Div"}, {IntVector{{{12, true}}}, scalar(5)}),
            "cannot compute with 12 per sample and 5");
  EXPECT_EQ(evaluated({.type = "Div"}, {scalar(12), IntVector{{kBatch}}}),
            "cannot compute with 12 and 1 per sample");
  EXPECT_EQ(evaluated({.type = "Add"}, {IntVector{{kBatch}}, scalar(1)}),
            "cannot compute with 1 per sample and 1");
  EXPECT_EQ(evaluated({.type = "Sub"}, {IntVector{{{3, true}}}, IntVector{{kBatch}}}), "[2N]");
  EXPECT_EQ(evaluated({.type = "Add"}, {vector_of({1, 2}), vector_of({1, 2, 3})}),
            "2 integers with 3, wanted as many");
}

TEST(ShapeEval, ComparesTheBatchOnlyWhereAnyNumberOfSamplesGivesTheSame) {
  const IntVector batch{{kBatch}}, twice{{{2, true}}};
  EXPECT_EQ(evaluated({.type = "Equal"}, {vector_of({3, 4}), scalar(4)}), "[0,1]");
  EXPECT_EQ(evaluated({.type = "Equal"}, {batch, vector_of({-1})}), "[0]");
  EXPECT_EQ(evaluated({.type = "Equal"}, {batch, batch}), "[1]");
  EXPECT_EQ(evaluated({.type = "Equal"}, {batch, vector_of({1})}), "cannot compute with 1 per sample and 1");
  EXPECT_EQ(evaluated({.type = "Less"}, {vector_of({1}), twice}), "[1]");
  EXPECT_EQ(evaluated({.type = "Less"}, {twice, vector_of({2})}), "[0]");
  EXPECT_EQ(evaluated({.type = "Less"}, {twice, vector_of({3})}), "cannot compute with 2 per sample and 3");
  EXPECT_EQ(evaluated({.type = "Greater"}, {vector_of({5, 1}), vector_of({1, 5})}), "[1,0]");
  EXPECT_EQ(evaluated({.type = "Max"}, {batch, vector_of({1})}), "[1N]");
  EXPECT_EQ(evaluated({.type = "Min"}, {vector_of({7}), scalar(3)}), "[3]");
}

TEST(ShapeEval, WhereChoosesElementByElement) {
  const IntVector shape{{kBatch, {-1}, {32}}};
  EXPECT_EQ(evaluated({.type = "Where"}, {vector_of({0, 1, 0}), scalar(1), shape}), "[1N,1,32]");
  EXPECT_EQ(evaluated({.type = "Where"}, {vector_of({0, 1}), scalar(1), shape}),
            "3 integers with 2, wanted as many");
}

TEST(ShapeEval, SizeAndRangeCount) {
  EXPECT_EQ(evaluated({.type = "Size"}, {}, {kFree, 3, 5}), "15N");
  EXPECT_EQ(evaluated({.type = "Size"}, {}, {2, 3}), "6");
  EXPECT_EQ(evaluated({.type = "Range"}, {scalar(1), scalar(8), scalar(3)}), "[1,4,7]");
  EXPECT_EQ(evaluated({.type = "Range"}, {scalar(3), scalar(0), scalar(-2)}), "[3,1]");
  EXPECT_EQ(evaluated({.type = "Range"}, {scalar(3), scalar(0), scalar(1)}), "[]");
  EXPECT_EQ(evaluated({.type = "Range"}, {scalar(0), scalar(1), scalar(0)}),
            "steps by 0, wanted another number");
  EXPECT_EQ(evaluated({.type = "Range"}, {scalar(0), scalar(INT64_MAX), scalar(1)}),
            "more than 16777216 numbers, wanted fewer");
}

TEST(ShapeEval, CastGivesIntegersOrFloats) {
  EXPECT_EQ(evaluated({.type = "Cast", .attrs = {{"to", int64_t{6}}}}, {IntVector{{kBatch}}}), "[1N]");
  EXPECT_EQ(evaluated({.type = "Cast", .attrs = {{"to", int64_t{1}}}}, {vector_of({2, 3})}), "tensor [2]");
  EXPECT_EQ(evaluated({.type = "Cast", .attrs = {{"to", int64_t{9}}}}, {vector_of({2, 3})}), "nothing");
}

TEST(ShapeEval, ConstantOfShapeIsBounded) {
  EXPECT_EQ(evaluated({.type = "ConstantOfShape"}, {vector_of({2, 3})}), "tensor [2,3]");
  EXPECT_EQ(evaluated({.type = "ConstantOfShape"}, {vector_of({1 << 20, 1 << 20})}),
            "shape [1048576,1048576], wanted at most 16777216 elements");
}

TEST(ShapeEval, LeavesOtherTypesAlone) {
  EXPECT_FALSE(is_shape_type("Conv"));
  EXPECT_EQ(evaluated({.type = "Conv"}, {scalar(1)}), "nothing");
}

TEST(ShapeEval, ReshapeTargetLeavesTheSamplesTheirPlace) {
  const auto target = [](const IntVector& wanted, const Shape& input) {
    const Tensor tensor = reshape_target(wanted, input);
    return Ints(tensor.as<int64_t>(), tensor.as<int64_t>() + elements(tensor.type.shape));
  };
  EXPECT_EQ(target({{kBatch, {-1}}}, {kFree, 2, 3}), (Ints{-1, 6}));
  EXPECT_EQ(target({{kBatch, {2}, {3}}}, {2 * kFree, 3}), (Ints{-1, 2, 3}));
  EXPECT_EQ(target({{{2, true}, {0}}}, {2 * kFree, 3}), (Ints{-1, 3}));
  EXPECT_EQ(target(vector_of({1, 6}), {kFree, 2, 3}), (Ints{1, 6}));
  EXPECT_THROW(reshape_target({{kBatch, {6}}}, {2, 6}), Error);
  EXPECT_THROW(reshape_target({{kBatch, kBatch}}, {kFree, 6}), Error);
  EXPECT_THROW(reshape_target({{kBatch, {5}}}, {kFree, 6}), Error);
  EXPECT_THROW(reshape_target({{{-1, true}, {-6}}}, {kFree, 6}), Error);
}

}  // namespace
}  // namespace q
