#!/usr/bin/python3
"""Writes random but seeded samples, as an HDF5 file with the dataset x, f32 and normally distributed.

    /usr/bin/python3 make_samples.py samples.h5 32 3,224,224        (Debian: python3-h5py)
"""

import sys

import h5py
import numpy as np

CHUNK = 64 << 20  # bytes that are drawn at a time

if __name__ == "__main__":
    path, count, shape = sys.argv[1], int(sys.argv[2]), tuple(int(i) for i in sys.argv[3].split(","))
    random = np.random.default_rng(1)
    step = max(1, CHUNK // (4 * int(np.prod(shape))))
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (count, *shape), np.float32, track_times=False)
        for first in range(0, count, step):
            last = min(first + step, count)
            x[first:last] = random.standard_normal((last - first, *shape), np.float32)
