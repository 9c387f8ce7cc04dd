// Every pass over random graphs: what they compute stays the same but for rounding.
#include "q/pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/text.h"
#include "build_graph.h"
#include "kernels/dispatch.h"
#include "ops/shared/evaluate.h"
#include "ops/shared/truth.h"
#include "q/exec.h"
#include "q/observer.h"
#include "q/recipe.h"
#include "seed.h"

namespace q {
namespace {

using Random = std::mt19937_64;
using Values = std::map<std::string, Tensor>;

// A case of an operator.
struct Choice {
  const OpDef* op;
  const Case* example;
};

// Cases of all operators that compute floats.
std::vector<Choice> all_choices() {
  std::vector<Choice> out;
  for (const OpDef* op : ops())
    for (const Case& example : op->cases)
      if ((op->f32 != nullptr || op->unary != nullptr) && op->indices == kNone) out.push_back({op, &example});
  return out;
}

std::vector<float> random_values(const Choice& choice, size_t input, const Shape& shape, Random& random) {
  std::uniform_real_distribution<float> draw(choice.example->lo, choice.example->hi);
  std::vector<float> out(static_cast<size_t>(elements(shape)));
  for (float& value : out) {
    value = draw(random);
    if (static_cast<int>(input) >= choice.op->parameters_from)
      value = std::abs(value) + 0.5f;  // a variance, say
  }
  return out;
}

// Where the values of the input come from that is looked at.
enum class From { kExample, kAnyNode };

// True when the operator moves its result by little where input `fed` moves by little: then roundings do not
// grow to anything, as they do in steps, near poles and at the ends of where a function is defined.
// Among the other inputs are small numbers that become 0, as integers do.
bool tries_steady(const Choice& choice, size_t fed, From from) {
  constexpr float kMove = 0.125f, kSmall = 0x1p-8f, kSlope = 4, kGreatest = 100;
  constexpr int64_t kElements = 5000;
  const Case& example = *choice.example;
  const bool takes_zero = example.lo <= 0 && example.hi >= 0;
  Random random(1);
  std::uniform_real_distribution<float> any(-8, 8);
  const Attrs attrs = parse_attrs(*choice.op, example.attrs);
  for (int64_t seen = 0; seen < kElements;) {
    std::vector<Tensor> in, moved;
    for (size_t i = 0; i < example.inputs.size(); ++i) {
      std::vector<float> values = random_values(choice, i, example.inputs[i], random);
      std::vector<float> others = values;
      for (size_t k = 0; k < values.size() && is_activation(*choice.op, i); ++k) {
        if (i == fed && from == From::kAnyNode) values[k] = any(random);
        const bool is_small = random() % 4 == 0 && (takes_zero || (i == fed && from == From::kAnyNode));
        if (is_small) values[k] = i == fed ? 0 : kSmall;  // behind a relu much is 0
        const float move = from == From::kAnyNode || values[k] + kMove <= example.hi ? kMove : -kMove;
        others[k] = i == fed ? values[k] + move : is_small ? 0 : values[k];
      }
      in.push_back(make_tensor(example.inputs[i], values));
      moved.push_back(make_tensor(example.inputs[i], others));
    }
    const Tensor before = evaluate(*choice.op, attrs, in)[0], after = evaluate(*choice.op, attrs, moved)[0];
    for (int64_t k = 0; k < elements(before.type.shape); ++k) {
      const float x = before.as<float>()[k], y = after.as<float>()[k];
      if (!(std::abs(y - x) <= kSlope * kMove && std::abs(x) <= kGreatest)) return false;
    }
    seen += elements(before.type.shape);
  }
  return true;
}

bool is_steady(const Choice& choice, size_t fed, From from) {
  // what measures or divides by the spread of its input, which may be nothing but roundings, or has a fixed
  // range that cuts off what great inputs give
  constexpr std::string_view kOfSpread[] = {"flat_log_softmax", "log_softmax", "group_norm",
                                            "instance_norm",    "layer_norm",  "normalize",
                                            "rms_norm",         "std",         "var"};
  if (std::ranges::find(kOfSpread, choice.op->name) != std::end(kOfSpread)) return false;
  // overshoots its input's range, which is that of its integers
  if (choice.example->attrs.find("cubic") != std::string_view::npos) return false;
  const bool is_question = choice.op->qrule == QRule::kFixed && choice.op->fixed_hi == kTruthEnd;
  if (is_question || choice.op->reals_from == 0) return false;  // jumps for some operands, wherever they are
  if (choice.op->weight != kNone || !can_evaluate(*choice.op, choice.example->inputs[0].rank)) return true;
  static std::map<std::tuple<const Case*, size_t, From>, bool> known;
  const auto [found, is_new] = known.try_emplace({choice.example, fed, from});
  if (is_new) found->second = tries_steady(choice, fed, from);
  return found->second;
}

// The shapes of the example's inputs when input `fed` is of this shape: what had the extents of its axes, or
// of its channels or its last axis, follows them.
std::vector<Shape> fitted(const Choice& choice, size_t fed, const Shape& shape) {
  const Shape& before = choice.example->inputs[fed];
  std::vector<Shape> out(choice.example->inputs.begin(), choice.example->inputs.end());
  for (Shape& other : out) {
    if (other == before) {
      other = shape;
      continue;
    }
    const bool is_like = other.rank == before.rank && before.rank == shape.rank &&
                         !(choice.op->weight != kNone && &other == &out[1]);
    for (int axis = 0; axis < other.rank; ++axis) {
      if (is_like && other[axis] == before[axis])
        other[axis] = shape[axis];
      else if (before.rank > 1 && shape.rank > 1 && other[axis] == before[1])
        other[axis] = shape[1];
      else if (before.rank > 0 && shape.rank > 0 && other[axis] == before[before.rank - 1])
        other[axis] = shape[shape.rank - 1];
    }
  }
  out[fed] = shape;
  return out;
}

class RandomGraph {
 public:
  explicit RandomGraph(Random& random) : random_(random) {}

