// Recipes: what YAML may say, where a mistake is reported, and which rule wins.
#include "q/recipe.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "scratch_folder.h"

namespace q {
namespace {

// $Q_RECIPE_PATH, as long as it lives.
class RecipePath {
 public:
  explicit RecipePath(const std::string& folders) {
    if (const char* before = std::getenv("Q_RECIPE_PATH")) before_ = before;
    setenv("Q_RECIPE_PATH", folders.c_str(), 1);
  }
  ~RecipePath() {
    if (before_)
      setenv("Q_RECIPE_PATH", before_->c_str(), 1);
    else
      unsetenv("Q_RECIPE_PATH");
  }

 private:
  std::optional<std::string> before_;
};

const std::string kRecipes = Q_SOURCE_DIR "/recipes";

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string error_in(const std::string& yaml) {
  return error_of([&] { parse_recipe(yaml, "r.yaml"); });
}

Recipe load(const std::vector<std::string>& names) { return load_recipe(names); }

NodeRecipe resolved(const Recipe& recipe, const std::string& op, const std::string& name,
                    std::vector<bool>* matched = nullptr) {
  Node node;
  node.op = op;
  node.name = name;
  return resolve(recipe, node, matched);
}

TEST(Recipe, AppliesItsOwnDefaultsWhereTheFileIsSilent) {
  const NodeRecipe node = resolved(parse_recipe("rules: []", "r"), "conv2d", "c");
  EXPECT_TRUE(node.quantize);
  const QuantSpec activations = {DType::kU8, QScheme::kPerTensorAffine, 0, 0, 255, 0x1p-60f};
  EXPECT_EQ(node.activations, (Observation{activations, "histogram", "mse", 99.99, ""}));
  const QuantSpec weights = {DType::kI8, QScheme::kPerChannelSymmetric, 0, -128, 127, 0x1p-60f};
  EXPECT_EQ(node.weights, (Observation{weights, "per_channel_minmax", "minmax", 99.99, ""}));
}

TEST(Recipe, SetsEveryField) {
  const Recipe recipe = parse_recipe(R"(
input: {mean: [0.5, 0.25, 1], std: 2}
activations:
  dtype: qint8
  scheme: per_tensor_symmetric
  quant_min: -7
  quant_max: 8
  eps: 0.000244140625
  observer: histogram
  method: percentile
  percentile: 99.9
weights: {dtype: i8, scheme: per_tensor_affine, observer: histogram, method: entropy}
)",
                                     "r");
  EXPECT_EQ(recipe.input.mean, (std::vector<double>{0.5, 0.25, 1}));
  EXPECT_EQ(recipe.input.std, std::vector<double>{2});
  const NodeRecipe node = resolved(recipe, "conv2d", "c");
  const QuantSpec activations = {DType::kI8, QScheme::kPerTensorSymmetric, 0, -7, 8, 0x1p-12f};
  EXPECT_EQ(node.activations, (Observation{activations, "histogram", "percentile", 99.9, ""}));
  const QuantSpec weights = {DType::kI8, QScheme::kPerTensorAffine, 0, -128, 127, 0x1p-60f};
  EXPECT_EQ(node.weights, (Observation{weights, "histogram", "entropy", 99.99, ""}));
}

TEST(Recipe, TakesTheObserverAndMethodThatFitTheSchemeWhereTheyAreNotGiven) {
  const NodeRecipe node =
      resolved(parse_recipe("weights: {scheme: per_tensor_symmetric}", "r"), "conv2d", "c");
  EXPECT_EQ(node.weights.observer, "minmax");
  EXPECT_EQ(node.weights.method, "minmax");
}

TEST(Recipe, LetsTheLastMatchingRuleWinFieldByField) {
  const Recipe recipe = parse_recipe(R"(
activations: {quant_max: 100}
rules:
  - op: conv2d
    quantize: false
    activations: {method: minmax, percentile: 90}
  - name: "/block?/*"
    quantize: true
    activations: {method: percentile}
  - {op: linear, name: head, activations: {eps: 0.5}}
  - {op: linear, weights: {quant_min: -8}}
)",
                                     "r");
  std::vector<bool> matched(4);
  const NodeRecipe both = resolved(recipe, "conv2d", "/block1/conv", &matched);
  EXPECT_TRUE(both.quantize);
  EXPECT_EQ(both.activations.method, "percentile");
  EXPECT_EQ(both.activations.percentile, 90);
  EXPECT_EQ(both.activations.spec.quant_max, 100);
  EXPECT_EQ(matched, (std::vector<bool>{true, true, false, false}));

