"""Operators that resample images, pad them, move their pixels, or look rows up."""

import torch
import torch.nn.functional as F

from golden import ACTIVATIONS, EXACT, Q, ULP, sum_error

# torch computes weights of binary32 with a fused multiply-add or without
LINEAR_PATH = dict(atol_lsb=1, max_mismatch_frac=0.02, mismatch_floor=2)


def write_resample(cases):
    for dtype in ACTIVATIONS:
        write_quantized_resample(cases, dtype)
    write_float_resample(cases)
    write_embedding(cases)


def write_quantized_resample(cases, dtype):
    r = cases.random(dtype)
    image, volume = r.quantized((1, 4, 4, 6), dtype), r.quantized((1, 2, 3, 2, 4), dtype)

    def add(op, name, x, y, params, tolerance=EXACT):
        cases.add(f"{name}_{dtype}", op, params, dict(x=x), dict(y=y.contiguous()), tolerance)

    size = [2, 11]
    y = F.interpolate(image, size, mode="nearest")
    add("interpolate", "nearest", image, y, dict(mode="nearest", size=size))
    y = F.interpolate(volume, [4, 1, 5], mode="nearest")
    add("interpolate", "nearest3d", volume, y, dict(mode="nearest", size=[4, 1, 5]))
    for aligned in (False, True):
        size = [7, 4]
        y = F.interpolate(image, size, mode="bilinear", align_corners=aligned)
        params = dict(mode="bilinear", size=size, align_corners=aligned)
        add("interpolate", f"bilinear_{aligned:d}", image, y, params, LINEAR_PATH)
    if dtype == "quint8":
        add("pixel_shuffle", "pixel_shuffle", image, F.pixel_shuffle(image, 2), dict(upscale_factor=2))
        add("channel_shuffle", "channel_shuffle", image, torch.channel_shuffle(image, 2), dict(groups=2))
        y = F.pad(image, (2, 1, 1, 3), mode="reflect")
        add("pad", "pad_reflect", image, y, dict(pads=[0, 0, 1, 2, 0, 0, 3, 1], mode="reflect"))


def write_float_resample(cases):
    r = cases.random("float")
    signal, image, volume = r.normal(1, 2, 7), r.normal(1, 4, 4, 6), r.normal(1, 2, 3, 2, 4)

    def add(op, name, x, y, params, tolerance=EXACT):
        cases.add("float_" + name, "float_" + op, params, dict(x=x), dict(y=y), tolerance, compare="float")

    def resize(mode, x, size, slope, aligned=None):
        # three roundings of a position, times the slope of the weights, for each axis; the products and their sum
        axes, extent = len(size), max(x.shape[2:])
        y = F.interpolate(x, size, mode=mode, align_corners=aligned)
        tolerance = dict(atol=float(x.abs().max()) * axes * (3 * extent * slope + 8) * ULP) if slope else EXACT
        params = dict(mode=mode, size=size) if aligned is None else dict(mode=mode, size=size, align_corners=aligned)
        add("interpolate", mode + ("_aligned" if aligned else ""), x, y, params, tolerance)

    resize("nearest", image, [7, 4], 0)
    for aligned in (False, True):
        resize("linear", signal, [11], 2, aligned)  # of two weights
        resize("bilinear", image, [7, 4], 2, aligned)
        resize("bicubic", image, [7, 4], 6, aligned)  # of four
    resize("trilinear", volume, [4, 5, 2], 2, False)

    modes = dict(reflect="reflect", edge="replicate", wrap="circular")  # ONNX's names and torch's
    for ours, theirs in modes.items():
        y = F.pad(image, (2, 1, 1, 2), mode=theirs)
        add("pad", "pad_" + ours, image, y, dict(pads=[0, 0, 1, 2, 0, 0, 2, 1], mode=ours))
    y = F.pad(image, (1, -2), value=1.5)
    add("pad", "pad_value", image, y, dict(pads=[0, 0, 0, 1, 0, 0, 0, -2], mode="constant", value=1.5))
    add("pixel_shuffle", "pixel_shuffle", image, F.pixel_shuffle(image, 2), dict(upscale_factor=2))
    add("channel_shuffle", "channel_shuffle", image, F.channel_shuffle(image, 2), dict(groups=2))
    for axes, x, size in ((1, signal, [3]), (2, image, [3, 4]), (3, volume, [2, 2, 3])):
        op = f"adaptive_max_pool{axes}d"
        add(op, op, x, getattr(F, op)(x, size), dict(output_size=size))


def write_embedding(cases):
    r = cases.random("embedding")
    weight, indices = r.normal(7, 5), torch.tensor(r.integers(0, 6, 8)).reshape(2, 4)

    def add(op, y, params, tolerance=EXACT, **more):
        inputs = dict(indices=indices, weight=weight, **more)
        name = "_".join(["float", op, *params.values(), *more])
        cases.add(name, "float_" + op, params, inputs, dict(y=y), tolerance, compare="float")

    add("embedding", F.embedding(indices, weight), {})
    for mode in ("sum", "mean", "max"):
        tolerance = EXACT if mode == "max" else sum_error(weight.abs().max() * 4, 4)
        add("embedding_bag", F.embedding_bag(indices, weight, mode=mode), dict(mode=mode), tolerance)
    factors = r.uniform(0, 2, 2, 4)
    y = F.embedding_bag(indices, weight, mode="sum", per_sample_weights=factors)
    add("embedding_bag", y, dict(mode="sum"), sum_error(weight.abs().max() * 8, 5), per_sample_weights=factors)

    # rows of integers, bags of any length in one list
    indices, offsets = indices.flatten(), torch.tensor([0, 3, 3])
    weight, factors = r.normal(7, 6), r.uniform(0, 2, 8)
    for kind in ("byte", "4bit"):
        packed = getattr(Q, f"embedding_bag_{kind}_prepack")(weight)
        y = getattr(Q, f"embedding_bag_{kind}_rowwise_offsets")(packed, indices, offsets, False, 0, False, factors)
        params = dict(format=kind, mode="sum", include_last_offset=False)
        inputs = dict(packed=packed, indices=indices, offsets=offsets, per_sample_weights=factors)
        tolerance = sum_error(weight.abs().max() * 16, 10)  # scale * q + bias rounds twice more
        cases.add("embedding_bag_" + kind, "embedding_bag", params, inputs, dict(y=y), tolerance, compare="float")