  // A node on a new input of this shape; kNone when it does not fit.
  ValueId begin(const Choice& choice, const Shape& shape) {
    const ValueId x = b_.input("x", shape);
    inputs_["x"] = make_tensor(shape, random_values(choice, 0, shape, random_));
    return append(choice, 0, x, shape, From::kExample);
  }

  // A node that reads `from`; kNone when it does not fit.
  ValueId append(const Choice& choice, size_t fed, ValueId from, const Shape& shape,
                 From values = From::kAnyNode) {
    // cases that keep away from 0 do so for a reason: what a divisor is must not be what came out before
    const bool is_restricted = choice.example->lo > 0 || choice.example->hi < 0;
    if ((is_restricted && fed != 0) || !is_steady(choice, fed, values)) return kNone;
    const std::vector<Shape> shapes = fitted(choice, fed, shape);
    std::vector<TensorType> types;
    for (const Shape& each : shapes) types.push_back({DType::kF32, each, std::nullopt});
    const Attrs attrs = parse_attrs(*choice.op, choice.example->attrs);
    Shape made;
    try {
      const std::vector<Shape> outs = choice.op->infer(attrs, types);
      if (outs.size() != 1) return kNone;
      made = outs[0];
      if (elements(made) > 20000) return kNone;
    } catch (const Error&) {
      return kNone;
    }
    std::vector<ValueId> in;
    for (size_t i = 0; i < shapes.size(); ++i) {
      if (i == fed) {
        in.push_back(from);
      } else if (!is_parameter(*choice.op, i) && !is_restricted && shapes[i] == shape && random_() % 3 == 0) {
        in.push_back(from);
      } else {
        const std::string name = text("c", count_++);
        in.push_back(b_.constant(name, shapes[i], random_values(choice, i, shapes[i], random_)));
        for (float value : random_values(choice, i, shapes[i], random_))
          greatest_constant_ = std::max(greatest_constant_, std::abs(value));
      }
    }
    if (choice.op->weight != kNone)
      terms_ = std::max(terms_, elements(shapes[1]) / std::max<int64_t>(1, shapes[1][0]));
    const ValueId id = b_.node(std::string(choice.op->name), in, text("n", count_++), attrs);
    shapes_[id] = made;
    return id;
  }

  const Shape& shape(ValueId id) const { return shapes_.at(id); }
  void output(ValueId id) { b_.output(id); }
  Graph graph() { return b_.graph(); }
  const Values& inputs() const { return inputs_; }
  // What roundings may differ by, the greatest value being so large: sums of `terms` products, each with a
  // factor that another order of operations rounds once more.
  double bound(double greatest) const {
    const double factor = std::max(1.f, greatest_constant_);
    return static_cast<double>(terms_ + 32) * 0x1p-23 * std::max(1.0, greatest) * factor * factor;
  }

