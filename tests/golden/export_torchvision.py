#!/usr/bin/python3
"""Writes torchvision's resnet18, resnet50 and mobilenet_v2 as ONNX files to test against.

    /usr/bin/python3 export_torchvision.py --out DIR        (Debian: python3-torch python3-torchvision python3-h5py)

The weights are random but seeded: nothing is downloaded. For each model, DIR gets NAME.onnx (opset 13, input "x",
output "y", first dimension free, BatchNormalization nodes kept) and NAME.h5 with four samples `x` and torch's
float answer `y`.
"""

import argparse
import pathlib

import h5py
import torch
import torchvision

MODELS = ("resnet18", "resnet50", "mobilenet_v2")
SETTLING_BATCHES = 4


def seeded_model(name):
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)()
    # A fresh BatchNorm says mean 0 and variance 1, which random weights are far from: through fifty layers the
    # activations would explode or vanish. With no momentum the statistics are the plain mean over the batches.
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
    model.train()
    with torch.no_grad():
        for _ in range(SETTLING_BATCHES):
            model(torch.randn(8, 3, 224, 224))
    for norm in norms:
        # An identity scale and shift would let a wrong fold of BatchNorm pass unseen.
        torch.nn.init.uniform_(norm.weight, 0.8, 1.2)
        torch.nn.init.uniform_(norm.bias, -0.2, 0.2)
    return model.eval()


def export(name, out):
    model = seeded_model(name)
    x = torch.randn(4, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    torch.onnx.export(
        model,
        x[:1],
        str(out / f"{name}.onnx"),
        opset_version=13,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
        # The exporter folds BatchNorm into the convolutions in EVAL mode; PRESERVE of a model in eval() keeps the
        # nodes and still writes them with their inference meaning.
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )
    with torch.no_grad():
        y = model(x)
    with h5py.File(out / f"{name}.h5", "w") as file:
        file.create_dataset("x", data=x.numpy(), track_times=False)
        file.create_dataset("y", data=y.numpy(), track_times=False)
    print(f"{name}: y in [{y.min():.3f}, {y.max():.3f}], top-1 {y.argmax(1).tolist()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder to write into")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    for name in MODELS:
        export(name, args.out)


if __name__ == "__main__":
    main()
