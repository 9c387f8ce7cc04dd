#!/usr/bin/python3
"""Writes PyTorch's answers for libq's operators as HDF5 files, which tests/unit/golden_test.cc compares with ours.

    /usr/bin/python3 make_golden.py [--seed N] --out DIR        (Debian: python3-torch python3-h5py)

README.md beside this file describes the layout. The same seed, PyTorch and HDF5 give the same bytes.
"""

import argparse
import pathlib

import torch

from golden import Cases
from golden_binary import write_binary
from golden_elementwise import write_elementwise
from golden_move import write_move
from golden_norm import write_norm
from golden_observers import write_fold, write_observers, write_quantize
from golden_pool import write_pool
from golden_product import write_product
from golden_recurrent import write_recurrent
from golden_reduce import write_reduce
from golden_resample import write_resample
from golden_unary import write_unary
from golden_weighted import write_weighted

SECTIONS = dict(  # one file each
    quantize=write_quantize,
    observers=write_observers,
    fold=write_fold,
    elementwise=write_elementwise,
    pool=write_pool,
    weighted=write_weighted,
    move=write_move,
)
BRIEF_SECTIONS = dict(  # the same, whose cases name only what is not as usual
    unary=write_unary,
    binary=write_binary,
    reduce=write_reduce,
    norm=write_norm,
    resample=write_resample,
    product=write_product,
    recurrent=write_recurrent,
)


def main():
    parser = argparse.ArgumentParser(description="Write PyTorch's answers for libq's operators as HDF5 files.")
    parser.add_argument("--seed", type=int, default=1, help="other seeds make other cases (default: 1)")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the folder to write to")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name, write in (SECTIONS | BRIEF_SECTIONS).items():
        cases = Cases(arguments.out, arguments.seed, name, brief=name in BRIEF_SECTIONS)
        write(cases)
        cases.close()


if __name__ == "__main__":
    main()
