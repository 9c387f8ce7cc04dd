// Nodes of ONNX that move, pick and resample elements, as operators.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "onnx/mapping.h"
#include "onnx_models.h"
#include "q/op.h"

namespace q {
namespace {

OnnxNode::Input computed(const Shape& shape, DType dtype = DType::kF32) {
  OnnxNode::Input input;
  input.type = {dtype, shape, {}};
  return input;
}

OnnxNode::Input constant(Tensor tensor) {
  OnnxNode::Input input;
  input.type = tensor.type;
  input.constant = std::move(tensor);
  return input;
}

OnnxNode::Input numbers(const Numbers& values) { return constant(make_tensor({std::ssize(values)}, values)); }

OnnxNode::Input integers(const Ints& values) {
  Tensor tensor = make_tensor(DType::kI64, Shape{std::ssize(values)});
  std::copy(values.begin(), values.end(), tensor.as<int64_t>());
  return constant(tensor);
}

OnnxNode::Input integer(int64_t value) {
  Tensor tensor = make_tensor(DType::kI64, Shape{});
  *tensor.as<int64_t>() = value;
  return constant(tensor);
}

OnnxNode::Input absent() {
  OnnxNode::Input input;
  input.absent = true;
  return input;
}

OnnxNode node(std::string type, int64_t opset, std::vector<OnnxNode::Input> inputs, Attrs attrs = {}) {
  OnnxNode out;
  out.type = std::move(type);
  out.opset = opset;
  out.inputs = std::move(inputs);
  out.attrs = std::move(attrs);
  return out;
}

MappedNode mapped(const OnnxNode& node) {
  std::optional<MappedNode> out = map_node(node);
  if (!out) throw std::runtime_error("no operator takes " + node.type);
  return *std::move(out);
}

std::string op_of(const OnnxNode& node) { return std::string(mapped(node).op->name); }

Shape inferred(const OnnxNode& node) {
  const MappedNode found = mapped(node);
  std::vector<TensorType> types;
  for (const OnnxNode::Input& input : found.node.inputs) types.push_back(input.type);
  return found.op->infer(found.node.attrs, types).at(0);
}

std::string refusal(const OnnxNode& node) {
  try {
    return "taken by " + op_of(node);
  } catch (const Error& error) {
    return error.what();
  }
}

const OnnxNode::Input kImage = computed({kFree, 8, 6, 10}), kSix = computed({6, 4});

TEST(OnnxSlice, HasAttributesUntilOpset9AndInputsSince) {
  EXPECT_EQ(inferred(node("Slice", 9, {kSix}, {{"starts", Ints{1, 2}}, {"ends", Ints{3, 99}}})),
            (Shape{2, 2}));
  EXPECT_EQ(inferred(node("Slice", 9, {kSix},
                          {{"starts", Ints{-2}}, {"ends", Ints{INT64_MAX}}, {"axes", Ints{1}}})),
            (Shape{6, 2}));
  EXPECT_EQ(inferred(node("Slice", 13,
                          {kSix, integers({5}), integers({INT64_MIN}), integers({-2}), integers({-2})})),
            (Shape{3, 4}));
  EXPECT_EQ(inferred(node("Slice", 10, {kSix, integers({1}), integers({3})})), (Shape{2, 4}));
  EXPECT_EQ(inferred(node("Slice", 10, {kSix, integers({1}), integers({3}), absent(), integers({2})})),
            (Shape{1, 4}));
  EXPECT_EQ(refusal(node("Slice", 10, {kSix, computed({1}, DType::kI64), integers({3})})),
            "starts is computed, wanted a constant");
}

TEST(OnnxSlice, OfAllSamplesTheFileHasTakesAnyNumber) {
  OnnxNode all = node("Slice", 13, {kImage, integers({0, 2}), integers({4, 3}), integers({0, 1})});
  all.batch = 4;
  EXPECT_EQ(inferred(all), (Shape{kFree, 1, 6, 10}));
  all.batch = 5;
  EXPECT_THROW(inferred(all), Error);
}

TEST(OnnxSplit, HasSizesOrEqualParts) {
  const auto sizes = [](OnnxNode split, int64_t outputs) {
    split.outputs = outputs;
    return attr_ints(mapped(split).node.attrs, "split");
  };
  EXPECT_EQ(sizes(node("Split", 11, {kImage}, {{"axis", int64_t{1}}, {"split", Ints{3, 5}}}), 2),
            (Ints{3, 5}));
  EXPECT_EQ(sizes(node("Split", 13, {kImage, integers({3, 5})}, {{"axis", int64_t{1}}}), 2), (Ints{3, 5}));
  EXPECT_EQ(sizes(node("Split", 13, {kImage}, {{"axis", int64_t{-1}}}), 5), (Ints{2, 2, 2, 2, 2}));
  EXPECT_EQ(sizes(node("Split", 18, {kImage}, {{"axis", int64_t{3}}, {"num_outputs", int64_t{4}}}), 4),
            (Ints{3, 3, 3, 1}));
  OnnxNode uneven = node("Split", 13, {kImage}, {{"axis", int64_t{3}}});
  uneven.outputs = 4;
  EXPECT_EQ(refusal(uneven), "4 parts of 10, wanted equal ones");
  uneven.outputs = 1;
  uneven.attrs["num_outputs"] = int64_t{2};
  EXPECT_EQ(refusal(uneven), "1 outputs, wanted 2");
  EXPECT_EQ(refusal(node("Split", 13, {kImage})), "mixes samples: parts of their axis");
}

TEST(OnnxGather, IsSelectEmbeddingOrIndexSelect) {
  const OnnxNode::Input table = constant(make_tensor({3, 2}, Numbers{1, 2, 3, 4, 5, 6}));
  const OnnxNode::Input indices = computed({kFree, 7}, DType::kI64);
  const MappedNode one = mapped(node("Gather", 13, {kImage, integer(-1)}, {{"axis", int64_t{2}}}));
  EXPECT_EQ(one.op->name, "select");
  EXPECT_EQ(attr_int(one.node.attrs, "index"), -1);
  EXPECT_EQ(inferred(node("Gather", 13, {kImage, integer(-1)}, {{"axis", int64_t{2}}})),
            (Shape{kFree, 8, 10}));
  EXPECT_EQ(op_of(node("Gather", 13, {table, indices})), "embedding");
  EXPECT_EQ(inferred(node("Gather", 13, {table, indices}, {{"axis", int64_t{0}}})), (Shape{kFree, 7, 2}));
  EXPECT_EQ(op_of(node("Gather", 13, {table, indices}, {{"axis", int64_t{1}}})), "index_select");
  EXPECT_EQ(op_of(node("Gather", 13, {computed({3, 2}), indices})), "index_select");
  EXPECT_EQ(inferred(node("Gather", 11, {kImage, integers({1, 0})}, {{"axis", int64_t{1}}})),
            (Shape{kFree, 2, 6, 10}));
  EXPECT_EQ(op_of(node("GatherElements", 11, {kSix, computed({6, 2}, DType::kI64)}, {{"axis", int64_t{1}}})),
            "gather");
  EXPECT_EQ(op_of(node("GatherND", 12, {kSix, computed({6, 1}, DType::kI64)}, {{"batch_dims", int64_t{1}}})),
            "gather_nd");
}

TEST(OnnxExpand, KeepsTheSamplesOfTheFile) {
  OnnxNode expand = node("Expand", 8, {computed({kFree, 1, 5}), integers({2, 4, 3, 5})});
  expand.batch = 4;
  EXPECT_EQ(inferred(expand), (Shape{2, kFree, 3, 5}));
  expand.batch = 3;
  EXPECT_THROW(inferred(expand), Error);
  EXPECT_EQ(inferred(node("Expand", 13, {computed({1, 5}), integers({2, 1, 1})})), (Shape{2, 1, 5}));
}

TEST(OnnxTile, RepeatsByAConstant) {
  EXPECT_EQ(inferred(node("Tile", 13, {kImage, integers({1, 1, 2, 3})})), (Shape{kFree, 8, 12, 30}));
}

TEST(OnnxOneHot, HasAConstantDepth) {
  const OnnxNode::Input indices = computed({kFree}, DType::kI64), values = numbers({0, 1});
  EXPECT_EQ(inferred(node("OneHot", 11, {indices, integer(5), values})), (Shape{kFree, 5}));
  EXPECT_EQ(inferred(node("OneHot", 11, {indices, numbers({5}), values})), (Shape{kFree, 5}));
  EXPECT_EQ(refusal(node("OneHot", 11, {indices, computed({1}, DType::kI64), values})),
            "depth is computed, wanted a constant");
}

TEST(OnnxTrilu, TakesItsDiagonalFromAnInput) {
  const MappedNode lower = mapped(node("Trilu", 14, {kSix, integer(-1)}, {{"upper", int64_t{0}}}));
  EXPECT_EQ(attr_int(lower.node.attrs, "k"), -1);
  EXPECT_EQ(lower.node.inputs.size(), 1u);
  EXPECT_EQ(attr_int(mapped(node("Trilu", 14, {kSix})).node.attrs, "upper"), 1);
}

TEST(OnnxDepthToSpace, IsDcrUnlessItSaysOtherwise) {
  const auto mode = [](const OnnxNode& node) { return attr_string(mapped(node).node.attrs, "mode"); };
  const Attr two = int64_t{2};
  EXPECT_EQ(mode(node("DepthToSpace", 7, {kImage}, {{"blocksize", two}})), "DCR");
  EXPECT_EQ(mode(node("DepthToSpace", 13, {kImage}, {{"blocksize", two}, {"mode", std::string("CRD")}})),
            "CRD");
  EXPECT_EQ(mode(node("SpaceToDepth", 13, {kImage}, {{"blocksize", two}})), "DCR");
  EXPECT_EQ(inferred(node("SpaceToDepth", 13, {kImage}, {{"blocksize", two}})), (Shape{kFree, 32, 3, 5}));
}

TEST(OnnxPad, MayWrap) {
  EXPECT_EQ(inferred(node("Pad", 19, {kSix, integers({1, 2}), absent(), integers({1})},
                          {{"mode", std::string("wrap")}})),
            (Shape{6, 7}));
}

// ---- Resize and Upsample ----

TEST(OnnxResize, OfOldOpsetsTakesTheNearestBefore) {
  const OnnxNode::Input scales = numbers({1, 1, 2, 1.5});
  for (const OnnxNode& old :
       {node("Upsample", 7, {kImage}, {{"scales", Floats{1, 1, 2, 1.5}}, {"mode", std::string("nearest")}}),
        node("Upsample", 9, {kImage, scales}), node("Resize", 10, {kImage, scales})}) {
    const Attrs attrs = mapped(old).node.attrs;
    EXPECT_EQ(attr_string(attrs, "coordinate_transformation_mode"), "asymmetric") << old.opset;
    EXPECT_EQ(attr_string(attrs, "nearest_mode"), "floor") << old.opset;
    EXPECT_EQ(inferred(old), (Shape{kFree, 8, 12, 15})) << old.opset;
  }
}

TEST(OnnxResize, TakesScalesOrSizes) {
  const Attrs linear = {{"mode", std::string("linear")},
                        {"coordinate_transformation_mode", std::string("pytorch_half_pixel")}};
  EXPECT_EQ(inferred(node("Resize", 11, {kImage, numbers({}), numbers({1, 1, 2, 2})}, linear)),
            (Shape{kFree, 8, 12, 20}));
  OnnxNode sized = node("Resize", 13, {kImage, absent(), absent(), integers({4, 8, 7, 9})},
                        {{"mode", std::string("cubic")}});
  sized.batch = 4;
  EXPECT_EQ(inferred(sized), (Shape{kFree, 8, 7, 9}));
  EXPECT_EQ(mapped(sized).node.inputs.size(), 1u);
  sized.batch = 2;
  EXPECT_EQ(refusal(sized), "resizes axis 0, wanted only the axes from the third on");
  EXPECT_EQ(inferred(node("Resize", 18, {kImage, absent(), absent(), integers({7, 9})},
                          {{"axes", Ints{3, -2}}, {"antialias", int64_t{0}}})),
            (Shape{kFree, 8, 9, 7}));
}

TEST(OnnxResize, RefusesWhatItCannotExpress) {
  const auto with = [](const std::string& name, Attr value, double scale) {
    return refusal(node("Resize", 19, {kImage, absent(), numbers({1, 1, 2, static_cast<float>(scale)})},
                        {{name, std::move(value)}, {"mode", std::string("linear")}}));
  };
  EXPECT_EQ(with("antialias", int64_t{1}, 0.5), "antialias is 1 where an image shrinks, wanted 0");
  EXPECT_EQ(with("antialias", int64_t{1}, 1), "taken by interpolate");
  EXPECT_EQ(with("coordinate_transformation_mode", std::string("tf_crop_and_resize"), 1),
            "coordinate_transformation_mode is tf_crop_and_resize");
  EXPECT_EQ(with("keep_aspect_ratio_policy", std::string("not_larger"), 1),
            "keep_aspect_ratio_policy is not_larger, wanted stretch");
  EXPECT_EQ(refusal(node("Resize", 13, {kImage, absent(), numbers({1, 2, 1, 1})})),
            "resizes axis 1, wanted only the axes from the third on");
  EXPECT_EQ(refusal(node("Resize", 13, {kImage, absent(), computed({4})})),
            "scales is computed, wanted a constant");
}

// ---- whole models ----

using MoveImport = Import;

TEST_F(MoveImport, SplitsIntoAllOutputsOfTheNode) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 6});
  set_int(add_node(model, "Split", "parts", {"x"}, {"a", "b", "c"}), "axis", 1);
  add_node(model, "Concat", "", {"c", "a"}, {"y"});
  set_int(*model.mutable_graph()->mutable_node(1), "axis", 1);
  add_output(model, "y");
  const Graph graph = import(model);
  EXPECT_EQ(value(graph, "b").type.shape, (Shape{kFree, 2}));
  EXPECT_EQ(value(graph, "y").type.shape, (Shape{kFree, 4}));
}

