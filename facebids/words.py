# SPDX-License-Identifier: Apache-2.0
"""Words with the right number, and sentences said once. Standard library only."""

import re
from collections.abc import Iterable

SPELLED = {'halfside': 'half side'}  # names of views that have several words
LISTED = 10  # files below a sentence


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


def spelled(name: str) -> str:
    """Return a name as it is shown to people: ``'halfside'`` as ``'half side'``."""
    words = name.replace('_', ' ')
    for joined, apart in SPELLED.items():
        words = words.replace(joined, apart)
    return words


def said_once(sentences: Iterable[str]) -> list[str]:
    """Return sentences on files, of which those that differ by the file alone are said once.

    Parameters
    ----------
    sentences
        Each begins with a path and a colon, and may repeat the path: ``'a.nii: exclude a.nii.'``.

    Returns
    -------
    list of str
        In the order in which they are said first. Below a sentence on several files are the first
        `LISTED` of them, a line each, and the number of the others.
    """
    paths: dict[str, list[str]] = {}
    for sentence in sentences:
        path, colon, rest = sentence.partition(': ')
        whole = rf'(?<![\w.-]){re.escape(path)}(?![\w-])'
        alike = f'IMAGE: {re.sub(whole, "IMAGE", rest)}' if colon else sentence
        paths.setdefault(alike, []).append(sentence)
    return [_said(alike, found) for alike, found in paths.items()]


def _said(alike: str, sentences: list[str]) -> str:
    if len(sentences) == 1:
        return sentences[0]
    listed = [sentence.partition(': ')[0] for sentence in sentences[:LISTED]]
    if (others := len(sentences) - LISTED) > 0:
        listed.append(f'and {others:,} more')
    reason = alike.partition(': ')[2]
    return '\n    '.join([f'each of {counted(len(sentences), "file")}: {reason}', *listed])
