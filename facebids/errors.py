# SPDX-License-Identifier: Apache-2.0
"""Every error that FaceBIDS raises on purpose, and the exit code each one ends a run with.

::

    FacebidsError (70)
    ├── UsageError (2)            options that contradict each other, unknown labels
    │   └── TemplateError (2)     the template of --template is not there or cannot be used
    ├── DatasetError (65)         the input is not a usable BIDS dataset
    │   └── NoImagesError (66)    nothing in it matches what was asked for
    ├── ReleaseRefused (3)        a dataset must not be released as it is
    ├── OutputError (73)          a place to write to that must not or cannot be written
    ├── PhotographError (1)       one photograph; it is left out and the others go on
    └── ImageError (1)            one image; it fails itself and the others go on
        ├── UnreadableImageError  truncated, corrupt, not NIfTI
        ├── EmptyImageError       no signal: constant, all zero or not finite
        ├── NotAHeadError         no head was found in it
        ├── GridError             not on the grid of the image that it was acquired with
        └── UnexpectedError       an error of the program while it worked on the image
"""


class FacebidsError(Exception):
    """Base of all errors that carry a message for the user."""

    exit_code = 70


class UsageError(FacebidsError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


class TemplateError(UsageError):
    """The template that was named is not there, or is not one of a head."""


class DatasetError(FacebidsError):
    """The input dataset is unusable."""

    exit_code = 65


class NoImagesError(DatasetError):
    """No image of the dataset matches the request."""

    exit_code = 66


class ReleaseRefused(FacebidsError):  # noqa: N818 - no error of the program: a decision
    """Something must not leave; nothing was released.

    Parameters
    ----------
    reasons
        Each a sentence that names what it is about and what to do.
    """

    exit_code = 3

    def __init__(self, reasons):
        self.reasons = tuple(reasons)
        count = '1 reason' if len(self.reasons) == 1 else f'{len(self.reasons)} reasons'
        listed = ''.join(f'\n- {reason}' for reason in self.reasons)
        super().__init__(f'The release is refused for {count}. Nothing was released.{listed}')


class OutputError(FacebidsError):
    """An output, work or private directory must not or cannot be written."""

    exit_code = 73


class PhotographError(FacebidsError):
    """A photograph cannot be used; the others are not affected."""

    exit_code = 1


class ImageError(FacebidsError):
    """One image cannot be processed; the others are not affected."""

    exit_code = 1


class UnreadableImageError(ImageError):
    """The file cannot be read as a NIfTI image."""


class EmptyImageError(ImageError):
    """The image holds no signal."""


class NotAHeadError(ImageError):
    """No human head was found in the image."""


class UnexpectedError(ImageError):
    """An error that nobody foresaw stopped the image; the others are not affected."""


class GridError(ImageError):
    """The image lies on another grid than the one that it was acquired with."""
