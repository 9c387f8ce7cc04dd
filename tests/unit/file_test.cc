// Model and stats files: what is written is read back, the same content gives the same bytes, and whatever is
// wrong with a file is said in one line.
#include "q/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <functional>
#include <limits>
#include <thread>

#include "base/text.h"
#include "build_graph.h"
#include "file_plan.h"
#include "io/names.h"
#include "kernels/dispatch.h"
#include "scratch_folder.h"

namespace q {
namespace {

// What `act` throws, empty when it does not.
std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void load_constants(const Graph& graph) {
  for (const Value& value : graph.values)
    if (value.constant) value.constant();
}

bool same(const Node& a, const Node& b) {
  return a.op == b.op && a.name == b.name && a.attrs == b.attrs && a.inputs == b.inputs &&
         a.outputs == b.outputs && a.float_reason == b.float_reason;
}

void expect_same(const Graph& a, const Graph& b) {
  EXPECT_EQ(a.inputs, b.inputs);
  EXPECT_EQ(a.outputs, b.outputs);
  ASSERT_EQ(a.nodes.size(), b.nodes.size());
  for (size_t i = 0; i < a.nodes.size(); ++i) EXPECT_TRUE(same(a.nodes[i], b.nodes[i])) << a.nodes[i].name;
  ASSERT_EQ(a.values.size(), b.values.size());
  for (size_t i = 0; i < a.values.size(); ++i) {
    const Value &x = a.values[i], &y = b.values[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.type, y.type) << x.name;
    EXPECT_EQ(x.observation, y.observation) << x.name;
    ASSERT_EQ(static_cast<bool>(x.constant), static_cast<bool>(y.constant)) << x.name;
    if (x.constant) {
      EXPECT_TRUE(equal(x.constant(), y.constant())) << x.name;
    }
  }
}

std::vector<float> counting(int64_t count) {
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(static_cast<float>(i % 13) - 6);
  return out;
}

// Two layers with names as ONNX has them, and all that a model file can say about nodes and values.
Graph sample_graph() {
  GraphBuilder b;
  const ValueId x = b.input("x", {kFree, 2, 6, 6});
  const ValueId w = b.constant("block/0/weight:0", {4, 2, 3, 3}, counting(72));
  const ValueId conv = b.node("conv2d", {x, w}, "block/0/conv",
                              {{"strides", Ints{2, 1}}, {"pads", Ints{1, 1, 1, 1}}, {"min", 0.0}});
  const ValueId w2 = b.constant("100%", {5, 6}, counting(30));
  const ValueId y = b.node("linear", {conv, w2}, ".");
  b.output(y);
  Graph graph = b.graph();
  graph.nodes[1].float_reason = "the recipe says so";
  Observation observed;
  observed.spec = {DType::kU8, QScheme::kPerTensorAffine, 0, 0, 127, 0x1p-20f};
  observed.observer = std::string(observers()[0]->name);
  observed.method = std::string(observers()[0]->methods[0]);
  observed.percentile = 99.5;
  graph.values[static_cast<size_t>(x)].observation = observed;
  graph.values[static_cast<size_t>(x)].type.qparams =
      QParams{QScheme::kPerTensorAffine, 0, 0, 127, {0.1}, {3}};
  observed.observer = "";
  observed.shares = "x";
  graph.values[static_cast<size_t>(conv)].observation = observed;
  Observation weights;
  weights.spec = {DType::kI8, QScheme::kPerChannelSymmetric, 0, -128, 127, 0x1p-23f};
  weights.observer = observers()[0]->name;
  weights.method = observers()[0]->methods[0];
  graph.values[static_cast<size_t>(w)].observation = weights;
  graph.values[static_cast<size_t>(w)].type.qparams =
      QParams{QScheme::kPerChannelSymmetric, 0, -128, 127, {1e-3, 0.25, 1.0 / 3, 7}, {0, 0, 0, 0}};
  return graph;
}

// linear on integers: the types and parameters that q-convert leaves.
Graph integer_graph(int64_t channels) {
  Graph graph;
  const QParams in{QScheme::kPerTensorAffine, 0, 0, 255, {0.5}, {128}};
  QParams weights{QScheme::kPerChannelSymmetric, 0, -128, 127, {}, {}};
  for (int64_t i = 0; i < channels; ++i) weights.scales.push_back(0.01 * static_cast<double>(i + 1));
  weights.zero_points.assign(static_cast<size_t>(channels), 0);
  Tensor w = make_tensor({DType::kI8, Shape{channels, 2}, weights});
  for (int64_t i = 0; i < 2 * channels; ++i) w.as<int8_t>()[i] = static_cast<int8_t>(i % 256 - 128);
  add_value(graph, {"x", {DType::kU8, Shape{kFree, 2}, in}, std::nullopt, {}});
  add_value(graph, {"w", w.type, std::nullopt, constant_of(w)});
  add_value(graph, {"y", {DType::kU8, Shape{kFree, channels}, in}, std::nullopt, {}});
  Node node;
  node.op = node.name = "linear";
  node.inputs = {0, 1};
  node.outputs = {2};
  graph.nodes = {node};
  graph.inputs = {0};
  graph.outputs = {2};
  return graph;
}

File sample_file() {
  File file;
  file.graph = sample_graph();
  file.history = {{"q-import", "1.2", "", ""},
                  {"q-observe", "1.2", "0123456789abcdef", "--samples 0:10 --mean \"0.5\""}};
  for (const ObserverDef* def : observers()) {
    ObserverState state = def->init(def->per_channel ? 3 : 1);
    const Tensor seen = make_tensor(Shape{2, 3}, counting(6));
    def->update(state, seen.view(), 1, *kernels_up_to("generic"));
    file.stats.entries[text("a/", def->name)] = {std::string(def->name), std::move(state)};
  }
  file.stats.samples = 2;
  return file;
}

// ---- what is written is read back ----

TEST(ModelFile, IsReadBackAsItWasWritten) {
  const ScratchFolder folder;
  const File file = sample_file();
  write_file(folder / "a.h5", file);
  const File back = read_file(folder / "a.h5", "a.h5");
  EXPECT_EQ(back.format, Format::kModel);
  expect_same(file.graph, back.graph);
  ASSERT_EQ(back.history.size(), 2u);
  EXPECT_EQ(back.history[0].tool, "q-import");
  EXPECT_EQ(back.history[1].recipe, "0123456789abcdef");
  EXPECT_EQ(back.history[1].arguments, "--samples 0:10 --mean \"0.5\"");
}

TEST(ModelFile, KeepsIntegersWithTheirParameters) {
  const ScratchFolder folder;
  const Graph graph = integer_graph(3);
  write_file(folder / "a.h5", {Format::kModel, graph, {}, {}});
  expect_same(graph, read_file(folder / "a.h5", "a.h5").graph);
}

// HDF5's usual object headers end at 64 kB.
TEST(ModelFile, HoldsParametersOfTwentyThousandChannels) {
  const ScratchFolder folder;
  const Graph graph = integer_graph(20000);
  write_file(folder / "a.h5", {Format::kModel, graph, {}, {}});
  expect_same(graph, read_file(folder / "a.h5", "a.h5").graph);
}

TEST(ModelFile, GivesTheSameBytesEachTime) {
  const ScratchFolder folder;
  const File file = sample_file();
  write_file(folder / "a.h5", file);
  write_file(folder / "b.h5", file);
  EXPECT_GT(content_of(folder / "a.h5").size(), 1000u);
  EXPECT_EQ(content_of(folder / "a.h5"), content_of(folder / "b.h5"));
}

TEST(ModelFile, GivesTheSameBytesWhenReadAndWrittenAgain) {
  const ScratchFolder folder;
  write_file(folder / "a.h5", sample_file());
  write_file(folder / "b.h5", read_file(folder / "a.h5", "a.h5"));
  EXPECT_GT(content_of(folder / "a.h5").size(), 1000u);
  EXPECT_EQ(content_of(folder / "a.h5"), content_of(folder / "b.h5"));
}

TEST(ModelFile, LoadsConstantsAfterTheFileIsUnlinked) {
  const ScratchFolder folder;
  const File file = sample_file();
  write_file(folder / "a.h5", file);
  const File back = read_file(folder / "a.h5", "a.h5");
  std::filesystem::remove(folder / "a.h5");
  expect_same(file.graph, back.graph);
}

TEST(ModelFile, LoadsConstantsFromManyThreads) {
  const ScratchFolder folder;
  const File file = sample_file();
  write_file(folder / "a.h5", file);
  const Graph graph = read_file(folder / "a.h5", "a.h5").graph;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int repeat = 0; repeat < 20; ++repeat) load_constants(graph);
    });
  for (std::thread& thread : threads) thread.join();
  expect_same(file.graph, graph);
}

