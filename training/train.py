# SPDX-License-Identifier: Apache-2.0
"""Train the network of `facebids.core.brain.boundary`, and write it as an ONNX file.

    pip install 'facebids[training]'
    python training/train.py facebids/core/brain/boundary.onnx --minutes 60

The program refuses other weights than those of `boundary.WEIGHTS_SHA256`: change it with them.

Images are drawn while it trains (`synthesis`), each once.
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import synthesis
import torch
from torch import Tensor, nn
from torch.nn import functional

from facebids.core.brain import boundary

CHANNELS = (16, 32, 64)
FOLD = 2  # neighbouring voxels along each axis that become channels
NEAR_MM = 4.0  # weight of the loss falls by e over this distance from the boundary
RATE = 2e-3


class Block(nn.Sequential):
    """Two convolutions."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv3d(before, after, 3, padding=1),
            nn.InstanceNorm3d(after, affine=True),
            nn.LeakyReLU(0.1),
            nn.Conv3d(after, after, 3, padding=1),
            nn.InstanceNorm3d(after, affine=True),
            nn.LeakyReLU(0.1),
        )


class Network(nn.Module):
    """U-Net from image and distance to the atlas brain to the distance to the brain.

    Inputs and outputs have 8 channels, the voxels of cubes of 2 (`boundary.fold`).
    """

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        sizes = (2 * FOLD**3, *channels)
        self.down = nn.ModuleList(Block(a, b) for a, b in pairwise(sizes))
        self.up = nn.ModuleList(
            Block(channels[i] + channels[i - 1], channels[i - 1])
            for i in range(len(channels) - 1, 0, -1)
        )
        self.last = nn.Conv3d(channels[0], 2 * FOLD**3, 1)

    def forward(self, image: Tensor, prior: Tensor) -> Tensor:
        """Return distances / `LIMIT_MM`, shape (1, 8, X, Y, Z)."""
        x = torch.cat([image, prior], 1)
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool3d(x, 2))
            skips.append(x)
        skips.pop()
        for block in self.up:
            skip = skips.pop()
            x = functional.interpolate(x, scale_factor=2.0, mode='nearest')
            x = block(torch.cat([x, skip], 1))
        return torch.cat([prior, prior], 1) + self.last(x)


def loss(found: Tensor, true: Tensor) -> Tensor:
    """Mean absolute error, weighted by nearness to the boundary."""
    weight = torch.exp(-true.abs() * boundary.LIMIT_MM / NEAR_MM) + 0.03
    return (weight * (found - true).abs()).sum() / weight.sum() * boundary.LIMIT_MM


class Drawn(torch.utils.data.IterableDataset):
    """Endless synthetic images."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __iter__(self):
        """Yield folded images and distances."""
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            example = synthesis.draw(rng)
            yield (
                boundary.fold(example.image)[0],
                np.concatenate(
                    [
                        boundary.fold(distance / boundary.LIMIT_MM)[0]
                        for distance in (example.brain, example.cavity)
                    ]
                ),
            )


def train(minutes: float, seed: int, batch: int, start: Path | None, save: Path) -> Network:
    """Train for a time, with a learning rate that falls to zero over it."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    network = Network()
    if start:
        network.load_state_dict(torch.load(start), strict=False)
    print(sum(p.numel() for p in network.parameters()), 'weights')
    prior = torch.from_numpy(boundary.prior()).expand(batch, -1, -1, -1, -1)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-4)
    loader = torch.utils.data.DataLoader(Drawn(seed), batch, num_workers=1, prefetch_factor=8)
    begin, losses = time.monotonic(), []
    for step, (image, true) in enumerate(loader):
        part = (time.monotonic() - begin) / (60 * minutes)
        if part >= 1:
            break
        for group in optimiser.param_groups:
            group['lr'] = RATE * min(1, (step + 1) / 50) * 0.5 * (1 + np.cos(np.pi * part))
        error = loss(network(image, prior), true)
        optimiser.zero_grad()
        error.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(float(error.detach()))
        if step % 50 == 49:
            print(f'{step + 1:6d} {np.mean(losses[-50:]):.3f} mm {part:.0%}', flush=True)
            torch.save(network.state_dict(), save)
    return network


def export(network: Network, path: Path) -> None:
    """Write the network as ONNX."""
    shape = boundary.prior().shape
    torch.onnx.export(
        network.eval(),
        (torch.zeros(shape), torch.zeros(shape)),
        str(path),
        input_names=['image', 'prior'],
        output_names=['distance'],
        opset_version=17,
        dynamo=False,
    )


def main() -> None:
    """Train and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('output', type=Path)
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--batch', type=int, default=1)
    parser.add_argument('--start', type=Path, help='weights to begin with')
    options = parser.parse_args()
    save = options.output.with_suffix('.pt')
    export(
        train(options.minutes, options.seed, options.batch, options.start, save), options.output
    )


if __name__ == '__main__':
    main()
