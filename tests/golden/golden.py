"""Files of cases, and the random tensors of which they are made."""

import json
import zlib

import h5py
import numpy as np
import torch


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


LIMITS = dict(atol_lsb=0, max_mismatch_frac=0.0, mismatch_floor=0, rtol=0.0, atol=0.0, hard_atol=-1.0)
USUAL = dict(LIMITS, engine="any", source="torch", compare="int", note="")


class Cases:
    """A file of cases. The random numbers of a case depend on the seed and its name only."""

    def __init__(self, out, seed, name, brief):
        self.path, self.seed, self.count = out / (name + ".h5"), seed, 0
        self.brief = brief  # attributes that are as usual are left out
        self.written = {}  # by identity: the tensor, which keeps its identity taken, and its dataset
        self.file = create_file(self.path)
        about = dict(generator="make_golden.py", format_version=1, seed=seed)
        about.update(torch_version=str(torch.__version__), section=name)
        for key, value in about.items():
            self.file.attrs[key] = self.attribute(value)

    def random(self, name):
        return Random(np.random.default_rng([self.seed, zlib.crc32(name.encode())]))

    def add(self, name, op, params, inputs, expected, tolerance=EXACT, engine="any", compare="int", note=""):
        group = create_group(self.file, name)
        texts = dict(op=op, params=json.dumps(params), engine=engine, source="torch", compare=compare, note=note)
        for key, value in (*texts.items(), *LIMITS.items(), *tolerance.items()):
            if not self.brief or USUAL.get(key) != value:
                group.attrs[key] = self.attribute(value)
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
            dataset.attrs.update({key: self.attribute(value) for key, value in qparams(tensor).items()})
        self.written[id(tensor)] = tensor, dataset

    def attribute(self, value):
        """Strings of their own length lie with the others, those of any length in a heap of 4096 bytes."""
        return np.bytes_(value) if self.brief and isinstance(value, str) else value

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


def sum_error(magnitude, terms):
    """Of two sums of so many terms whose magnitudes sum to this: each is off by a rounding per term at most."""
    return dict(atol=float(magnitude.max()) * (terms + 1) * ULP)
