"""quantize and dequantize, observers, and batch normalizations folded into weights."""

import numpy as np
import torch
from torch.ao.quantization import observer as observers
from torch.nn.utils import fusion

from golden import TYPES, ULP


def write_quantize(cases):
    for dtype, (torch_type, low, high, _) in TYPES.items():
        for i in range(2):
            name = f"per_tensor_{dtype}_{i}"
            r = cases.random(name)
            scale, zero_point = r.scale(-4, 2), r.integer(max(low, -1000), min(high, 1000))
            x = r.normal(200) * scale * 100
            x[::5] = torch.tensor([(k + 0.5) * scale for k in r.integers(-200, 200, 40)])  # ties, nearly
            y = torch.quantize_per_tensor(x, scale, zero_point, torch_type)
            params = dict(scale=scale, zero_point=zero_point, dtype=dtype)
            cases.add(name, "quantize_per_tensor", params, dict(x=x), dict(q=y))
            cases.add(name + "_back", "dequantize", {}, dict(q=y), dict(x=y.dequantize()), compare="float")
        for axis in range(3):
            name = f"per_channel_{dtype}_{axis}"
            r = cases.random(name)
            shape = r.integers(2, 6, 3)
            scales = torch.tensor([r.scale(-3, 0) for _ in range(shape[axis])], dtype=torch.float64)
            zero_points = torch.tensor(r.integers(max(low, -100), min(high, 100), shape[axis]))
            x = r.normal(*shape)
            y = torch.quantize_per_channel(x, scales, zero_points, axis, torch_type)
            inputs = dict(x=x, scales=scales, zero_points=zero_points)
            cases.add(name, "quantize_per_channel", dict(axis=axis, dtype=dtype), inputs, dict(q=y))
            cases.add(name + "_back", "dequantize", dict(axis=axis), dict(q=y), dict(x=y.dequantize()), compare="float")


OBSERVED = {
    "all": lambda x: x,
    "positive": lambda x: x.abs(),
    "negative": lambda x: -x.abs(),
    "tiny": lambda x: x * 1e-9,
    "wide": lambda x: x * 1e6,
    "constant": lambda x: torch.full_like(x, float(x[0])),
    "zero": lambda x: x * 0,
}


def spec(dtype, scheme, limits, observer, **more):
    low, high = limits or (None, None)
    return dict(
        dtype=dtype,
        qscheme=scheme,
        reduce_range=False,
        quant_min=low,
        quant_max=high,
        eps=ULP,
        effective_quant_min=observer.quant_min,
        effective_quant_max=observer.quant_max,
        **more,
    )


def observer_of(kind, dtype, scheme, limits, **more):
    limited = dict(quant_min=limits[0], quant_max=limits[1]) if limits else {}
    return kind(dtype=TYPES[dtype][0], qscheme=getattr(torch, scheme), **limited, **more)


def chosen(observer):
    """What a range observer gives."""
    scale, zero_point = observer.calculate_qparams()
    zero_point = zero_point.to(torch.int64)
    return dict(scale=scale, zero_point=zero_point, min_val=observer.min_val, max_val=observer.max_val)


def write_observers(cases):
    per_tensor = (
        ("quint8", "per_tensor_affine", None),
        ("quint8", "per_tensor_affine", (0, 127)),
        ("quint8", "per_tensor_symmetric", None),
        ("qint8", "per_tensor_affine", None),
        ("qint8", "per_tensor_symmetric", None),
        ("qint8", "per_tensor_symmetric", (-127, 127)),
    )
    for i, (dtype, scheme, limits) in enumerate(per_tensor):
        for kind, change in OBSERVED.items():
            name = f"minmax_{i}_{kind}"
            r = cases.random(name)
            batches = [change(r.normal(30) * r.scale(-2, 2)) for _ in range(3 if kind == "all" else 1)]
            observer = observer_of(observers.MinMaxObserver, dtype, scheme, limits)
            for x in batches:
                observer(x)
            params = spec(dtype, scheme, limits, observer, batches=len(batches))
            expected = chosen(observer)
            inputs = {f"x{k}": x for k, x in enumerate(batches)}
            cases.add(name, "MinMaxObserver", params, inputs, expected, compare="float")
    per_channel = (
        ("qint8", "per_channel_symmetric", None),
        ("qint8", "per_channel_symmetric", (-127, 127)),
        ("quint8", "per_channel_affine", None),
    )
    for i, (dtype, scheme, limits) in enumerate(per_channel):
        name = f"per_channel_minmax_{i}"
        r = cases.random(name)
        batches = [r.normal(4, 5, 3) for _ in range(2)]
        for x in batches:
            x.select(i, 0).zero_()  # a channel that says nothing
        observer = observer_of(observers.PerChannelMinMaxObserver, dtype, scheme, limits, ch_axis=i)
        for x in batches:
            observer(x)
        params = spec(dtype, scheme, limits, observer, batches=2, ch_axis=i)
        expected = chosen(observer)
        inputs = {f"x{k}": x for k, x in enumerate(batches)}
        cases.add(name, "PerChannelMinMaxObserver", params, inputs, expected, compare="float")
    write_searches(cases)


