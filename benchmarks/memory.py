# SPDX-License-Identifier: Apache-2.0
"""Measure the memory of each step of defacing, for an image of many voxels.

The head of a phantom is resampled to N x N x N voxels of float64, the largest type. Peaks are
those of arrays (tracemalloc), in MB and in bytes a voxel; the libraries take about 400 MB more.

    python benchmarks/memory.py --size 256
"""

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import nibabel as nib
import numpy as np
from scipy import ndimage

import facebids
from facebids.core import foreground, images
from facebids.core.alignment.align import align
from facebids.core.attack import attacker, screening
from facebids.core.defacing import cost, deface, masks

Result = TypeVar('Result')


def write_phantom(path: Path, size: int, spacing: float, seed: int) -> None:
    """Write the scan of a phantom with `size` voxels along each axis."""
    scan = facebids.phantom(seed, spacing=spacing)
    data = np.asarray(scan.dataobj, np.float64)
    step = np.array(data.shape) / size
    fine = ndimage.affine_transform(data, np.diag(step), output_shape=(size,) * 3, order=1)
    nib.save(nib.Nifti1Image(fine, scan.affine @ np.diag([*step, 1.0])), path)


def measured(name: str, voxels: int, step: Callable[[], Result]) -> Result:
    """Run a step and print its peak of memory."""
    tracemalloc.start()
    start = time.process_time()
    result = step()
    seconds = time.process_time() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f'{name:12} {peak / 1e6:8.0f} MB {peak / voxels:6.1f} bytes a voxel {seconds:6.1f} s')
    return result


def run(folder: Path, size: int, spacing: float, seed: int, mode: str) -> None:
    """Deface a phantom, step by step."""
    path, mask_path, out = (folder / f'{name}.nii' for name in ('image', 'mask', 'out'))
    write_phantom(path, size, spacing, seed)
    voxels = size**3
    volume = measured('read', voxels, lambda: images.read_volume(path))
    alignment = measured('register', voxels, lambda: align(volume, 'T1w', seed))
    measured('screen', voxels, lambda: screening.screen(volume, alignment, 'T1w', seed))
    measured('foreground', voxels, lambda: foreground.head_mask(volume.data, volume.zooms))
    face = measured('mask', voxels, lambda: masks.mask_image(path, volume, alignment))
    images.write_mask(face.mask, path, mask_path)
    measured(
        'deface',
        voxels,
        lambda: deface.deface_file(path, mask_path, face.guard, out, alignment, mode, seed=seed),
    )
    defaced = images.read_volume(out)
    measured(
        'attack',
        voxels,
        lambda: attacker.attack([volume], alignment.affine, seed, relied_on=False),
    )
    measured('cost', voxels, lambda: cost.measure(volume, defaced, alignment.affine, 'T1w'))


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, default=256, help='voxels along each axis')
    parser.add_argument('--spacing', type=float, default=2.0, help='of the phantom, mm')
    parser.add_argument('--mode', default='remove')
    parser.add_argument('--seed', type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), options.size, options.spacing, options.seed, options.mode)


if __name__ == '__main__':
    main()
