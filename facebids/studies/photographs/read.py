# SPDX-License-Identifier: Apache-2.0
"""Read photographs as cameras, telephones and scanners write them."""

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from facebids.core.arrays import AnyArray
from facebids.errors import PhotographError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS = ('JPEG', 'PNG')  # by content, whatever the name of the file
LARGEST = 1600  # pixels of the longer side: more do not improve recognition and take longer
SMALLEST = 40  # pixels of the shorter side: no detector finds smaller faces


def read(path: str | PathLike[str]) -> AnyArray:
    """Read a photograph, upright, and white where it is transparent.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        RGB, the longer side at most `LARGEST` pixels.

    Raises
    ------
    PhotographError
        If it is neither JPEG nor PNG, broken, or smaller than `SMALLEST` pixels.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=FORMATS) as file:
            file.draft('RGB', (LARGEST, LARGEST))  # of JPEG, decodes no more pixels than needed
            picture = ImageOps.exif_transpose(_eight_bits(file))
            picture.thumbnail((LARGEST, LARGEST))
            whole = picture.convert('RGBA')
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotographError(f'{path} cannot be read as JPEG or PNG: {error}') from error
    if min(whole.size) < SMALLEST:
        raise PhotographError(f'{path} is smaller than {SMALLEST} pixels.')
    flat = Image.new('RGBA', whole.size, 'white')
    flat.alpha_composite(whole)
    return np.asarray(flat.convert('RGB'))


def _eight_bits(picture: 'Picture') -> 'Picture':
    """Return a picture of 16 bits, which Pillow would clip at 255, as one of 8."""
    from PIL import Image

    if not picture.mode.startswith('I'):
        return picture
    return Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
