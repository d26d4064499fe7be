# SPDX-License-Identifier: Apache-2.0
"""Run the BIDS validator on a dataset, and read what it found.

It is the program of https://github.com/bids-standard/bids-validator as PyPI's
``bids-validator-deno`` installs it, with the schema of BIDS built in: it needs no network. Headers
of images are read too. Whatever goes wrong is an error here, never a dataset without errors.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from facebids.errors import FacebidsError

PROGRAM = 'bids-validator-deno'
HOUR = 60 * 60  # s


@dataclass(frozen=True)
class Issue:
    """One finding of the validator.

    Attributes
    ----------
    code
        ``'NOT_INCLUDED'``, with its detail where it has one: ``'SIDECAR_KEY_REQUIRED: EchoTime'``.
    severity
        ``'error'`` or ``'warning'``.
    location
        Relative path of the file, or ``''``.
    message
        In words.
    """

    code: str
    severity: str
    location: str
    message: str


@dataclass(frozen=True)
class Report:
    """What the validator says of a dataset.

    Attributes
    ----------
    version
        Of the validator; None if it does not tell.
    schema
        Version of the schema of BIDS that it validated against, or None.
    files
        How many files it saw.
    errors, warnings
        Its findings.
    """

    version: str | None
    schema: str | None
    files: int
    errors: tuple[Issue, ...]
    warnings: tuple[Issue, ...]

    @property
    def valid(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    @property
    def counts(self) -> dict[str, int]:
        """How often each code occurs, errors first, the most frequent first."""
        return dict(
            pair
            for issues in (self.errors, self.warnings)
            for pair in Counter(issue.code for issue in issues).most_common()
        )


def find() -> Path | None:
    """Return the validator of this Python environment, or the one on ``PATH``, or None."""
    beside = Path(sys.executable).with_name(PROGRAM)
    found = shutil.which(beside) or shutil.which(PROGRAM)
    return Path(found) if found else None


def validate(root: str | Path, timeout: float = HOUR) -> Report | None:
    """Validate a dataset.

    Parameters
    ----------
    root
        Folder of the dataset.
    timeout
        Seconds after which to give up.

    Returns
    -------
    Report or None
        None where the validator is not installed.

    Raises
    ------
    FacebidsError
        If the validator fails, takes too long, or says something that cannot be read.
    """
    program = find()
    if program is None:
        return None
    root = Path(os.path.realpath(root))
    with TemporaryDirectory(prefix='facebids-') as folder:
        environment = _environment(folder)
        version = _run([program, '--version'], environment, timeout).stdout.split()
        answer = Path(folder, 'report.json')
        arguments = [program, '--format', 'json', '--outfile', answer, root]
        done = _run(arguments, environment, timeout)
        try:
            report = _read(answer.read_text(encoding='utf-8'), root, version)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _failure(_last_words(done) or f'its report is unreadable: {error!r}') from error
    if done.returncode and report.valid:  # it ends with 16 after errors in the dataset
        raise _failure(f'exit code {done.returncode}: {_last_words(done)}')
    return report


def _environment(folder: str) -> dict[str, str]:
    # deno keeps caches, by default in the home folder, which may not be writable; BIDS_SCHEMA
    # would have another schema downloaded; it asks git for its version, and in an environment
    # inside of a checkout would tell that of the checkout
    ours = {'DENO_DIR': folder, 'DENO_NO_UPDATE_CHECK': '1', 'NO_COLOR': '1', 'GIT_DIR': folder}
    unwanted = ('BIDS_SCHEMA', 'FORCE_COLOR')
    return {key: value for key, value in os.environ.items() if key not in unwanted} | ours


def _run(
    arguments: Iterable[str | Path], environment: dict[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [*map(str, arguments)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding='utf-8',
            errors='replace',
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _failure(f'it had not finished after {timeout:g} s') from error
    except OSError as error:
        raise _failure(str(error.strerror)) from error


def _failure(reason: str) -> FacebidsError:
    return FacebidsError(
        f'The BIDS validator failed ({reason}): whether the dataset is valid BIDS is not known. '
        f'Run {PROGRAM} on it yourself, or install the validator again.'
    )


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    return next((line.strip() for line in done.stderr.splitlines() if line.strip()), '')


def _read(text: str, root: Path, version: list[str]) -> Report:
    """Return what is in the JSON that the validator wrote."""
    answer = json.loads(text)
    messages, summary = answer['issues']['codeMessages'], answer['summary']
    issues = [_issue(item, messages, root) for item in answer['issues']['issues']]
    return Report(
        version=version[-1] if version else None,
        schema=summary.get('schemaVersion'),
        files=summary['totalFiles'],
        # what is neither a warning nor to be ignored counts as an error
        errors=tuple(item for item in issues if item.severity not in ('warning', 'ignore')),
        warnings=tuple(item for item in issues if item.severity == 'warning'),
    )


def _issue(item: dict[str, Any], messages: dict[str, str], root: Path) -> Issue:
    code = ': '.join(filter(None, [item['code'], item.get('subCode')]))
    location = item.get('location') or next(iter(item.get('affects') or ()), '')
    message = item.get('issueMessage') or messages.get(item['code']) or ''
    return Issue(
        code,
        item['severity'],
        location.removeprefix('/'),
        ' '.join(message.replace(f'{root}/', '').split()),
    )
