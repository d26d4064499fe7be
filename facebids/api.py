# SPDX-License-Identifier: Apache-2.0
"""Deface and attack single images from Python, without a BIDS dataset.

Examples
--------
Deface a phantom; nothing of its face is recognised afterwards.

>>> import facebids
>>> result = facebids.deface(facebids.phantom(seed=3))
>>> result.record.verdict
'pass'
>>> result.record.identifiability.faces_certain_before > 5
True
>>> result.record.identifiability.faces_certain_after
0
"""

import gzip
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import nibabel as nib
import numpy as np

from facebids.core.arrays import BoolArray
from facebids.core.contrasts import HOUNSFIELD, contrast_of
from facebids.core.modes import MODES
from facebids.core.record import Record

if TYPE_CHECKING:
    from facebids.core.alignment.result import Alignment
    from facebids.core.attack.attacker import AttackResult

Image: TypeAlias = str | Path | nib.Nifti1Image


@dataclass(frozen=True)
class DefacedImage:
    """A defaced image, and the proof of it.

    Attributes
    ----------
    image
        The defaced image. Voxels outside the mask are those of the source.
    mask : shape (X, Y, Z)
        Voxels that were replaced.
    record
        The verdict, its reasons, and every number measured.
    """

    image: nib.Nifti1Image
    mask: BoolArray
    record: Record


def deface(
    image: Image,
    suffix: str = 'T1w',
    *,
    mode: str = 'remove',
    seed: int = 0,
    brain_margin: float = 3.0,
    keep: Sequence[str] = (),
) -> DefacedImage:
    """Deface an image, attack the original and the result, and judge it.

    Parameters
    ----------
    image
        A NIfTI image, or the path of one.
    suffix
        BIDS suffix, which determines the contrast: ``'T1w'``, ``'FLAIR'``, ``'ct'``.
    mode
        What replaces the face: ``'remove'``, ``'blur'`` or ``'reface'``.
    seed
        Random seed of registration, noise and views.
    brain_margin
        Least distance (mm) between replaced voxels and the brain.
    keep
        Parts that are not defaced: of ``'ears'`` and ``'eyes'``.

    Returns
    -------
    DefacedImage
        It is returned whatever the verdict: look at ``record.verdict`` before sharing the image.

    Raises
    ------
    ImageError
        If the image cannot be read, or no head is found in it.
    ValueError
        If there is no such mode.
    """
    from facebids.core import images
    from facebids.core.attack import evidence
    from facebids.core.attack.screening import screen
    from facebids.core.defacing import cost
    from facebids.core.defacing.deface import deface_file
    from facebids.core.defacing.masks import mask_image
    from facebids.core.verdict import judge

    if mode not in MODES:
        raise ValueError(f'{mode!r} is not a mode. Choose one of {", ".join(MODES)}.')
    contrast = contrast_of(suffix)
    hounsfield = contrast in HOUNSFIELD
    with _as_file(image) as path, tempfile.TemporaryDirectory() as folder:
        defaced_path, mask_path = Path(folder, 'defaced.nii.gz'), Path(folder, 'mask.nii.gz')
        volume = images.read_volume(path, hounsfield=hounsfield)
        alignment = _align(path, contrast, seed)
        screening = screen(volume, alignment, contrast, seed)
        face = mask_image(path, volume, alignment, margin=brain_margin, keep=keep)
        images.write_mask(face.mask, path, mask_path)
        defacing = deface_file(
            path,
            mask_path,
            face.guard,
            defaced_path,
            alignment,
            mode,
            seed=seed,
            hounsfield=hounsfield,
        )
        before = _attack(path, alignment, seed, hounsfield)
        after = _attack(defaced_path, alignment, seed, hounsfield, before)
        again = _align(defaced_path, contrast, seed) if MODES[mode].register_again else None
        record = Record(
            image=path.name,
            participant_id='n/a',
            session_id=None,
            suffix=suffix,
            mode=mode,
            registration=alignment.numbers,
            screening=screening,
            mask=defacing.numbers(face.coverage),
            utility=cost.measure(
                images.read_volume(path),
                images.read_volume(defaced_path),
                alignment.affine,
                suffix,
                again.affine if again else None,
            ),
            identifiability=evidence.compare(before, after, seed),
            provenance=defacing.provenance,
        )
        return DefacedImage(_in_memory(defaced_path), face.mask, judge(record))


def attack(image: Image, suffix: str = 'T1w', *, seed: int = 0) -> 'AttackResult':
    """Attack an image with face recognition, as somebody who has nothing but the image.

    Parameters
    ----------
    image
        A NIfTI image, or the path of one; with a face or defaced.
    suffix
        BIDS suffix, which determines the contrast.
    seed
        Random seed of registration and views.

    Returns
    -------
    AttackResult
        ``recognition`` has the faces found in the renders, ``pictures`` the renders.

    Raises
    ------
    ImageError
        If the image cannot be read, or no head is found in it.
    """
    contrast = contrast_of(suffix)
    with _as_file(image) as path:
        return _attack(path, _align(path, contrast, seed), seed, contrast in HOUNSFIELD)


def phantom(seed: int = 0, suffix: str = 'T1w', *, spacing: float = 1.5) -> nib.Nifti1Image:
    """Scan a person who does not exist.

    Parameters
    ----------
    seed
        Random seed of the person and of the scan.
    suffix
        ``'T1w'``, ``'FLAIR'``, ``'T2w'``, ``'PDw'`` or ``'ct'``.
    spacing
        Voxel size, mm.
    """
    from facebids.core.phantoms import phantom as phantoms

    rng = np.random.default_rng(seed)
    person = phantoms.draw_person(rng)
    head = phantoms.build_person(person, spacing)
    scan = phantoms.scan(
        head, phantoms.draw_pose(rng, person), contrast_of(suffix), rng, spacing=spacing
    )
    return nib.Nifti1Image(scan.data, scan.affine)


@contextmanager
def _as_file(image: Image) -> Iterator[Path]:
    """Give the path of an image; one in memory is written to a folder of this user alone."""
    if isinstance(image, str | Path):
        yield Path(image)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'image.nii.gz')
        nib.save(image, path)
        yield path


def _in_memory(path: Path) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes()))


def _align(path: Path, contrast: str, seed: int) -> 'Alignment':
    from facebids.core import images
    from facebids.core.alignment.align import align

    volume = images.read_volume(path, hounsfield=contrast in HOUNSFIELD)
    return align(volume, contrast, seed)


def _attack(
    path: Path,
    alignment: 'Alignment',
    seed: int,
    hounsfield: bool,
    original: 'AttackResult | None' = None,
) -> 'AttackResult':
    from facebids.core.attack import attacker

    volumes = attacker.read_volumes(path, hounsfield=hounsfield)
    return attacker.attack(
        volumes, alignment.affine, seed, original, relied_on=alignment.relied_on
    )
