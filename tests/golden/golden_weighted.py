"""Linear and convolutions of one and two axes."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from golden import Q, quantized, sum_error


def write_weighted(cases):
    torch.backends.quantized.engine = "qnnpack"  # the engine whose rounding is normative
    for i in range(8):
        name = f"linear_{i}"
        r = cases.random(name)
        columns, rows, outputs = r.integer(1, 70), r.integer(1, 6), r.integer(1, 20)
        write_linear(cases, r, name, r.quantized((rows, columns)), outputs, i)
    write_deep_linear(cases)
    for rank in (1, 2):
        for i in range(10):
            write_conv(cases, f"conv{rank}d_{i}", rank, i)
    write_float_weighted(cases)


def prepare(r, x, weight, i):
    """Bias, output scale and zero point that use the output's range, and whether to clamp at 0."""
    channels, terms = weight.shape[0], weight[0].numel()
    per_channel = weight.qscheme() != torch.per_tensor_affine
    scales = weight.q_per_channel_scales() if per_channel else torch.full((channels,), weight.q_scale())
    step = x.q_scale() * float(scales.mean())
    bias = None if i % 5 == 4 else (r.normal(channels) * (x.q_scale() * scales) * 2000).float()
    return bias, step * 75 * math.sqrt(terms) * r.scale(-0.3, 0.3), r.zero_point("quint8"), bool(i // 2 % 2)


def add_weighted(cases, name, op, params, x, weight, bias, y):
    inputs = dict(x=x, weight=weight) if bias is None else dict(x=x, weight=weight, bias=bias)
    params.update(out_scale=y.q_scale(), out_zero_point=y.q_zero_point())
    cases.add(name, op, params, inputs, dict(y=y), engine="qnnpack")


def write_linear(cases, r, name, x, outputs, i):
    weight = r.weights((outputs, x.shape[1]), per_channel=i % 2 == 1, with_zero_points=i >= 6)
    bias, scale, zero_point, relu = prepare(r, x, weight, i)
    packed = Q.linear_prepack(weight, bias)
    y = (Q.linear_relu if relu else Q.linear)(x, packed, scale, zero_point)
    add_weighted(cases, name, "linear", dict(relu=relu), x, weight, bias, y)


def write_deep_linear(cases):
    """Sums beyond 2^24, which binary32 rounds."""
    r = cases.random("linear_deep")
    x = quantized(torch.from_numpy(r.generator.integers(200, 256, (2, 1200)).astype(np.uint8)), 0.02, 3)
    weight = quantized(torch.from_numpy(r.generator.integers(90, 128, (5, 1200)).astype(np.int8)), 0.01, 0)
    packed = Q.linear_prepack(weight, None)
    y = Q.linear(x, packed, 28.7, 11)
    add_weighted(cases, "linear_deep", "linear", dict(relu=False), x, weight, None, y)


def write_conv(cases, name, rank, i):
    r = cases.random(name)
    group = r.integer(1, 2)
    inputs, outputs = group * r.integer(1, 5), group * r.integer(1, 5)
    if i % 3 == 2:
        group = inputs = outputs = r.integer(3, 19)  # depthwise
    kernel, stride, dilation = r.integers(1, 3, rank), r.integers(1, 2, rank), r.integers(1, 2, rank)
    padding = [min(r.integer(0, 2), (k - 1) * d) for k, d in zip(kernel, dilation)]
    x = r.quantized((2, inputs, *r.integers(5, 8, rank)))
    weight = r.weights((outputs, inputs // group, *kernel), per_channel=i % 2 == 1, with_zero_points=i in (3, 8))
    bias, scale, zero_point, relu = prepare(r, x, weight, i)
    packed = getattr(Q, f"conv{rank}d_prepack")(weight, bias, stride, padding, dilation, group)
    y = getattr(Q, f"conv{rank}d" + ("_relu" if relu else ""))(x, packed, scale, zero_point)
    params = dict(stride=stride, padding=padding, dilation=dilation, groups=group, transpose=False, relu=relu)
    add_weighted(cases, name, f"conv{rank}d", params, x, weight, bias, y)


def write_float_weighted(cases):
    r = cases.random("float")

    def add(name, op, function, x, weight, bias, params):
        y = function(x, weight, bias)
        magnitude = function(x.abs(), weight.abs(), bias.abs())
        inputs = dict(x=x, weight=weight, bias=bias)
        tolerance = sum_error(magnitude, weight[0].numel() + 1)
        cases.add(name, "float_" + op, dict(params, relu=False), inputs, dict(y=y), tolerance, compare="float")

    add("float_linear", "linear", F.linear, r.normal(3, 67), r.normal(10, 67), r.normal(10), {})
    for rank in (1, 2):
        for name, group, inputs in (("grouped", 2, 4), ("depthwise", 6, 1)):
            shape = dict(stride=[2, 1][:rank], padding=[1, 2][:rank], dilation=[1, 2][:rank])
            function = lambda *tensors: getattr(F, f"conv{rank}d")(*tensors, *shape.values(), group)
            x, weight = r.normal(2, group * inputs, *[9, 8][:rank]), r.normal(6, inputs, *[3, 3][:rank])
            params = dict(shape, groups=group, transpose=False)
            add(f"float_conv{rank}d_{name}", f"conv{rank}d", function, x, weight, r.normal(6), params)
