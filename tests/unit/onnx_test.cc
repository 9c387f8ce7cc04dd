// Import of ONNX: every form in which a file may say something, and every refusal, on models made here; real
// models where they are.
#include "onnx_models.h"

namespace q {
namespace {

// ---- names and structure ----

TEST_F(Import, KeepsTheNamesOfNodesAndValues) {
  const Graph graph = import(relu_model());
  EXPECT_EQ(nodes(graph), Strings{"act relu"});
  EXPECT_EQ(value(graph, "x").type.shape, (Shape{kFree, 4}));
  EXPECT_EQ(value(graph, "y").type.shape, (Shape{kFree, 4}));
  EXPECT_EQ(graph.inputs, std::vector<ValueId>{find_value(graph, "x")});
  EXPECT_EQ(graph.outputs, std::vector<ValueId>{find_value(graph, "y")});
}

TEST_F(Import, NamesNodesWithoutANameByTypeAndPosition) {
  ModelProto model = relu_model();
  model.mutable_graph()->mutable_node(0)->clear_name();
  EXPECT_EQ(nodes(import(model)), Strings{"Relu_0 relu"});
}

TEST_F(Import, TellsNodesOfTheSameNameApart) {
  ModelProto model = relu_model();
  model.mutable_graph()->mutable_node(0)->set_output(0, "h");
  add_node(model, "Tanh", "act", {"h"}, {"y"});
  EXPECT_EQ(nodes(import(model)), (Strings{"act relu", "act.2 tanh"}));
}

TEST_F(Import, PutsNodesInOrder) {
  ModelProto model = relu_model();
  model.mutable_graph()->mutable_node(0)->set_input(0, "h");
  add_node(model, "Tanh", "first", {"x"}, {"h"});
  EXPECT_EQ(nodes(import(model)), (Strings{"first tanh", "act relu"}));
}

TEST_F(Import, RemovesNodesThatNoOutputNeedsAndSaysSo) {
  ModelProto model = relu_model();
  add_node(model, "Einsum", "probe", {"x"}, {"unseen"});
  EXPECT_EQ(nodes(import(model)), Strings{"act relu"});
  EXPECT_EQ(changes("unused"), Strings{"probe: removed: no output depends on it"});
}

TEST_F(Import, TakesInitializersThatAreAlsoListedAsInputsForConstants) {
  ModelProto model = add_model(float_tensor({3}, {1, 2, 3}));
  add_input(model, "w", {3});
  const Graph graph = import(model);
  EXPECT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(floats(graph, "w"), (Numbers{1, 2, 3}));
}

TEST_F(Import, RefusesACycle) {
  ModelProto model = relu_model();
  add_node(model, "Add", "a", {"x", "q"}, {"p"});
  add_node(model, "Add", "b", {"x", "p"}, {"q"});
  EXPECT_EQ(refusal(model), "m.onnx: /graph/a (Add): waits for its own output: the graph has a cycle");
}

TEST_F(Import, RefusesValuesMadeTwiceOrNever) {
  ModelProto twice = relu_model();
  add_node(twice, "Tanh", "other", {"x"}, {"y"});
  EXPECT_EQ(refusal(twice), "m.onnx: node other: the value y is also made by node act");

  ModelProto never = relu_model();
  never.mutable_graph()->mutable_node(0)->set_input(0, "z");
  EXPECT_EQ(refusal(never), "m.onnx: node act: input z: made by no node, wanted one that makes it");

  ModelProto output = relu_model();
  add_output(output, "z");
  EXPECT_EQ(refusal(output), "m.onnx: output z: made by no node, wanted one that makes it");

  ModelProto constant = add_model(float_tensor({3}, {1, 2, 3}));
  add_initializer(constant, "w", float_tensor({3}, {1, 2, 3}));
  EXPECT_EQ(refusal(constant), "m.onnx: initializer w: the value w is also made by initializer w");
}

TEST_F(Import, RefusesInputsAndOutputsListedTwiceOrMissing) {
  ModelProto input = relu_model();
  add_input(input, "x", {-1, 4});
  EXPECT_EQ(refusal(input), "m.onnx: input x: is listed twice");

  ModelProto output = relu_model();
  add_output(output, "y");
  EXPECT_EQ(refusal(output), "m.onnx: output y: is listed twice");

  ModelProto no_output = relu_model();
  no_output.mutable_graph()->clear_output();
  EXPECT_EQ(refusal(no_output), "m.onnx: no outputs, wanted at least one");

  ModelProto no_input = add_model(float_tensor({3}, {1, 2, 3}));
  no_input.mutable_graph()->clear_input();
  no_input.mutable_graph()->mutable_node(0)->set_input(0, "w");
  EXPECT_EQ(refusal(no_input), "m.onnx: no inputs, wanted at least one");
}

TEST_F(Import, RefusesAnOutputThatNothingComputes) {
  ModelProto model = relu_model();
  add_output(model, "x");
  EXPECT_EQ(refusal(model),
            "m.onnx: output x: is an input of the model, wanted one that is computed from the inputs");
}

TEST_F(Import, RefusesControlCharactersInNamesInOneLine) {
  ModelProto model = relu_model();
  model.mutable_graph()->mutable_node(0)->set_name("a\nb");
  EXPECT_EQ(refusal(model), "m.onnx: node a\\x0ab: a control character in the name, wanted none");
}

// ---- the file ----

TEST_F(Import, RefusesFilesThatAreNoModel) {
  EXPECT_EQ(refusal_of(""), "m.onnx: no ONNX model");
  EXPECT_EQ(refusal_of("\x89HDF\r\n\x1a\n and more of it"), "m.onnx: truncated or no ONNX model");
  const std::string whole = relu_model().SerializeAsString();
  EXPECT_EQ(refusal_of(whole.substr(0, whole.size() - 5)), "m.onnx: truncated or no ONNX model");
}

TEST_F(Import, RefusesFilesThatAreNotThere) {
  const std::string path = folder_ / "none.onnx";
  try {
    import_onnx(path, path, changes_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), path + ": No such file or directory");
    EXPECT_EQ(error.kind(), ErrorKind::kSystem);
  }
}

TEST_F(Import, TakesOpsets1To21) {
  for (int64_t opset : {1, 6, 7, 13, 17, 18, 21}) EXPECT_EQ(refusal(relu_model(opset)), "imported") << opset;
  EXPECT_EQ(refusal(relu_model(0)), "m.onnx: opset 0, wanted 1 to 21");
  EXPECT_EQ(refusal(relu_model(22)), "m.onnx: opset 22, wanted 1 to 21");
  ModelProto none = relu_model();
  none.mutable_opset_import(0)->set_domain("com.microsoft");
  EXPECT_EQ(refusal(none), "m.onnx: no opset of ai.onnx, wanted 1 to 21");
  none.mutable_opset_import(0)->set_domain("ai.onnx");
  EXPECT_EQ(refusal(none), "imported");
}

TEST_F(Import, TakesNoTwoOpsetsOfOneDomain) {
  ModelProto two = relu_model();
  auto* other = two.add_opset_import();
  other->set_domain("ai.onnx");
  other->set_version(13);
  EXPECT_EQ(refusal(two), "imported");  // the same under both names
  other->set_version(17);
  EXPECT_EQ(refusal(two), "m.onnx: opsets 13 and 17, wanted one");
}

TEST_F(Import, WarnsOfAFormatOfTheFuture) {
  ModelProto model = relu_model();
  for (const int64_t version : {10, 11}) {
    model.set_ir_version(version);
    import(model);
    EXPECT_EQ(std::ranges::count(changes_, "new ir_version", &Change::rule), version > 10) << version;
  }
}

// ---- inputs ----

TEST_F(Import, ReadsIntegersAsTheRealsTheyAre) {
  ModelProto model = relu_model();
  model.mutable_graph()->clear_input();
  add_input(model, "x", {-1, 4}, TensorProto::INT64);
  const Graph graph = import(model);
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].op, "cast");
  EXPECT_EQ(graph.values[static_cast<size_t>(graph.inputs[0])].type.dtype, DType::kI64);
}

