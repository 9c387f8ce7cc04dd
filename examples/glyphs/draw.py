#!/usr/bin/python3
"""Draws the glyphs: ten simple shapes, turned, stretched, shifted, faint and noisy, as 28x28 grey images.

    /usr/bin/python3 draw.py [--out DIR] [--seed N] [--sheet FILE.pgm]      (Debian: python3-numpy python3-h5py)

Writes calib.h5 (500 samples) and test.h5 (2000 samples), each with `x` u8 [N,1,28,28] (0 black .. 255 white) and `y`
u8 [N] (the class: its place in GLYPHS). The same seed gives the same files.
"""

import argparse
import pathlib

import h5py
import numpy as np

SIZE = 28
CALIB_SAMPLES = 500
TEST_SAMPLES = 2000

# 16 greys compress to less than half of what 256 do, and the rounding is lost in the noise.
GREY_STEP = 16

# What makes the task hard: the ranges that a sample is drawn from.
RADIUS = (5.5, 10.5)  # pixels
STRETCH = (0.75, 1.0)  # the short axis against the long one
SHIFT = (-3.5, 3.5)  # pixels
STROKE = (0.5, 1.5)  # half the width, in pixels
BACKGROUND = (24, 104)
CONTRAST = (32, 144)
NOISE = (4, 24)  # standard deviation, in greys
SCRATCHES = 2  # at most so many short stray strokes


def line(*points):
    return np.array(points, float)


def arc(first, last, radius=1.0, center=(0.0, 0.0)):
    """A polyline along a circle; angles in turns, counter-clockwise from the x axis."""
    turns = np.linspace(first, last, 2 + round(24 * abs(last - first)))
    return np.array(center) + radius * np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], 1)


def polygon(corners):
    turns = np.arange(corners + 1) / corners
    return np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], 1)


# Each glyph is a list of polylines in the unit circle. Some are alike on purpose: the ring and the one with a gap, the
# triangle and the square, the arrow and the fork, the zigzag and the wave.
GLYPHS = {
    "ring": [arc(0, 1)],
    "gap": [arc(0.09, 0.91)],
    "triangle": [polygon(3)],
    "square": [polygon(4)],
    "cross": [line((-1, 0), (1, 0)), line((0, -1), (0, 1))],
    "arrow": [line((-1, 0), (1, 0)), line((0.3, 0.7), (1, 0), (0.3, -0.7))],
    "fork": [line((0, 0), corner) for corner in polygon(3)[:3]],
    "zigzag": [line((-1, -0.4), (-0.35, 0.6), (0.35, -0.6), (1, 0.4))],
    "wave": [arc(0.5, 0.0, 0.5, (-0.5, 0)), arc(0.5, 1.0, 0.5, (0.5, 0))],
    "half": [np.concatenate([arc(-0.25, 0.25), line((0, -1))])],
}
FILLED = {"half"}  # convex, drawn counter-clockwise

PIXELS = np.stack(np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5), -1).reshape(-1, 2) - SIZE / 2


def distance(polyline):
    """How far each pixel is from the line, in pixels: [SIZE*SIZE]."""
    start, along = polyline[:-1], np.diff(polyline, axis=0)
    offset = PIXELS[:, None] - start
    nearest = np.clip((offset * along).sum(-1) / (along * along).sum(-1), 0, 1)
    return np.sqrt(((offset - nearest[..., None] * along) ** 2).sum(-1).min(1))


def inside(polyline):
    start, along = polyline[:-1], np.diff(polyline, axis=0)
    offset = PIXELS[:, None] - start
    return (along[:, 0] * offset[..., 1] - along[:, 1] * offset[..., 0] >= 0).all(1)


def turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def ink(rng, name):
    """How much of each pixel one glyph covers, 0..1: [SIZE*SIZE]."""
    place = turn(rng.uniform(0, 2 * np.pi)) @ np.diag([1, rng.uniform(*STRETCH)]) @ turn(rng.uniform(0, 2 * np.pi))
    place *= rng.uniform(*RADIUS)
    shift = rng.uniform(*SHIFT, 2)
    stroke = rng.uniform(*STROKE)
    far = np.full(SIZE * SIZE, np.inf)
    for polyline in GLYPHS[name]:
        polyline = polyline @ place.T + shift
        far = np.minimum(far, distance(polyline))
        if name in FILLED:
            far[inside(polyline)] = 0
    for _ in range(rng.integers(SCRATCHES + 1)):
        start = rng.uniform(-SIZE / 2, SIZE / 2, 2)
        far = np.minimum(far, distance(line(start, start + rng.uniform(-4, 4, 2))))
    return np.clip(stroke + 0.5 - far, 0, 1)


def image(rng, name):
    grey = rng.uniform(*BACKGROUND) + rng.uniform(*CONTRAST) * ink(rng, name)
    grey += rng.normal(0, rng.uniform(*NOISE), SIZE * SIZE)
    return np.clip(np.round(grey / GREY_STEP) * GREY_STEP, 0, 255).astype(np.uint8).reshape(1, SIZE, SIZE)


def samples(seed, count):
    """x u8 [count,1,28,28] and y u8 [count], every class equally often, in random order."""
    rng = np.random.Generator(np.random.PCG64(seed))
    y = rng.permutation(np.arange(count) % len(GLYPHS)).astype(np.uint8)
    names = list(GLYPHS)
    return np.stack([image(rng, names[label]) for label in y]), y


def write(path, x, y):
    # Without the two times HDF5 would keep, the same seed gives the same bytes.
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=x, chunks=(100, 1, SIZE, SIZE), compression=9, track_times=False)
        file.create_dataset("y", data=y, track_times=False)


def write_sheet(path, x, y):
    """The first twelve samples of every class, a class in each row."""
    rows = [np.concatenate(list(x[y == label][:12, 0]), 1) for label in range(len(GLYPHS))]
    sheet = np.concatenate(rows)
    path.write_bytes(b"P5 %d %d 255\n" % sheet.shape[::-1] + sheet.tobytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent, help="folder to write into")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sheet", type=pathlib.Path, metavar="FILE", help="also write a picture (PGM) of some samples")
    args = parser.parse_args()
    x, y = samples((args.seed, 0), CALIB_SAMPLES)
    write(args.out / "calib.h5", x, y)
    x, y = samples((args.seed, 1), TEST_SAMPLES)
    write(args.out / "test.h5", x, y)
    if args.sheet:
        write_sheet(args.sheet, x, y)


if __name__ == "__main__":
    main()
