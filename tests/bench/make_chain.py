#!/usr/bin/python3
"""Writes a q-model of many weights: a chain of square linear layers, each with a bias and a rectifier.

    /usr/bin/python3 make_chain.py chain.h5 16 8192                 (Debian: python3-h5py)

16 layers of 8192 are 4 GiB. The weights are random, so that nothing can be saved by their values.
"""

import sys

import h5py
import numpy as np


def main():
    path, layers, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    random = np.random.default_rng(2)
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "q-model"
        file.attrs["format_version"] = 1
        order = 0

        def value(name, shape=None):
            nonlocal order
            group = file.create_group("values/" + name)
            group.attrs["order"] = order
            order += 1
            if shape is not None:
                group.attrs["shape"] = shape
                group.attrs["dtype"] = "f32"
            return name

        def node(position, name, op, inputs, output):
            group = file.create_group("graph/" + name)
            group.attrs["op"] = op
            group.attrs["order"] = position
            group.attrs["inputs"] = inputs
            group.attrs["outputs"] = [value(output, [-1, width])]

        x = value("x", [-1, width])
        for i in range(layers):
            weight, bias = value(f"weight{i}"), value(f"bias{i}")
            data = random.standard_normal((width, width), np.float32)
            data *= np.float32(width**-0.5)
            file.create_dataset("constants/" + weight, data=data, track_times=False)
            file.create_dataset("constants/" + bias, data=random.standard_normal(width, np.float32), track_times=False)
            node(2 * i, f"linear{i}", "linear", [x, weight, bias], f"sum{i}")
            node(2 * i + 1, f"relu{i}", "relu", [f"sum{i}"], f"layer{i}")
            x = f"layer{i}"
        file["graph"].attrs["inputs"] = ["x"]
        file["graph"].attrs["outputs"] = [x]


if __name__ == "__main__":
    main()