TEST_F(MoveImport, ResizesToASizeBesideTheExtentsOfTheInput) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 3, 4, 5});
  add_node(model, "Shape", "", {"x"}, {"shape"});
  add_initializer(model, "starts", int_tensor({1}, {0}));
  add_initializer(model, "ends", int_tensor({1}, {2}));
  add_initializer(model, "size", int_tensor({2}, {8, 9}));
  add_node(model, "Slice", "", {"shape", "starts", "ends"}, {"kept"});
  set_int(add_node(model, "Concat", "", {"kept", "size"}, {"sizes"}), "axis", 0);
  add_node(model, "Resize", "larger", {"x", "", "", "sizes"}, {"y"});
  add_output(model, "y");
  const Graph graph = import(model);
  EXPECT_EQ(value(graph, "y").type.shape, (Shape{kFree, 3, 8, 9}));
  EXPECT_EQ(graph.nodes.size(), 1u);
}

TEST_F(MoveImport, ExpandsToAShapeThatCountsSamples) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 3});
  add_input(model, "column", {-1, 1});
  add_node(model, "Shape", "", {"x"}, {"shape"});
  add_node(model, "Expand", "wide", {"column", "shape"}, {"y"});
  add_output(model, "y");
  EXPECT_EQ(value(import(model), "y").type.shape, (Shape{kFree, 3}));
}

