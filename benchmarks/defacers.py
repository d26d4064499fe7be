# SPDX-License-Identifier: Apache-2.0
"""Run the compared defacers, ours and its peers, from file to file in one thread."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from importlib import import_module
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from facebids.core import images, verdict
from facebids.core.alignment import registration
from facebids.core.alignment.align import align
from facebids.core.alignment.result import Alignment
from facebids.core.atlas import generic_atlas
from facebids.core.contrasts import CONTRASTS, HOUNSFIELD
from facebids.core.coverage import MaskNumbers
from facebids.core.defacing import masks
from facebids.core.defacing.deface import deface_file
from facebids.core.record import Identifiability, Record, Screening, Utility

SUFFIXES = tuple(name for name in CONTRASTS if name not in HOUNSFIELD)
ONE_THREAD = {'OMP_NUM_THREADS': '1', 'ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS': '1'}
TIMEOUT_S = 900
# Results of an attack that works before defacing and finds nothing after it, so that the verdict
# depends on alignment and mask only.
NOTHING_FOUND = Identifiability(
    log10_lr=0.0,
    log10_lr_low=0.0,
    log10_lr_high=0.0,
    log10_lr_before=2.0,
    decoy_p=1.0,
    face_likeness=1.0,
    views=0,
    faces_before=0,
    faces_after=0,
    faces_certain_before=1,
    faces_certain_after=0,
    distance_within_before=None,
    distance_before_after=None,
    distance_before_after_min=None,
    distance_at_known_place=None,
    agreement_before_after=None,
    shape_in_view_before=0.0,
    seed=0,
    volumes=1,
)
UNKNOWN = Utility(*[None] * len(fields(Utility)))
# Results of a screening that sees the whole face, in an image whose header has one form.
WITH_FACE = Screening(
    'face',
    passed_on=False,
    eyes_seen=1.0,
    eyes_gone=0.0,
    nose_seen=1.0,
    nose_gone=0.0,
    midface_seen=1.0,
    midface_gone=0.0,
    faces_certain=None,
    forms_apart_mm=None,
    unusable_form=None,
    scalp_gone=0.0,
)
NOTHING_LOST = replace(UNKNOWN, brain_voxels_changed=0, gm_change=0.0)
NIIMATH = {
    'niimath -deface': ('-deface', 'avg152T1', 'avg152T1mask'),
    'niimath -reface': (
        '-reface', 'MNI152_2009_SSW', 'refacer_shell_sym212', 'MNI152_2009_SSW_weight',
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """Registration and face mask of an image, as found by ours.

    Parameters
    ----------
    volume : images.Volume
    alignment : Alignment
    face : masks.FaceMask
    seconds : ndarray, shape (2,)
        Wall-clock and CPU time of reading, registration and mask.
    """

    volume: images.Volume
    alignment: Alignment
    face: masks.FaceMask
    seconds: np.ndarray


def clock():
    """Return wall-clock and CPU seconds, including child processes that were waited for."""
    times = os.times()
    return np.array([times.elapsed, sum(times[:4])])


def find(path, suffix, seed=0):
    """Register an image and find its face mask, as FaceBIDS does.

    Raises
    ------
    ImageError
        If the image cannot be used.
    """
    for resolution in (registration.RESOLUTION, masks.RESOLUTION):
        generic_atlas(resolution)
    import_module('ants')
    start = clock()  # building the atlas and importing libraries is done once for all images
    volume = images.read_volume(path)
    alignment = align(volume, suffix, seed)
    face = masks.mask_image(path, volume, alignment)
    return Found(volume, alignment, face, clock() - start)


def deface(path, found, mode, out_path, seed=0):
    """Replace the voxels of the mask.

    Returns
    -------
    changed_outside : int
        Number of changed voxels outside the mask.
    seconds : ndarray, shape (2,)
        Wall-clock and CPU time of filling, writing and comparing with the source.
    """
    start = clock()
    mask_path = Path(out_path).with_name('mask.nii.gz')
    images.write_mask(found.face.mask, path, mask_path)
    done = deface_file(
        path, mask_path, found.face.guard, out_path, found.alignment, mode, seed=seed
    )
    return done.integrity.voxels_changed_outside, clock() - start


def judge(found, suffix):
    """Return the verdict of ours on alignment and mask only, and the codes of its reasons."""
    coverage = found.face.coverage
    record = Record(
        image='',
        participant_id='',
        session_id=None,
        suffix=suffix,
        mode='remove',
        registration=found.alignment.numbers,
        screening=WITH_FACE,
        mask=MaskNumbers(**asdict(coverage), guard_voxels_changed=0, voxels_changed_outside=0),
        utility=NOTHING_LOST,
        identifiability=replace(NOTHING_FOUND, faces_certain_before=int(not coverage.no_face)),
    )
    judged = verdict.judge(record)
    return judged.verdict, list(judged.codes)


@dataclass(frozen=True)
class Peer:
    """Defacer other than ours.

    Parameters
    ----------
    name, version : str
    command : callable
        Returns the command line, given the paths of the image, its brain mask and the output.
    any_contrast : bool
        Whether it supports images other than T1w.
    """

    name: str
    version: str
    command: Callable
    any_contrast: bool = False

    def run(self, path, brain, out_path):
        """Deface an image in one thread.

        Returns
        -------
        status : int or str
            0 on success, otherwise the return code or a description of the failure.
        seconds : ndarray, shape (2,)
            Wall-clock and CPU time.
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
    """Find the installed peers.

    Parameters
    ----------
    templates : Path or None
        Folder with niimath's template files.

    Returns
    -------
    found : list of Peer
    missing : list of str
        Why the other peers are skipped.
    """
    found, missing = [], []
    niimath, quickshear = shutil.which('niimath'), shutil.which('quickshear')
    if not niimath:
        missing.append('niimath is skipped: it is not installed (pip install niimath).')
    elif not templates:
        missing.append('niimath is skipped: name the folder of its templates with --templates.')
    else:
        done = subprocess.run([niimath, '--version'], capture_output=True, text=True, check=False)
        number = (done.stdout + done.stderr).split()[0].lstrip('v')
        for name, (option, *files) in NIIMATH.items():
            command = partial(_niimath, niimath, option, [str(templates / f) for f in files])
            found.append(Peer(name, number, command))
    if quickshear:
        number = _installed('quickshear')
        found.append(
            Peer('quickshear', number, partial(_quickshear, quickshear), any_contrast=True)
        )
    else:
        missing.append('quickshear is skipped: it is not installed (pip install quickshear).')
    return found, missing


