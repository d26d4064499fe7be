# SPDX-License-Identifier: Apache-2.0
"""Read why an image failed from the crash files that Nipype leaves."""

import re
from dataclasses import dataclass
from pathlib import Path

from facebids import errors
from facebids.bids import names
from facebids.bids.names import HeadImage

# a line of a traceback, indented or not: module, class, message
NOT_REACHED = 'not_processed'
EXCEPTION = re.compile(r'^\s*((?:\w+\.)*)(\w*(?:Error|Exception|Pool))(?:: *(.*))?$', re.M)


@dataclass(frozen=True)
class Crash:
    """An error that stopped a step: the full name of the step, a code and a sentence."""

    node: str
    code: str
    message: str

    def concerns(self, image: HeadImage) -> bool:
        """Return whether the step belongs to the image."""
        return names.workflow_name(image) in self.node.split('.')


def read_crashes(folder: Path) -> list[Crash]:
    """Return the crashes of a run, the earliest first.

    Parameters
    ----------
    folder
        Where Nipype put the crash files of the run, as text; it may be missing.
    """
    files = sorted(folder.glob('crash-*.txt'), key=lambda path: path.stat().st_mtime_ns)
    return [_read(path.read_text(encoding='utf-8', errors='replace')) for path in files]


def why_missing(image: HeadImage, crashes: list[Crash]) -> Crash:
    """Return what stopped an image that left no record.

    A crash of a step that belongs to no image concerns all of them; without any, the run ended
    before the image's turn.
    """
    own = [crash for crash in crashes if crash.concerns(image)]
    shared = [crash for crash in crashes if not re.search(r'\.sub_\w+_wf\.', f'.{crash.node}.')]
    unknown = Crash('', NOT_REACHED, 'The run ended before this image was done. Run it again.')
    return next(iter([*own, *shared]), unknown)


def _read(text: str) -> Crash:
    node = re.match(r'Node: (\S+)', text)
    code, message = _explain(EXCEPTION.findall(text))
    return Crash(node[1] if node else '', code, message)


def _explain(raised: list[tuple[str, str, str]]) -> tuple[str, str]:
    """Return code and sentence for the exceptions of a traceback: (module, class, message)."""
    ours = [(name, text) for module, name, text in raised if module == 'facebids.errors.']
    if ours:
        name, text = ours[0]
        return _snake(name), text or getattr(errors, name).__doc__
    if any(name == 'BrokenProcessPool' for _, name, _ in raised):
        return 'worker_killed', (
            'A process was killed while it worked on this image, most likely for lack of memory. '
            'Lower --nprocs or give the job more memory, and run it again.'
        )
    # what a stranger's exception says may name folders of this machine, so only its class is told
    name = next((name for _, name, _ in reversed(raised) if name != 'NodeExecutionError'), 'Error')
    return 'unexpected_error', (
        f'An unexpected error ({name}) stopped this image. The log and the crash file in the work '
        'folder tell more; please report it.'
    )


def _snake(name: str) -> str:
    return re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()
