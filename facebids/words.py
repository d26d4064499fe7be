# SPDX-License-Identifier: Apache-2.0
"""Words with the right number. Standard library only."""


def counted(count: int, noun: str, plural: str = '') -> str:
    """Return a count with its noun: ``'1 image'``, ``'1,200 images'``.

    Parameters
    ----------
    count
        How many.
    noun
        The noun for one.
    plural
        That for others; by default with an ``s``.
    """
    return f'{count:,} {noun if count == 1 else plural or noun + "s"}'
