"""Reductions, and what orders elements."""

import torch
import torch.nn.functional as F

from golden import ACTIVATIONS, EXACT, FLOAT_PATH, ULP, sum_error


def write_reduce(cases):
    torch.backends.quantized.engine = "onednn"  # qnnpack has a mean of its own for images
    r = cases.random("quantized")
    means = (("last", [-1], False), ("two", [1, 2], True), ("first", [0], False), ("all", None, False))
    for i, (name, dims, keep) in enumerate(means):
        x = r.quantized((3, 4, 6), ACTIVATIONS[i % 2])
        y = x.mean() if dims is None else x.mean(dims, keepdim=keep)
        # over the last dimensions the integers themselves are summed
        tolerance = FLOAT_PATH if name == "first" else EXACT
        add_quantized(cases, "mean_" + name, "mean", x, y, dict(dim=dims, keepdim=keep), tolerance)
    y = torch.std(x, [1], keepdim=True)
    add_quantized(cases, "std", "std", x, y, dict(dim=[1], keepdim=True), FLOAT_PATH)
    add_quantized(cases, "max", "max", x, x.max(), {})
    add_quantized(cases, "min", "min", x, x.min(), {})
    for descending in (False, True):
        values, _ = torch.sort(x, 1, descending)
        params = dict(dim=1, descending=descending)
        cases.add(f"sort_{descending:d}", "sort", params, dict(x=x), dict(values=values))
        values, _ = torch.topk(x, 3, 2, largest=descending)
        params = dict(k=3, dim=2, largest=descending, sorted=True)
        cases.add(f"topk_{descending:d}", "topk", params, dict(x=x), dict(values=values))
    write_float_reduce(cases)


def add_quantized(cases, name, op, x, y, params, tolerance=EXACT):
    cases.add(name, op, params, dict(x=x), dict(y=y), tolerance)


def write_float_reduce(cases):
    r = cases.random("float")
    x = r.normal(3, 4, 6)
    count = 18  # of dimensions 0 and 2

    def add(op, y, tolerance=EXACT, name=None, **params):
        cases.add("float_" + (name or op), "float_" + op, params, dict(x=x), dict(y=y), tolerance, compare="float")

    both = dict(dim=[0, 2], keepdim=False)
    add("mean", x.mean([0, 2]), sum_error(x.abs().mean([0, 2]), count), **both)
    add("sum", x.sum([0, 2]), sum_error(x.abs().sum([0, 2]), count), **both)
    for op in ("max", "min"):
        add(op, getattr(torch, "a" + op)(x, [0, 2], keepdim=True), dim=[0, 2], keepdim=True)
    # torch sums in binary64 and rounds once, twice with the root
    add("var", torch.var(x, [0, 2], unbiased=False), dict(rtol=2 * ULP), correction=0, **both)
    add("std", torch.std(x, [0, 2], unbiased=True), dict(rtol=3 * ULP), correction=1, **both)
    for p in (1, 2):  # sums of positive terms
        y = torch.linalg.vector_norm(x, p, [0, 2])
        add("norm", y, dict(rtol=(count + 2) * ULP), f"norm_{p}", p=float(p), **both)
    for op in ("argmax", "argmin"):
        add(op, getattr(torch, op)(x, -1), dim=-1, keepdim=False)
    add("cumsum", torch.cumsum(x, 1), sum_error(x.abs().sum(1), 4), dim=1)
    add("glu", F.glu(x, 1), dict(rtol=5 * ULP), dim=1)  # a sigmoid of 4 units and a product

    reach = float((x.amax(1) - x.amin(1)).max())  # x - max, whose rounding the exponent keeps, and a sum of 4 terms
    add("log_softmax", F.log_softmax(x, 1), dict(rtol=2 * ULP, atol=(4 + 4 + reach) * ULP), dim=1)
    values, indices = torch.sort(x, 1, descending=True)
    expected = dict(values=values, indices=indices)
    cases.add("float_sort", "float_sort", dict(dim=1, descending=True), dict(x=x), expected, compare="float")
    values, indices = torch.topk(x, 2, 0, largest=False)
    expected = dict(values=values, indices=indices)
    params = dict(k=2, dim=0, largest=False, sorted=True)
    cases.add("float_topk", "float_topk", params, dict(x=x), expected, compare="float")
