# SPDX-License-Identifier: Apache-2.0
"""The defacers that are compared: ours and its peers, from a file to a file, in one thread."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import nibabel as nib
import numpy as np

from facebids.core import foreground, images, verdict
from facebids.core.alignment import registration
from facebids.core.atlas import COMPUTED, generic_atlas
from facebids.core.defacing import fill, masks

SUFFIXES = tuple(suffix for suffix in registration.GOOD_ENOUGH if suffix not in COMPUTED)
ONE_THREAD = {'OMP_NUM_THREADS': '1', 'ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS': '1'}
TIMEOUT_S = 900
# An attack that was blind to nothing and found nothing: only alignment and mask are judged.
NOTHING_FOUND = {'faces_certain_before': 1, 'faces_certain_after': 0}
NOTHING_LOST = {'brain_voxels_changed': 0, 'gm_change': 0.0}
NIIMATH = {
    'niimath -deface': ('-deface', 'avg152T1', 'avg152T1mask'),
    'niimath -reface': (
        '-reface', 'MNI152_2009_SSW', 'refacer_shell_sym212', 'MNI152_2009_SSW_weight',
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What ours finds in an image before it changes anything.

    Parameters
    ----------
    volume : images.Volume
    registration : registration.Registration
    head, mask, guard : ndarray of bool, shape (X, Y, Z)
    numbers : dict
        From `masks.face_mask`.
    seconds : ndarray, shape (2,)
        Reading, registration and mask: by the clock, and of the processor.
    """

    volume: images.Volume
    registration: registration.Registration
    head: np.ndarray
    mask: np.ndarray
    guard: np.ndarray
    numbers: dict
    seconds: np.ndarray


def clock():
    """Seconds by the clock, and of the processor in this process and those it waited for."""
    times = os.times()
    return np.array([times.elapsed, sum(times[:4])])


def find(path, suffix, seed=0):
    """Register an image and find its face mask, as the program does.

    Raises
    ------
    ImageError
        If the image cannot be used.
    """
    atlases = generic_atlas(registration.RESOLUTION), generic_atlas(masks.RESOLUTION)
    import_module('ants')
    start = clock()  # the atlas is built, and libraries are read, once for all images
    volume = images.read_volume(path)
    found = registration.register(volume.data, volume.affine, atlases[0], suffix, seed)
    head = foreground.head_mask(volume.data, volume.zooms)
    mask, guard, numbers = masks.face_mask(atlases[1], volume, found.affine, head)
    return Found(volume, found, head, mask, guard, numbers, clock() - start)


def deface(path, found, mode, out_path, seed=0):
    """Replace the mask's voxels.

    Returns
    -------
    changed_outside : int
        Voxels outside the mask that were changed all the same.
    seconds : ndarray, shape (2,)
        Filling and writing, as `clock` counts.
    """
    start = clock()
    atlas, transform = generic_atlas(masks.RESOLUTION), found.registration.affine
    values = fill.fill(found.volume, found.mask, atlas, transform, mode, seed)
    outside = images.replace_voxels(path, found.mask, out_path, [values])
    return outside, clock() - start


def judge(found, suffix):
    """Verdict of ours on alignment and mask alone: pass, review or fail, and the reasons."""
    affine = found.registration.affine
    scale = float(np.cbrt(np.linalg.det(affine[:3, :3])))
    untouched = {'guard_voxels_changed': 0, 'voxels_changed_outside': 0}
    given, reasons = verdict.judge(
        {
            'suffix': suffix,
            'mode': 'remove',
            'registration': found.registration.quality | {'scale': scale},
            'mask': found.numbers | untouched,
            'utility': NOTHING_LOST,
            'identifiability': NOTHING_FOUND,
        }
    )
    return given, [reason['code'] for reason in reasons]


