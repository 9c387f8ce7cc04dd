// Normalizations, softmax among them.
#include "golden_runner.h"

namespace q {
namespace {

// PyTorch normalizes over the last axes, which it gives by their extents; ours from an axis on.
void test_layer_norm(const GoldenCase& c, const std::string& op, Tally& tally) {
  Attrs attrs = attrs_of(c.params, op, {"normalized_shape"});
  attrs.emplace("axis", -std::ssize(c.params.at("normalized_shape")));
  compare(c, "y", result_of(c, op, attrs), tally);
}

constexpr Runner kRunners[] = {
    {"batch_norm2d", "batch_norm", test_plain},
    {"batch_norm2d_relu", "batch_norm", test_clamped},
    {"batch_norm3d", "batch_norm", test_plain},
    {"layer_norm", "layer_norm", test_layer_norm},
    {"group_norm", "group_norm", test_plain},
    {"instance_norm", "instance_norm", test_plain},
    {"softmax", "softmax", test_plain},
    {"float_batch_norm2d", "batch_norm", test_plain},
    {"float_layer_norm", "layer_norm", test_layer_norm},
    {"float_group_norm", "group_norm", test_plain},
    {"float_instance_norm", "instance_norm", test_plain},
    {"float_softmax", "softmax", test_plain},
    {"float_log_softmax", "log_softmax", test_plain},
};

}  // namespace

std::span<const Runner> norm_runners() { return kRunners; }

}  // namespace q
