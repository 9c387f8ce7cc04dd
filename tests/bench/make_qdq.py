#!/usr/bin/python3
"""Writes an int8 q-model as an ONNX file in QDQ form, so that another runtime can compute the same network.

    /usr/bin/python3 make_qdq.py net.int8.h5 net.qdq.onnx       (Debian: python3-onnx python3-h5py)

Every node becomes its float operator between DequantizeLinear and QuantizeLinear with the scales and zero points of the
q-model, which is the pattern that ONNX Runtime fuses into its integer kernels: activations u8 per tensor, weights i8 per
channel, biases i32. A fused activation is written only where it cuts into the range of the quantized output, because
elsewhere the clamp of QuantizeLinear is the activation already. Only the operators of the benchmark's models are here;
any other ends the program with its name.
"""

import argparse
import math
from urllib.parse import unquote

import h5py
import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

OPSET = 13
ONNX_TYPES = {"f32": TensorProto.FLOAT, "u8": TensorProto.UINT8, "i8": TensorProto.INT8}


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def texts(values):
    return [text(value) for value in np.atleast_1d(values)]


def by_order(group):
    """Name and group of each member, links unescaped, by the attribute `order`."""
    return sorted(((unquote(link), item) for link, item in group.items()), key=lambda pair: int(pair[1].attrs["order"]))