TEST(ModelFile, IsNotWrittenWithNaN) {
  const ScratchFolder folder;
  File file = sample_file();
  Tensor weight = file.graph.values[1].constant();
  weight.as<float>()[5] = std::nanf("");
  file.graph.values[1].constant = constant_of(weight);
  EXPECT_EQ(refusal([&] { write_file(folder / "a.h5", file, "b.h5"); }),
            "b.h5: /constants/block%2F0%2Fweight:0: holds NaN or infinity");
}

TEST(ModelFile, SaysWhatTheSystemSaidWhenItCannotBeWritten) {
  const ScratchFolder folder;
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  // from no room but for the first block, which HDF5 writes when it creates a file, to nearly enough
  const Graph large = integer_graph(20000);
  write_file(folder / "whole.h5", {Format::kModel, large, {}, {}});
  const rlim_t enough = content_of(folder / "whole.h5").size();
  for (rlim_t limit = 64; limit < enough; limit += 1 + enough / 53) {
    rlimit tight{limit, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    const std::string said = refusal([&] {
      write_file(folder / "a.h5", {Format::kModel, large, {}, {}}, "b.h5");
    });
    setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(said, "b.h5: File too large") << limit;
  }
  // and HDF5 is still in order
  write_file(folder / "c.h5", {Format::kModel, large, {}, {}});
  expect_same(large, read_file(folder / "c.h5", "c.h5").graph);
  EXPECT_EQ(refusal([&] { write_file(folder / "none/a.h5", sample_file(), "none/a.h5"); }),
            "none/a.h5: No such file or directory");
}

TEST(StatsFile, IsReadBackAsItWasWritten) {
  const ScratchFolder folder;
  File file = sample_file();
  file.format = Format::kStats;
  write_file(folder / "s.h5", file);
  const File back = read_file(folder / "s.h5", "s.h5");
  EXPECT_EQ(back.format, Format::kStats);
  EXPECT_TRUE(back.graph.values.empty());
  EXPECT_EQ(back.stats.samples, 2);
  ASSERT_EQ(back.stats.entries.size(), file.stats.entries.size());
  for (const auto& [name, entry] : file.stats.entries) {
    const Stats::Entry& other = back.stats.entries.at(name);
    EXPECT_EQ(other.observer, entry.observer);
    ASSERT_EQ(other.state.size(), entry.state.size());
    for (size_t i = 0; i < entry.state.size(); ++i)
      EXPECT_TRUE(equal(entry.state[i], other.state[i])) << name << ' ' << i;
  }
}

TEST(FileFormat, IsToldOfAnyFileWithTensors) {
  const ScratchFolder folder;
  File file = sample_file();
  write_file(folder / "m.h5", file);
  file.format = Format::kStats;
  write_file(folder / "s.h5", file);
  h5::close_file(h5::create_file(folder / "d.h5", "d.h5"));
  write_content(folder / "e.onnx", "\x08\x07 something else");
  EXPECT_EQ(read_any_file(folder / "m.h5", "m.h5").format, Format::kModel);
  EXPECT_EQ(read_any_file(folder / "s.h5", "s.h5").format, Format::kStats);
  EXPECT_EQ(read_any_file(folder / "d.h5", "d.h5").format, Format::kTensors);
  EXPECT_EQ(refusal([&] { read_any_file(folder / "e.onnx", "e.onnx"); }), "e.onnx: not an HDF5 file");
}

TEST(EscapedNames, StandForTheNameAgain) {
  for (const std::string name :
       {"a", "a/b", "100%", ".", "..", ".a", "tab\there", "\x7f", "\xc3\xa4", "%2F"}) {
    const std::string link = escape_name(name);
    EXPECT_EQ(link.find('/'), std::string::npos);
    EXPECT_EQ(unescape_name(link), name);
  }
  EXPECT_EQ(escape_name("a/b%"), "a%2Fb%25");
  EXPECT_EQ(escape_name(".."), "%2E%2E");
  for (const std::string link : {"%", "a%2", "%zz", "%+1", "%00"})
    EXPECT_EQ(unescape_name(link), std::nullopt) << link;
}

// ---- what is wrong is said in one line ----

// What reading the plan's file and all its constants says.
std::string refusal_of(const Plan& plan) {
  const ScratchFolder folder;
  write_plan(folder / "m.h5", plan);
  return refusal([&] { load_constants(read_file(folder / "m.h5", "m.h5").graph); });
}

std::string refusal_after(const std::function<void(Plan&)>& spoil) {
  Plan plan = good_plan();
  spoil(plan);
  return refusal_of(plan);
}

TEST(HandMadeModel, IsRead) { EXPECT_EQ(refusal_of(good_plan()), ""); }

TEST(HandMadeModel, MayGiveAnIntegerForANumberAndAScalarForAList) {
  EXPECT_EQ(refusal_after([](Plan& p) {
              p.groups["/graph/fc"]["min"] = int64_t{0};
              p.groups["/graph/fc"]["outputs"] = "y";
              p.groups["/graph"]["inputs"] = "x";
            }),
            "");
}

TEST(HandMadeModel, MayListItsNodesInAnyOrder) {
  const ScratchFolder folder;
  Plan plan = good_plan();
  plan.groups["/graph"]["outputs"] = h5::Strings{"z"};
  plan.groups["/graph/a"] = {
      {"op", "linear"}, {"order", int64_t{-1}}, {"inputs", h5::Strings{"y", "v"}}, {"outputs", "z"}};
  plan.groups["/values/v"] = {{"order", int64_t{5}}};
  plan.groups["/values/z"] = {{"order", int64_t{6}}, {"shape", Ints{-1, 1}}, {"dtype", "f32"}};
  plan.datasets["/constants/v"] = make_tensor(Shape{1, 3}, counting(3));
  write_plan(folder / "m.h5", plan);
  const Graph graph = read_file(folder / "m.h5", "m.h5").graph;
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].name, "fc");
  EXPECT_EQ(graph.nodes[1].name, "a");
}

