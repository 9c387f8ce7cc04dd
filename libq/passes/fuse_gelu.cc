// x * (1 + erf(x / sqrt(2))) / 2 is gelu, and so is its approximation by tanh.
#include <optional>
#include <utility>

#include "base/text.h"
#include "passes/shared/pattern.h"

namespace q {

namespace {

constexpr double kInverseSqrt2 = 0.70710678118654752, kSqrt2OverPi = 0.79788456080286536, kCubic = 0.044715;

// x of 1 + f(x), where f is that function of a multiple of x.
std::optional<ValueId> in_erf(Rewriter& rewriter, ValueId id) {
  const NodeId erf = maker_of(rewriter, id, "erf");
  if (erf == kNone) return std::nullopt;
  const auto argument = scaled(rewriter, rewriter.node(erf).inputs[0]);
  if (!argument || !is_about(argument->number, kInverseSqrt2)) return std::nullopt;
  return argument->other;
}

// x of tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)).
std::optional<ValueId> in_tanh(Rewriter& rewriter, ValueId id) {
  const NodeId tanh = maker_of(rewriter, id, "tanh");
  if (tanh == kNone) return std::nullopt;
  const auto argument = scaled(rewriter, rewriter.node(tanh).inputs[0]);
  if (!argument || !is_about(argument->number, kSqrt2OverPi)) return std::nullopt;
  const NodeId sum = maker_of(rewriter, argument->other, "add");
  if (sum == kNone) return std::nullopt;
  const std::vector<ValueId> terms = rewriter.node(sum).inputs;
  for (size_t i : {size_t{0}, size_t{1}}) {
    const auto cubic = scaled(rewriter, terms[1 - i]);
    if (!cubic || !is_about(cubic->number, kCubic)) continue;
    if (power(rewriter, cubic->other, 3) == terms[i]) return terms[i];
  }
  return std::nullopt;
}

struct Gelu {
  ValueId x;
  std::string approximate;
};

// Of the factors of a product: x, one half, and 1 + erf or tanh.
std::optional<Gelu> recognised(Rewriter& rewriter, const std::vector<ValueId>& factors) {
  if (factors.size() != 3) return std::nullopt;
  std::optional<Gelu> found;
  double number = 1;
  std::vector<ValueId> others;
  for (ValueId factor : factors) {
    const auto sum = with_number(rewriter, factor, "add");
    if (const auto constant = number_of(rewriter, factor)) {
      number *= *constant;
    } else if (sum && sum->number == 1 && !found) {
      if (const auto x = in_erf(rewriter, sum->other))
        found = Gelu{*x, "none"};
      else if (const auto other = in_tanh(rewriter, sum->other))
        found = Gelu{*other, "tanh"};
    } else {
      others.push_back(factor);
    }
  }
  const bool fits = found && number == 0.5 && others.size() == 1 && others[0] == found->x;
  return fits ? found : std::nullopt;
}

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  Rewriter rewriter(std::move(graph));
  for (NodeId id = 0; id < rewriter.node_count(); ++id) {
    const Node& product = rewriter.node(id);
    if (product.op != "mul" || has_clamp(product)) continue;
    const std::optional<Gelu> gelu = recognised(rewriter, factors_of(rewriter, id));
    if (!gelu || !has_shape_of(rewriter, id, gelu->x)) continue;
    changes.push_back({"gelu", product.name, text("became gelu, approximate ", gelu->approximate)});
    rewriter.become(id, "gelu", {{"approximate", gelu->approximate}}, {gelu->x});
  }
  return rewriter.finish();
}

}  // namespace

extern const PassDef pass_fuse_gelu;
constinit const PassDef pass_fuse_gelu = {"fuse_gelu", "recognise gelu written with erf or tanh", apply};

}  // namespace q
