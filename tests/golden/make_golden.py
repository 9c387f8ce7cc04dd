#!/usr/bin/python3
"""Writes PyTorch's answers for libq's operators as HDF5 files, which tests/unit/golden_test.cc compares with ours.

    /usr/bin/python3 make_golden.py [--seed N] --out DIR        (Debian: python3-torch python3-h5py)

README.md beside this file describes the layout. The same seed, PyTorch and HDF5 give the same bytes.
"""

import argparse
import json
import math
import pathlib
import zlib

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch.ao.quantization import observer as observers
from torch.nn.utils import fusion

Q = torch.ops.quantized
TYPES = {  # quantized type: torch's, limits, integers it is stored as
    "quint8": (torch.quint8, 0, 255, np.uint8),
    "qint8": (torch.qint8, -128, 127, np.int8),
    "qint32": (torch.qint32, -(2**31), 2**31 - 1, np.int32),
}
NAMES = {values[0]: name for name, values in TYPES.items()}
ACTIVATIONS = ("quint8", "qint8")
ULP = 2.0**-23  # of binary32, relative; half of it is the error of one rounding

EXACT = {}
# torch computes blocks of a tensor with another rounding than its tail: where it meets a tie they differ by one.
FLOAT_PATH = dict(atol_lsb=1, max_mismatch_frac=0.003, mismatch_floor=2)
# The same for means, whose ties are frequent.
MEAN_TIES = dict(atol_lsb=1, max_mismatch_frac=0.25, mismatch_floor=2)


# ---- files ----


def creation(kind):
    """Properties of groups: no time, and attributes in the header, since more than eight would get a heap."""
    properties = h5py.h5p.create(kind)
    properties.set_obj_track_times(False)
    properties.set_attr_phase_change(1000, 0)
    return properties


def create_file(path):
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V18)  # half the bytes of the oldest format
    return h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, creation(h5py.h5p.FILE_CREATE), access))


def create_group(parent, name):
    return h5py.Group(h5py.h5g.create(parent.id, name.encode(), gcpl=creation(h5py.h5p.GROUP_CREATE)))


def qparams(tensor):
    """The attributes of a quantized tensor's dataset."""
    shared = dict(qdtype=NAMES[tensor.dtype])
    if tensor.qscheme() == torch.per_tensor_affine:
        scale, zero_point = tensor.q_scale(), tensor.q_zero_point()
        return dict(shared, qscheme="per_tensor_affine", scale=scale, zero_point=zero_point)
    return dict(
        shared,
        qscheme="per_channel_affine",
        axis=tensor.q_per_channel_axis(),
        scales=tensor.q_per_channel_scales().numpy(),
        zero_points=tensor.q_per_channel_zero_points().numpy(),
    )


class Cases:
    """A file of cases. The random numbers of a case depend on the seed and its name only."""

    def __init__(self, out, seed, name):
        self.path, self.seed, self.count = out / (name + ".h5"), seed, 0
        self.written = {}  # by identity: the tensor, which keeps its identity taken, and its dataset
        self.file = create_file(self.path)
        self.file.attrs.update(generator="make_golden.py", format_version=1, seed=seed)
        self.file.attrs.update(torch_version=str(torch.__version__), section=name)

    def random(self, name):
        return Random(np.random.default_rng([self.seed, zlib.crc32(name.encode())]))

    def add(self, name, op, params, inputs, expected, tolerance=EXACT, engine="any", compare="int", note=""):
        group = create_group(self.file, name)
        limits = dict(atol_lsb=0, max_mismatch_frac=0.0, mismatch_floor=0, rtol=0.0, atol=0.0, hard_atol=-1.0)
        group.attrs.update(op=op, params=json.dumps(params), engine=engine, source="torch", compare=compare, note=note)
        group.attrs.update(limits, **tolerance)
        for kind, tensors in (("inputs", inputs), ("expected", expected)):
            folder = create_group(group, kind)
            for key, tensor in tensors.items():
                self.add_tensor(folder, key, tensor)
        self.count += 1

    def add_tensor(self, folder, name, tensor):
        if id(tensor) in self.written:
            folder[name] = self.written[id(tensor)][1]  # a second link to the same data
            return
        quantized = isinstance(tensor, torch.Tensor) and tensor.is_quantized
        data = tensor.int_repr() if quantized else tensor
        data = data.detach().numpy() if isinstance(data, torch.Tensor) else np.asarray(data)
        packed = dict(compression="gzip", shuffle=data.itemsize > 1) if data.nbytes > 2048 else {}
        dataset = folder.create_dataset(name, data=data, **packed)
        if quantized:
            dataset.attrs.update(qparams(tensor))
        self.written[id(tensor)] = tensor, dataset

    def close(self):
        self.file.close()
        print(f"{self.path.name:16} {self.count:4} cases {self.path.stat().st_size:8} bytes")