TEST_F(MoveImport, LeavesAConstantThatIsRepeatedForEachSampleAtOne) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 1, 3});
  add_initializer(model, "token", float_tensor({1, 1, 3}, {1, 2, 3}));
  add_node(model, "Shape", "", {"x"}, {"shape"});
  add_node(model, "Expand", "tokens", {"token", "shape"}, {"all"});
  set_int(add_node(model, "Concat", "", {"all", "x"}, {"y"}), "axis", 1);
  add_output(model, "y");
  EXPECT_EQ(value(import(model), "y").type.shape, (Shape{kFree, 2, 3}));
}

TEST_F(MoveImport, LooksUpTokensOfAnyBatch) {
  ModelProto model = empty_model();
  add_input(model, "tokens", {-1, 5}, TensorProto::INT64);
  add_initializer(model, "table", float_tensor({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}));
  add_node(model, "Gather", "rows", {"table", "tokens"}, {"y"});
  add_output(model, "y");
  const Graph graph = import(model);
  EXPECT_EQ(nodes(graph), (Strings{"rows embedding"}));
  EXPECT_EQ(value(graph, "tokens").type.dtype, DType::kI64);
  EXPECT_EQ(value(graph, "y").type.shape, (Shape{kFree, 5, 2}));
}

}  // namespace
}  // namespace q
