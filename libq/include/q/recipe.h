// Recipes: what shall be quantized, and how, parsed from YAML.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "q/graph.h"

namespace q {

// Fields that a section or rule sets; unset ones are taken from the rule before.
struct SpecFields {
  std::optional<DType> dtype;
  std::optional<QScheme> scheme;
  std::optional<int64_t> quant_min, quant_max;
  std::optional<double> eps;
  std::optional<std::string> observer, method, concat;
  std::optional<double> percentile;
  std::string place;  // of the last section that set one, for messages
};

struct RecipeRule {
  std::string op;    // operator name; empty matches all
  std::string name;  // pattern over node names: exact, or with * and ?; empty matches all
  std::optional<bool> quantize;
  SpecFields activations, weights;
  std::string place;  // "int8.yaml:12:5", for messages
};

// Normalisation of input data: x = (data - mean) / std, per channel (one entry: all channels).
struct InputSpec {
  std::vector<double> mean, std;
};

struct Recipe {
  std::string name;    // as it was asked for
  std::string digest;  // hash of its meaning (canonical text), for the history
  InputSpec input;
  SpecFields activations, weights;  // the defaults that rules refine
  std::vector<RecipeRule> rules;    // the last that matches wins, field by field
};

// Recipes in order, later ones override field by field and append their rules. A name without '/' is looked
// up along $Q_RECIPE_PATH, then among the installed ones. Throws with line and column on an unknown key, a
// wrong type, a cycle of `extends`.
Q_API Recipe load_recipe(std::span<const std::string> names);
// The same from text; `name` stands for the file in messages.
Q_API Recipe parse_recipe(std::string_view text, std::string_view name);

// What becomes of the inputs of a node whose inputs and output may share their parameters, as a cat: they
// share always, never, or as q-calibrate finds better.
enum class Concat { kAuto, kShare, kRequantize };

// What the recipe says for one node: everything a rule can set, resolved.
struct NodeRecipe {
  bool quantize = true;
  Concat concat = Concat::kAuto;
  Observation activations, weights;
};
// matched: per rule, set to true where it applied; may be null.
Q_API NodeRecipe resolve(const Recipe& recipe, const Node& node, std::vector<bool>* matched);

}  // namespace q
