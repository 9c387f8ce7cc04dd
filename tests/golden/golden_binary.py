"""Functions of two elements, or of an element and a number."""

import torch
import torch.nn.functional as F

from golden import ACTIVATIONS, EXACT, FLOAT_PATH, Q, ULP, quantized


def write_binary(cases):
    for dtype in ACTIVATIONS:
        r = cases.random(dtype)
        x, slope = r.quantized((2, 3, 20), dtype), r.quantized((3,), dtype)
        scale, zero_point = r.scale(-1, 0), r.zero_point(dtype)
        params = dict(out_scale=scale, out_zero_point=zero_point)
        y = Q.prelu(x, slope, scale, zero_point)
        cases.add(f"prelu_{dtype}", "prelu", params, dict(x=x, weight=slope), dict(y=y), FLOAT_PATH)
    write_scalar(cases)
    write_comparisons(cases)
    write_float_binary(cases)


def write_scalar(cases):
    r = cases.random("scalar")
    a = r.quantized((90,), "quint8")
    step = a.q_scale()

    def add(op, name, y, value, tolerance=EXACT):
        cases.add(name, op, dict(value=value), dict(a=a), dict(y=y), tolerance)

    # in between two multiples of the scale, above the range of the integers, below it
    for name, value in (("between", 20.4 * step), ("above", 400.3 * step), ("below", -390.7 * step)):
        add("add_scalar", "add_" + name, Q.add(a, value), value)
    add("add_scalar_relu", "add_relu", Q.add_relu(a, -30.4 * step), -30.4 * step)
    for name, value in (("positive", r.scale(-0.5, 0.5)), ("negative", -r.scale(-0.5, 0.5)), ("zero", 0.0)):
        add("mul_scalar", "mul_" + name, Q.mul(a, value), value)
    value = -r.scale(-0.5, 0.5)
    add("mul_scalar_relu", "mul_relu", Q.mul_relu(a, value), value)


def write_comparisons(cases):
    r = cases.random("comparison")
    a, b = r.quantized((3, 40)), r.quantized((3, 40), low=-1.5)
    integers = torch.where(torch.arange(40) % 3 == 0, a.int_repr(), b.int_repr())
    with_ties = quantized(integers, a.q_scale(), a.q_zero_point())
    value = float(a.dequantize()[1, 7])
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        other = with_ties if op in ("eq", "ne", "le", "gt") else b
        y = getattr(torch, op)(a, other)
        cases.add(op, op, {}, dict(a=a, b=other), dict(y=y), compare="bool")
        y = getattr(torch, op)(a, value)
        cases.add(op + "_scalar", op + "_scalar", dict(value=value), dict(a=a), dict(y=y), compare="bool")


def write_float_binary(cases):
    r = cases.random("float")
    corners = torch.tensor([0.0, -0.0, 0, -1, 2, float("inf"), -float("inf"), float("nan"), 1])
    others = torch.tensor([-0.0, 0.0, 0, -2, float("inf"), 1, -1, 1, float("nan")])
    a, b = torch.cat([r.normal(40) * 3, corners]), torch.cat([r.normal(40) * 3, others])

    def add(op, y, ulps=0, **inputs):
        tolerance = dict(rtol=ulps * ULP, atol=1e-37) if ulps else EXACT
        cases.add("float_" + op, "float_" + op, {}, inputs, dict(y=y), tolerance, compare="float")

    for op in ("maximum", "minimum"):
        add(op, getattr(torch, op)(a, b), a=a, b=b)
    # torch's are off by one unit, ours by half of one
    add("atan2", torch.atan2(a, b), 2, a=a, b=b)
    exponents = torch.cat([b[:20], b[20:40].round(), others])  # whole ones of negative numbers too
    base = torch.cat([a[:20].abs(), a[20:40], corners])
    add("pow", torch.pow(base, exponents), 2, a=base, b=exponents)
    x, slope = r.normal(2, 3, 5), r.normal(3)
    add("prelu", F.prelu(x, slope), x=x, weight=slope)
    condition = (r.normal(3, 1) > 0).float()
    a, b = r.normal(3, 5), r.normal(5)
    add("where", torch.where(condition != 0, a, b), condition=condition, a=a, b=b)
