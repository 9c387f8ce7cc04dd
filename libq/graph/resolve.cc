// What a recipe means for one node.
#include "base/text.h"
#include "q/recipe.h"

namespace q {

namespace {

template <typename T>
void take(std::optional<T>& into, const std::optional<T>& from) {
  if (from) into = from;
}

void override_with(SpecFields& into, const SpecFields& from) {
  take(into.dtype, from.dtype);
  take(into.scheme, from.scheme);
  take(into.quant_min, from.quant_min);
  take(into.quant_max, from.quant_max);
  take(into.eps, from.eps);
  take(into.observer, from.observer);
  take(into.method, from.method);
  take(into.percentile, from.percentile);
  take(into.concat, from.concat);
  if (!from.place.empty()) into.place = from.place;
}

enum class Role { kActivations, kWeights };

// The product of two scales, and the reciprocal of one, are still normal binary32 numbers.
constexpr double kSmallestScale = 0x1p-60;

QuantSpec complete_spec(const SpecFields& fields, Role role, const std::string& place) {
  const bool weights = role == Role::kWeights;
  QuantSpec spec;
  spec.dtype = fields.dtype.value_or(weights ? DType::kI8 : DType::kU8);
  spec.scheme = fields.scheme.value_or(weights ? QScheme::kPerChannelSymmetric : QScheme::kPerTensorAffine);
  const int64_t least = lowest(spec.dtype), greatest = highest(spec.dtype);
  const int64_t quant_min = fields.quant_min.value_or(least), quant_max = fields.quant_max.value_or(greatest);
  if (quant_min < least || quant_min > 0 || quant_max < 0 || quant_max > greatest || quant_min == quant_max)
    throw Error(ErrorKind::kInvalid, text(place, "quantized range ", quant_min, "..", quant_max,
                                          ", wanted one inside ", least, "..", greatest, " that contains 0"));
  spec.quant_min = static_cast<int32_t>(quant_min);
  spec.quant_max = static_cast<int32_t>(quant_max);
  spec.eps = static_cast<float>(fields.eps.value_or(kSmallestScale));
  return spec;
}

std::string_view default_observer(QScheme scheme, Role role) {
  if (is_per_channel(scheme)) return "per_channel_minmax";
  return role == Role::kWeights ? "minmax" : "histogram";
}

void check_method(const ObserverDef& observer, const std::string& method, const std::string& place) {
  std::string offered;
  for (std::string_view name : observer.methods) {
    if (name == method) return;
    offered += text(offered.empty() ? "" : ", ", name);
  }
  throw Error(ErrorKind::kInvalid, text(place, "method ", method, ", wanted one that observer ",
                                        observer.name, " offers: ", offered));
}

Observation complete(const SpecFields& fields, Role role, const std::string& node) {
  const std::string place =
      text(fields.place, fields.place.empty() ? "" : ": ", role == Role::kWeights ? "weights" : "activations",
           node.empty() ? "" : " of ", node, ": ");
  Observation out;
  out.spec = complete_spec(fields, role, place);
  out.observer = fields.observer.value_or(std::string(default_observer(out.spec.scheme, role)));
  const ObserverDef* observer = find_observer(out.observer);
  if (observer == nullptr)
    throw Error(ErrorKind::kInvalid, text(place, "no observer is called ", out.observer));
  if (observer->per_channel != is_per_channel(out.spec.scheme))
    throw Error(ErrorKind::kInvalid, text(place, "observer ", observer->name, ", wanted one ",
                                          observer->per_channel ? "per tensor" : "per channel",
                                          " for scheme ", name_of(out.spec.scheme)));
  out.method = fields.method.value_or(std::string(observer->methods.front()));
  check_method(*observer, out.method, place);
  if (fields.percentile) out.percentile = *fields.percentile;
  return out;
}

bool applies(const RecipeRule& rule, const Node& node) {
  return (rule.op.empty() || rule.op == node.op) && (rule.name.empty() || matches(rule.name, node.name));
}

}  // namespace

NodeRecipe resolve(const Recipe& recipe, const Node& node, std::vector<bool>* matched) {
  SpecFields activations = recipe.activations, weights = recipe.weights;
  NodeRecipe out;
  for (size_t i = 0; i < recipe.rules.size(); ++i) {
    const RecipeRule& rule = recipe.rules[i];
    if (!applies(rule, node)) continue;
    if (matched != nullptr) (*matched)[i] = true;
    if (rule.quantize) out.quantize = *rule.quantize;
    override_with(activations, rule.activations);
    override_with(weights, rule.weights);
  }
  if (activations.concat)
    out.concat = *activations.concat == "share"        ? Concat::kShare
                 : *activations.concat == "requantize" ? Concat::kRequantize
                                                       : Concat::kAuto;
  out.activations = complete(activations, Role::kActivations, node.name);
  out.weights = complete(weights, Role::kWeights, node.name);
  return out;
}

}  // namespace q