  const NodeRecipe first = resolved(recipe, "conv2d", "stem", &matched);
  EXPECT_FALSE(first.quantize);
  EXPECT_EQ(first.activations.method, "minmax");

  const NodeRecipe head = resolved(recipe, "linear", "head", &matched);
  EXPECT_EQ(head.activations.spec.eps, 0.5f);
  EXPECT_EQ(head.weights.spec.quant_min, -8);
  EXPECT_EQ(matched, (std::vector<bool>{true, true, true, true}));
  EXPECT_EQ(resolved(recipe, "linear", "header").activations.spec.eps, 0x1p-60f);
}

TEST(Recipe, RemembersWhereItsRulesStand) {
  const Recipe recipe = parse_recipe(
      "rules:\n  - {op: conv2d, quantize: false}\n  -\n    op: relu\n    quantize: false\n", "r.yaml");
  ASSERT_EQ(recipe.rules.size(), 2u);
  EXPECT_EQ(recipe.rules[0].place, "r.yaml:2:5");
  EXPECT_EQ(recipe.rules[1].place, "r.yaml:4:5");
}

struct Mistake {
  std::string yaml, message;
};

const Mistake kMistakes[] = {
    {"", "r.yaml: is empty, wanted a map with keys extends input activations weights rules"},
    {"# nothing\n", "r.yaml: is empty, wanted a map with keys extends input activations weights rules"},
    {"[1]",
     "r.yaml:1:1: the recipe is a list, wanted a map with keys extends input activations weights rules"},
    {"int8",
     "r.yaml:1:1: the recipe is int8, wanted a map with keys extends input activations weights rules"},
    {"rules: []\n---\nrules: []", "r.yaml:2:1: a second document, wanted one"},
    {", rules: []", "r.yaml:1:1: a second document, wanted one"},
    {"rules: [\n", "r.yaml:2:1: end of sequence flow not found"},
    {"rules: *r", "r.yaml:1:8: the referenced anchor is not defined"},
    {std::string("rules: \0", 8), "r.yaml: holds a zero byte, wanted YAML"},
    {"rules: []\nactivation: {}",
     "r.yaml:2:1: unknown key activation in the recipe, wanted one of extends input activations weights "
     "rules"},
    {"rules: []\nrules: []", "r.yaml:2:1: key rules is given twice"},
    {"? [a]\n: b", "r.yaml:1:3: a key is a list, wanted one of extends input activations weights rules"},
    {"activations:",
     "r.yaml:1:1: activations is empty, wanted a map with keys dtype scheme quant_min quant_max eps observer "
     "method percentile concat"},
    {"activations: [mse]",
     "r.yaml:1:14: activations is a list, wanted a map with keys dtype scheme quant_min quant_max eps "
     "observer method percentile concat"},
    {"activations:\n  observr: minmax",
     "r.yaml:2:3: unknown key observr in activations, wanted one of dtype scheme quant_min quant_max eps "
     "observer method percentile concat"},
    {"activations: {dtype: float}",
     "r.yaml:1:22: dtype float, wanted quint8 (u8) or qint8 (i8) for activations"},
    {"weights: {dtype: quint8}", "r.yaml:1:18: dtype quint8, wanted qint8 (i8) for weights"},
    {"weights: {dtype: }", "r.yaml:1:18: dtype is empty, wanted a text"},
    {"activations: {scheme: per_channel_affine}",
     "r.yaml:1:23: scheme per_channel_affine, wanted one of per_tensor_affine per_tensor_symmetric for "
     "activations"},
    {"weights: {scheme: affine}",
     "r.yaml:1:19: scheme affine, wanted one of per_tensor_affine per_tensor_symmetric per_channel_affine "
     "per_channel_symmetric for weights"},
    {"weights: {observer: hist}",
     "r.yaml:1:21: no observer is called hist, wanted one of histogram minmax per_channel_minmax"},
    {"weights: {method: best}",
     "r.yaml:1:19: no method is called best, wanted one of mse minmax percentile entropy"},
    {"weights: {quant_min: low}", "r.yaml:1:22: quant_min is low, wanted an integer"},
    {"weights: {quant_min: -1.5}", "r.yaml:1:22: quant_min is -1.5, wanted an integer"},
    {"weights: {quant_min: '-1'}", "r.yaml:1:22: quant_min is the text '-1', wanted an integer"},
    {"weights: {quant_min: 99999999999999999999}",
     "r.yaml:1:22: quant_min is 99999999999999999999, wanted an integer"},
    {"weights: {eps: 0}",
     "r.yaml:1:16: eps is 0, wanted a positive binary32 number whose reciprocal is finite"},
    {"weights: {eps: nan}", "r.yaml:1:16: eps is nan, wanted a finite number"},
    {"weights: {eps: [1]}", "r.yaml:1:16: eps is a list, wanted a number"},
    {"activations: {concat: never}",
     "r.yaml:1:23: concat is never, wanted auto, share or requantize, of activations"},
    {"weights: {concat: share}",
     "r.yaml:1:19: concat is share, wanted auto, share or requantize, of activations"},
    {"activations: {percentile: 0}", "r.yaml:1:27: percentile is 0, wanted more than 0, at most 100"},
    {"activations: {percentile: 100.5}", "r.yaml:1:27: percentile is 100.5, wanted more than 0, at most 100"},
    {"input: {mean: x}", "r.yaml:1:15: mean is x, wanted a number"},
    {"input: {mean: []}", "r.yaml:1:15: mean is empty, wanted a number or one per channel"},
    {"input: {std: [1, 0]}", "r.yaml:1:14: std is not positive, wanted what to divide by"},
    {"input: {mean: [1, 2], std: [1, 2, 3]}", "r.yaml:1:8: mean has 2 entries and std 3, wanted as many"},
    {"rules: {}", "r.yaml:1:8: rules is a map, wanted a list"},
    {"rules: [conv2d]",
     "r.yaml:1:9: a rule is conv2d, wanted a map with keys op name quantize activations weights"},
    {"rules:\n  - op: conv9\n    quantize: false",
     "r.yaml:2:9: no operator is called conv9, wanted one of q-ops(7)"},
    {"rules:\n  - op: conv2d", "r.yaml:2:5: the rule sets nothing, wanted quantize, activations or weights"},
    {"rules:\n  - {op: conv2d, quantize: no}", "r.yaml:2:28: quantize is no, wanted true or false"},
    {"rules:\n  - {op: conv2d, quantize: \"false\"}",
     "r.yaml:2:28: quantize is the text 'false', wanted true or false"},
    {"rules:\n  - {op: [conv2d], quantize: false}", "r.yaml:2:10: op is a list, wanted a text"},
    {"extends: {}", "r.yaml:1:10: extends is a map, wanted a text"},
    // what is wrong only in combination stands at the section
    {"weights: {quant_min: 1}",
     "r.yaml:1:10: weights: quantized range 1..127, wanted one inside -128..127 that contains 0"},
    {"weights: {quant_max: -1}",
     "r.yaml:1:10: weights: quantized range -128..-1, wanted one inside -128..127 that contains 0"},
    {"activations:\n  quant_max: 300",
     "r.yaml:2:3: activations: quantized range 0..300, wanted one inside 0..255 that contains 0"},
    {"activations: {quant_max: 0}",
     "r.yaml:1:14: activations: quantized range 0..0, wanted one inside 0..255 that contains 0"},
    {"weights: {observer: minmax}",
     "r.yaml:1:10: weights: observer minmax, wanted one per channel for scheme per_channel_symmetric"},
    {"activations: {observer: per_channel_minmax}",
     "r.yaml:1:14: activations: observer per_channel_minmax, wanted one per tensor for scheme "
     "per_tensor_affine"},
    {"activations: {observer: minmax, method: mse}",
     "r.yaml:1:14: activations: method mse, wanted one that observer minmax offers: minmax"},
};