TEST_F(Import, RefusesInputsItCannotFeed) {
  const auto with_input = [&](const Ints& extents, int type) {
    ModelProto model = relu_model();
    model.mutable_graph()->clear_input();
    add_input(model, "x", extents, type);
    return refusal(model);
  };
  EXPECT_EQ(with_input({-1, 4}, TensorProto::STRING),
            "m.onnx: input x: type string, wanted floats, bool or integers other than uint64");
  EXPECT_EQ(with_input({-1, 4, -1}, TensorProto::FLOAT),
            "m.onnx: input x: extent 2 (N) is open, wanted a shape or data that give it");
  EXPECT_EQ(with_input({-1, 0}, TensorProto::FLOAT), "m.onnx: input x: extent 1 is 0, wanted at least 1");
  EXPECT_EQ(with_input({-1, 1, 1, 1, 1, 1, 1, 1, 1}, TensorProto::FLOAT),
            "m.onnx: input x: rank 9, wanted at most 8");

  EXPECT_EQ(with_input({-1, INT64_MAX}, TensorProto::FLOAT),
            "m.onnx: node act: input x: is [N,9223372036854775807], wanted extents of 1 to 2147483647");

  ModelProto no_shape = relu_model();
  no_shape.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  EXPECT_EQ(refusal(no_shape), "m.onnx: input x: the shape is not known, wanted one");
  ModelProto sequence = relu_model();
  sequence.mutable_graph()->mutable_input(0)->mutable_type()->mutable_sequence_type();
  EXPECT_EQ(refusal(sequence), "m.onnx: input x: is a sequence, wanted a tensor");
}