TEST(BadFile, IsNoHdf5) {
  const ScratchFolder folder;
  write_content(folder / "a", "");
  write_content(folder / "b", "\x89HDF\r\n\x1a\n and nothing more");
  const auto said = [&](const std::string& name) { return refusal([&] { read_file(folder / name, name); }); };
  EXPECT_EQ(said("a"), "a: not an HDF5 file");
  EXPECT_NE(said("b"), "");
  EXPECT_EQ(said("c"), "c: No such file or directory");
  EXPECT_EQ(said("."), ".: is a folder, wanted a file");
}

TEST(BadFile, IsCutOff) {
  const ScratchFolder folder;
  write_file(folder / "a.h5", sample_file());
  const std::string whole = content_of(folder / "a.h5");
  for (size_t length = 0; length < whole.size(); length += 1 + whole.size() / 97) {
    write_content(folder / "b.h5", whole.substr(0, length));
    const std::string said = refusal([&] { load_constants(read_file(folder / "b.h5", "b.h5").graph); });
    EXPECT_TRUE(said.starts_with("b.h5: ")) << length << ": " << said;
    EXPECT_EQ(said.find('\n'), std::string::npos);
  }
}

TEST(BadFile, IsHdf5OfAnotherKind) {
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/"].erase("format"); }),
            "m.h5: no attribute \"format\": not a q-tools file");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/"]["format"] = "q-modal"; }),
            "m.h5: format \"q-modal\", wanted q-model, q-stats or q-tensors");
}

