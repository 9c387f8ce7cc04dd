// Import of ONNX: every form in which a file may say something, and every refusal, on models made here; real
// models where they are.
#include "q/onnx.h"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/text.h"
#include "onnx/shape_eval.h"
#include "q/graph.h"
#include "q/pass.h"
#include "scratch_folder.h"

namespace q {
namespace {

using onnx::AttributeProto;
using onnx::ModelProto;
using onnx::NodeProto;
using onnx::TensorProto;

// ---- models ----

ModelProto empty_model(int64_t opset = 13) {
  ModelProto model;
  model.set_ir_version(7);
  model.add_opset_import()->set_version(opset);
  model.mutable_graph()->set_name("g");
  return model;
}

// extents: -1 leaves one open.
void set_type(onnx::ValueInfoProto& value, const std::string& name, const Ints& extents, int type) {
  value.set_name(name);
  auto* tensor = value.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  tensor->mutable_shape();
  for (int64_t extent : extents) {
    auto* dimension = tensor->mutable_shape()->add_dim();
    if (extent == -1)
      dimension->set_dim_param("N");
    else
      dimension->set_dim_value(extent);
  }
}

void add_input(ModelProto& model, const std::string& name, const Ints& extents,
               int type = TensorProto::FLOAT) {
  set_type(*model.mutable_graph()->add_input(), name, extents, type);
}

void add_output(ModelProto& model, const std::string& name) {
  set_type(*model.mutable_graph()->add_output(), name, {}, TensorProto::FLOAT);
}

NodeProto& add_node(ModelProto& model, const std::string& type, const std::string& name,
                    const std::vector<std::string>& inputs, const std::vector<std::string>& outputs) {
  NodeProto& node = *model.mutable_graph()->add_node();
  node.set_op_type(type);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  for (const std::string& output : outputs) node.add_output(output);
  return node;
}

AttributeProto& add_attribute(NodeProto& node, const std::string& name, AttributeProto::AttributeType type) {
  AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

void set_int(NodeProto& node, const std::string& name, int64_t value) {
  add_attribute(node, name, AttributeProto::INT).set_i(value);
}

void set_dims(TensorProto& tensor, int type, const Ints& extents) {
  tensor.set_data_type(type);
  for (int64_t extent : extents) tensor.add_dims(extent);
}

TensorProto float_tensor(const Ints& extents, const std::vector<float>& values) {
  TensorProto tensor;
  set_dims(tensor, TensorProto::FLOAT, extents);
  for (float value : values) tensor.add_float_data(value);
  return tensor;
}

TensorProto int_tensor(const Ints& extents, const Ints& values) {
  TensorProto tensor;
  set_dims(tensor, TensorProto::INT64, extents);
  for (int64_t value : values) tensor.add_int64_data(value);
  return tensor;
}

TensorProto& add_initializer(ModelProto& model, const std::string& name, TensorProto tensor) {
  tensor.set_name(name);
  return *model.mutable_graph()->add_initializer() = std::move(tensor);
}

void add_constant(ModelProto& model, const std::string& name, TensorProto tensor) {
  *add_attribute(add_node(model, "Constant", "", {}, {name}), "value", AttributeProto::TENSOR).mutable_t() =
      std::move(tensor);
}

// x [N, 4] → Relu → y, and what a test changes in it.
ModelProto relu_model(int64_t opset = 13) {
  ModelProto model = empty_model(opset);
  add_input(model, "x", {-1, 4});
  add_node(model, "Relu", "act", {"x"}, {"y"});
  add_output(model, "y");
  return model;
}

// x [N, extents...] → Add w → y
ModelProto add_model(TensorProto w, Ints extents = {-1, 3}) {
  ModelProto model = empty_model();
  add_input(model, "x", extents);
  add_initializer(model, "w", std::move(w));
  add_node(model, "Add", "sum", {"x", "w"}, {"y"});
  add_output(model, "y");
  return model;
}

// x → Reshape to what `target` is → y
ModelProto reshape_model(const Ints& extents, const Ints& target) {
  ModelProto model = empty_model();
  add_input(model, "x", extents);
  add_initializer(model, "target", int_tensor({static_cast<int64_t>(target.size())}, target));
  add_node(model, "Reshape", "view", {"x", "target"}, {"y"});
  add_output(model, "y");
  return model;
}

// ---- importing them ----

class Import : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& content) const {
    write_content(folder_ / name, content);
    return folder_ / name;
  }

