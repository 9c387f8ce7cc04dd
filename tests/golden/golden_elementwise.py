"""Operators on each element, or on pairs of them; softmax and cat."""

import numpy as np
import torch
import torch.nn.functional as F

from golden import ACTIVATIONS, EXACT, FLOAT_PATH, Q, TYPES, ULP, quantized


def write_elementwise(cases):
    for dtype in ACTIVATIONS:
        for i in range(2):
            write_quantized_elementwise(cases, dtype, i)
    write_float_elementwise(cases)


def write_quantized_elementwise(cases, dtype, i):
    r = cases.random(f"elementwise_{dtype}_{i}")
    scale, zero_point = r.scale(), r.zero_point(dtype)
    own = dict(out_scale=scale, out_zero_point=zero_point)

    def add(op, name, inputs, y, params, tolerance=FLOAT_PATH):
        cases.add(f"{name}_{dtype}_{i}", op, dict(params, dtype=dtype), inputs, dict(y=y), tolerance)

    for name, shape_a, shape_b in (("", (4, 50), (4, 50)), ("broadcast_", (3, 1, 5), (4, 5))):
        a, b = r.quantized(shape_a, dtype), r.quantized(shape_b, dtype)
        for op in ("add", "add_relu", "mul", "mul_relu"):
            add(op, name + op, dict(a=a, b=b), getattr(Q, op)(a, b, scale, zero_point), own)

    # every integer the type has
    low, high, numpy_type = TYPES[dtype][1:]
    every = torch.from_numpy(np.arange(low, high + 1).astype(numpy_type))
    a = quantized(every, r.scale(-2, -1), r.zero_point(dtype))
    inputs = dict(a=a)
    low, high = sorted(r.uniform(-2, 2, 2).tolist())
    add("relu", "relu", inputs, torch.relu(a), {}, EXACT)
    add("relu6", "relu6", inputs, Q.relu6(a, False), {}, EXACT)
    add("clamp", "clamp", inputs, Q.clamp(a, low, high), dict(min=low, max=high), EXACT)
    add("hardtanh", "hardtanh", inputs, F.hardtanh(a, low, high), dict(min_val=low, max_val=high), EXACT)
    add("hardsigmoid", "hardsigmoid", inputs, F.hardsigmoid(a), {})
    add("hardswish", "hardswish", inputs, Q.hardswish(a, scale, zero_point), own)
    add("sigmoid", "sigmoid", inputs, torch.sigmoid(a), {})
    add("sigmoid_qparams", "sigmoid_qparams", inputs, Q.sigmoid(a, scale, zero_point), own)
    add("tanh", "tanh", inputs, torch.tanh(a), {})

    x, axis, lowest = r.quantized((3, 7, 5), dtype, -2, -1), i + 1, TYPES[dtype][1]
    y = Q.softmax(x, axis, 1 / 256, lowest)
    add("softmax", "softmax", dict(x=x), y, dict(dim=axis, out_scale=1 / 256, out_zero_point=lowest))

    parts = [r.quantized((2, 3, 4), dtype), r.quantized((2, 2, 4), dtype)]
    parts.append(quantized(r.stored((2, 1, 4), dtype), scale, zero_point))  # copied: it already means the same
    inputs = {f"x{k}": part for k, part in enumerate(parts)}
    add("cat", "cat", inputs, Q.cat(parts, 1, scale, zero_point), dict(own, dim=1))
    add("cat_relu", "cat_relu", inputs, Q.cat_relu(parts, 1, scale, zero_point), dict(own, dim=1))
    add("cat_default", "cat_default", inputs, torch.cat(parts, 1), dict(dim=1))


def write_float_elementwise(cases):
    r = cases.random("float")
    x = torch.cat([r.normal(200) * 3, torch.tensor([0.0, -0.0, 3, -3, 6, 20, -20, 88, -88])])

    def add(op, y, ulps):
        # torch's vector functions are off by about one unit, and the operation around them rounds twice more
        tolerance = dict(rtol=ulps * ULP, atol=1e-37)
        cases.add("float_" + op, "float_" + op, {}, dict(a=x), dict(y=y), tolerance, compare="float")

    add("relu", torch.relu(x), 0)
    add("relu6", F.relu6(x), 0)
    add("hardsigmoid", F.hardsigmoid(x), 2)
    add("hardswish", F.hardswish(x), 2)
    add("sigmoid", torch.sigmoid(x), 4)
    add("silu", F.silu(x), 4)
    add("tanh", torch.tanh(x), 4)
    x = r.normal(3, 7, 5) * 3
    reach = float((x.amax(1) - x.amin(1)).max())
    tolerance = dict(rtol=(x.shape[1] + 4 + reach) * ULP)  # a sum of 7 terms, and the rounding of each exponent
    expected = dict(y=F.softmax(x, 1))
    cases.add("float_softmax", "float_softmax", dict(dim=1), dict(x=x), expected, tolerance, compare="float")