TEST(BadFile, IsNewer) {
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/"]["format_version"] = int64_t{2}; }),
            "m.h5: format version 2, this version of q-tools reads up to 1");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/"]["format_version"] = "1"; }),
            "m.h5: attribute format_version is a string, wanted an integer");
}

TEST(BadFile, LacksAGroup) {
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups.erase("/graph/fc"), p.groups.erase("/graph"); }),
            "m.h5: no group /graph");
  EXPECT_EQ(refusal_after([](Plan& p) {
              for (const std::string name : {"", "/x", "/w", "/y"}) p.groups.erase("/values" + name);
            }),
            "m.h5: no group /values");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups.erase("/values/w"); }),
            "m.h5: /constants/w: no group /values/w");
}

TEST(BadFile, HasAttributesOfAnotherType) {
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/graph/fc"]["min"] = "low"; }),
            "m.h5: /graph/fc (linear): attribute min is a string, wanted a number");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/graph/fc"]["strange"] = int64_t{1}; }),
            "m.h5: /graph/fc (linear): unknown attribute strange");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/graph/fc"]["min"] = h5::Strings{"low"}; }),
            "m.h5: /graph/fc: attribute min is strings, wanted a number, a list of numbers or a string");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/graph/fc"]["op"] = int64_t{3}; }),
            "m.h5: /graph/fc: attribute op is an integer, wanted a string");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/graph/fc"].erase("order"); }),
            "m.h5: /graph/fc: no attribute order");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/values/x"]["shape"] = "big"; }),
            "m.h5: /values/x: attribute shape is a string, wanted integers");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/values/x"]["dtype"] = "f31"; }),
            "m.h5: /values/x: attribute dtype is f31, wanted f32 or another of q-model(5)");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/values/x"]["scales"] = 1.0; }),
            "m.h5: /values/x: unknown attribute scales");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/values/w"]["dtype"] = "f32"; }),
            "m.h5: /values/w: unknown attribute dtype");
}

