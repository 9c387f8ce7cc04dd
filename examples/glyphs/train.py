#!/usr/bin/python3
"""Trains the glyph classifier and writes glyphs.onnx; the demo does not need it.

    /usr/bin/python3 train.py [--out DIR] [--seed N] [--epochs N]      (Debian: python3-torch python3-h5py)

Draws its own training samples (draw.py, other seeds than calib.h5 and test.h5), takes about two minutes on one core,
and prints the accuracy on test.h5, which must exist.
"""

import argparse
import pathlib
import time

import h5py
import numpy as np
import torch
from torch import nn

import draw

TRAIN_SAMPLES = 20000
BATCH = 64
LEARNING_RATE = 4e-3

# Grey 0..255 becomes -1..1; calibration, q-run and q-compare must be told the same two numbers.
MEAN, STD = 127.5, 127.5


class ConvNorm(nn.Module):
    """conv + batch norm + activation, kept apart in the ONNX file so that q-fuse has them to join."""

    def __init__(self, inputs, outputs, kernel, act, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.act = act

    def forward(self, x):
        return self.act(self.norm(self.conv(x)))


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = ConvNorm(channels, channels, 3, nn.ReLU())
        self.second = ConvNorm(channels, channels, 3, nn.Identity())
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(x + self.second(self.first(x)))


class Glyphs(nn.Module):
    """image f32 [N,1,28,28] -> logits f32 [N,10]. One of each kind of layer that such classifiers are made of."""

    def __init__(self):
        super().__init__()
        self.stem = ConvNorm(1, 16, 3, nn.ReLU())
        self.pool1 = nn.MaxPool2d(2)
        self.depth1 = ConvNorm(16, 16, 3, nn.ReLU6(), groups=16)
        self.point1 = ConvNorm(16, 40, 1, nn.ReLU())
        # Without padding the two ways of counting agree, and this one spares the file a Pad node that pads nothing.
        self.pool2 = nn.AvgPool2d(2, count_include_pad=False)
        self.residual = Residual(40)
        self.depth2 = ConvNorm(40, 40, 5, nn.Hardswish(), groups=40)
        self.point2 = ConvNorm(40, 64, 1, nn.ReLU())
        self.global_mean = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(64, len(draw.GLYPHS))

    def forward(self, x):
        x = self.point1(self.depth1(self.pool1(self.stem(x))))
        x = self.point2(self.depth2(self.residual(self.pool2(x))))
        return self.head(self.flatten(self.global_mean(x)))


def tensors(x, y):
    return torch.from_numpy((x.astype(np.float32) - MEAN) / STD), torch.from_numpy(y.astype(np.int64))


def train(model, x, y, epochs):
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    steps = epochs * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.02)
    model.train()
    for epoch in range(epochs):
        order, total = torch.randperm(len(x)), 0.0
        for first in range(0, len(x) - BATCH + 1, BATCH):
            picked = order[first : first + BATCH]
            loss = loss_of(model(x[picked]), y[picked])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / (len(x) // BATCH):.3f}", flush=True)


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        right = sum((model(x[i : i + 500]).argmax(1) == y[i : i + 500]).sum().item() for i in range(0, len(x), 500))
    return right / len(x)


def export(model, path):
    torch.onnx.export(
        model.eval(),
        torch.zeros(1, 1, draw.SIZE, draw.SIZE),
        str(path),
        opset_version=13,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        # In its EVAL mode the exporter folds BatchNormalization into the convolutions itself.
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )


def main():
    here = pathlib.Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=here, help="folder for glyphs.onnx")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()

    # One thread, because with more of them sums come out in another order and the weights differ.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(args.seed)

    started = time.monotonic()
    # The third number keeps these samples apart from calib.h5 and test.h5, whatever their seed was.
    x, y = tensors(*draw.samples((args.seed, 2), TRAIN_SAMPLES))
    print(f"{len(x)} samples drawn in {time.monotonic() - started:.0f} s")
    model = Glyphs()
    train(model, x, y, args.epochs)
    export(model, args.out / "glyphs.onnx")
    with h5py.File(here / "test.h5") as file:
        print(f"accuracy on test.h5: {100 * accuracy(model, *tensors(file['x'][:], file['y'][:])):.2f} %")
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