class QdqWriter:
    def __init__(self, model):
        self.values = dict(by_order(model["values"]))
        self.constants = {unquote(link): dataset for link, dataset in model["constants"].items()}
        self.graph = model["graph"]
        self.nodes, self.initializers = [], []
        self.written = set()

    def initializer(self, name, array):
        if name not in self.written:
            self.written.add(name)
            self.initializers.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def node(self, op, inputs, outputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, outputs, name=f"{op}:{outputs[0]}", **attributes))

    def parameters(self, name):
        """Names of the scale and the zero point of an activation."""
        value = self.values[name]
        scale = np.float32(value.attrs["scale"][0])
        dtype = {"u8": np.uint8, "i8": np.int8}[text(value.attrs["dtype"])]
        zero = np.array(value.attrs["zero_point"][0], dtype)
        return self.initializer(name + ".scale", np.array(scale)), self.initializer(name + ".zero", zero)

    def real(self, name):
        """The activation as float, dequantized anew for every reader, as the fusing of patterns wants it."""
        output = f"{name}.real{len(self.nodes)}"
        self.node("DequantizeLinear", [name, *self.parameters(name)], [output])
        return output

    def real_constant(self, name, scale=None):
        """A weight or bias as float. Its scale is its own, or the given one."""
        if name + ".real" in self.written:
            return name + ".real"
        self.written.add(name + ".real")
        dataset = self.constants[name]
        integers = dataset[()]
        scale = np.atleast_1d(dataset.attrs["scale"]) if scale is None else scale
        zero = np.broadcast_to(np.atleast_1d(dataset.attrs["zero_point"]), scale.shape).astype(integers.dtype)
        axis = int(dataset.attrs.get("axis", 0))
        if scale.size == 1:
            scale, zero = scale.reshape(()), zero.reshape(())
        inputs = [
            self.initializer(name, integers),
            self.initializer(name + ".scale", scale.astype(np.float32)),
            self.initializer(name + ".zero", zero),
        ]
        self.node("DequantizeLinear", inputs, [name + ".real"], axis=axis)
        return name + ".real"

    def activation_bounds(self, attributes, output):
        """Limits of the fused activation, None where the integers of the output end there or sooner."""
        value = self.values[output]
        scale, zero = float(np.float32(value.attrs["scale"][0])), int(value.attrs["zero_point"][0])
        least, most = {"u8": (0, 255), "i8": (-128, 127)}[text(value.attrs["dtype"])]
        if int(value.attrs.get("quant_min", least)) != least or int(value.attrs.get("quant_max", most)) != most:
            raise SystemExit(f"make_qdq: {output}: the quantized range is narrowed")
        low, high = float(attributes.get("min", -math.inf)), float(attributes.get("max", math.inf))
        return (
            low if not math.isinf(low) and round(low / scale) + zero > least else None,
            high if not math.isinf(high) and round(high / scale) + zero < most else None,
        )

    def finish(self, op, inputs, output, q_attributes, **attributes):
        """The float operator, its activation where one is needed, and the quantization of the result."""
        low, high = self.activation_bounds(q_attributes, output)
        result = output + ".float"
        self.node(op, inputs, [result], **attributes)
        if (low, high) == (0, None):
            self.node("Relu", [result], [output + ".active"])
            result = output + ".active"
        elif low is not None or high is not None:
            limits = [
                "" if limit is None else self.initializer(f"{output}.{end}", np.float32(limit))
                for end, limit in (("min", low), ("max", high))
            ]
            self.node("Clip", [result, *limits], [output + ".active"])
            result = output + ".active"
        self.node("QuantizeLinear", [result, *self.parameters(output)], [output])

    def weighted(self, op, q_attributes, inputs, output, **attributes):
        reals = [self.real(inputs[0]), self.real_constant(inputs[1])]
        if len(inputs) > 2:
            weight_scale = np.atleast_1d(self.constants[inputs[1]].attrs["scale"])
            reals.append(self.real_constant(inputs[2], weight_scale * float(self.values[inputs[0]].attrs["scale"][0])))
        self.finish(op, reals, output, q_attributes, **attributes)

    def add_node(self, name, group):
        a = dict(group.attrs)
        op, inputs, outputs = text(a["op"]), texts(a["inputs"]), texts(a["outputs"])
        output = outputs[0]

        def ints(key):
            return [int(i) for i in a[key]]

        if op == "quantize":
            self.node("QuantizeLinear", [inputs[0], *self.parameters(output)], [output])
        elif op == "dequantize":
            self.node("DequantizeLinear", [inputs[0], *self.parameters(inputs[0])], [output])
        elif op == "conv2d":
            kernel = self.constants[inputs[1]].shape[2:]
            self.weighted("Conv", a, inputs, output, kernel_shape=[int(k) for k in kernel], strides=ints("strides"),
                          pads=ints("pads"), dilations=ints("dilations"), group=int(a["group"]))
        elif op == "linear":
            self.weighted("Gemm", a, inputs, output, transB=1)
        elif op == "add":
            self.finish("Add", [self.real(i) for i in inputs], output, a)
        elif op == "max_pool":
            self.finish("MaxPool", [self.real(inputs[0])], output, a, kernel_shape=ints("kernel_shape"),
                        strides=ints("strides"), pads=ints("pads"), dilations=ints("dilations"),
                        ceil_mode=int(a["ceil_mode"]))
        elif op == "avg_pool" and not a["divisor_override"]:
            self.finish("AveragePool", [self.real(inputs[0])], output, a, kernel_shape=ints("kernel_shape"),
                        strides=ints("strides"), pads=ints("pads"), ceil_mode=int(a["ceil_mode"]),
                        count_include_pad=int(a["count_include_pad"]))
        elif op == "adaptive_avg_pool" and all(size == 1 for size in ints("output_size")):
            self.finish("GlobalAveragePool", [self.real(inputs[0])], output, a)
        elif op == "flatten":
            self.finish("Flatten", [self.real(inputs[0])], output, a, axis=int(a["axis"]))
        else:
            raise SystemExit(f"make_qdq: {name}: operator {op} is not among those of the benchmark's models")

    def value_info(self, name):
        value = self.values[name]
        shape = ["batch" if extent < 0 else int(extent) for extent in value.attrs["shape"]]
        return helper.make_tensor_value_info(name, ONNX_TYPES[text(value.attrs["dtype"])], shape)

    def model(self):
        for name, group in by_order(self.graph):
            self.add_node(name, group)
        graph = helper.make_graph(
            self.nodes,
            "qdq",
            [self.value_info(name) for name in texts(self.graph.attrs["inputs"])],
            [self.value_info(name) for name in texts(self.graph.attrs["outputs"])],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="make_qdq")
        model.ir_version = 8
        checker.check_model(model)
        return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("q_model")
    parser.add_argument("onnx")
    args = parser.parse_args()
    with h5py.File(args.q_model, "r") as file:
        save(QdqWriter(file).model(), args.onnx)


if __name__ == "__main__":
    main()
