// Channels that are pixels of a block: pixel_shuffle and its inverse.
#pragma once

#include "ops/shared/box.h"
#include "q/op.h"

namespace q {

// How a block of pixels is laid out as channels: as channel, row, column (CRD) or row, column, channel (DCR).
inline constexpr AttrSpec kPixelAttrs[] = {
    {"blocksize", "rows and columns of a block of pixels", AttrKind::kInt},
    {"mode", "how channels are numbered: CRD, the pixels of a channel side by side, or DCR, those channels",
     AttrKind::kString, "CRD"},
};

// Throws unless the input is an image [N, C, H, W] and the attributes are in range.
void check_pixels(const Attrs& attrs, const TensorType& in);

// What moves between an image `deep` of [N, C * b * b, H, W] and one of [N, C, H * b, W * b], both stored
// channels-last; `to_deep`: towards it.
Box pixel_box(const Attrs& attrs, const Shape& deep, bool to_deep);

}  // namespace q