  Graph import(const ModelProto& model) {
    changes_.clear();
    const std::string path = write("m.onnx", model.SerializeAsString());
    return import_onnx(path, path, changes_);
  }

  // The message of the refusal, without the folder; "imported" when there is none.
  std::string refusal(const ModelProto& model) { return refusal_of(model.SerializeAsString()); }

  std::string refusal_of(const std::string& content) {
    const std::string path = write("m.onnx", content);
    try {
      import_onnx(path, path, changes_);
    } catch (const Error& error) {
      const std::string message = error.what(), folder = folder_ / "";
      return message.starts_with(folder) ? message.substr(folder.size()) : message;
    }
    return "imported";
  }

  // Details of the changes of that rule.
  std::vector<std::string> changes(const std::string& rule) const {
    std::vector<std::string> out;
    for (const Change& change : changes_)
      if (change.rule == rule) out.push_back(change.node + ": " + change.detail);
    return out;
  }

  ScratchFolder folder_;
  Changes changes_;
};

const Value& value(const Graph& graph, const std::string& name) {
  const ValueId id = find_value(graph, name);
  if (id == kNone) throw Error(ErrorKind::kInvalid, "no value " + name);
  return graph.values[static_cast<size_t>(id)];
}

std::vector<float> floats(const Graph& graph, const std::string& name) {
  const Tensor tensor = value(graph, name).constant();
  return {tensor.as<float>(), tensor.as<float>() + elements(tensor.type.shape)};
}

std::vector<std::string> nodes(const Graph& graph) {
  std::vector<std::string> out;
  for (const Node& node : graph.nodes) out.push_back(node.name + " " + node.op);
  return out;
}

using Strings = std::vector<std::string>;
using Numbers = std::vector<float>;

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
  EXPECT_EQ(refusal(model), "m.onnx: output x: is not computed from the inputs, wanted one that is");
}

TEST_F(Import, RefusesControlCharactersInNamesInOneLine) {
  ModelProto model = relu_model();
  model.mutable_graph()->mutable_node(0)->set_name("a\nb");
  EXPECT_EQ(refusal(model), "m.onnx: node a?b: a control character in the name, wanted none");
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

TEST_F(Import, TakesOpsets7To17) {
  for (int64_t opset : {7, 13, 17}) EXPECT_EQ(refusal(relu_model(opset)), "imported") << opset;
  EXPECT_EQ(refusal(relu_model(6)), "m.onnx: opset 6, wanted 7 to 17");
  EXPECT_EQ(refusal(relu_model(21)), "m.onnx: opset 21, wanted 7 to 17");
  ModelProto none = relu_model();
  none.mutable_opset_import(0)->set_domain("com.microsoft");
  EXPECT_EQ(refusal(none), "m.onnx: no opset of ai.onnx, wanted 7 to 17");
  none.mutable_opset_import(0)->set_domain("ai.onnx");
  EXPECT_EQ(refusal(none), "imported");
}

// ---- inputs ----

TEST_F(Import, RefusesInputsItCannotFeed) {
  const auto with_input = [&](const Ints& extents, int type) {
    ModelProto model = relu_model();
    model.mutable_graph()->clear_input();
    add_input(model, "x", extents, type);
    return refusal(model);
  };
  EXPECT_EQ(with_input({-1, 4}, TensorProto::INT64), "m.onnx: input x: type int64, wanted float");
  EXPECT_EQ(with_input({-1, 4, -1}, TensorProto::FLOAT),
            "m.onnx: input x: extent 2 is not known, wanted a fixed one");
  EXPECT_EQ(with_input({-1, 0}, TensorProto::FLOAT), "m.onnx: input x: extent 1 is 0, wanted at least 1");
  EXPECT_EQ(with_input({}, TensorProto::FLOAT),
            "m.onnx: input x: shape [], wanted the batch as first extent");
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
  one.mutable_graph()->mutable_node(0)->set_op_type("Erf");
  EXPECT_EQ(refusal(one), "m.onnx: node act: operator Erf (opset 13) is not supported");

  ModelProto many = relu_model();
  many.mutable_graph()->mutable_node(0)->set_input(0, "d");
  add_node(many, "Erf", "a", {"x"}, {"b"});
  add_node(many, "Sqrt", "b", {"b"}, {"c"});
  add_node(many, "Erf", "c", {"c"}, {"d"});
  EXPECT_EQ(refusal(many),
            "m.onnx: node a: operator Erf (opset 13) is not supported, nor are 2 more nodes: 1 Erf, 1 Sqrt");
}

TEST_F(Import, RefusesOperatorsOfOtherDomains) {
  ModelProto model = relu_model();
  model.mutable_graph()->mutable_node(0)->set_domain("com.microsoft");
  model.mutable_graph()->mutable_node(0)->set_op_type("FusedConv");
  EXPECT_EQ(refusal(model), "m.onnx: node act: operator com.microsoft.FusedConv is not supported");
}

TEST_F(Import, RefusesOperatorsOnOperandsThatNothingHereTakes) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 4, 4});
  add_node(model, "MatMul", "attention", {"x", "x"}, {"y"});
  add_output(model, "y");
  EXPECT_EQ(
      refusal(model),
      "m.onnx: node attention: operator MatMul (opset 13) of f32 [N,4,4], f32 [N,4,4] is not supported");
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

