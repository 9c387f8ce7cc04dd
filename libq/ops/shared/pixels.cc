#include "ops/shared/pixels.h"

#include <string>
#include <utility>

#include "base/text.h"
#include "ops/shared/samples.h"

namespace q {

void check_pixels(const Attrs& attrs, const TensorType& in) {
  constexpr int64_t kMostBlock = 1 << 15;  // its square is an extent
  const int64_t block = attr_int(attrs, "blocksize");
  const std::string& mode = attr_string(attrs, "mode");
  if (in.shape.rank != 4)
    throw Error(ErrorKind::kInvalid, text("input is ", to_string(in.shape), ", wanted [N,C,H,W]"));
  if (block < 1 || block > kMostBlock)
    throw Error(ErrorKind::kInvalid, text("attribute blocksize is ", block, ", wanted 1 to ", kMostBlock));
  if (mode != "CRD" && mode != "DCR")
    throw Error(ErrorKind::kInvalid, text("attribute mode is \"", mode, "\", wanted CRD or DCR"));
  if (is_free(in.shape[1])) throw mixes_samples("channels that become pixels or are made of them");
}

Box pixel_box(const Attrs& attrs, const Shape& deep, bool to_deep) {
  const int64_t b = attr_int(attrs, "blocksize"), depth = deep[1], channels = depth / (b * b);
  const int64_t height = deep[2], width = deep[3];
  const bool is_crd = attr_string(attrs, "mode") == "CRD";
  Box box;
  const auto add = [&](int64_t extent, int64_t in_deep, int64_t in_wide) {
    if (to_deep) std::swap(in_deep, in_wide);
    box.add(extent, in_deep, in_wide);
  };
  add(deep[0] * height, width * depth, b * width * b * channels);
  add(b, is_crd ? b : b * channels, width * b * channels);
  add(width, depth, b * channels);
  add(b, is_crd ? 1 : channels, channels);
  add(channels, is_crd ? b * b : 1, 1);
  return box;
}

}  // namespace q
