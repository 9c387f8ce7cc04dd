"""Functions of one element."""

import numpy as np
import torch
import torch.nn.functional as F

from golden import ACTIVATIONS, FLOAT_PATH, Q, TYPES, ULP, quantized


def write_unary(cases):
    for dtype in ACTIVATIONS:
        write_quantized_unary(cases, dtype)
    write_float_unary(cases)


def write_quantized_unary(cases, dtype):
    r = cases.random(dtype)
    low, high, numpy_type = TYPES[dtype][1:]
    every = torch.from_numpy(np.arange(low, high + 1).astype(numpy_type))
    x = quantized(every, r.scale(-2, -1), r.integer(low + 80, high - 80))
    scale, zero_point = r.scale(-2, -1), r.zero_point(dtype)
    own = dict(out_scale=scale, out_zero_point=zero_point)

    def add(op, y, params):
        cases.add(f"{op}_{dtype}", op, params, dict(x=x), dict(y=y), FLOAT_PATH)

    alpha, slope, bound = r.scale(-0.5, 0.3), r.scale(-2, -0.3), r.scale(-1, 0)
    add("elu", Q.elu(x, scale, zero_point, alpha), dict(own, alpha=alpha))
    add("celu", Q.celu(x, scale, zero_point, alpha), dict(own, alpha=alpha))
    add("leaky_relu", Q.leaky_relu(x, slope, False, scale, zero_point), dict(own, negative_slope=slope))
    add("threshold", F.threshold(x, bound, -bound), dict(threshold=bound, value=-bound))


def write_float_unary(cases):
    r = cases.random("float")
    corners = torch.tensor([0.0, -0.0, 1, -1, 20, -20, 60, -60, float("inf"), -float("inf"), float("nan")])
    x = torch.cat([r.normal(61) * 3, corners])
    positive = torch.cat([(r.normal(61) * 3).exp(), torch.tensor([0.0, 1, -1, float("inf"), float("nan")])])

    def add(op, y, ulps, x=x, absolute=1e-37, name=None, **params):
        # what is absolute is that of a difference of numbers below 1; 1e-37: numbers without all their bits
        tolerance = dict(rtol=ulps * ULP, atol=absolute)
        cases.add(name or op, "float_" + op, params, dict(x=x), dict(y=y), tolerance, compare="float")

    for op in ("abs", "neg", "reciprocal"):
        add(op, getattr(torch, op)(x), 0)
    for op in ("exp", "atan", "erf"):  # torch's are off by one unit, ours by half of one
        add(op, getattr(torch, op)(x), 2)
    for op in ("sin", "cos"):  # 3.5 units
        add(op, getattr(torch, op)(x), 4)
    add("log", torch.log(positive), 2, positive)
    add("sqrt", torch.sqrt(positive), 0, positive)
    add("rsqrt", torch.rsqrt(positive), 2, positive)  # rounds twice

    alpha, slope, bound = r.scale(-0.5, 0.3), r.scale(-2, -0.3), r.scale(-1, 0)
    # exp(x) - 1, exp off by a unit of numbers up to 1
    add("elu", F.elu(x, alpha), 2, absolute=2 * alpha * ULP, alpha=alpha)
    add("celu", F.celu(x, alpha), 2, absolute=2 * alpha * ULP, alpha=alpha)
    add("selu", F.selu(x), 2, absolute=4 * ULP)
    add("leaky_relu", F.leaky_relu(x, slope), 0, negative_slope=slope)
    add("threshold", F.threshold(x, bound, -bound), 0, threshold=bound, value=-bound)
    add("softplus", F.softplus(x), 3)
    # x times 1 + erf or 1 + tanh, of which -1 may be left: off by a unit of 1, times x
    bounded = x[: x.numel() - 3]
    reach = float(bounded.abs().max())
    add("gelu", F.gelu(bounded), 3, bounded, reach * ULP, "gelu_none", approximate="none")
    y = F.gelu(bounded, approximate="tanh")
    add("gelu", y, 4, bounded, 2 * reach * ULP, "gelu_tanh", approximate="tanh")