TEST_F(Import, TakesACastToFloatForNothing) {
  ModelProto model = relu_model();
  model.mutable_graph()->mutable_node(0)->set_input(0, "h");
  set_int(add_node(model, "Cast", "widen", {"x"}, {"h"}), "to", TensorProto::FLOAT);
  EXPECT_EQ(nodes(import(model)), (Strings{"widen identity", "act relu"}));
  model.mutable_graph()->mutable_node(1)->mutable_attribute(0)->set_i(TensorProto::FLOAT16);
  EXPECT_EQ(refusal(model), "m.onnx: node widen: operator Cast (opset 13) of f32 [N,4] is not supported");
}

// ---- constants ----

TEST_F(Import, ReadsConstantsInEveryFormOfStorage) {
  const Numbers wanted = {1, -2, 0.5f};
  const auto typed = [](int type, const std::function<void(TensorProto&)>& fill) {
    TensorProto tensor;
    set_dims(tensor, type, {3});
    fill(tensor);
    return tensor;
  };
  const std::vector<TensorProto> forms = {
      float_tensor({3}, wanted),
      typed(TensorProto::DOUBLE,
            [](TensorProto& t) {
              for (double v : {1., -2., .5}) t.add_double_data(v);
            }),
      typed(TensorProto::FLOAT16,
            [](TensorProto& t) {
              for (int bits : {0x3c00, 0xc000, 0x3800}) t.add_int32_data(bits);
            }),
      typed(TensorProto::BFLOAT16,
            [](TensorProto& t) {
              for (int bits : {0x3f80, 0xc000, 0x3f00}) t.add_int32_data(bits);
            }),
      typed(TensorProto::FLOAT,
            [](TensorProto& t) { t.set_raw_data("\0\0\x80\x3f\0\0\0\xc0\0\0\0\x3f", 12); }),
      typed(TensorProto::FLOAT16, [](TensorProto& t) { t.set_raw_data("\0\x3c\0\xc0\0\x38", 6); }),
      typed(TensorProto::DOUBLE, [](TensorProto& t) {
        const double values[] = {1, -2, .5};
        t.set_raw_data(values, sizeof values);
      })};
  for (const TensorProto& form : forms)
    EXPECT_EQ(floats(import(add_model(form)), "w"), wanted) << form.ShortDebugString();
}

TEST_F(Import, ReadsHalvesToTheLastBit) {
  TensorProto tensor;
  set_dims(tensor, TensorProto::FLOAT16, {6});
  for (int bits : {0x0001, 0x03ff, 0x0400, 0x7bff, 0xfc00, 0x8000}) tensor.add_int32_data(bits);
  const Numbers wanted = {0x1p-24f, 1023 * 0x1p-24f, 0x1p-14f, 65504, -std::numeric_limits<float>::infinity(),
                          -0.f};
  const Numbers got = floats(import(add_model(tensor, {-1, 6})), "w");
  EXPECT_EQ(got, wanted);
  EXPECT_TRUE(std::signbit(got[5]));
}

TEST_F(Import, ReadsIntegersOf32BitsAsShapes) {
  ModelProto model = reshape_model({-1, 2, 3}, {0, 6});
  TensorProto& target = *model.mutable_graph()->mutable_initializer(0);
  target.Clear();
  target.set_name("target");
  set_dims(target, TensorProto::INT32, {2});
  target.add_int32_data(-1);
  target.add_int32_data(6);
  EXPECT_EQ(value(import(model), "y").type.shape, (Shape{kFree, 6}));
}

