// Padding by zeros before a convolution becomes the convolution's own.
#include "base/text.h"
#include "passes/shared/rewrite.h"

namespace q {

namespace {

// Spatial padding only, constant, by the value 0.
bool pads_space_with_zero(const Node& pad) {
  const Attrs attrs = complete_attrs(*find_op("pad"), pad.attrs);
  const Ints& pads = attr_ints(attrs, "pads");
  const size_t rank = pads.size() / 2;
  if (attr_string(attrs, "mode") != "constant" || attr_float(attrs, "value") != 0 || rank < 3) return false;
  for (int64_t extent : pads)
    if (extent < 0) return false;
  return pads[0] == 0 && pads[1] == 0 && pads[rank] == 0 && pads[rank + 1] == 0;
}

Graph apply(Graph graph, const PassContext&, Changes& changes) {
  Rewriter rewriter(std::move(graph));
  for (NodeId id = 0; id < rewriter.node_count(); ++id) {
    Node& conv = rewriter.node(id);
    if (conv.op != "conv1d" && conv.op != "conv2d") continue;
    const NodeId pad_id = rewriter.sole_producer(conv.inputs[0]);
    if (pad_id == kNone || rewriter.node(pad_id).op != "pad" || !pads_space_with_zero(rewriter.node(pad_id)))
      continue;
    const Ints& outer = attr_ints(rewriter.node(pad_id).attrs, "pads");
    Ints pads = attr_ints(complete_attrs(*find_op(conv.op), conv.attrs), "pads");
    const size_t rank = outer.size() / 2, spatial = rank - 2;
    for (size_t i = 0; i < spatial; ++i) {
      pads[i] += outer[2 + i];
      pads[spatial + i] += outer[rank + 2 + i];
    }
    conv.attrs["pads"] = pads;
    changes.push_back({"pad+" + conv.op, conv.name, text("absorbed ", rewriter.node(pad_id).name)});
    rewriter.bypass(pad_id, 0);
  }
  return rewriter.finish();
}

}  // namespace

extern const PassDef pass_fuse_pad;
constinit const PassDef pass_fuse_pad = {"fuse_pad", "let a convolution do the padding before it", apply};

}  // namespace q
