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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import nibabel as nib
import numpy as np

from facebids.core.arrays import BoolArray
from facebids.core.contrasts import HOUNSFIELD, contrast_of
from facebids.core.modes import MODES
from facebids.core.record import Identifiability, Record
from facebids.filesystem import sha256

if TYPE_CHECKING:
    from facebids.core.alignment.result import Alignment
    from facebids.core.attack.attacker import AttackResult
    from facebids.core.attack.decoys import Panel
    from facebids.core.defacing.deface import Defacing
    from facebids.core.defacing.masks import FaceMask
    from facebids.core.images import Volume

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


class _Attempt(NamedTuple):
    """A defaced file, how it came about, and what the attack on it found."""

    path: Path
    face: 'FaceMask'
    defacing: 'Defacing'
    found: Identifiability

    def add_to(self, known: Record) -> Record:
        """Return a record with the numbers of this attempt."""
        mask = self.defacing.numbers(self.face.coverage)
        return replace(known, mask=mask, identifiability=self.found)


class _Defacer(NamedTuple):
    """An image and how to deface it."""

    folder: Path
    path: Path
    volume: 'Volume'
    alignment: 'Alignment'
    mode: str
    seed: int
    margin: float
    keep: tuple[str, ...]
    kept: BoolArray | None
    passed_on: bool
    before: 'AttackResult'
    panel: 'Panel | None'

    def attempt(self, shell: float) -> _Attempt:
        """Deface and attack the image, with a face region of at least a depth, mm."""
        from facebids.core import images
        from facebids.core.attack import evidence
        from facebids.core.defacing.deface import deface_file
        from facebids.core.defacing.masks import mask_image

        hounsfield = self.volume.hounsfield
        out, mask = (Path(self.folder, f'{name}-{shell:g}.nii.gz') for name in ('out', 'mask'))
        face = mask_image(
            self.path, self.volume, self.alignment, margin=self.margin, keep=self.keep,
            kept=self.kept, passed_on=self.passed_on, least_shell=shell,
        )  # fmt: skip
        images.write_mask(face.mask, self.path, mask)
        defacing = deface_file(
            self.path, mask, face.guard, out, self.alignment, self.mode, seed=self.seed,
            hounsfield=hounsfield,
        )  # fmt: skip
        after = _attack(out, self.alignment, self.seed, hounsfield, self.before)
        found = evidence.compare(self.before, after, self.panel, self.seed)
        return _Attempt(out, face, defacing, found)