TEST(BadFile, HasAGraphThatDoesNotHangTogether) {
  EXPECT_EQ(refusal_after([](Plan& p) {
              p.groups["/graph/fc"]["inputs"] = h5::Strings{"x", "v"};
            }),
            "m.h5: /graph/fc: an input is v, which is not in /values");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/graph"]["outputs"] = h5::Strings{"z"}; }),
            "m.h5: /graph: a model output is z, which is not in /values");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/graph/fc"]["op"] = "lunar"; }),
            "m.h5: /graph/fc (lunar): no operator is called lunar");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/graph/%66c"] = p.groups["/graph/fc"]; }).substr(0, 10),
            "m.h5: /gra");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/values/%79"] = p.groups["/values/y"]; }),
            "m.h5: /values/y: two values have this name");
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/values/%7"] = p.groups["/values/y"]; }),
            "m.h5: /values/%7: the name is not escaped as in a URL");
}

TEST(BadFile, HasACycle) {
  const std::string said = refusal_after([](Plan& p) {
    p.groups["/graph/back"] = {
        {"op", "linear"}, {"order", int64_t{1}}, {"inputs", h5::Strings{"y", "v"}}, {"outputs", "z"}};
    p.groups["/graph/fc"]["inputs"] = h5::Strings{"z", "w"};
    p.groups["/graph"]["inputs"] = h5::Strings{};
    p.groups.erase("/values/x");
    p.groups["/values/v"] = {{"order", int64_t{5}}};
    p.groups["/values/z"] = {{"order", int64_t{6}}, {"shape", Ints{-1, 2}}, {"dtype", "f32"}};
    p.datasets["/constants/v"] = make_tensor(Shape{2, 3}, counting(6));
  });
  EXPECT_NE(said.find("cycle"), std::string::npos) << said;
}

TEST(BadFile, HasShapesThatDoNotFit) {
  EXPECT_EQ(refusal_after([](Plan& p) { p.groups["/values/x"]["shape"] = Ints{1, 1, 1, 1, 1, 1, 1, 1, 1}; }),
            "m.h5: /values/x: attribute shape: rank 9, wanted at most 8");
  EXPECT_NE(refusal_after([](Plan& p) { p.groups["/values/x"]["shape"] = Ints{-1, 0}; }), "");
  EXPECT_NE(refusal_after([](Plan& p) { p.groups["/values/x"]["shape"] = Ints{-1, 5}; }), "");
  EXPECT_NE(refusal_after([](Plan& p) { p.groups["/values/y"]["shape"] = Ints{-1, 5}; }), "");
  EXPECT_NE(refusal_after([](Plan& p) {
              p.datasets["/constants/w"] = make_tensor(DType::kF32, Shape{3, 0});
            }),
            "");
}

TEST(BadFile, HasConstantsThatAreNone) {
  EXPECT_EQ(refusal_after([](Plan& p) { p.datasets["/constants/w"].as<float>()[1] = std::nanf(""); }),
            "m.h5: /constants/w: holds NaN or infinity");
  EXPECT_EQ(refusal_after([](Plan& p) {
              p.datasets["/constants/w"].as<float>()[1] = -std::numeric_limits<float>::infinity();
            }),
            "m.h5: /constants/w: holds NaN or infinity");
  EXPECT_EQ(refusal_after([](Plan& p) {
              p.datasets.clear();
              p.groups["/constants/w"] = {};
            }),
            "m.h5: /constants/w: is something else, wanted a dataset");
  EXPECT_EQ(refusal_after([](Plan& p) { p.dataset_attributes["/constants/w"]["scales"] = 1.0; }),
            "m.h5: /constants/w: unknown attribute scales");
}

TEST(BadFile, PromisesMoreThanItHolds) {
  const auto with = [](const Shape& shape) {
    return refusal_after([&](Plan& p) {
      p.datasets.clear();
      p.promises["/constants/w"] = {DType::kF32, shape, std::nullopt};
    });
  };
  EXPECT_EQ(with({3, 2}), "m.h5: /constants/w: promises 24 bytes, the file holds 0");
  EXPECT_EQ(with({int64_t{1} << 40, 1 << 20}),
            "m.h5: /constants/w: promises 4611686018427387904 bytes, the file holds 0");
}

