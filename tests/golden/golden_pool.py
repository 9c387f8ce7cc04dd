"""Pools and batch normalizations."""

import torch
import torch.nn.functional as F

from golden import ACTIVATIONS, EXACT, FLOAT_PATH, MEAN_TIES, Q, channels_last, sum_error


def write_pool(cases):
    # qnnpack's mean ignores count_include_pad, and its maximum is wrong with both dilation and padding
    torch.backends.quantized.engine = "onednn"
    for dtype in ACTIVATIONS:
        for i in range(2):
            write_quantized_pool(cases, dtype, i)
    write_float_pool(cases)


def write_quantized_pool(cases, dtype, i):
    r = cases.random(f"pool_{dtype}_{i}")
    place = (lambda t: t, channels_last)[i]
    order = ("contiguous", "channels_last")[i]
    x = r.quantized((2, 5, r.integer(5, 9), r.integer(5, 9)), dtype)
    kernel, stride = r.integers(2, 3, 2), r.integers(1, 2, 2)
    padding = [r.integer(0, k // 2) for k in kernel]

    def add(op, name, y, params, tolerance=EXACT, x=x):
        cases.add(f"{name}_{dtype}_{i}", op, params, dict(x=x), dict(y=y), tolerance, engine="onednn")

    window = dict(kernel=kernel, stride=stride, padding=padding, divisor_override=None, memory_format=order)
    for counts in (True, False):
        for ceil in (False, True):
            y = F.avg_pool2d(place(x), kernel, stride, padding, ceil, counts)
            params = dict(window, ceil_mode=ceil, count_include_pad=counts)
            add("avg_pool2d", f"avg_pool2d_{counts:d}{ceil:d}", y, params, MEAN_TIES if i else EXACT)
    for size in ([1, 1], [3, 2], [4, 12]):
        y = F.adaptive_avg_pool2d(place(x), size)
        params = dict(output_size=size, memory_format=order)
        add("adaptive_avg_pool2d", "adaptive_avg_pool2d_%d_%d" % tuple(size), y, params, MEAN_TIES if i else EXACT)
    for dilation, ceil in (([1, 1], False), ([2, 1], False), ([1, 2], True)):
        params = dict(kernel=[2, 3], stride=stride, padding=[1, 1], dilation=dilation, ceil_mode=ceil)
        y = F.max_pool2d(place(x), [2, 3], stride, 1, dilation, ceil)
        add("max_pool2d", "max_pool2d_%d_%d" % tuple(dilation), y, params)
    signal = r.quantized((2, 3, 17), dtype)
    params = dict(kernel=3, stride=2, padding=1, dilation=1, ceil_mode=False)
    add("max_pool1d", "max_pool1d", F.max_pool1d(signal, 3, 2, 1), params, x=signal)

    volume = r.quantized((1, 3, 4, 5, 6), dtype)
    params = dict(kernel=[2, 2, 3], stride=[1, 2, 2], padding=[0, 1, 1], divisor_override=None, memory_format=order)
    params.update(ceil_mode=False, count_include_pad=True)
    y = F.avg_pool3d(place(volume), params["kernel"], params["stride"], params["padding"])
    add("avg_pool3d", "avg_pool3d", y, params, x=volume)
    params = dict(output_size=[2, 3, 2], memory_format=order)
    y = F.adaptive_avg_pool3d(place(volume), [2, 3, 2])
    add("adaptive_avg_pool3d", "adaptive_avg_pool3d", y, params, MEAN_TIES if i else EXACT, x=volume)

    scale, zero_point, eps = r.scale(-1.5, 0), r.zero_point(dtype), 1e-5
    own = dict(out_scale=scale, out_zero_point=zero_point, eps=eps)
    for op, x in (("batch_norm2d", x), ("batch_norm2d_relu", x), ("batch_norm3d", volume)):
        norm = r.norm(x.shape[1])
        y = getattr(Q, op)(x, *norm.values(), eps, scale, zero_point)
        cases.add(f"{op}_{dtype}_{i}", op, own, dict(x=x, **norm), dict(y=y), FLOAT_PATH)


def write_float_pool(cases):
    r = cases.random("float")
    x = r.normal(2, 5, 7, 8)

    def add(op, y, params, tolerance=EXACT, **more):
        cases.add("float_" + op, "float_" + op, params, dict(x=x, **more), dict(y=y), tolerance, compare="float")

    kernel, stride, padding = [3, 2], [2, 2], [1, 1]
    window = dict(kernel=kernel, stride=stride, padding=padding, ceil_mode=True)
    add("max_pool2d", F.max_pool2d(x, kernel, stride, padding, 1, True), dict(window, dilation=[1, 1]))
    means = dict(window, count_include_pad=False, divisor_override=None)
    mean = lambda t: F.avg_pool2d(t, kernel, stride, padding, True, False)
    add("avg_pool2d", mean(x), means, sum_error(mean(x.abs()), 6))
    mean = lambda t: F.adaptive_avg_pool2d(t, [3, 2])
    add("adaptive_avg_pool2d", mean(x), dict(output_size=[3, 2]), sum_error(mean(x.abs()), 16))
    norm, eps = r.norm(5), 1e-5
    gain = norm["weight"] / (norm["var"] + eps).sqrt()
    magnitude = gain.abs().max() * (x.abs().max() + norm["mean"].abs().max()) + norm["bias"].abs().max()
    y = F.batch_norm(x, norm["mean"], norm["var"], norm["weight"], norm["bias"], eps=eps)
    add("batch_norm2d", y, dict(eps=eps), sum_error(magnitude, 4), **norm)
