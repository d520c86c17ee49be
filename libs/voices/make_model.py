"""Makes `voices.onnx` from CAM++'s weights, with numpy and onnx: `python make_model.py campplus_cn_en_common.pt [voices.onnx]`.

The graph is that of 3D-Speaker's CAM++ for up to 2 s, where its pooling over segments of 100 frames is one over all.
"""

import io
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]

BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Layers of a dense block, and how far apart the frames are that they look at."""

FRAMES = 74
"""Frames after the first layer, of a window of 1.5 s: the deviation over them is that of a sample."""


class Weights(pickle.Unpickler):
    """Reads a file of weights and makes nothing but arrays."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        self._root = self._zip.namelist()[0].partition("/")[0]
        super().__init__(io.BytesIO(self._zip.read(f"{self._root}/data.pkl")))

    def find_class(self, module: str, name: str) -> Any:
        """Return what makes an array; a dict for other kinds of one; a name for all else."""
        if name == "_rebuild_tensor_v2":
            return _array
        return dict if name == "OrderedDict" else name

    def persistent_load(self, pid: Any) -> Array:
        """Return the numbers behind an array."""
        _, kind, key, *_ = pid
        kinds = {"FloatStorage": "<f4", "LongStorage": "<i8"}
        return np.frombuffer(self._zip.read(f"{self._root}/data/{key}"), kinds[kind])


def _array(numbers: Array, offset: int, shape: Any, strides: Any, *_: Any) -> Array:
    inside = [stride * numbers.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(numbers[offset:], shape, inside).copy()


class Graph:
    """The graph in the making."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self._weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of what it gives."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Array) -> str:
        """Add numbers; return their name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def convolve(self, x: str, name: str, norm: str | None = None, **attributes: Any) -> str:
        """Add a convolution, with the normalisation that follows it worked into its weights; those have 8 bits."""
        weights, bias = self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias")
        if norm:
            scale, shift = self._norm(norm)
            weights = weights * scale.reshape(-1, *[1] * (weights.ndim - 1))
            bias = shift if bias is None else bias * scale + shift
        largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
        steps = np.maximum(largest, 1e-12) / 127
        whole = self.constant(np.clip(np.round(weights / steps), -127, 127).astype(np.int8))
        inputs = [
            x,
            self.add(
                "Mul",
                self.add("Cast", whole, to=TensorProto.FLOAT),
                self.constant(steps.astype(np.float32)),
            ),
        ]
        if bias is not None:
            inputs.append(self.constant(bias.astype(np.float32)))
        return self.add("Conv", *inputs, **attributes)

    def normalise(self, x: str, name: str) -> str:
        """Add a normalisation that comes before its convolution, cut off below 0."""
        scale, shift = (part.reshape(1, -1, 1).astype(np.float32) for part in self._norm(name))
        return self.add(
            "Relu", self.add("Add", self.add("Mul", x, self.constant(scale)), self.constant(shift))
        )

    def mean(self, x: str) -> str:
        """Add a mean over time."""
        return self.add("ReduceMean", x, axes=[2], keepdims=1)

    def _norm(self, name: str) -> tuple[Array, Array]:
        mean, variance = self._weights[f"{name}.running_mean"], self._weights[f"{name}.running_var"]
        scale = self._weights.get(f"{name}.weight", np.ones_like(mean)) / np.sqrt(variance + 1e-5)
        return scale, self._weights.get(f"{name}.bias", np.zeros_like(mean)) - mean * scale


def _head(graph: Graph, x: str) -> str:
    """Residual layers over time and frequency."""
    around = {"pads": [1, 1, 1, 1]}
    x = graph.add("Relu", graph.convolve(x, "head.conv1", "head.bn1", **around))
    for layer in ("layer1", "layer2"):
        for place, stride in ((0, 2), (1, 1)):
            name, half = f"head.{layer}.{place}", {"strides": [stride, 1]}
            y = graph.add("Relu", graph.convolve(x, f"{name}.conv1", f"{name}.bn1", **around, **half))
            y = graph.convolve(y, f"{name}.conv2", f"{name}.bn2", **around)
            if stride == 2:
                x = graph.convolve(x, f"{name}.shortcut.0", f"{name}.shortcut.1", **half)
            x = graph.add("Relu", graph.add("Add", y, x))
    x = graph.add("Relu", graph.convolve(x, "head.conv2", "head.bn2", strides=[2, 1], **around))
    return graph.add("Reshape", x, graph.constant(np.array([0, 320, -1])))


def _block(graph: Graph, x: str, name: str, layers: int, apart: int) -> str:
    """A dense block: each layer sees all before it, weighed by a mean over time."""
    for number in range(1, layers + 1):
        layer = f"{name}.tdnnd{number}"
        y = graph.normalise(x, f"{layer}.nonlinear1.batchnorm")
        y = graph.add("Relu", graph.convolve(y, f"{layer}.linear1", f"{layer}.nonlinear2.batchnorm"))
        local = graph.convolve(y, f"{layer}.cam_layer.linear_local", pads=[apart] * 2, dilations=[apart])
        mean = graph.mean(y)
        weight = graph.add("Relu", graph.convolve(graph.add("Add", mean, mean), f"{layer}.cam_layer.linear1"))
        weight = graph.add("Sigmoid", graph.convolve(weight, f"{layer}.cam_layer.linear2"))
        x = graph.add("Concat", x, graph.add("Mul", local, weight), axis=1)
    return x


def make_model(weights: dict[str, Array]) -> Any:
    """Return the model."""
    graph = Graph(weights)
    x = graph.add("Transpose", "features", perm=[0, 2, 1])
    x = _head(graph, graph.add("Unsqueeze", x, graph.constant(np.array([1]))))
    x = graph.convolve(x, "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm", strides=[2], pads=[2, 2])
    x = graph.add("Relu", x)
    for number, (layers, apart) in enumerate(BLOCKS, 1):
        x = _block(graph, x, f"xvector.block{number}", layers, apart)
        name = f"xvector.transit{number}"
        x = graph.convolve(graph.normalise(x, f"{name}.nonlinear.batchnorm"), f"{name}.linear")
    x = graph.normalise(x, "xvector.out_nonlinear.batchnorm")
    mean = graph.mean(x)
    off = graph.add("Sub", x, mean)
    variance = graph.add(
        "Mul",
        graph.mean(graph.add("Mul", off, off)),
        graph.constant(np.array(FRAMES / (FRAMES - 1), np.float32)),
    )
    x = graph.add("Concat", mean, graph.add("Sqrt", variance), axis=1)
    x = graph.convolve(x, "xvector.dense.linear", "xvector.dense.nonlinear.batchnorm")
    graph.nodes.append(helper.make_node("Flatten", [x], ["embedding"], axis=1))
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "voices",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", "frames", 80])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 192])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


if __name__ == "__main__":
    source, *target = map(Path, sys.argv[1:])
    onnx.save(make_model(Weights(source).load()), target[0] if target else "lingoloop_voices/voices.onnx")
