"""Normalizations by statistics of the input."""

import torch.nn.functional as F

from golden import ACTIVATIONS, FLOAT_PATH, Q, sum_error

EPS = 1e-5


def write_norm(cases):
    for dtype in ACTIVATIONS:
        r = cases.random(dtype)
        x = r.quantized((2, 6, 3, 4), dtype)
        scale, zero_point = r.scale(-1.5, -1), r.zero_point(dtype)
        own = dict(out_scale=scale, out_zero_point=zero_point, eps=EPS)

        def add(op, weight, bias, y, params):
            inputs = dict(x=x, weight=weight, bias=bias)
            cases.add(f"{op}_{dtype}", op, dict(own, **params), inputs, dict(y=y), FLOAT_PATH)

        weight, bias = r.uniform(0.5, 1.5, 3, 4), r.normal(3, 4)
        y = Q.layer_norm(x, [3, 4], weight, bias, EPS, scale, zero_point)
        add("layer_norm", weight, bias, y, dict(normalized_shape=[3, 4]))
        weight, bias = r.uniform(0.5, 1.5, 6), r.normal(6)
        y = Q.group_norm(x, 3, weight, bias, EPS, scale, zero_point)
        add("group_norm", weight, bias, y, dict(num_groups=3))
        y = Q.instance_norm(x, weight, bias, EPS, scale, zero_point)
        add("instance_norm", weight, bias, y, {})
    write_float_norm(cases)


def write_float_norm(cases):
    r = cases.random("float")
    x = r.normal(2, 4, 3, 4) + 0.5

    def add(op, y, terms, params, **inputs):
        # the mean and the variance are sums of so many terms, of numbers that the result has at its scale
        gain, offset = (float(inputs[key].abs().max()) if key in inputs else 0.0 for key in ("weight", "bias"))
        deviation = x.flatten(2).std(2, unbiased=False).min()
        magnitude = (gain or 1) * x.abs().max() / deviation + offset
        tolerance = sum_error(magnitude, 2 * terms)
        inputs = dict(x=x, **inputs)
        cases.add("float_" + op, "float_" + op, dict(params, eps=EPS), inputs, dict(y=y), tolerance, compare="float")

    weight, bias = r.uniform(0.5, 1.5, 3, 4), r.normal(3, 4)
    y = F.layer_norm(x, [3, 4], weight, bias, EPS)
    add("layer_norm", y, 12, dict(normalized_shape=[3, 4]), weight=weight, bias=bias)
    weight, bias = r.uniform(0.5, 1.5, 4), r.normal(4)
    add("group_norm", F.group_norm(x, 2, weight, bias, EPS), 24, dict(num_groups=2), weight=weight, bias=bias)
    y = F.instance_norm(x, weight=weight, bias=bias, eps=EPS)
    add("instance_norm", y, 12, {}, weight=weight, bias=bias)