TEST(Recipe, ReportsAMistakeWithLineAndColumn) {
  for (const Mistake& mistake : kMistakes) EXPECT_EQ(error_in(mistake.yaml), mistake.message) << mistake.yaml;
}

TEST(Recipe, ReportsARuleThatContradictsWhatItRefines) {
  const Recipe recipe = parse_recipe(
      "rules:\n  - op: linear\n    weights: {scheme: per_tensor_symmetric}\n  - name: head\n"
      "    weights: {observer: per_channel_minmax}\n",
      "r.yaml");
  EXPECT_EQ(resolved(recipe, "conv2d", "head").weights.observer, "per_channel_minmax");
  EXPECT_EQ(error_of([&] { resolved(recipe, "linear", "head"); }),
            "r.yaml:5:14: weights of head: observer per_channel_minmax, wanted one per tensor for scheme "
            "per_tensor_symmetric");
}

TEST(Recipe, RefusesWhatIsTooLarge) {
  EXPECT_EQ(error_in(std::string(100'000, '[')), "r.yaml:1:1: nested too deep, wanted a recipe");
  std::string repeated = "rules:\n  - &a {quantize: false}\n";
  for (int i = 0; i < 100'000; ++i) repeated += "  - *a\n";
  EXPECT_EQ(error_in(repeated), "r.yaml:2:9: more than 65536 values, wanted a recipe");
  EXPECT_EQ(
      error_in("activations: {dtype: " + std::string(5000, 'x') + "}"),
      "r.yaml:1:22: dtype " + std::string(60, 'x') + "..., wanted quint8 (u8) or qint8 (i8) for activations");
  const ScratchFolder folder;
  write_content(folder / "large.yaml", std::string((1 << 20) + 1, '#'));
  EXPECT_EQ(error_of([&] { load({folder / "large.yaml"}); }),
            folder / "large.yaml" + ": more than 1048576 bytes, wanted a recipe");
}

TEST(Recipe, LaysItselfOverWhatItExtends) {
  const ScratchFolder folder;
  const RecipePath path(folder.path());
  write_content(folder / "base.yaml",
                "activations: {method: minmax, eps: 0.5}\nrules: [{op: relu, quantize: false}]\n");
  write_content(folder / "other.yaml", "activations: {method: percentile}\ninput: {mean: 3}\n");
  write_content(
      folder / "mine.yaml",
      "rules: [{op: relu, quantize: true}]\nactivations: {percentile: 90}\nextends: [base, other]\n");
  const Recipe recipe = load({"mine"});
  const NodeRecipe node = resolved(recipe, "relu", "r");
  EXPECT_TRUE(node.quantize);
  EXPECT_EQ(node.activations.method, "percentile");
  EXPECT_EQ(node.activations.percentile, 90);
  EXPECT_EQ(node.activations.spec.eps, 0.5f);
  EXPECT_EQ(recipe.input.mean, std::vector<double>{3});
  EXPECT_EQ(recipe.rules.size(), 2u);
  EXPECT_EQ(recipe.rules[0].place, folder / "base.yaml:2:9");
}

TEST(Recipe, LaterOnesOverrideEarlierOnes) {
  const RecipePath path(kRecipes);
  const ScratchFolder folder;
  write_content(folder / "patch.yaml",
                "rules: [{name: worst, quantize: false}]\nactivations: {method: minmax}\n");
  const Recipe recipe = load({"int8", folder / "patch.yaml"});
  EXPECT_EQ(recipe.name, "int8 " + folder / "patch.yaml");
  EXPECT_EQ(resolved(recipe, "relu", "r").activations.method, "minmax");
  EXPECT_EQ(resolved(recipe, "relu", "r").activations.observer, "histogram");
  EXPECT_FALSE(resolved(recipe, "conv2d", "worst").quantize);
}

TEST(Recipe, IsFoundByNameAlongThePathAndByFileName) {
  const ScratchFolder first, second;
  const RecipePath path(first.path().string() + "::" + second.path().string());
  write_content(first / "a.yaml", "activations: {eps: 1}");
  write_content(second / "a.yaml", "activations: {eps: 2}");
  write_content(second / "b", "activations: {eps: 3}");
  EXPECT_EQ(load({"a"}).activations.eps, 1);
  EXPECT_EQ(load({"a.yaml"}).activations.eps, 1);
  EXPECT_EQ(load({second / "a.yaml"}).activations.eps, 2);
  EXPECT_EQ(load({"b"}).activations.eps, 3);
}

TEST(Recipe, FindsWhatItExtendsBesideItself) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "sub");
  write_content(folder / "a.yaml", "extends: sub/b.yaml");
  write_content(folder / "sub/b.yaml", "extends: c.yaml");
  write_content(folder / "sub/c.yaml", "activations: {eps: 4}");
  EXPECT_EQ(load({folder / "a.yaml"}).activations.eps, 4);
}

TEST(Recipe, MayExtendTheInstalledOneOfItsOwnName) {
  const RecipePath path(kRecipes);
  const ScratchFolder folder;
  write_content(folder / "int8.yaml", "extends: int8\nactivations: {method: entropy}\n");
  EXPECT_EQ(load({folder / "int8.yaml"}).activations.method, "entropy");
}

TEST(Recipe, TellsWhereItLooked) {
  const RecipePath path("/nowhere:/no/where");
  const std::string error = error_of([] { load({"absent"}); });
  EXPECT_TRUE(error.starts_with("recipe absent: not found in /nowhere, /no/where, /")) << error;
  EXPECT_TRUE(error.ends_with("/share/q/recipes")) << error;
  EXPECT_EQ(error_of([] { load({"./absent.yaml"}); }), "./absent.yaml: no such file");
  EXPECT_EQ(error_of([] { load({"/"}); }), "/: is a directory");
  EXPECT_EQ(error_of([] { parse_recipe("extends: ./absent", "r.yaml"); }),
            "r.yaml:1:10: ./absent: no such file");
}

TEST(Recipe, RefusesToExtendItself) {
  const ScratchFolder folder;
  write_content(folder / "a.yaml", "extends: b.yaml");
  write_content(folder / "b.yaml", "extends: [./a.yaml]");
  EXPECT_EQ(error_of([&] { load({folder / "a.yaml"}); }),
            folder / "a.yaml:1:10: " + folder / "b.yaml:1:11: " +
                folder / "./a.yaml: extends itself, by way of 1 others");
}

TEST(Recipe, RefusesTooManyThatItExtends) {
  const ScratchFolder folder;
  write_content(folder / "0.yaml", "rules: []");
  for (int i = 1; i <= 12; ++i) {  // 2^12 files to read
    const std::string below = std::to_string(i - 1) + ".yaml";
    write_content(folder / (std::to_string(i) + ".yaml"), "extends: [" + below + ", " + below + "]");
  }
  const std::string error = error_of([&] { load({folder / "12.yaml"}); });
  EXPECT_TRUE(error.ends_with(": more than 16 recipes deep or 64 in all")) << error;
}

TEST(Recipe, HasADigestOfItsMeaningAlone) {
  const RecipePath path(kRecipes);
  const std::string digest =
      parse_recipe("activations: {dtype: quint8, eps: 0.5}\nrules: [{op: relu, quantize: false}]", "a")
          .digest;
  EXPECT_EQ(digest.size(), 16u);
  EXPECT_EQ(
      parse_recipe("# a comment\nrules:\n- quantize: false\n  op: relu\nactivations: {eps: 5e-1, dtype: u8}",
                   "b")
          .digest,
      digest);
  EXPECT_NE(
      parse_recipe("activations: {dtype: quint8, eps: 0.5}\nrules: [{op: relu, quantize: true}]", "a").digest,
      digest);
  EXPECT_NE(parse_recipe("weights: {eps: 0.5}\nrules: [{op: relu, quantize: false}]", "a").digest, digest);
  EXPECT_EQ(load({"int8"}).digest, load({kRecipes + "/int8.yaml"}).digest);
}

TEST(Recipe, IsFoundWhereTheProgramIsInstalled) {
  const RecipePath path("");
  const Recipe recipe = load({"int8"});  // share/q/recipes beside the folder of this program
  EXPECT_EQ(recipe.activations.method, "mse");
}

TEST(Recipe, EachOneInstalledLoadsAndSaysWhenToUseIt) {
  const RecipePath path(kRecipes);
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kRecipes)) {
    const std::string name = entry.path().stem();
    const Recipe recipe = load({name});
    EXPECT_EQ(content_of(entry.path()).substr(0, 2), "# ") << name;
    EXPECT_TRUE(resolved(recipe, "conv2d", "c").quantize) << name;
    ++found;
  }
  EXPECT_GE(found, 3);
}

TEST(Recipe, EachExampleOfTheManualLoads) {
  const RecipePath path(kRecipes);
  const std::string page = content_of(Q_SOURCE_DIR "/man/q-recipe.5"),
                    begin = ".Bd -literal -offset indent\n";
  int found = 0;
  for (size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at + 1), ++found) {
    const size_t first = at + begin.size();
    EXPECT_EQ(error_in(page.substr(first, page.find(".Ed", first) - first)), "no error");
  }
  EXPECT_GE(found, 2);
}