 private:
  Random& random_;
  GraphBuilder b_;
  Values inputs_;
  std::map<ValueId, Shape> shapes_;
  float greatest_constant_ = 1;
  int64_t terms_ = 1;
  int count_ = 0;
};

// All values that the graph computes, by name.
Values computed(const Graph& graph, const Values& inputs) {
  std::vector<ValueId> keep;
  for (const Node& node : graph.nodes) keep.insert(keep.end(), node.outputs.begin(), node.outputs.end());
  std::vector<View> in;
  for (ValueId id : graph.inputs) in.push_back(inputs.at(graph.values[static_cast<size_t>(id)].name).view());
  Values out;
  Executable(graph, {.keep = keep}).run(in, [&](ValueId id, View view) {
    Tensor copy = make_tensor(DType::kF32, view.shape);
    if (view.dtype != DType::kF32) return;
    std::copy_n(view.as<float>(), elements(view.shape), copy.as<float>());
    out[graph.values[static_cast<size_t>(id)].name] = copy;
  });
  return out;
}

double greatest(const Values& values) {
  double out = 0;
  for (const auto& [name, tensor] : values)
    for (int64_t i = 0; i < elements(tensor.type.shape); ++i)
      out = std::max(out, std::abs(static_cast<double>(tensor.as<float>()[i])));
  return out;
}

std::string words(const Graph& graph) {
  std::string out;
  for (const Node& node : graph.nodes) {
    out += text(node.op, "(");
    for (ValueId id : node.inputs) {
      const Value& value = graph.values[static_cast<size_t>(id)];
      out += text(value.name, to_string(value.type.shape), " ");
    }
    out += text(") -> ", to_string(graph.values[static_cast<size_t>(node.outputs[0])].type.shape), "; ");
  }
  return out;
}

// What passes need to do their work, and what of it changes the result.
struct Prepared {
  Graph graph;
  Stats stats;
};

const Recipe& recipe() {
  static const Recipe out = parse_recipe("activations: {method: minmax}", "test");
  return out;
}

// As q-observe makes it.
Prepared observed(Graph graph, const Values& inputs) {
  Changes changes;
  Prepared out{run_pass("place_observers", std::move(graph), {.recipe = &recipe()}, changes), {}};
  Values values = computed(out.graph, inputs);
  values.insert(inputs.begin(), inputs.end());
  for (const Value& value : out.graph.values) {
    if (!value.observation || value.constant || value.observation->observer.empty()) continue;
    const ObserverDef& def = *find_observer(value.observation->observer);
    ObserverState state = def.init(1);
    def.update(state, values.at(value.name).view(), 0, *kernels_up_to("generic"));
    out.stats.entries[value.name] = {value.observation->observer, state};
  }
  out.stats.samples = 1;
  return out;
}

// Applies the pass; nothing when it has nothing to do.
bool applied(const PassDef& pass, const RandomGraph& made, Graph& graph) {
  Changes changes;
  if (pass.name != "calibrate" && pass.name != "convert") {
    graph = pass.apply(std::move(graph), {.recipe = &recipe()}, changes);
    return !changes.empty() || pass.name == "place_observers";
  }
  Prepared prepared = observed(std::move(graph), made.inputs());
  if (prepared.stats.entries.empty()) return false;
  graph = run_pass("calibrate", std::move(prepared.graph), {.stats = &prepared.stats}, changes);
  if (pass.name == "convert") graph = pass.apply(std::move(graph), {}, changes);
  return true;
}

// Integers round to steps that are a share of what there is.
constexpr double kIntegerShare = 0.1;

void expect_same(const PassDef& pass, const RandomGraph& made, const Graph& graph) {
  Graph after = graph;
  if (!applied(pass, made, after)) return;
  SCOPED_TRACE(text(words(graph), "   became   ", words(after)));
  ASSERT_NO_THROW(validate(after));
  const Values wanted = computed(graph, made.inputs());
  Values got;
  try {
    got = computed(after, made.inputs());
  } catch (const Error& error) {
    FAIL() << error.what();
  }
  for (ValueId id : graph.outputs) {
    const std::string& name = graph.values[static_cast<size_t>(id)].name;
    ASSERT_TRUE(got.contains(name)) << name;
    const Tensor &x = wanted.at(name), &y = got.at(name);
    ASSERT_EQ(x.type.shape, y.type.shape);
    double squares = 0;
    const double bound = made.bound(std::max(greatest(wanted), greatest(got)));
    for (int64_t i = 0; i < elements(x.type.shape); ++i) {
      const double difference = std::abs(static_cast<double>(x.as<float>()[i]) - y.as<float>()[i]);
      if (pass.name != "convert") {
        ASSERT_LE(difference, bound) << name << " element " << i;
      }
      squares += difference * difference;
    }
    const double mean = std::sqrt(squares / static_cast<double>(elements(x.type.shape)));
    ASSERT_LE(mean, kIntegerShare * std::max(greatest(wanted), greatest(made.inputs()))) << name;
  }
}

class Pass : public testing::TestWithParam<const PassDef*> {
 protected:
  uint64_t seed = test_seed();
  testing::ScopedTrace trace{__FILE__, __LINE__, testing::Message() << "Q_TEST_SEED=" << seed};
  Random random{seed};
  const std::vector<Choice> choices = all_choices();

