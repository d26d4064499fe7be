# SPDX-License-Identifier: Apache-2.0
"""Reading photographs, as they come from cameras, telephones and scanners."""

import numpy as np

from facebids.errors import PhotographError

FORMATS = ('JPEG', 'PNG')  # by content, whatever the file's name says
LARGEST = 1600  # pixels of the longer side: more shows a face no better and takes longer
SMALLEST = 40  # pixels of the shorter side: no detector finds a smaller face


def read(path):
    """Read a photograph the right way up, on white where it is transparent.

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
            file.draft('RGB', (LARGEST, LARGEST))  # JPEG only: decodes no more than is needed
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


def _eight_bits(picture):
    """Return a picture of 16 bits, which Pillow would cut off at 255, as one of 8."""
    from PIL import Image

    if not picture.mode.startswith('I'):
        return picture
    return Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
