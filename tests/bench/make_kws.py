#!/usr/bin/python3
"""Writes a keyword-spotting network of the shape of MLPerf Tiny's, with random but seeded weights, as an ONNX file.

    /usr/bin/python3 make_kws.py kws.onnx               (Debian: python3-onnx)

DS-CNN: a 10x4 convolution of stride 2 over one channel of 49x10, four pairs of a depthwise 3x3 and a 1x1 convolution of
64 channels, each with BatchNormalization and Relu, a mean, and 12 scores. Input "x", output "y", first dimension free.
Time does not depend on the weights; what matters is that activations neither vanish nor explode.
"""

import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

CHANNELS, CLASSES, PAIRS = 64, 12, 4


class Writer:
    def __init__(self):
        self.random = np.random.default_rng(0)
        self.nodes, self.initializers = [], []

    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def uniform(self, name, low, high):
        return self.constant(name, self.random.uniform(low, high, CHANNELS))

    def convolution(self, x, name, shape, **attributes):
        """Convolution, normalization, rectifier; the weights keep the variance of what flows through."""
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        weight = self.constant(name + ".weight", self.random.normal(0, deviation, shape))
        bias = self.uniform(name + ".bias", -0.1, 0.1)
        y = self.node("Conv", [x, weight, bias], name, kernel_shape=shape[2:], **attributes)
        norm = [
            self.uniform(name + ".gamma", 0.8, 1.2),
            self.uniform(name + ".beta", -0.2, 0.2),
            self.uniform(name + ".mean", -0.1, 0.1),
            self.uniform(name + ".var", 0.8, 1.2),
        ]
        y = self.node("BatchNormalization", [y, *norm], name + ".norm", epsilon=0.001)
        return self.node("Relu", [y], name + ".relu")

    def model(self):
        y = self.convolution("x", "first", (CHANNELS, 1, 10, 4), strides=[2, 2], pads=[4, 1, 5, 1])
        for i in range(PAIRS):
            y = self.convolution(y, f"depthwise{i}", (CHANNELS, 1, 3, 3), pads=[1, 1, 1, 1], group=CHANNELS)
            y = self.convolution(y, f"pointwise{i}", (CHANNELS, CHANNELS, 1, 1))
        y = self.node("AveragePool", [y], "mean", kernel_shape=[24, 5], strides=[24, 5])
        y = self.node("Flatten", [y], "features")
        weight = self.constant("dense.weight", self.random.normal(0, np.sqrt(1 / CHANNELS), (CLASSES, CHANNELS)))
        bias = self.constant("dense.bias", self.random.uniform(-0.1, 0.1, CLASSES))
        self.node("Gemm", [y, weight, bias], "y", transB=1)
        graph = helper.make_graph(
            self.nodes,
            "kws",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, 49, 10])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", CLASSES])],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="make_kws")
        model.ir_version = 8
        checker.check_model(model)
        return model


if __name__ == "__main__":
    save(Writer().model(), sys.argv[1])