TEST(Recipe, Int8MeansWhatItsCommentSays) {
  const RecipePath path(kRecipes);
  const NodeRecipe mse = resolved(load({"int8"}), "conv2d", "c"),
                   minmax = resolved(load({"int8-minmax"}), "conv2d", "c"),
                   qnnpack = resolved(load({"qnnpack"}), "conv2d", "c");
  const QuantSpec activations = {DType::kU8, QScheme::kPerTensorAffine, 0, 0, 255, 0x1p-60f};
  EXPECT_EQ(mse.activations, (Observation{activations, "histogram", "mse", 99.99, ""}));
  EXPECT_EQ(minmax.activations, (Observation{activations, "minmax", "minmax", 99.99, ""}));
  QuantSpec torch = activations;
  torch.eps = 0x1p-23f;
  EXPECT_EQ(qnnpack.activations, (Observation{torch, "histogram", "mse", 99.99, ""}));
  EXPECT_EQ(qnnpack.concat, Concat::kShare);
  EXPECT_EQ(mse.concat, Concat::kAuto);
  const QuantSpec weights = {DType::kI8, QScheme::kPerChannelSymmetric, 0, -127, 127, 0x1p-60f};
  EXPECT_EQ(mse.weights, (Observation{weights, "per_channel_minmax", "minmax", 99.99, ""}));
  EXPECT_EQ(minmax.weights, mse.weights);
  const QuantSpec per_tensor = {DType::kI8, QScheme::kPerTensorSymmetric, 0, -128, 127, 0x1p-23f};
  EXPECT_EQ(qnnpack.weights, (Observation{per_tensor, "minmax", "minmax", 99.99, ""}));
}

}  // namespace
}  // namespace q