TEST(BadFile, HasParametersThatNoIntegersHave) {
  const auto with = [](const std::string& name, const h5::AttributeValue& value) {
    return refusal_after([&](Plan& p) {
      auto& x = p.groups["/values/x"];
      x["dtype"] = "u8";
      x["scheme"] = "per_tensor_affine";
      x["scale"] = 0.5;
      x["zero_point"] = int64_t{3};
      x[name] = value;
    });
  };
  EXPECT_EQ(with("scale", -0.5),
            "m.h5: /values/x: scale -0.5, wanted a positive number whose reciprocal is finite");
  EXPECT_EQ(with("scale", "half"), "m.h5: /values/x: attribute scale is a string, wanted numbers");
  EXPECT_EQ(with("zero_point", int64_t{256}), "m.h5: /values/x: zero point 256, wanted 0 to 255");
  EXPECT_EQ(with("zero_point", int64_t{1} << 40),
            "m.h5: /values/x: attribute zero_point is 1099511627776, wanted 32 bits");
  EXPECT_EQ(
      with("scheme", "per_row"),
      "m.h5: /values/x: attribute scheme is per_row, wanted per_tensor_affine or another of q-model(5)");
  EXPECT_NE(with("scale", Floats{0.5, 0.25}), "");
}

TEST(BadFile, HasObservationsThatCannotBeMade) {
  const auto with = [](const std::string& name, const h5::AttributeValue& value) {
    return refusal_after([&](Plan& p) {
      auto& group = p.groups["/values/x/observation"];
      group["dtype"] = "u8";
      group["scheme"] = "per_tensor_affine";
      group["observer"] = std::string(observers()[0]->name);
      group["method"] = std::string(observers()[0]->methods[0]);
      group[name] = value;
    });
  };
  EXPECT_EQ(with("eps", 1e-9), "");
  EXPECT_EQ(with("eps", 0.0), "m.h5: /values/x/observation: attribute eps is 0, wanted a positive number");
  EXPECT_EQ(with("quant_max", int64_t{300}),
            "m.h5: /values/x/observation: quantized range 0..300, wanted one inside 0..255 that contains 0");
  EXPECT_EQ(with("observer", "eye"), "m.h5: /values/x/observation: no observer is called eye");
  EXPECT_EQ(with("method", "guess"),
            text("m.h5: /values/x/observation: observer ", observers()[0]->name, " has no method guess"));
  EXPECT_EQ(with("axis", int64_t{-1}), "m.h5: /values/x/observation: attribute axis is -1, wanted 0 to 1");
  EXPECT_EQ(with("percentile", 0.0),
            "m.h5: /values/x/observation: attribute percentile is 0, wanted more than 0, at most 100");
  EXPECT_EQ(with("dtype", "f32"),
            "m.h5: /values/x/observation: attribute dtype is f32, wanted integers of at most 32 bits");
}

TEST(BadFile, HasStatisticsThatNoObserverWrites) {
  const std::string observer(observers()[0]->name);
  const auto with = [&](const std::function<void(Plan&)>& spoil) {
    return refusal_after([&](Plan& p) {
      p.groups["/stats"] = {{"samples", int64_t{3}}};
      p.groups["/stats/x"] = {{"observer", observer}};
      const ObserverState state = observers()[0]->init(1);
      for (size_t i = 0; i < state.size(); ++i)
        p.datasets[text("/stats/x/", observers()[0]->fields[i])] = state[i];
      spoil(p);
    });
  };
  EXPECT_EQ(with([](Plan&) {}), "");
  EXPECT_EQ(with([](Plan& p) { p.groups["/stats"]["samples"] = int64_t{-1}; }),
            "m.h5: /stats: attribute samples is -1, wanted no negative number");
  EXPECT_EQ(with([](Plan& p) { p.groups["/stats/x"]["observer"] = "eye"; }),
            "m.h5: /stats/x: no observer is called eye");
  const std::string field = text("/stats/x/", observers()[0]->fields.back());
  EXPECT_EQ(with([&](Plan& p) { p.datasets.erase(field); }), text("m.h5: no dataset ", field));
  const std::string said = with([&](Plan& p) { p.datasets[field] = make_tensor(DType::kBool, Shape{3, 5}); });
  EXPECT_TRUE(said.starts_with("m.h5: /stats/x: ")) << said;
}

}  // namespace
}  // namespace q
