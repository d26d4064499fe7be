# SPDX-License-Identifier: Apache-2.0
"""Deface a file, and check that nothing but the mask changed."""

from dataclasses import dataclass
from pathlib import Path

from facebids import filesystem
from facebids.core import images
from facebids.core.alignment.result import Alignment
from facebids.core.arrays import BoolArray
from facebids.core.coverage import Coverage, Integrity, MaskNumbers
from facebids.core.defacing.fill import fill_image
from facebids.core.record import Provenance
from facebids.errors import UnreadableImageError
from facebids.provenance import source_digest
from facebids.version import __version__


@dataclass(frozen=True)
class Defacing:
    """What was written, and from which file.

    Attributes
    ----------
    integrity
        What changed that must not change.
    source_sha256
        Digest of the file that was read.
    defaced_sha256
        Digest of the file that was written.
    mask_sha256
        Digest of the mask that was applied.
    """

    integrity: Integrity
    source_sha256: str
    defaced_sha256: str
    mask_sha256: str

    def numbers(self, coverage: Coverage) -> MaskNumbers:
        """Return the section of the record on the mask."""
        return MaskNumbers(**vars(coverage), **vars(self.integrity))

    @property
    def provenance(self) -> Provenance:
        """Section of the record on the files and the software."""
        return Provenance(
            version=__version__,
            software_sha256=source_digest(),
            source_sha256=self.source_sha256,
            defaced_sha256=self.defaced_sha256,
            mask_sha256=self.mask_sha256,
        )


def deface_file(
    path: str | Path,
    mask_path: str | Path,
    guard: BoolArray,
    out_path: str | Path,
    alignment: Alignment,
    mode: str,
    *,
    fill: str = 'air',
    seed: int = 0,
    hounsfield: bool = False,
) -> Defacing:
    """Replace the voxels of the mask, then compare the saved file with the source.

    Parameters
    ----------
    path
        The source image.
    mask_path
        The face mask, on its grid.
    guard : shape (X, Y, Z)
        Voxels that must not change.
    out_path
        The file to write.
    alignment
        Where the image lies relative to the head atlas.
    mode
        Defacing mode.
    fill
        What the mode ``'remove'`` leaves: ``'air'`` or ``'zero'``.
    seed
        Random seed of the noise.
    hounsfield
        Whether intensities are Hounsfield units.

    Raises
    ------
    UnreadableImageError
        If the source cannot be read, or changes while it is read.
    """
    source = filesystem.sha256(path)
    mask = images.read_mask(mask_path)
    zero = not mask.any() or (mode == 'remove' and fill == 'zero') or images.is_complex(path)
    values = (
        None if zero else fill_image(path, mask, alignment, mode, seed=seed, hounsfield=hounsfield)
    )
    outside = images.replace_voxels(path, mask, out_path, values)
    if filesystem.sha256(path) != source:
        raise UnreadableImageError(f'{path}: the file changed while it was read. Run it again.')
    return Defacing(
        Integrity(
            guard_voxels_changed=int((mask & guard).sum()) + outside,
            voxels_changed_outside=outside,
        ),
        source_sha256=source,
        defaced_sha256=filesystem.sha256(out_path),
        mask_sha256=filesystem.sha256(mask_path),
    )
