#!/usr/bin/python3
"""PyTorch's static quantization of ResNet-50, to be measured as a whole process.

    /usr/bin/python3 torch_static.py --write-weights resnet50.pt
    /usr/bin/python3 torch_static.py --weights resnet50.pt --data images.h5 --out int8.pt [--threads 2] [--batch 8]

The first line, which is not measured, saves the weights of the ResNet-50 that export_torchvision.py exports. The second
loads them, observes the images (dataset x), converts in FX graph mode with the default qconfig of the engine, which
like q-tools' default takes histograms of activations and per-channel minima and maxima of weights, and saves the int8
state. (Debian: python3-torch python3-torchvision python3-h5py.)
"""

import argparse
import pathlib
import sys

import h5py
import torch
import torchvision
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

SIZE = (1, 3, 224, 224)


def write_weights(path):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "golden"))
    from export_torchvision import seeded_model

    torch.save(seeded_model("resnet50").state_dict(), path)


def engine():
    """The engine of x86 where this build of PyTorch has it, and else the next best."""
    return next(e for e in ("x86", "fbgemm", "onednn", "qnnpack") if e in torch.backends.quantized.supported_engines)


def quantize(args):
    torch.backends.quantized.engine = engine()
    model = torchvision.models.resnet50()
    model.load_state_dict(torch.load(args.weights))
    model.eval()
    with torch.no_grad(), h5py.File(args.data, "r") as file:
        model = prepare_fx(model, get_default_qconfig_mapping(engine()), (torch.zeros(SIZE),))
        x = file["x"]
        for first in range(0, x.shape[0], args.batch):
            model(torch.from_numpy(x[first : first + args.batch]))
        model = convert_fx(model)
    torch.save(model.state_dict(), args.out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write-weights", metavar="FILE")
    parser.add_argument("--weights")
    parser.add_argument("--data")
    parser.add_argument("--out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.write_weights:
        write_weights(args.write_weights)
    else:
        quantize(args)


if __name__ == "__main__":
    main()
