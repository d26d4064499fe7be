# SPDX-License-Identifier: Apache-2.0
"""Write the graphs of `facebids.core.attack.dlib_networks`.

    pip install 'facebids[training]'
    python training/dlib_graphs.py facebids/core/attack

A graph has the layers of a model file of dlib. It refers to the bytes of that file for the
weights. The program refuses other graphs than those of `dlib_networks.GRAPHS`: change the digests
with them. The layers of the networks are those of dlib 20: `tools/python/src/face_recognition.cpp`
and `cnn_face_detector.cpp`; how a layer is stored is told by `dlib/dnn/layers.h`.
"""

import argparse
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from facebids.core.attack import dlib_networks
from facebids.filesystem import atomic_path

LAYERS = ('con_4', 'affine_', 'bn_con2', 'relu_', 'max_pool_2', 'avg_pool_2', 'add_prev_', 'fc_2')
OPSET, IR = 17, 9  # the oldest that are needed, so that old versions of ONNX Runtime read them


@dataclass(frozen=True)
class Weights:
    """Weights in a model file: float32, little-endian."""

    offset: int
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Its length in the file."""
        return 4 * math.prod(self.shape)

    def split(self, *shapes: tuple[int, ...]) -> Iterator['Weights']:
        """Yield successive parts."""
        offset = self.offset
        for shape in shapes:
            part = Weights(offset, shape)
            yield part
            offset += part.bytes


@dataclass(frozen=True)
class Layer:
    """A layer: its kind as dlib calls it, its weights, and what else it needs."""

    kind: str
    weights: tuple[Weights, ...] = ()
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    epsilon: float = 0.0


class Reader:
    """Reads what dlib's `serialize` wrote."""

    def __init__(self, content: bytes, position: int) -> None:
        self.content = content
        self.position = position

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        self.position += count
        return self.content[self.position - count : self.position]

    def integer(self) -> int:
        """Return an integer: its sign and length, then its bytes."""
        (control,) = self.take(1)
        value = int.from_bytes(self.take(control & 0x0F), 'little')
        return -value if control & 0x80 else value

    def integers(self, count: int) -> tuple[int, ...]:
        """Return integers."""
        return tuple(self.integer() for _ in range(count))

    def number(self) -> float:
        """Return a floating-point number: mantissa and exponent of 2."""
        mantissa, exponent = self.integers(2)
        return math.ldexp(mantissa, exponent)

    def text(self) -> str:
        """Return a string."""
        return self.take(self.integer()).decode()

    def tensor(self) -> Weights:
        """Return where a tensor is: version, four sizes, values."""
        assert self.integer() == 2, 'another version of tensors'
        shape = self.integers(4)
        weights = Weights(self.position, shape)
        self.take(weights.bytes)
        return weights

    def part(self) -> tuple[int, ...]:
        """Return the shape of a part of a tensor: version, four sizes."""
        assert self.integer() == 1, 'another version of tensors'
        return self.integers(4)

    def layer(self) -> Layer:
        """Return a layer."""
        kind = self.text()
        if kind == 'con_4':
            whole = self.tensor()
            filters, *sizes = self.integers(7)
            weights = tuple(whole.split(self.part(), (filters,)))
            return Layer(kind, weights, tuple(sizes[:2]), tuple(sizes[2:4]), tuple(sizes[4:]))
        if kind == 'affine_':
            whole = self.tensor()
            (_, channels, _, _), _ = self.part(), self.part()
            return Layer(kind, tuple(whole.split(*[(1, channels, 1, 1)] * 2)))
        if kind == 'bn_con2':
            whole = self.tensor()
            (_, channels, _, _), _ = self.part(), self.part()
            _, _, mean, variance = (self.tensor() for _ in range(4))
            self.integers(2)
            *_, epsilon = (self.number() for _ in range(5))
            flat = (Weights(part.offset, (channels,)) for part in (mean, variance))
            return Layer(kind, (*whole.split(*[(channels,)] * 2), *flat), epsilon=epsilon)
        if kind in ('max_pool_2', 'avg_pool_2'):
            sizes = self.integers(6)
            return Layer(kind, (), sizes[:2], sizes[2:4], sizes[4:])
        if kind == 'fc_2':
            outputs, inputs = self.integers(2)
            return Layer(kind, (Weights(self.tensor().offset, (inputs, outputs)),))
        return Layer(kind)


def read(content: bytes) -> Iterator[Layer]:
    """Yield the layers of a model file, from the input to the output."""
    for match in re.finditer('|'.join(LAYERS).encode(), content):
        start = match.start() - 2  # the length of the name is stored before it
        if content[start : match.start()] == bytes([1, len(match[0])]):
            yield Reader(content, start).layer()


