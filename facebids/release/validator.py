# SPDX-License-Identifier: Apache-2.0
"""Run the BIDS validator on a dataset and read its report.

The validator (https://github.com/bids-standard/bids-validator) is installed from PyPI as
``bids-validator-deno``. It contains the schema of BIDS and needs no network. It also reads headers
of images. Any failure of the validator is an error, never a dataset without errors.
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
    """An issue that the validator reports.

    Attributes
    ----------
    code
        Its code, ``'NOT_INCLUDED'``, with the subcode if there is one,
        ``'SIDECAR_KEY_REQUIRED: EchoTime'``.
    severity
        ``'error'`` or ``'warning'``.
    location
        Relative path of the file, or an empty string.
    message
        Description in words.
    """

    code: str
    severity: str
    location: str
    message: str


@dataclass(frozen=True)
class Report:
    """The report of the validator.

    Attributes
    ----------
    version
        Version of the validator, or None if it is unknown.
    schema
        Version of the BIDS schema, or None if it is unknown.
    files
        Number of files.
    errors, warnings
        The issues.
    """

    version: str | None
    schema: str | None
    files: int
    errors: tuple[Issue, ...]
    warnings: tuple[Issue, ...]

    @property
    def valid(self) -> bool:
        """Whether there are no errors."""
        return not self.errors

    @property
    def counts(self) -> dict[str, int]:
        """Number of issues of each code, errors before warnings, the most frequent first."""
        return dict(
            pair
            for issues in (self.errors, self.warnings)
            for pair in Counter(issue.code for issue in issues).most_common()
        )


def find() -> Path | None:
    """Return the validator in this Python environment or on ``PATH``, or None."""
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
        Time limit (s).

    Returns
    -------
    Report or None
        None if the validator is not installed.

    Raises
    ------
    FacebidsError
        If the validator fails, exceeds the time limit, or writes an unreadable report.
    """
    program = find()
    if program is None:
        return None
    root = Path(os.path.realpath(root))
    with TemporaryDirectory(prefix='facebids-') as folder:
        environment = _environment(folder)
        asked = _run([program, '--version'], environment, timeout)
        if asked.returncode:  # killed, for example: the certificate would lack the version
            raise _failure(f'exit code {asked.returncode} when asked for its version')
        version = asked.stdout.split()
        answer = Path(folder, 'report.json')
        arguments: list[str | Path] = [program, '--format', 'json', '--outfile', answer, root]
        done = _run(arguments, environment, timeout)
        try:
            report = _read(answer.read_text(encoding='utf-8'), root, version)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _failure(_last_words(done) or f'its report is unreadable: {error!r}') from error
    if done.returncode and report.valid:  # it ends with 16 after errors in the dataset
        raise _failure(f'exit code {done.returncode}: {_last_words(done)}')
    return report


def _environment(folder: str) -> dict[str, str]:
    # Deno's cache is by default in the home folder, which may not be writable. BIDS_SCHEMA would
    # download another schema. The validator gets its version from git, which inside a checkout
    # would be that of the checkout.
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
        raise _failure(f'it did not finish within {timeout:g} s') from error
    except OSError as error:
        raise _failure(str(error.strerror)) from error


def _failure(reason: str) -> FacebidsError:
    return FacebidsError(
        f'The BIDS validator failed ({reason}), so the dataset may not be valid BIDS. Run '
        f'{PROGRAM} on the dataset, or reinstall the validator.'
    )


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    return next((line.strip() for line in done.stderr.splitlines() if line.strip()), '')


def _read(text: str, root: Path, version: list[str]) -> Report:
    """Return the report in the JSON output of the validator."""
    answer = json.loads(text)
    messages, summary = answer['issues']['codeMessages'], answer['summary']
    issues = [_issue(item, messages, root) for item in answer['issues']['issues']]
    return Report(
        version=version[-1] if version else None,
        schema=summary.get('schemaVersion'),
        files=summary['totalFiles'],
        # unknown severities count as errors
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