def write_searches(cases):
    """torch's search for the best range, among the bins of histograms of our making.

    torch 1.13's own lose what lies between integers; and a step of the search is 1/100000 of the values: it stops
    at once unless there are more. Errors are summed in binary64: in torch's usual binary32 they are off by more than
    some of them differ.
    """
    count = 200000
    shapes = (
        ("normal", 2048, lambda r: r.normal(count)),
        ("relu", 512, lambda r: r.normal(count).clamp(min=0)),
        ("outliers", 512, lambda r: r.normal(count) * torch.where(torch.arange(count) < 20, 10.0, 1.0)),
        ("positive", 256, lambda r: r.normal(count).exp()),
        ("negative", 256, lambda r: -r.normal(count).exp()),
    )
    for name, bins, draw in shapes:
        x = draw(cases.random(name))
        observer = observers.HistogramObserver(bins=bins)
        observer.min_val, observer.max_val = x.min(), x.max()
        observer.histogram = torch.histc(x, bins, float(x.min()), float(x.max())).double()
        torch.set_default_dtype(torch.float64)
        low, high = observer._non_linear_param_search()
        torch.set_default_dtype(torch.float32)
        width = (observer.max_val - observer.min_val) / bins
        first, end = ((bound - observer.min_val) / width for bound in (low, high))
        scale, zero_point = observer._calculate_qparams(low, high)
        params = spec("quint8", "per_tensor_affine", None, observer, bins=bins, batches=1)
        expected = dict(
            scale=scale,
            zero_point=zero_point.to(torch.int64),
            histogram=observer.histogram.float(),
            min_val=observer.min_val,
            max_val=observer.max_val,
            new_min=low,
            new_max=high,
            start_bin=np.int64(round(float(first))),
            end_bin=np.int64(round(float(end)) - 1),
        )
        note = "the search among the bins of this histogram"
        cases.add("search_" + name, "HistogramObserver", params, {}, expected, compare="float", note=note)


def write_fold(cases):
    weights = {"linear": (6, 5), "conv1d": (6, 4, 3), "conv2d": (6, 4, 3, 2), "conv2d_nobias": (6, 4, 1, 1)}
    for kind, shape in weights.items():
        r = cases.random(kind)
        weight, norm = r.normal(*shape), r.norm(shape[0])
        bias = None if "nobias" in kind else r.normal(shape[0])
        fuse = fusion.fuse_linear_bn_weights if kind == "linear" else fusion.fuse_conv_bn_weights
        eps = 1e-3
        folded = fuse(weight, bias, norm["mean"], norm["var"], eps, norm["weight"], norm["bias"])
        inputs = dict(weight=weight, **{"bn_" + key: value for key, value in norm.items()})
        if bias is not None:
            inputs["bias"] = bias
        params = dict(kind=kind, eps=eps, transpose=False)
        # torch rounds each step to binary32, ours only the result
        tolerance = dict(rtol=8 * ULP, atol=16 * ULP)
        expected = dict(weight=folded[0], bias=folded[1])
        cases.add("fold_" + kind, "fold_bn", params, inputs, expected, tolerance, compare="float")
