// Reductions, sorting and what picks elements by their order.
#include "golden_runner.h"

namespace q {
namespace {

// PyTorch drops the axes unless told otherwise, ONNX keeps them.
Attrs reduce_attrs(const GoldenCase& c, const std::string& op) {
  Attrs attrs = attrs_of(c.params, op);
  attrs.emplace("keepdims", int64_t{0});
  return attrs;
}

void test_reduce(const GoldenCase& c, const std::string& op, Tally& tally) {
  compare(c, "y", result_of(c, op, reduce_attrs(c, op)), tally);
}

// Positions only where the case has no equal elements: PyTorch leaves open which of them comes first.
void test_order(const GoldenCase& c, const std::string& op, Tally& tally) {
  const std::vector<Tensor> results = results_of(c, op, attrs_of(c.params, op), {"values", "indices"});
  compare(c, "values", results[0], tally);
  if (c.expected.contains("indices")) compare(c, "indices", results[1], tally);
}

constexpr Runner kRunners[] = {
    {"mean", "mean", test_reduce},
    {"max", "amax", test_reduce},
    {"min", "amin", test_reduce},
    {"std", "std", test_reduce},
    {"sort", "sort", test_order},
    {"topk", "topk", test_order},
    {"float_mean", "mean", test_reduce},
    {"float_sum", "sum", test_reduce},
    {"float_max", "amax", test_reduce},
    {"float_min", "amin", test_reduce},
    {"float_var", "var", test_reduce},
    {"float_std", "std", test_reduce},
    {"float_norm", "norm", test_reduce},
    {"float_argmax", "argmax", test_reduce},
    {"float_argmin", "argmin", test_reduce},
    {"float_sort", "sort", test_order},
    {"float_topk", "topk", test_order},
    {"float_cumsum", "cumsum", test_plain},
    {"float_glu", "glu", test_plain},
};

}  // namespace

std::span<const Runner> reduce_runners() { return kRunners; }

}  // namespace q