def _niimath(program, option, files, path, brain, out_path):
    # This keeps the data type, unless the image is scaled: then niimath writes float32.
    return [program, path, option, *files, out_path, '-odt', 'input']


def _quickshear(program, path, brain, out_path):
    return [program, path, brain, out_path]


def _installed(name):
    try:
        return version(name)
    except ModuleNotFoundError:  # installed in another environment
        return 'unknown version'


def removed(before, after):
    """Return the voxels (bool) that a peer removed or that already had the minimum value."""
    return (before != after) | (before <= before.min())


def list_images(dataset, suffix, participants=(), limit=None):
    """List the raw images of a dataset that have a suffix.

    Parameters
    ----------
    dataset : Path
    suffix : str
    participants : collection of str
        Labels. An empty collection selects all participants.
    limit : int or None
    """
    found = sorted(Path(dataset).glob(f'sub-*/**/anat/*_{suffix}.nii*'))
    if participants:
        wanted = {label.removeprefix('sub-') for label in participants}
        found = [path for path in found if participant(path) in wanted]
    return found[:limit]


def participant(path):
    """Return the label of the participant to whom an image belongs."""
    return path.name.split('_')[0].removeprefix('sub-')


def brain_mask(dataset, path):
    """Return the true brain mask (bool) on the grid of an image, None if there is none."""
    stem = path.name.split('.')[0].rpartition('_')[0]
    image = nib.load(path)
    pattern = f'derivatives/brain/sub-{participant(path)}/**/{stem}_*_mask.nii.gz'
    for candidate in sorted(Path(dataset).glob(pattern)):
        mask = nib.load(candidate)
        if mask.shape == image.shape[:3] and np.allclose(mask.affine, image.affine, atol=1e-3):
            return np.asarray(mask.dataobj) > 0
    return None


def distance_to_brain(changed, brain, zooms):
    """Return how many brain voxels changed, and how near the nearest changed voxel is.

    Parameters
    ----------
    changed, brain : ndarray of bool, shape (X, Y, Z)
    zooms : sequence of 3 floats
        Voxel size, mm.

    Returns
    -------
    voxels : int
    distance : float or None
        Between centres of voxels, mm; None if nothing changed.
    """
    if not changed.any():
        return 0, None
    distance = ndimage.distance_transform_edt(~brain, sampling=zooms)
    return int((changed & brain).sum()), float(distance[changed].min())


def each(function, tasks, jobs):
    """Yield the results of a function in the order of its tasks, using parallel processes."""
    os.environ.update(ONE_THREAD)
    if jobs == 1:
        yield from map(function, tasks)
        return
    with ProcessPoolExecutor(jobs, get_context('spawn')) as pool:
        yield from pool.map(function, tasks)


def write_whole(path, text):
    """Write a text file atomically."""
    path = Path(path)
    with tempfile.NamedTemporaryFile('w', dir=path.parent, delete=False) as file:
        file.write(text)
    os.replace(file.name, path)


def table(header, rows):
    """Return a Markdown table."""
    rows = [[str(cell) for cell in row] for row in (header, ['---'] * len(header), *rows)]
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)