// ---- operators ----

TEST_F(Import, NamesTheFirstUnsupportedNodeAndCountsTheOthers) {
  ModelProto one = relu_model();
  one.mutable_graph()->mutable_node(0)->set_op_type("Det");
  EXPECT_EQ(refusal(one), "m.onnx: node act: operator Det (opset 13) is not supported");

  ModelProto many = relu_model();
  many.mutable_graph()->mutable_node(0)->set_input(0, "d");
  add_node(many, "Det", "a", {"x"}, {"b"});
  add_node(many, "NonZero", "b", {"b"}, {"c"});
  add_node(many, "Det", "c", {"c"}, {"d"});
  EXPECT_EQ(
      refusal(many),
      "m.onnx: node a: operator Det (opset 13) is not supported, nor are 2 more nodes: 1 Det, 1 NonZero");
}

TEST_F(Import, RefusesOperatorsOfOtherDomains) {
  ModelProto model = relu_model();
  model.mutable_graph()->mutable_node(0)->set_domain("com.microsoft");
  model.mutable_graph()->mutable_node(0)->set_op_type("FusedConv");
  EXPECT_EQ(refusal(model), "m.onnx: node act: operator com.microsoft.FusedConv is not supported");
}

TEST_F(Import, RefusesOperatorsOnOperandsThatNothingHereTakes) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 1, 2, 2, 2, 2});
  add_initializer(model, "w", float_tensor({1, 1, 1, 1, 1, 1}, {1}));
  add_node(model, "Conv", "conv", {"x", "w"}, {"y"});
  add_output(model, "y");
  EXPECT_EQ(
      refusal(model),
      "m.onnx: node conv: operator Conv (opset 13) of f32 [N,1,2,2,2,2], constant f32 [1,1,1,1,1,1] is not "
      "supported; others become conv1d, conv2d, conv3d");
}

TEST_F(Import, ReportsWhatOnnxDemandsOfANode) {
  ModelProto model = relu_model();
  set_int(*model.mutable_graph()->mutable_node(0), "slope", 1);
  EXPECT_EQ(refusal(model), "m.onnx: node act: Unrecognized attribute: slope for operator Relu");
  ModelProto inputs = add_model(float_tensor({3}, {1, 2, 3}));
  inputs.mutable_graph()->mutable_node(0)->mutable_input()->RemoveLast();
  EXPECT_EQ(refusal(inputs), "m.onnx: node sum: Node (sum) has input size 1 not in range [min=2, max=2].");
}

TEST_F(Import, RefusesSubgraphs) {
  ModelProto model = relu_model();
  add_attribute(*model.mutable_graph()->mutable_node(0), "then_branch", AttributeProto::GRAPH)
      .mutable_g()
      ->set_name("sub");
  EXPECT_EQ(refusal(model),
            "m.onnx: node act: attribute then_branch: of type GRAPH, wanted numbers, a string or a tensor");
  model.mutable_graph()->mutable_node(0)->set_op_type("If");
  EXPECT_EQ(refusal(model), "m.onnx: node act: operator If (opset 13) is not supported");
}

TEST_F(Import, RefusesAttributesGivenTwice) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 4});
  NodeProto& node = add_node(model, "Softmax", "probabilities", {"x"}, {"y"});
  set_int(node, "axis", 1);
  set_int(node, "axis", 1);
  add_output(model, "y");
  EXPECT_EQ(refusal(model), "m.onnx: node probabilities: attribute axis: is given twice");
}

