# SPDX-License-Identifier: Apache-2.0
"""Find out from the crash files of Nipype why an image failed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from facebids import errors
from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.filesystem import FULL_TEXTS

NOT_REACHED = 'not_processed'
FULL = 'disk_full'
# last line of a traceback, possibly indented: module, class, message
EXCEPTION = re.compile(r'^\s*((?:\w+\.)*)(\w*(?:Error|Exception|Pool))(?:: *(.*))?$', re.M)


@dataclass(frozen=True)
class Crash:
    """Error that stopped a step: full name of the step, error code and message."""

    node: str
    code: str
    message: str

    def concerns(self, image: HeadImage) -> bool:
        """Return whether the step belongs to the image."""
        return names.workflow_name(image) in self.node.split('.')

    def stopped_registration(self, image: HeadImage) -> bool:
        """Return whether the step belongs to the registration of the image."""
        steps = self.node.split('.')
        for_others = f'register_{names.workflow_name(image)}'
        return for_others in steps or (self.concerns(image) and 'register_wf' in steps)


def read_crashes(folder: Path) -> list[Crash]:
    """Return the crashes of a run in chronological order.

    Parameters
    ----------
    folder
        Folder of the crash files of the run in text format; it need not exist.
    """
    files = sorted(folder.glob('crash-*.txt'), key=lambda path: path.stat().st_mtime_ns)
    return [_read(path.read_text(encoding='utf-8', errors='replace')) for path in files]


def reason_for_missing_record(
    image: HeadImage,
    crashes: list[Crash],
    sources: Mapping[HeadImage, HeadImage | None],
) -> Crash:
    """Return the reason why an image has no record.

    A crash of a step that does not belong to an image affects all images. Without any crash that
    affects the image, the run ended before the image was processed.

    Parameters
    ----------
    image
        The image.
    crashes
        The crashes of the run.
    sources
        The image, if any, whose registration each image borrows or shares.
    """
    own = [crash for crash in crashes if crash.concerns(image)]
    waited_for = _stopped_sources(image, crashes, sources)
    shared = [crash for crash in crashes if not re.search(r'\.sub_\w+_wf\.', f'.{crash.node}.')]
    unknown = Crash('', NOT_REACHED, 'The run ended before it reached this image. Run it again.')
    return next(iter([*own, *waited_for, *shared]), unknown)


def _stopped_sources(
    image: HeadImage, crashes: list[Crash], sources: Mapping[HeadImage, HeadImage | None]
) -> Iterator[Crash]:
    """Yield the crashes that stopped the registration of a source, direct or indirect."""
    source = sources.get(image)
    while source:
        for crash in crashes:
            if crash.stopped_registration(source):
                message = (
                    f'This image depends on the registration of {source.relative_path}, which was '
                    'stopped. Run it again.'
                )
                yield Crash(crash.node, 'source_failed', message)
        source = sources.get(source)


def _read(text: str) -> Crash:
    node = re.match(r'Node: (\S+)', text)
    code, message = _explain(EXCEPTION.findall(text))
    return Crash(node[1] if node else '', code, message)


def _explain(raised: list[tuple[str, str, str]]) -> tuple[str, str]:
    """Return error code and message for the (module, class, message) of each exception."""
    ours = [(name, text) for module, name, text in raised if module == 'facebids.errors.']
    if ours:
        name, text = ours[0]
        return _snake(name), text or getattr(errors, name).__doc__
    if any(name == 'BrokenProcessPool' for _, name, _ in raised):
        return 'worker_killed', (
            'A process was killed while it processed this image, most likely because memory ran '
            'out. Reduce --nprocs or give the job more memory, and run it again.'
        )
    if any(full in text for _, _, text in raised for full in FULL_TEXTS):
        return FULL, 'The disk or quota was full. Free some space, and run it again.'
    # The message of a foreign exception may contain paths of this machine: report only its class.
    name = next((name for _, name, _ in reversed(raised) if name != 'NodeExecutionError'), 'Error')
    return 'unexpected_error', (
        f'Processing stopped with an unexpected error ({name}). See the log and the crash file in '
        'the work folder for details, and please report it.'
    )


def _snake(name: str) -> str:
    return re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()