  const Choice& any() { return choices[random() % choices.size()]; }

  // One of the operator's cases; null when it has none here.
  const Choice* any_of(const OpDef& op) {
    std::vector<const Choice*> own;
    for (const Choice& choice : choices)
      if (choice.op == &op) own.push_back(&choice);
    return own.empty() ? nullptr : own[random() % own.size()];
  }

  // The shape, or one with an axis more at some place.
  Shape any_rank(const Shape& shape) {
    if (shape.rank >= 5 || random() % 2 == 0) return shape;
    Ints extents(shape.extents().begin(), shape.extents().end());
    extents.insert(extents.begin() + static_cast<std::ptrdiff_t>(random() % (extents.size() + 1)), 3);
    return make_shape(extents);
  }

  // Sometimes somebody else reads a value too.
  void add_reader(RandomGraph& graph, ValueId id) {
    if (random() % 4 == 0) graph.output(id);
  }
};

// Every operator before every other that takes what it makes, in one of their cases each.
TEST_P(Pass, KeepsWhatEveryPairOfOperatorsComputes) {
  std::set<std::pair<std::string_view, std::string_view>> pairs;
  for (const OpDef* before : ops()) {
    for (const OpDef* after : ops()) {
      const Choice *first = any_of(*before), *second = any_of(*after);
      if (first == nullptr || second == nullptr) continue;
      RandomGraph made(random);
      const ValueId a = made.begin(*first, any_rank(first->example->inputs[0]));
      if (a == kNone) continue;
      const size_t inputs = second->example->inputs.size();
      const size_t fed = inputs > 1 && !is_parameter(*after, 1) ? random() % 2 : 0;
      const ValueId b = made.append(*second, fed, a, made.shape(a));
      if (b == kNone) continue;
      pairs.insert({before->name, after->name});
      add_reader(made, a);
      made.output(b);
      expect_same(*GetParam(), made, made.graph());
      if (HasFatalFailure()) return;
    }
  }
  // most operators take what most others make
  std::set<std::string_view> firsts, seconds;
  for (const Choice& choice : choices) {
    if (is_steady(choice, 0, From::kExample)) firsts.insert(choice.op->name);
    if (is_steady(choice, 0, From::kAnyNode)) seconds.insert(choice.op->name);
  }
  EXPECT_GT(pairs.size(), firsts.size() * seconds.size() / 3);
  EXPECT_GT(seconds.size(), ops().size() / 3);
}

TEST_P(Pass, KeepsWhatChainsOfOperatorsCompute) {
  constexpr int kGraphs = 1000;
  // what rounding to integers changes grows from node to node
  const int most = GetParam()->name == "convert" ? 3 : 12;
  for (int i = 0; i < kGraphs; ++i) {
    RandomGraph made(random);
    const Choice& first = any();
    ValueId last = made.begin(first, any_rank(first.example->inputs[0]));
    if (last == kNone) continue;
    for (int tries = 0; tries < most; ++tries) {
      const ValueId next = made.append(any(), 0, last, made.shape(last));
      if (next == kNone) continue;
      add_reader(made, last);
      last = next;
    }
    made.output(last);
    expect_same(*GetParam(), made, made.graph());
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Passes, Pass, testing::ValuesIn(passes().begin(), passes().end()),
                         [](const auto& pass) { return std::string(pass.param->name); });

// ---- what q-calibrate decides ----

// x [1, 4] of these values through the pass, by a recipe.
class Calibration : public testing::Test {
 protected:
  void calibrate(const std::vector<float>& x,
                 std::string_view recipe_text = "activations: {method: minmax}") {
    const Recipe recipe = parse_recipe(recipe_text, "test");
    Values values = {{"x", make_tensor(Shape{1, static_cast<int64_t>(x.size())}, x)}};
    graph = run_pass("place_observers", b.graph(), {.recipe = &recipe}, changes);
    changes.clear();
    values.merge(computed(graph, values));
    Stats stats;
    for (const Value& value : graph.values) {
      if (!value.observation || value.constant || value.observation->observer.empty()) continue;
      const ObserverDef& def = *find_observer(value.observation->observer);
      ObserverState state = def.init(1);
      def.update(state, values.at(value.name).view(), 0, *kernels_up_to("generic"));
      stats.entries[value.name] = {value.observation->observer, state};
    }
    graph = run_pass("calibrate", std::move(graph), {.stats = &stats}, changes);
  }

  double scale(std::string_view name) const {
    return graph.values[static_cast<size_t>(find_value(graph, name))].type.qparams.value().scales[0];
  }
  std::vector<std::string> told(bool warnings) const {
    std::vector<std::string> out;
    for (const Change& change : changes)
      if (change.warning == warnings)
        out.push_back(text(change.rule, ": ", change.node, ": ", change.detail));
    return out;
  }

  // a = relu(x) and b = 100 x joined to k; other: somebody else reads a.
  void join(bool other) {
    const ValueId x = b.input("x", {1, 4}), a = b.node("relu", {x}, "a");
    const ValueId wide = b.node("mul", {x, b.constant("c", {1}, {100})}, "b");
    b.output(b.node("cat", {a, wide}, "k", {{"axis", int64_t{1}}}));
    if (other) b.output(b.node("hardswish", {a}, "z"));
  }

  GraphBuilder b;
  Graph graph;
  Changes changes;
  const std::vector<float> kValues = {-1, 0, 0.5, 1};
};

TEST_F(Calibration, KeepsTheFinerScaleOfAnInputOfCatThatOthersReadToo) {
  join(true);
  calibrate(kValues);
  EXPECT_FLOAT_EQ(static_cast<float>(scale("a")), 1.f / 255);
  EXPECT_FLOAT_EQ(static_cast<float>(scale("k")), 200.f / 255);
  EXPECT_EQ(scale("b"), scale("k"));
  EXPECT_EQ(told(false), std::vector<std::string>{"requantized: k: keep a finer scale of their own: a"});
}

TEST_F(Calibration, SharesTheScaleOfCatWithAnInputThatNobodyElseReads) {
  join(false);
  calibrate(kValues);
  EXPECT_EQ(scale("a"), scale("k"));
  EXPECT_TRUE(changes.empty());
}

TEST_F(Calibration, SharesOrRequantizesAsTheRecipeSays) {
  join(true);
  calibrate(kValues, "activations: {method: minmax, concat: share}");
  EXPECT_EQ(scale("a"), scale("k"));
  calibrate(kValues, "activations: {method: minmax}\nrules: [{op: cat, activations: {concat: requantize}}]");
  EXPECT_FLOAT_EQ(static_cast<float>(scale("a")), 1.f / 255);
  EXPECT_FLOAT_EQ(static_cast<float>(scale("b")), 200.f / 255);
  EXPECT_FLOAT_EQ(static_cast<float>(scale("k")), 200.f / 255);
}

TEST_F(Calibration, TakesTheBorderOfAPadIntoItsRange) {
  const ValueId a = b.node("relu", {b.input("x", {1, 4})}, "a");
  b.output(b.node("pad", {a}, "p", {{"pads", Ints{0, 1, 0, 0}}, {"value", 5.0}}));
  calibrate(kValues);
  EXPECT_FLOAT_EQ(static_cast<float>(scale("p")), 5.f / 255);
  EXPECT_EQ(scale("a"), scale("p"));
}

TEST_F(Calibration, LeavesOutABorderBelowTheRangeThatOnlyMaxPoolReads) {
  const auto through = [&](const std::string& op, const Attrs& attrs) {
    b = {};
    const ValueId x = b.input("x", {1, 4}), a = b.node("unsqueeze", {x}, "a", {{"axes", Ints{0}}});
    const ValueId p = b.node("pad", {a}, "p", {{"pads", Ints{0, 0, 1, 0, 0, 0}}, {"value", -50.0}});
    b.output(b.node("hardswish", {b.node(op, {p}, "y", attrs)}, "z"));
    calibrate(kValues);
    return scale("p");
  };
  EXPECT_FLOAT_EQ(static_cast<float>(through("max_pool", {{"kernel_shape", Ints{2}}})), 2.f / 255);
  EXPECT_FLOAT_EQ(static_cast<float>(through("avg_pool", {{"kernel_shape", Ints{2}}})), 51.f / 255);
}

TEST_F(Calibration, KeepsAPadFloatWhoseBorderIsOutsideAFixedRange) {
  const ValueId a = b.node("sigmoid", {b.input("x", {1, 4})}, "a");
  b.output(b.node("pad", {a}, "p", {{"pads", Ints{0, 1, 0, 0}}, {"value", -1.0}}));
  calibrate(kValues);
  EXPECT_EQ(graph.nodes.back().float_reason, "its border of -1 is outside the fixed range 0 to 0.99609375");
}

TEST_F(Calibration, RaisesTheWeightScaleOfAChannelWhoseBiasDoesNotFit) {
  const ValueId w = b.constant("w", {2, 4}, {1e-9f, 1e-9f, 0, 0, 1, 0, 0, 0});
  b.output(b.node("linear", {b.input("x", {1, 4}), w, b.constant("c", {2}, {4, 4})}, "y"));
  calibrate(kValues);
  const QParams& weight = *graph.values[static_cast<size_t>(find_value(graph, "w"))].type.qparams;
  // 4 is at most as many steps as there are beside four products
  EXPECT_NEAR(4 / (scale("x") * weight.scales[0]), INT32_MAX - 4 * 255 * 128, 1e4);
  EXPECT_LE(4 / (scale("x") * weight.scales[0]), INT32_MAX - 4 * 255 * 128);
  EXPECT_FLOAT_EQ(static_cast<float>(weight.scales[1]), 1 / 127.5f);
  EXPECT_EQ(told(false), std::vector<std::string>{
                             "raised weight scale: y: 1 channels of w, whose bias would not fit in int32"});
}

TEST_F(Calibration, TellsOfValuesThatCannotBeQuantizedWell) {
  const auto of = [&](const std::vector<float>& x) {
    b = {};
    changes.clear();
    b.output(b.node("hardswish", {b.input("x", {1, static_cast<int64_t>(x.size())})}, "y"));
    calibrate(x);
    const std::vector<std::string> all = told(true);
    return all.empty() ? "" : all[0];
  };
  EXPECT_EQ(of({0, 0}), "only zeros: x: was 0 in all samples");
  EXPECT_EQ(scale("x"), 1);
  EXPECT_EQ(of({3, 3}), "constant: x: was 3 in all samples");
  EXPECT_EQ(of({99.75f, 100.25f}), "range far from zero: x: 99.75 to 100.25 takes 1 of 255 steps");
  EXPECT_EQ(of({1e-20f, 0}), "scale at the floor: x: of 8.6736174e-19, for the range 0 to 1e-20");
  EXPECT_EQ(of({-1, 1}), "");
}

TEST_F(Calibration, TellsOfRangesThatClipMoreThanOneValueInAHundred) {
  b.output(b.node("hardswish", {b.input("x", {1, 100})}, "y"));
  std::vector<float> x(100, 0.f);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) / 100;
  calibrate(x, "activations: {method: percentile, percentile: 90}");
  const std::vector<std::string> all = told(true);
  ASSERT_FALSE(all.empty());
  // ten, or one less where the range ends at the edge of a bin
  EXPECT_TRUE(all[0] == "clipped: x: 10 % of the values" || all[0] == "clipped: x: 9 % of the values")
      << all[0];
}

TEST_F(Calibration, TellsOfOutliersThatAreClipped) {
  const auto of = [&](const std::string& recipe) {
    b = {};
    changes.clear();
    b.output(b.node("hardswish", {b.input("x", {1, 2000})}, "y"));
    std::vector<float> x(2000);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 200) / 100 - 1;
    x[7] = -1e6f;
    calibrate(x, recipe);
    const std::vector<std::string> all = told(true);
    return all.empty() ? "" : all[0];
  };
  EXPECT_EQ(of("activations: {method: mse}").substr(0, 51),
            "outliers: x: 1 of 2000 values, up to -1e+06, lie fa");
  EXPECT_EQ(of("activations: {method: minmax}"), "");
}

}  // namespace
}  // namespace q