TEST_F(Import, RefusesASecondOutputThatIsUsed) {
  ModelProto model = relu_model();
  model.mutable_graph()->mutable_node(0)->set_input(0, "mask");
  add_node(model, "Dropout", "drop", {"x"}, {"h", "mask"});
  EXPECT_EQ(refusal(model), "m.onnx: node act: input mask: a second output of its node, wanted the first");
}

TEST_F(Import, TakesACastToFloatForNothingAndOthersForWhatTheyChange) {
  ModelProto model = relu_model();
  model.mutable_graph()->mutable_node(0)->set_input(0, "h");
  set_int(add_node(model, "Cast", "widen", {"x"}, {"h"}), "to", TensorProto::FLOAT);
  EXPECT_EQ(nodes(import(model)), (Strings{"widen identity", "act relu"}));
  for (const auto type : {TensorProto::FLOAT16, TensorProto::BFLOAT16, TensorProto::DOUBLE}) {
    model.mutable_graph()->mutable_node(1)->mutable_attribute(0)->set_i(type);
    EXPECT_EQ(nodes(import(model)), (Strings{"widen identity", "act relu"}));
  }
  const auto becomes = [&](TensorProto::DataType type) {
    model.mutable_graph()->mutable_node(1)->mutable_attribute(0)->set_i(type);
    return nodes(import(model));
  };
  EXPECT_EQ(becomes(TensorProto::INT32), (Strings{"widen trunc", "act relu"}));
  EXPECT_EQ(becomes(TensorProto::BOOL), (Strings{"widen to_bool", "act relu"}));
  model.mutable_graph()->mutable_node(1)->mutable_attribute(0)->set_i(TensorProto::STRING);
  EXPECT_EQ(refusal(model),
            "m.onnx: node widen: operator Cast to string (opset 13) of f32 [N,4] is not supported; others "
            "become cast, identity, to_bool, trunc");
}

// ---- the batch ----

TEST_F(Import, FreesABatchOfOne) {
  const Graph graph = import(reshape_model({1, 2, 3}, {1, 6}));
  EXPECT_EQ(value(graph, "x").type.shape, (Shape{kFree, 2, 3}));
  EXPECT_EQ(value(graph, "y").type.shape, (Shape{kFree, 6}));
  EXPECT_EQ(changes("free batch"), Strings{"x: the model's batch of 1 may be any"});
}

TEST_F(Import, KeepsABatchOfOneThatTheGraphNeedsAndSaysWhy) {
  ModelProto model = empty_model();
  add_input(model, "x", {1, 4});
  add_node(model, "Squeeze", "squeezed", {"x", "axes"}, {"y"});
  add_initializer(model, "axes", int_tensor({1}, {0}));
  add_output(model, "y");
  const Graph graph = import(model);
  EXPECT_EQ(value(graph, "x").type.shape, (Shape{1, 4}));
  EXPECT_EQ(value(graph, "y").type.shape, Shape{4});
  EXPECT_EQ(changes("fixed batch"),
            Strings{"x: batch kept at 1: node squeezed: mixes samples: axis 0 left out"});
  EXPECT_TRUE(changes_.back().warning);
}

TEST_F(Import, FreesALargerBatch) {
  ModelProto model = relu_model();
  model.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_value(4);
  EXPECT_EQ(value(import(model), "y").type.shape, (Shape{kFree, 4}));
  EXPECT_EQ(changes("free batch"), Strings{"x: the model's batch of 4 may be any"});
}

// x.view(x.size(0), -1), as torch exports it.
TEST_F(Import, FollowsTheBatchThroughAShapeIntoAReshape) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 2, 3});
  add_node(model, "Shape", "", {"x"}, {"shape"});
  add_constant(model, "zero", int_tensor({}, {0}));
  add_node(model, "Gather", "", {"shape", "zero"}, {"size"});
  add_initializer(model, "axes", int_tensor({1}, {0}));
  add_node(model, "Unsqueeze", "", {"size", "axes"}, {"batch"});
  add_initializer(model, "rest", int_tensor({1}, {-1}));
  set_int(add_node(model, "Concat", "", {"batch", "rest"}, {"target"}), "axis", 0);
  add_node(model, "Reshape", "view", {"x", "target"}, {"y"});
  add_output(model, "y");
  const Graph graph = import(model);
  EXPECT_EQ(nodes(graph), Strings{"view reshape"});
  EXPECT_EQ(value(graph, "y").type.shape, (Shape{kFree, 6}));
}