TEST_F(Import, ReadsConstantNodesInEveryForm) {
  const auto with = [&](const std::function<void(NodeProto&)>& fill) {
    ModelProto model = empty_model();
    add_input(model, "x", {-1, 2});
    fill(add_node(model, "Constant", "c", {}, {"w"}));
    add_node(model, "Add", "sum", {"x", "w"}, {"y"});
    add_output(model, "y");
    return model;
  };
  EXPECT_EQ(
      floats(
          import(with([](NodeProto& n) { add_attribute(n, "value_float", AttributeProto::FLOAT).set_f(3); })),
          "w"),
      Numbers{3});
  const auto set_floats = [](NodeProto& n) {
    AttributeProto& attribute = add_attribute(n, "value_floats", AttributeProto::FLOATS);
    attribute.add_floats(3);
    attribute.add_floats(4);
  };
  EXPECT_EQ(floats(import(with(set_floats)), "w"), (Numbers{3, 4}));
  EXPECT_EQ(refusal(with(
                [](NodeProto& n) { add_attribute(n, "value_string", AttributeProto::STRING).set_s("a"); })),
            "m.onnx: node c: its value is a string, wanted numbers");
  EXPECT_EQ(refusal(with([](NodeProto& n) { add_attribute(n, "value_int", AttributeProto::INT).set_i(3); })),
            "m.onnx: node sum: input w: i64, wanted f32");
}

TEST_F(Import, RefusesConstantsThatAreWrong) {
  EXPECT_EQ(refusal(add_model(float_tensor({3}, {1, std::numeric_limits<float>::quiet_NaN(), 3}))),
            "m.onnx: initializer w: element 1 is NaN, wanted a number");
  EXPECT_EQ(refusal(add_model(float_tensor({3}, {1, 2}))),
            "m.onnx: initializer w: 2 elements, wanted 3 for shape [3]");
  EXPECT_EQ(refusal(add_model(float_tensor({3, -1}, {1, 2}))),
            "m.onnx: initializer w: extent -1, wanted none below 0");
  EXPECT_EQ(refusal(add_model(float_tensor({0}, {}))),
            "m.onnx: node sum: input w: is [0], wanted extents of 1 to 2147483647");
  EXPECT_EQ(refusal(add_model(float_tensor({1, 1, 1, 1, 1, 1, 1, 1, 1}, {1}))),
            "m.onnx: initializer w: rank 9, wanted at most 8");
  EXPECT_EQ(refusal(add_model(float_tensor({INT64_MAX, 2}, {}))),
            "m.onnx: initializer w: shape [9223372036854775807,2] has more elements than can be counted");
  TensorProto wide;
  set_dims(wide, TensorProto::DOUBLE, {3});
  for (double v : {1., 2., 1e300}) wide.add_double_data(v);
  EXPECT_EQ(refusal(add_model(wide)),
            "m.onnx: initializer w: element 2 is 1e+300, wanted at most 3.4028235e+38");
  TensorProto text_tensor;
  set_dims(text_tensor, TensorProto::STRING, {1});
  EXPECT_EQ(refusal(add_model(text_tensor)),
            "m.onnx: initializer w: type string, wanted float, double, float16, bfloat16, int64, int32, "
            "int8, uint8 or bool");
}

TEST_F(Import, KeepsOneConstantForAllItsReaders) {
  ModelProto model = add_model(float_tensor({3}, {1, 2, 3}));
  model.mutable_graph()->mutable_node(0)->set_output(0, "h");
  add_node(model, "Mul", "product", {"h", "w"}, {"y"});
  const Graph graph = import(model);
  EXPECT_EQ(graph.nodes[0].inputs[1], graph.nodes[1].inputs[1]);
}

TEST_F(Import, GivesAConstantThatAMappingChangedItsOwnName) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 2});
  add_initializer(model, "w", float_tensor({2, 2}, {1, 2, 3, 4}));
  add_node(model, "MatMul", "project", {"x", "w"}, {"h"});
  add_node(model, "Gemm", "again", {"h", "w"}, {"k"});
  add_node(model, "Mul", "last", {"k", "w"}, {"y"});
  add_output(model, "y");
  model.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_value(2);
  const Graph graph = import(model);
  EXPECT_EQ(floats(graph, "w"), (Numbers{1, 3, 2, 4}));
  EXPECT_EQ(floats(graph, "w.2"), (Numbers{1, 3, 2, 4}));
  EXPECT_EQ(floats(graph, "w.3"), (Numbers{1, 2, 3, 4}));
}