def deface(
    image: Image,
    suffix: str = 'T1w',
    *,
    mode: str = 'remove',
    seed: int = 0,
    brain_margin: float = 3.0,
    keep: Sequence[str] = (),
    keep_mask: Image | None = None,
    force: bool = False,
) -> DefacedImage:
    """Deface an image, attack the original and the result, and judge it.

    Parameters
    ----------
    image
        A NIfTI image, or the path of one.
    suffix
        BIDS suffix, which determines the contrast: ``'T1w'``, ``'FLAIR'``, ``'ct'``. Suffixes
        without a contrast of their own are registered to the most similar one.
    mode
        What replaces the face: ``'remove'``, ``'blur'`` or ``'reface'``.
    seed
        Random seed of registration, noise and views.
    brain_margin
        Least distance (mm) between replaced voxels and the brain.
    keep
        Parts that are not defaced: of ``'ears'`` and ``'eyes'``.
    keep_mask
        Mask of voxels that do not change, such as a lesion: an image of 0 and 1 in the world space
        of the image, or its path. What it keeps of the face counts as left.
    force
        Whether an image that arrives defaced is defaced, too.

    Returns
    -------
    DefacedImage
        Returned for every verdict: check ``record.verdict`` before you share the image.

    Raises
    ------
    ImageError
        If the image cannot be read, no head is found in it, or the mask does not fit it.
    ValueError
        If there is no such mode, or no such part to keep.
    """
    from facebids.core import images, improve
    from facebids.core.alignment.align import align
    from facebids.core.attack import attacker, decoys
    from facebids.core.attack.screening import screen
    from facebids.core.defacing import cost
    from facebids.core.verdict import judge

    _check_options(mode, keep)
    contrast = contrast_of(suffix)
    hounsfield = contrast in HOUNSFIELD
    with _as_file(image) as path, tempfile.TemporaryDirectory() as folder:
        volume = images.read_volume(path, hounsfield=hounsfield)
        kept, keep_masks = _kept(keep_mask, path)
        alignment = _align(path, volume, contrast, seed)
        singles = attacker.read_singles(path, alignment.motion, hounsfield=hounsfield)
        screening = screen(volume, alignment, contrast, seed, singles=singles, force=force)
        before = _attack(path, alignment, seed, hounsfield)
        panel = decoys.enrol(
            attacker.read_volumes(path, alignment.motion, hounsfield=hounsfield),
            alignment.affine,
            seed,
            before,
        )
        known = Record(
            image=path.name,
            participant_id='n/a',
            session_id=None,
            suffix=suffix,
            mode=None if screening.passed_on else mode,
            registration=alignment.numbers,
            screening=screening,
        )

        defacer = _Defacer(
            Path(folder), path, volume, alignment, mode, seed, brain_margin, tuple(keep), kept,
            screening.passed_on, before, panel,
        )  # fmt: skip
        best, steps = improve.improve(
            defacer.attempt(0.0),
            defacer.attempt,
            lambda tried: improve.describe(tried.add_to(known)),
        )
        defaced = images.read_volume(best.path, hounsfield=hounsfield)
        again = align(defaced, contrast, seed).affine if MODES[mode].register_again else None
        record = replace(
            best.add_to(known),
            utility=cost.measure(volume, defaced, alignment.affine, suffix, again),
            provenance=replace(best.defacing.provenance, keep_masks=keep_masks),
            steps=steps,
        )
        return DefacedImage(_in_memory(best.path), best.face.mask, judge(record))


def attack(image: Image, suffix: str = 'T1w', *, seed: int = 0) -> 'AttackResult':
    """Attack an image with face recognition, without its original.

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
    from facebids.core import images

    contrast = contrast_of(suffix)
    hounsfield = contrast in HOUNSFIELD
    with _as_file(image) as path:
        volume = images.read_volume(path, hounsfield=hounsfield)
        alignment = _align(path, volume, contrast, seed)
        return _attack(path, alignment, seed, hounsfield)


def phantom(seed: int = 0, suffix: str = 'T1w', *, spacing: float = 1.5) -> nib.Nifti1Image:
    """Simulate a scan of a phantom, a person who does not exist.

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


def _check_options(mode: str, keep: Sequence[str]) -> None:
    from facebids.core.atlas import KEEP_OPTIONS

    if mode not in MODES:
        raise ValueError(f'{mode!r} is not a mode. Choose one of {", ".join(MODES)}.')
    if wrong := set(keep) - set(KEEP_OPTIONS):
        raise ValueError(f'{wrong.pop()!r} cannot be kept. Choose of {", ".join(KEEP_OPTIONS)}.')


def _kept(keep_mask: Image | None, path: Path) -> tuple[BoolArray | None, dict[str, str]]:
    """Return the voxels of an image that a mask keeps, and the digest of the mask by name."""
    from facebids.core.defacing.keep import read_keep_masks

    if keep_mask is None:
        return None, {}
    with _as_file(keep_mask) as mask:
        return read_keep_masks([mask], path), {mask.name: sha256(mask)}


def _align(path: Path, volume: 'Volume', contrast: str, seed: int) -> 'Alignment':
    from facebids.core.alignment import motion
    from facebids.core.alignment.align import align

    found = align(volume, contrast, seed)
    moved = motion.follow(path, found.affine, seed, hounsfield=volume.hounsfield)
    return replace(found, motion=moved)


def _attack(
    path: Path,
    alignment: 'Alignment',
    seed: int,
    hounsfield: bool,
    original: 'AttackResult | None' = None,
) -> 'AttackResult':
    from facebids.core.attack import attacker

    volumes = attacker.read_volumes(path, alignment.motion, hounsfield=hounsfield)
    return attacker.attack(
        volumes, alignment.affine, seed, original, relied_on=alignment.relied_on
    )
