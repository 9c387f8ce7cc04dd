#!/usr/bin/python3
"""Prints how many nodes of each operator an ONNX file has: "QLinearConv 53, QLinearAdd 16, ...".

    /usr/bin/python3 count_ops.py FILE                  (Debian: python3-onnx)
"""

import collections
import sys

import onnx

counts = collections.Counter(node.op_type for node in onnx.load(sys.argv[1]).graph.node)
print(", ".join(f"{op} {count}" for op, count in counts.most_common()))