TEST_F(Import, ComputesWhatDependsOnConstantsAlone) {
  ModelProto model = empty_model();
  add_input(model, "x", {-1, 4});
  add_initializer(model, "kernel", float_tensor({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}));
  add_constant(model, "shape", int_tensor({2}, {4, 2}));
  add_node(model, "Reshape", "flat", {"kernel", "shape"}, {"w"});
  add_node(model, "MatMul", "project", {"x", "w"}, {"y"});
  add_output(model, "y");
  const Graph graph = import(model);
  EXPECT_EQ(nodes(graph), Strings{"project linear"});
  EXPECT_EQ(floats(graph, "w"), (Numbers{1, 3, 5, 7, 2, 4, 6, 8}));
  EXPECT_EQ(changes("constant"), Strings{"flat: computed w"});
}

// ---- external data ----

class ImportExternal : public Import {
 protected:
  // The model's weights are `location` of the file's bytes.
  ModelProto model(const std::string& location, const std::string& offset = "",
                   const std::string& length = "") {
    TensorProto tensor;
    set_dims(tensor, TensorProto::FLOAT, {3});
    tensor.set_data_location(TensorProto::EXTERNAL);
    const auto add = [&](const std::string& key, const std::string& value) {
      if (value.empty()) return;
      auto* entry = tensor.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    add("location", location);
    add("offset", offset);
    add("length", length);
    return add_model(tensor);
  }
  ImportExternal() { write("weights.bin", std::string("skip\0\0\x80\x3f\0\0\0\xc0\0\0\0\x3f", 16)); }
};

TEST_F(ImportExternal, ReadsWeightsFromAFileBesideTheModel) {
  EXPECT_EQ(floats(import(model("weights.bin", "4", "12")), "w"), (Numbers{1, -2, 0.5f}));
  EXPECT_EQ(floats(import(model("weights.bin", "4")), "w"), (Numbers{1, -2, 0.5f}));
}

TEST_F(ImportExternal, RefusesFilesThatAreMissingOrTooShort) {
  EXPECT_EQ(refusal(model("none.bin")), "m.onnx: initializer w: external file none.bin: no such file");
  EXPECT_EQ(refusal(model("weights.bin", "8")),
            "m.onnx: initializer w: external file weights.bin: 8 bytes from 8 on, wanted 12");
  EXPECT_EQ(refusal(model("weights.bin", "99")),
            "m.onnx: initializer w: external file weights.bin: 0 bytes from 99 on, wanted 12");
  EXPECT_EQ(refusal(model("weights.bin", "0", "8")),
            "m.onnx: initializer w: external file weights.bin: 8 bytes from 0 on, wanted 12");
  EXPECT_EQ(refusal(model("weights.bin", "-4")),
            "m.onnx: initializer w: external offset \"-4\", wanted a number of bytes");
}

TEST_F(ImportExternal, RefusesPathsThatLeaveTheFolder) {
  for (const std::string location : {"../weights.bin", "/etc/passwd", "a/../../weights.bin"})
    EXPECT_EQ(refusal(model(location)), "m.onnx: initializer w: external file \"" + location +
                                            "\", wanted one in the folder of the model");
  EXPECT_EQ(refusal(model("")),
            "m.onnx: initializer w: external file \"\", wanted one in the folder of the model");
  std::filesystem::create_directory(folder_ / "inner");
  EXPECT_EQ(refusal(model("inner")), "m.onnx: initializer w: external file inner: no regular file");
}

TEST_F(ImportExternal, NeedsAModelWithAFolder) {
  const std::string path = write("m.onnx", model("weights.bin", "4").SerializeAsString());
  try {
    import_onnx(path, "standard input", changes_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "standard input: initializer w: is in an external file, wanted a model given by its path");
  }
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
  ASSERT_EQ(changes("fixed batch").size(), 1u);
  EXPECT_TRUE(changes("fixed batch")[0].starts_with("x: the batch stays 1: node squeezed: "))
      << changes("fixed batch")[0];
  EXPECT_TRUE(changes_.back().warning);
}

TEST_F(Import, WarnsOfALargerFixedBatch) {
  ModelProto model = relu_model();
  model.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_value(4);
  EXPECT_EQ(value(import(model), "y").type.shape, (Shape{4, 4}));
  EXPECT_EQ(changes("fixed batch"), Strings{"x: the first extent is fixed at 4"});
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
  add_node(model, "ConstantOfShape", "zeros", {"shape"}, {"h"});
  add_node(model, "Add", "sum", {"x", "h"}, {"y"});
  add_output(model, "y");
  EXPECT_EQ(refusal(model), "m.onnx: node zeros: computes with the batch, wanted a fixed number");
  model.mutable_graph()->mutable_node(1)->set_op_type("Identity");
  EXPECT_EQ(refusal(model), "m.onnx: node sum: input h: is computed from the batch, wanted fixed numbers");
}

// ---- integers from shapes ----

constexpr Extent kBatch = {0, true};

IntVector vector_of(const Ints& values) {
  IntVector out;
  for (int64_t value : values) out.extents.push_back({value});
  return out;
}

IntVector scalar(int64_t value) { return {{{value}}, true}; }

// The result as text: "[N,3]", a scalar without brackets; "nothing", or what was thrown.
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
      out += text(out.empty() ? "" : ",", extent.is_batch ? "N" : std::to_string(extent.value));
    return ints->is_scalar ? out : "[" + out + "]";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(ShapeEval, ShapeGivesTheBatchAsSuch) {
  EXPECT_EQ(evaluated({.type = "Shape"}, {}, {kFree, 3, 5}), "[N,3,5]");
  EXPECT_EQ(
      evaluated({.type = "Shape", .attrs = {{"start", int64_t{1}}, {"end", int64_t{-1}}}}, {}, {kFree, 3, 5}),
      "[3]");
  EXPECT_EQ(evaluated({.type = "Shape"}, {}, {}), "[]");
}

TEST(ShapeEval, GatherPicksElements) {
  const IntVector shape{{kBatch, {3}, {5}}};
  EXPECT_EQ(evaluated({.type = "Gather"}, {shape, scalar(0)}), "N");
  EXPECT_EQ(evaluated({.type = "Gather"}, {shape, vector_of({-1, 0})}), "[5,N]");
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
  EXPECT_EQ(evaluated({.type = "Slice"}, {shape, vector_of({0}), vector_of({2})}), "[N,3]");
  EXPECT_EQ(evaluated({.type = "Slice"}, {shape, vector_of({-1}), vector_of({INT64_MAX})}), "[5]");
  EXPECT_EQ(evaluated({.type = "Slice", .attrs = {{"starts", Ints{1}}, {"ends", Ints{2}}}}, {shape}), "[3]");
  EXPECT_EQ(evaluated({.type = "Slice"}, {shape, vector_of({2}), vector_of({1})}), "[]");
}

TEST(ShapeEval, ArithmeticIsExactAndLeavesTheBatchAloneOrRefuses) {
  EXPECT_EQ(evaluated({.type = "Mul"}, {vector_of({2, 3}), scalar(4)}), "[8,12]");
  EXPECT_EQ(evaluated({.type = "Div"}, {scalar(-7), scalar(2)}), "-3");
  EXPECT_EQ(evaluated({.type = "Div"}, {scalar(7), scalar(0)}), "cannot compute with 7 and 0");
  EXPECT_EQ(evaluated({.type = "Add"}, {scalar(INT64_MAX), scalar(1)}),
            "cannot compute with 9223372036854775807 and 1");
  EXPECT_EQ(evaluated({.type = "Sub"}, {vector_of({5}), vector_of({2})}), "[3]");
  EXPECT_EQ(evaluated({.type = "Mul"}, {IntVector{{kBatch}}, scalar(1)}), "[N]");
  EXPECT_EQ(evaluated({.type = "Mul"}, {IntVector{{kBatch}}, scalar(2)}),
            "computes with the batch, wanted a fixed number");
  EXPECT_EQ(evaluated({.type = "Add"}, {vector_of({1, 2}), vector_of({1, 2, 3})}),
            "2 integers with 3, wanted as many");
}

TEST(ShapeEval, CastGivesIntegersOrFloats) {
  EXPECT_EQ(evaluated({.type = "Cast", .attrs = {{"to", int64_t{6}}}}, {IntVector{{kBatch}}}), "[N]");
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

TEST(ShapeEval, ReshapeTargetNamesTheBatchAsZero) {
  const auto target = [](const IntVector& wanted, const Shape& input) {
    const Tensor tensor = reshape_target(wanted, input);
    return Ints(tensor.as<int64_t>(), tensor.as<int64_t>() + elements(tensor.type.shape));
  };
  EXPECT_EQ(target({{kBatch, {-1}}}, {kFree, 2, 3}), (Ints{0, -1}));
  EXPECT_EQ(target(vector_of({1, 6}), {kFree, 2, 3}), (Ints{1, 6}));
  EXPECT_THROW(reshape_target({{{6}, kBatch}}, {kFree, 6}), Error);
  EXPECT_THROW(reshape_target({{kBatch, {6}}}, {6, kFree}), Error);
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