@dataclass(frozen=True)
class Peer:
    """Another defacer.

    Parameters
    ----------
    name, version : str
    command : callable
        Paths of the image, of its brain mask and of what to write to the arguments to run.
    any_contrast : bool
        Whether it takes other images than T1w.
    """

    name: str
    version: str
    command: Callable
    any_contrast: bool = False

    def run(self, path, brain, out_path):
        """Deface an image with one thread.

        Returns
        -------
        status : int or str
            0, or what went wrong.
        seconds : ndarray, shape (2,)
            As `clock` counts.
        """
        start = clock()
        try:
            done = subprocess.run(
                self.command(str(path), str(brain), str(out_path)),
                env=os.environ | ONE_THREAD,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 'timeout', clock() - start
        written = done.returncode or Path(out_path).is_file()
        return done.returncode if written else 'no output', clock() - start


def peers(templates):
    """Find the peers that are installed.

    Parameters
    ----------
    templates : Path or None
        Folder of niimath's template files.

    Returns
    -------
    found : list of Peer
    missing : list of str
        Why others are left out.
    """
    found, missing = [], []
    niimath, quickshear = shutil.which('niimath'), shutil.which('quickshear')
    if not niimath:
        missing.append('niimath is left out: it is not installed (pip install niimath).')
    elif not templates:
        missing.append('niimath is left out: --templates does not name its template files.')
    else:
        told = subprocess.run([niimath, '--version'], capture_output=True, text=True, check=False)
        number = (told.stdout + told.stderr).split()[0].lstrip('v')
        for name, (option, *files) in NIIMATH.items():
            command = partial(_niimath, niimath, option, [str(templates / f) for f in files])
            found.append(Peer(name, number, command))
    if quickshear:
        number = _installed('quickshear')
        found.append(
            Peer('quickshear', number, partial(_quickshear, quickshear), any_contrast=True)
        )
    else:
        missing.append('quickshear is left out: it is not installed (pip install quickshear).')
    return found, missing


def _niimath(program, option, files, path, brain, out_path):
    # the data type stays what it is, unless the image is scaled: then niimath writes float32
    return [program, path, option, *files, out_path, '-odt', 'input']


def _quickshear(program, path, brain, out_path):
    return [program, path, brain, out_path]


def _installed(name):
    try:
        return version(name)
    except ModuleNotFoundError:  # in an environment of its own
        return 'unknown version'


def removed(before, after):
    """Voxels (bool) that a peer changed; those that held the minimum need no change."""
    return (before != after) | (before <= before.min())


def list_images(dataset, suffix, participants=(), limit=None):
    """List a dataset's images with a suffix, those of the raw dataset alone.

    Parameters
    ----------
    dataset : Path
    suffix : str
    participants : collection of str
        Labels; none for all.
    limit : int or None
    """
    found = sorted(Path(dataset).glob(f'sub-*/**/anat/*_{suffix}.nii*'))
    if participants:
        wanted = {label.removeprefix('sub-') for label in participants}
        found = [path for path in found if participant(path) in wanted]
    return found[:limit]


def participant(path):
    """Return the label of an image's participant."""
    return path.name.split('_')[0].removeprefix('sub-')


def brain_mask(dataset, path):
    """Find the true brain mask (bool) of an image on its own grid, None if there is none."""
    stem = path.name.split('.')[0].rpartition('_')[0]
    image = nib.load(path)
    pattern = f'derivatives/brain/sub-{participant(path)}/**/{stem}_*_mask.nii.gz'
    for candidate in sorted(Path(dataset).glob(pattern)):
        mask = nib.load(candidate)
        if mask.shape == image.shape[:3] and np.allclose(mask.affine, image.affine, atol=1e-3):
            return np.asarray(mask.dataobj) > 0
    return None


def each(function, tasks, jobs):
    """Yield a function's results in the order of the tasks, from so many processes."""
    os.environ.update(ONE_THREAD)
    if jobs == 1:
        yield from map(function, tasks)
        return
    with ProcessPoolExecutor(jobs, get_context('spawn')) as pool:
        yield from pool.map(function, tasks)


def write_whole(path, text):
    """Write a text file whole or not at all."""
    path = Path(path)
    with tempfile.NamedTemporaryFile('w', dir=path.parent, delete=False) as file:
        file.write(text)
    os.replace(file.name, path)


def table(header, rows):
    """Markdown table."""
    rows = [[str(cell) for cell in row] for row in (header, ['---'] * len(header), *rows)]
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)