TEST_F(Import, RefusesToComputeOtherThingsFromTheBatch) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 4});
  add_node(model, "Shape", "", {"x"}, {"shape"});
  add_node(model, "Identity", "zeros", {"shape"}, {"h"});
  add_node(model, "Add", "sum", {"x", "h"}, {"y"});
  add_output(model, "y");
  EXPECT_EQ(refusal(model), "m.onnx: node sum: input h: counts samples, wanted fixed numbers");
}

// x → Shape → ConstantOfShape → `type` with x → y, or alone
ModelProto filled_model(const std::string& type, bool beside_samples) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 4});
  add_node(model, "Shape", "", {"x"}, {"shape"});
  *add_attribute(add_node(model, "ConstantOfShape", "ones", {"shape"}, {"h"}), "value",
                 AttributeProto::TENSOR)
       .mutable_t() = float_tensor({1}, {1});
  if (beside_samples) {
    add_node(model, type, "sum", {"x", "h"}, {"y"});
  } else {
    add_node(model, type, "alone", {"h"}, {"z"});
    add_node(model, "Add", "sum", {"x", "z"}, {"y"});
  }
  add_output(model, "y");
  return model;
}

TEST_F(Import, FillsAsManySamplesAsThereAreBesideOthers) {
  const Graph graph = import(filled_model("Add", true));
  EXPECT_EQ(to_string(value(graph, "h").type.shape), "[1,4]");
  EXPECT_EQ(floats(graph, "h"), (Numbers{1, 1, 1, 1}));
  EXPECT_EQ(to_string(value(graph, "y").type.shape), "[N,4]");
  // a sum over the samples is not that of one
  EXPECT_EQ(
      refusal(filled_model("Relu", false)),
      "m.onnx: input x: extent 0 (N) is open and cannot count samples, wanted a shape or data that give it: "
      "node alone: input h: has as many elements as there are samples, wanted it beside an operand that has "
      "samples");
}

// ---- real models ----

class ImportReal : public Import {
 protected:
  // The imported model; null when the folder of models is not there.
  std::optional<Graph> import_real(const std::string& name) {
    const char* models = std::getenv("Q_MODELS");
    const std::string path = text(models != nullptr ? models : Q_SOURCE_DIR "/../shared/models", "/", name);
    if (!std::filesystem::exists(path)) return std::nullopt;
    return import_onnx(path, path, changes_);
  }
  static int count(const Graph& graph, const std::string& op) {
    return static_cast<int>(
        std::count_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& n) { return n.op == op; }));
  }
};

TEST_F(ImportReal, TakesTheKeywordSpottingModel) {
  const std::optional<Graph> graph = import_real("kws/kws_ref_model_f32.onnx");
  if (!graph) GTEST_SKIP() << "no folder of models: set Q_MODELS";
  EXPECT_EQ(value(*graph, "input").type.shape, (Shape{kFree, 1, 49, 10}));
  EXPECT_EQ(value(*graph, "dense").type.shape, (Shape{kFree, 12}));
  EXPECT_EQ(count(*graph, "conv2d"), 9);
  EXPECT_EQ(count(*graph, "batch_norm"), 9);
}

TEST_F(ImportReal, FreesTheBatchOfMnist) {
  const std::optional<Graph> graph = import_real("mnist/mnist-8.onnx");
  if (!graph) GTEST_SKIP() << "no folder of models: set Q_MODELS";
  EXPECT_EQ(value(*graph, "Input3").type.shape, (Shape{kFree, 1, 28, 28}));
  EXPECT_EQ(value(*graph, "Plus214_Output_0").type.shape, (Shape{kFree, 10}));
  EXPECT_EQ(graph->inputs.size(), 1u);
  EXPECT_EQ(changes("free batch").size(), 1u);
}

TEST_F(ImportReal, RefusesATransformerInOneLine) {
  try {
    if (!import_real("digits/digits_vit2x32.onnx")) GTEST_SKIP() << "no folder of models: set Q_MODELS";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("is not supported, nor are "), std::string::npos)
        << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
  }
}

TEST_F(ImportReal, TakesTheBundledExample) {
  const std::string path = Q_SOURCE_DIR "/examples/glyphs/glyphs.onnx";
  const Graph graph = import_onnx(path, path, changes_);
  EXPECT_EQ(value(graph, "image").type.shape, (Shape{kFree, 1, 28, 28}));
  EXPECT_EQ(value(graph, "logits").type.shape, (Shape{kFree, 10}));
}

}  // namespace
}  // namespace q
