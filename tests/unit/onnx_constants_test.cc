// Import of ONNX: constants in every form a file may hold them, and beside it.
#include "onnx_models.h"

namespace q {
namespace {

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
  EXPECT_EQ(
      floats(import(with([](NodeProto& n) { add_attribute(n, "value_int", AttributeProto::INT).set_i(3); })),
             "w"),
      Numbers{3});
  EXPECT_EQ(
      refusal(with([](NodeProto& n) { add_attribute(n, "value_int", AttributeProto::INT).set_i(16777217); })),
      "m.onnx: node sum: input w: holds 16777217, which float32 does not");
}

TEST_F(Import, RefusesConstantsThatAreWrong) {
  EXPECT_EQ(refusal(add_model(float_tensor({3}, {1, std::numeric_limits<float>::quiet_NaN(), 3}))),
            "m.onnx: initializer w: element 1 is NaN, wanted a number");
  EXPECT_EQ(refusal(add_model(float_tensor({3}, {1, 2}))),
            "m.onnx: initializer w: 2 elements, wanted 3 for shape [3]");
  TensorProto twice = float_tensor({3}, {1, 2, 3});
  twice.set_raw_data("\0\0\x80\x3f\0\0\0\xc0\0\0\0\x3f", 12);
  EXPECT_EQ(refusal(add_model(twice)),
            "m.onnx: initializer w: has its elements twice, as bytes and as 3 numbers");
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
            "m.onnx: initializer w: type string, wanted float, double, float16, bfloat16, bool or "
            "integers other than uint64");
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
  EXPECT_EQ(
      refusal(model("weights.bin", "0", "4611686018427387904")),
      "m.onnx: initializer w: external file weights.bin: 4611686018427387904 bytes from 0 on, wanted 12");
  EXPECT_EQ(refusal(model("weights.bin", "-4")),
            "m.onnx: initializer w: external offset \"-4\", wanted a number of bytes");
}

TEST_F(ImportExternal, RefusesPathsThatLeaveTheFolder) {
  for (const std::string location : {"../weights.bin", "/etc/passwd", "a/../../weights.bin"})
    EXPECT_EQ(refusal(model(location)), "m.onnx: initializer w: external file \"" + location +
                                            "\", wanted one in the folder of the model");
  EXPECT_EQ(refusal(model("")),
            "m.onnx: initializer w: external file \"\", wanted one in the folder of the model");
  std::filesystem::create_symlink("/etc/passwd", folder_ / "link.bin");
  EXPECT_EQ(refusal(model("link.bin")),
            "m.onnx: initializer w: external file link.bin: is a link that leaves the folder of the model");
  std::filesystem::create_directory_symlink("/etc", folder_ / "etc");
  EXPECT_EQ(refusal(model("etc/passwd")),
            "m.onnx: initializer w: external file etc/passwd: is a link that leaves the folder of the model");
  std::filesystem::create_symlink("weights.bin", folder_ / "beside.bin");
  EXPECT_EQ(floats(import(model("beside.bin", "4")), "w"), (Numbers{1, -2, 0.5f}));
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

}  // namespace
}  // namespace q
