"""Operators that move elements."""

import torch
import torch.nn.functional as F

from golden import ACTIVATIONS


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