class Random:
    """Random tensors and parameters."""

    def __init__(self, generator):
        self.generator = generator

    def integer(self, low, high):
        """One of low, …, high."""
        return int(self.generator.integers(low, high + 1))

    def integers(self, low, high, count):
        return [self.integer(low, high) for _ in range(count)]

    def scale(self, low=-2.5, high=-0.5):
        return float(10 ** self.generator.uniform(low, high))

    def zero_point(self, dtype):
        return self.integer(TYPES[dtype][1], TYPES[dtype][2])

    def stored(self, shape, dtype):
        _, low, high, numpy_type = TYPES[dtype]
        return torch.from_numpy(self.generator.integers(low, high + 1, shape).astype(numpy_type))

    def quantized(self, shape, dtype="quint8", low=-2.5, high=-0.5):
        return quantized(self.stored(shape, dtype), self.scale(low, high), self.zero_point(dtype))

    def weights(self, shape, per_channel, with_zero_points):
        """qint8 weights with one scale, or one for each first index."""
        integers, channels = self.stored(shape, "qint8"), shape[0]
        scales = torch.tensor([self.scale(-3, -1.5) for _ in range(channels)], dtype=torch.float64)
        zero_points = torch.tensor(self.integers(-128, 127, channels) if with_zero_points else [0] * channels)
        if not per_channel:
            return quantized(integers, float(scales[0]), int(zero_points[0]))
        return torch._make_per_channel_quantized_tensor(integers, scales, zero_points, 0)

    def normal(self, *shape):
        return torch.from_numpy(self.generator.standard_normal(shape).astype(np.float32))

    def uniform(self, low, high, *shape):
        return torch.from_numpy(self.generator.uniform(low, high, shape).astype(np.float32))

    def norm(self, channels):
        """weight, bias, mean and variance of a batch normalization."""
        return dict(
            weight=self.uniform(0.5, 1.5, channels),
            bias=self.normal(channels),
            mean=self.normal(channels),
            var=self.uniform(0.1, 1.1, channels),
        )


def quantized(integers, scale, zero_point):
    return torch._make_per_tensor_quantized_tensor(integers.contiguous(), scale, zero_point)


def channels_last(x):
    return x.contiguous(memory_format=torch.channels_last if x.dim() == 4 else torch.channels_last_3d)


# ---- sections: one file each ----


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


def sum_error(magnitude, terms):
    """Of two sums of so many terms whose magnitudes sum to this: each is off by a rounding per term at most."""
    return dict(atol=float(magnitude.max()) * (terms + 1) * ULP)


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


def write_move(cases):
    for dtype in ACTIVATIONS:
        r = cases.random(dtype)
        x = r.quantized((2, 3, 4, 5), dtype)
        pixel = r.quantized((2, 5, 1, 1), dtype)

        def add(op, x, y, params, name=None):
            cases.add(f"{name or op}_{dtype}", op, params, dict(x=x), dict(y=y.contiguous()))

        add("reshape", x, x.reshape(2, 12, 5), dict(shape=[2, 12, 5]))
        add("flatten", x, torch.flatten(x, 1), dict(axis=1))
        for perm in ([0, 2, 3, 1], [3, 1, 0, 2]):
            add("transpose", x, x.permute(perm), dict(perm=perm), "transpose_%d%d%d%d" % tuple(perm))
        add("squeeze", pixel, pixel.squeeze(3).squeeze(2), dict(axes=[2, 3]))
        add("unsqueeze", x, x.unsqueeze(1), dict(axes=[1]))
        add("pad", x, F.pad(x, (1, 2, 0, 1)), dict(pads=[0, 0, 0, 1, 0, 0, 1, 2]))


SECTIONS = dict(
    quantize=write_quantize,
    observers=write_observers,
    fold=write_fold,
    elementwise=write_elementwise,
    pool=write_pool,
    weighted=write_weighted,
    move=write_move,
)


def main():
    parser = argparse.ArgumentParser(description="Write PyTorch's answers for libq's operators as HDF5 files.")
    parser.add_argument("--seed", type=int, default=1, help="other seeds make other cases (default: 1)")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the folder to write to")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name, write in SECTIONS.items():
        cases = Cases(arguments.out, arguments.seed, name)
        write(cases)
        cases.close()


if __name__ == "__main__":
    main()