@dataclass
class Graph:
    """A graph that grows at `last`, its output."""

    file: str
    last: str
    nodes: list[NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Add a node to a value, by default the last, and return its name."""
        name = f'{operator}{len(self.nodes)}'
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        self.last = name
        return name

    def constant(self, value: object, kind: type) -> str:
        """Add a constant."""
        name = f'constant{len(self.initializers)}'
        self.initializers.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def weights(self, weights: Weights) -> str:
        """Add weights of the model file."""
        name = f'weights{len(self.initializers)}'
        tensor = TensorProto(
            name=name,
            data_type=TensorProto.FLOAT,
            dims=weights.shape,
            data_location=TensorProto.EXTERNAL,
        )
        where = {'location': self.file, 'offset': weights.offset, 'length': weights.bytes}
        for key, value in where.items():
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)
        return name

    def layer(self, layer: Layer) -> None:
        """Add a layer without branches."""
        weights = [self.weights(part) for part in layer.weights]
        window = {'kernel_shape': layer.kernel, 'strides': layer.strides}
        if layer.kind == 'con_4':
            self.add('Conv', self.last, *weights, **window, pads=layer.padding * 2)
        elif layer.kind == 'affine_':
            self.add('Mul', self.last, weights[0])
            self.add('Add', self.last, weights[1])
        elif layer.kind == 'bn_con2':
            self.add('BatchNormalization', self.last, *weights, epsilon=layer.epsilon)
        elif layer.kind == 'relu_':
            self.add('Relu', self.last)
        elif layer.kind == 'max_pool_2':
            self.add('MaxPool', self.last, **window)
        elif layer.kind == 'avg_pool_2':
            self.add('AveragePool', self.last, **window)

    def model(self, inputs: tuple, outputs: tuple) -> ModelProto:
        """Return the whole; each of `inputs` and `outputs` is a name, a type and a shape."""
        del self.nodes[-1].output[:]
        self.nodes[-1].output.append(outputs[0])
        graph = helper.make_graph(
            self.nodes,
            self.file,
            [helper.make_tensor_value_info(*inputs)],
            [helper.make_tensor_value_info(*outputs)],
            self.initializers,
        )
        opsets = [helper.make_opsetid('', OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR)


def detector(layers: Iterator[Layer], file: str) -> ModelProto:
    """Return the graph of the CNN detector: from a pyramid to scores."""
    graph = Graph(file, 'pyramid')
    for layer in layers:
        graph.layer(layer)
    pyramid = ('pyramid', TensorProto.FLOAT, (1, 3, 'rows', 'columns'))
    return graph.model(pyramid, ('scores', TensorProto.FLOAT, (1, 1, 'rows8', 'columns8')))


def embedding(layers: Iterator[Layer], file: str) -> ModelProto:
    """Return the graph of the ResNet: from pictures of faces to embeddings.

    Each block adds its input to its output. If the block halves the size, its input is averaged.
    What is smaller, or has fewer channels, is padded with zeros.
    """
    graph = Graph(file, 'chips')
    graph.add('Cast', graph.last, to=TensorProto.FLOAT)
    graph.add('Transpose', graph.last, perm=(0, 3, 1, 2))
    mean = np.reshape(dlib_networks.MEAN, (1, 3, 1, 1))
    graph.add('Sub', graph.last, graph.constant(mean, np.float32))
    graph.add('Div', graph.last, graph.constant(dlib_networks.SCALE, np.float32))
    size, channels = dlib_networks.CHIP, 3
    start = (graph.last, size, channels)
    branch, added = start, False
    for layer in layers:
        if layer.kind == 'add_prev_':
            main = (graph.last, size, channels)
            size, channels = max(size, branch[1]), max(channels, branch[2])
            graph.add('Add', *(_padded(graph, *side, size, channels) for side in (main, branch)))
            added = True
        elif layer.kind == 'avg_pool_2' and not any(layer.kernel):  # over the whole picture
            graph.add('GlobalAveragePool', graph.last)
            graph.add('Flatten', graph.last)
        elif layer.kind == 'avg_pool_2':
            last = graph.last
            graph.last = start[0]
            graph.layer(layer)
            branch = (graph.last, (start[1] - layer.kernel[0]) // layer.strides[0] + 1, start[2])
            graph.last = last
        elif layer.kind == 'fc_2':
            graph.add('MatMul', graph.last, graph.weights(*layer.weights))
        else:
            graph.layer(layer)
            if layer.kind in ('con_4', 'max_pool_2'):
                size = (size + 2 * layer.padding[0] - layer.kernel[0]) // layer.strides[0] + 1
            if layer.kind == 'con_4':
                channels = layer.weights[0].shape[0]
            if layer.kind == 'max_pool_2' or (layer.kind == 'relu_' and added):
                start = branch = (graph.last, size, channels)
                added = False
    chips = ('chips', TensorProto.UINT8, ('faces', dlib_networks.CHIP, dlib_networks.CHIP, 3))
    return graph.model(chips, ('embeddings', TensorProto.FLOAT, ('faces', 128)))


def _padded(
    graph: Graph, name: str, size: int, channels: int, to_size: int, to_channels: int
) -> str:
    """Return the name of a value with zeros after its last rows, columns and channels."""
    if (size, channels) == (to_size, to_channels):
        return name
    after = (0, to_channels - channels, to_size - size, to_size - size)
    return graph.add('Pad', name, graph.constant((0, 0, 0, 0, *after), np.int64))


def graphs() -> Iterator[tuple[str, bytes]]:
    """Yield the name of each graph, and its content."""
    for name, build in ((dlib_networks.DETECTOR, detector), (dlib_networks.EMBEDDING, embedding)):
        path = dlib_networks.model_file(name)
        model = build(read(path.read_bytes()), path.name)
        yield f'{name}.onnx', model.SerializeToString(deterministic=True)


def main() -> None:
    """Write both graphs."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path)
    folder = parser.parse_args().folder
    for name, content in graphs():
        with atomic_path(folder / name) as path:
            path.write_bytes(content)


if __name__ == '__main__':
    main()
