# SPDX-License-Identifier: Apache-2.0
"""The errors of FaceBIDS, and the exit codes that they end a run with.

::

    FacebidsError (70)
    ├── UsageError (2)            options that contradict each other, unknown labels
    │   └── TemplateError (2)     the template of --template is missing or unsuitable
    ├── DatasetError (65)         the input is not a usable BIDS dataset
    │   └── NoImagesError (66)    no image of it matches the request
    ├── ReleaseRefused (3)        the dataset must not be released as it is
    ├── OutputError (73)          a folder must not or cannot be written, or is full
    ├── PhotographError (1)       a photograph cannot be used and is left out
    ├── VideoError (1)            a video or photograph cannot be masked and fails
    └── ImageError (1)            an image cannot be processed and fails
        ├── UnreadableImageError  truncated, corrupt, not NIfTI
        ├── EmptyImageError       no signal: constant, all zero or not finite
        ├── NotAHeadError         no head was found
        ├── GridError             not on the grid of the image whose registration it shares
        ├── KeepMaskError         the mask of what to keep does not fit the image
        └── UnexpectedError       internal error while the image was processed

A run that is interrupted (SIGINT, SIGTERM) ends with 130.
"""

import collections.abc


class FacebidsError(Exception):
    """Base class of all errors with a message for the user."""

    exit_code = 70


class UsageError(FacebidsError):
    """The command line requests something impossible."""

    exit_code = 2


class TemplateError(UsageError):
    """The template is missing, or is not a head."""


class DatasetError(FacebidsError):
    """The input dataset is unusable."""

    exit_code = 65


class NoImagesError(DatasetError):
    """No image of the dataset matches the request."""

    exit_code = 66


class ReleaseRefused(FacebidsError):  # noqa: N818 - a decision, not an error of the program
    """The release was refused, and nothing was released.

    Parameters
    ----------
    reasons
        Sentences that name the file or number, and the remedy.
    """

    exit_code = 3

    def __init__(self, reasons: collections.abc.Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        count = '1 reason' if len(self.reasons) == 1 else f'{len(self.reasons)} reasons'
        listed = ''.join(f'\n- {reason}' for reason in self.reasons)
        super().__init__(f'The release is refused for {count}. Nothing was released.{listed}')


class OutputError(FacebidsError):
    """A folder must not or cannot be written."""

    exit_code = 73


class PhotographError(FacebidsError):
    """A photograph cannot be used. Others are not affected."""

    exit_code = 1


class VideoError(FacebidsError):
    """A video or photograph cannot be masked. Others are not affected."""

    exit_code = 1


class ImageError(FacebidsError):
    """An image cannot be processed. Others are not affected."""

    exit_code = 1


class UnreadableImageError(ImageError):
    """The file cannot be read as a NIfTI image."""


class EmptyImageError(ImageError):
    """The image holds no signal."""


class NotAHeadError(ImageError):
    """No human head was found in the image."""


class UnexpectedError(ImageError):
    """An internal error stopped the image. Others are not affected."""


class GridError(ImageError):
    """The image is not on the grid of the image whose registration it shares."""


class KeepMaskError(ImageError):
    """The mask of what to keep in the image does not fit it."""
