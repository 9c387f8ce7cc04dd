"""Convolutions of three axes and transposed ones, and products of matrices."""

import torch
import torch.nn.functional as F

from golden import ACTIVATIONS, FLOAT_PATH, Q, sum_error
from golden_weighted import add_weighted, prepare

TRANSPOSED_3D = dict(atol_lsb=1, max_mismatch_frac=0.003, mismatch_floor=2)  # another engine's rounding


def write_product(cases):
    torch.backends.quantized.engine = "qnnpack"  # the engine whose rounding is normative
    for i in range(3):
        write_conv3d(cases, f"conv3d_{i}", i)
    write_transposed(cases, "conv_transpose1d", 1, 1)
    write_transposed(cases, "conv_transpose2d", 2, 2)
    torch.backends.quantized.engine = "onednn"  # the one that has it
    write_transposed(cases, "conv_transpose3d", 3, 1)
    for dtype in ACTIVATIONS:
        r = cases.random("matmul_" + dtype)
        a, b = r.quantized((2, 4, 9), dtype), r.quantized((2, 9, 5), dtype)
        scale, zero_point = a.q_scale() * b.q_scale() * 9000, r.zero_point(dtype)
        params = dict(out_scale=scale, out_zero_point=zero_point)
        y = Q.matmul(a, b, scale, zero_point)
        cases.add("matmul_" + dtype, "matmul", params, dict(a=a, b=b), dict(y=y), FLOAT_PATH)
    write_float_product(cases)


def write_conv3d(cases, name, i):
    r = cases.random(name)
    group = i + 1
    inputs, outputs = ((3, 4), (4, 6), (3, 3))[i]  # the last depthwise
    stride, padding, dilation = r.integers(1, 2, 3), r.integers(0, 1, 3), [1, 2, 1]
    x = r.quantized((1, inputs, 3, 5, 4))
    weight = r.weights((outputs, inputs // group, 2, 2, 3), per_channel=i > 0, with_zero_points=i == 1)
    bias, scale, zero_point, relu = prepare(r, x, weight, 2 * i)
    packed = Q.conv3d_prepack(weight, bias, stride, padding, dilation, group)
    y = (Q.conv3d_relu if relu else Q.conv3d)(x, packed, scale, zero_point)
    params = dict(stride=stride, padding=padding, dilation=dilation, groups=group, transpose=False, relu=relu)
    add_weighted(cases, name, "conv3d", params, x, weight, bias, y)


def write_transposed(cases, name, rank, group):
    r, engine = cases.random(name), torch.backends.quantized.engine
    inputs, outputs = 2 * group, 3 * group
    stride, padding, dilation = [2, 1, 2][-rank:], [1, 0, 1][-rank:], [1, 2, 1][-rank:]
    extra = [s - 1 if engine == "qnnpack" else 0 for s in stride]
    x = r.quantized((1, inputs, *[5, 3, 3][:rank]))
    weight = r.weights((inputs, outputs // group, *[3, 2, 2][:rank]), per_channel=False, with_zero_points=False)
    bias, scale, zero_point, _ = prepare(r, x, weight, 0)
    bias = torch.cat([bias, -bias])[: outputs] if outputs <= 2 * inputs else None
    kernel = getattr(Q, f"conv_transpose{rank}d_prepack")
    packed = kernel(weight, bias, stride, padding, extra, dilation, group)
    y = getattr(Q, f"conv_transpose{rank}d")(x, packed, scale, zero_point)
    params = dict(stride=stride, padding=padding, dilation=dilation, groups=group, output_padding=extra)
    params.update(transpose=True, relu=False, out_scale=scale, out_zero_point=zero_point)
    inputs = dict(x=x, weight=weight, bias=bias)
    tolerance = {} if engine == "qnnpack" else TRANSPOSED_3D
    cases.add(name, f"conv_transpose{rank}d", params, inputs, dict(y=y), tolerance, engine=engine)


def write_float_product(cases):
    r = cases.random("float")

    def add(op, function, params, terms, **inputs):
        y = function(*inputs.values())
        magnitude = function(*[tensor.abs() for tensor in inputs.values()])
        tolerance = sum_error(magnitude, terms + 1)
        cases.add("float_" + op, "float_" + op, params, inputs, dict(y=y), tolerance, compare="float")

    window = dict(stride=[2, 1, 1], padding=[1, 0, 1], dilation=[1, 1, 2])
    function = lambda x, weight, bias: F.conv3d(x, weight, bias, *window.values(), 2)
    params = dict(window, groups=2, transpose=False, relu=False)
    x, weight = r.normal(1, 4, 3, 4, 5), r.normal(4, 2, 2, 2, 2)
    add("conv3d", function, params, weight[0].numel(), x=x, weight=weight, bias=r.normal(4))
    for rank in (1, 2, 3):
        stride, padding, extra, dilation = [2, 1, 2][:rank], [1, 0, 1][:rank], [1, 0, 1][:rank], [1, 2, 1][:rank]
        convolve = getattr(F, f"conv_transpose{rank}d")
        function = lambda x, weight, bias: convolve(x, weight, bias, stride, padding, extra, 2, dilation)
        params = dict(stride=stride, padding=padding, dilation=dilation, groups=2, output_padding=extra)
        params.update(transpose=True, relu=False)
        x, weight = r.normal(1, 4, *[4, 3, 2][:rank]), r.normal(4, 3, *[3, 2, 2][:rank])
        op = f"conv_transpose{rank}d"
        add(op, function, params, 2 * weight[0, 0].numel(), x=x, weight=weight, bias=r.normal(6))
    add("matmul", torch.matmul, {}, 9, a=r.normal(2, 1, 4, 9), b=r.normal(3, 9, 5))
