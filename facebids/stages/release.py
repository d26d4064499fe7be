# SPDX-License-Identifier: Apache-2.0
"""Release stage: write a raw dataset for upload with its certificate, or refuse."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from facebids.bids import names, records
from facebids.bids.inputs import read_description
from facebids.bids.names import HeadImage
from facebids.config import ReleaseSettings, Settings
from facebids.core.record import Record
from facebids.errors import OutputError, ReleaseRefused, UsageError
from facebids.filesystem import write_json_atomic, write_text_atomic
from facebids.release import (
    build,
    cohort,
    gate,
    head_points,
    signature,
    tree,
    unexamined,
    validator,
)
from facebids.release.certificate import (
    ACCEPTED,
    BESIDE,
    JSON,
    MARKDOWN,
    SIGNATURE,
    Release,
    certify,
    check_own,
    differences,
    summary,
    validator_problems,
)
from facebids.release.certificate_types import Certificate, read_certificate, to_json
from facebids.release.checksums import check_files
from facebids.release.contents import Contents, assemble, was_defaced
from facebids.release.gate import Decision
from facebids.release.tree import Source
from facebids.stages.folders import make_writable
from facebids.stages.locks import hold
from facebids.stages.reporter import Reporter
from facebids.studies.results import Results
from facebids.words import counted, said_once

RunStudies = Callable[[list[HeadImage]], Results]
Tell = Callable[[str], None]

# in the private folder: identifying metadata, and what only a person can judge
FINDINGS, FREE_TEXT = 'release_metadata.tsv', 'release_free_text.tsv'
LOOKS = 'looks.json'  # in the work folder
FINDING_COLUMNS = ('path', 'where', 'rule', 'value')


@contextmanager
def reserved(release_settings: ReleaseSettings) -> Iterator[None]:
    """Reserve the folder above a release, which holds its certificate, for one run.

    Raises
    ------
    OutputError
        If another run builds a release there, if the folder cannot be written, or if the release
        would replace anything but an unchanged release.
    DatasetError
        If the certificate of an earlier release cannot be read.
    """
    above = release_settings.release_dir.parent
    make_writable(above, 'release')
    with hold([above], 'the release'):
        with build.prepared(release_settings.release_dir):
            _resume_install(release_settings)
            check_own(release_settings.release_dir)
        yield


def check_options(settings: Settings, release_settings: ReleaseSettings) -> None:
    """Check what a release can be refused for before anything is computed.

    Raises
    ------
    UsageError
        If only some participants were requested, or an option cannot be applied.
    DatasetError
        If the input is not a raw dataset.
    """
    if settings.participant_label:
        raise UsageError(
            '--release-dir releases the whole dataset. Omit --participant-label, and exclude '
            'files that must not be released with --exclude-failed.'
        )
    read_description(settings.bids_dir, required=not settings.skip_bids_validation)
    if release_settings.accept_file:
        gate.read_accepted(release_settings.accept_file)
    if release_settings.sign_key:
        signature.public_key_of(release_settings.sign_key)


def run_release(
    settings: Settings,
    release_settings: ReleaseSettings,
    found: list[Record],
    run_studies: RunStudies,
    tell: Tell = lambda _: None,
) -> Certificate:
    """Write the release, or refuse and report the reasons. Its folder must be `reserved`.

    Parameters
    ----------
    settings, release_settings
        The settings of the run, and those of the release.
    found
        Records of all images.
    run_studies
        Makes every comparison that the released images allow.
    tell
        Receives what is done next, in a line.

    Returns
    -------
    Certificate
        The certificate of the release.

    Raises
    ------
    ReleaseRefused
        If anything must not be released. An older release is kept.
    UsageError
        If only some participants were requested, or an option cannot be applied.
    DatasetError
        If any part of the dataset cannot be read.
    OutputError
        If the release cannot be written to the requested folder.
    """
    with build.prepared(release_settings.release_dir):
        return _release(settings, release_settings, found, run_studies, tell)


def _release(
    settings: Settings,
    release_settings: ReleaseSettings,
    found: list[Record],
    run_studies: RunStudies,
    tell: Tell,
) -> Certificate:
    new = build.staging_dir(release_settings.release_dir) / build.NEW
    key = release_settings.sign_key
    public_key = signature.public_key_of(key) if key else None
    sources = tree.walk(settings.bids_dir)
    tree.check_present(sources)
    tell(f'release: checking {counted(len(sources), "file")}')
    decisions = _look(settings, release_settings, sources, found, tell)
    date = _date(settings)
    contents = assemble(sources, decisions, settings.output_dir, date)
    checks = cohort.check(run_studies(_released_images(decisions)))
    _write_findings(settings, contents)
    if problems := [
        *(f'{item.path}: {item.reason}.' for item in decisions if item.action == gate.REFUSE),
        *contents.problems,
        *_links_to_private(settings, sources),
        *_missing_templates(settings, decisions),
        *cohort.objections(checks),
        *_metadata_problems(settings, release_settings, contents),
    ]:
        raise ReleaseRefused(said_once(problems))
    tell('release: writing and validating the dataset')
    build.build(contents.files, new, release_settings.link)
    checked = check_files(new, settings.nprocs)
    report = None if checked.damaged else validator.validate(new)
    if problems := [
        *map(_damaged, checked.damaged),
        *(validator_problems(report.errors) if report else ()),
    ]:
        shutil.rmtree(new)
        raise ReleaseRefused(said_once(problems))
    about = Release(
        name=release_settings.release_dir.name,
        command=_command(settings, release_settings),
        date=date,
        metadata=release_settings.metadata,
        decisions=decisions,
        contents=contents,
        checks=checks,
        report=report,
        public_key=public_key,
    )
    return _install(release_settings, about, checked.hashes)


def decide(
    settings: Settings,
    release_settings: ReleaseSettings,
    sources: Sequence[Source],
    found: list[Record],
) -> tuple[Decision, ...]:
    """Decide on every file of a dataset that may show a face, given the command line options.

    Parameters
    ----------
    settings, release_settings
        The settings of the run, and those of the release.
    sources
        All files of the dataset.
    found
        Records of all images.
    """
    failed = release_settings.exclude_failed
    accepted = (
        gate.read_accepted(release_settings.accept_file) if release_settings.accept_file else {}
    )
    choices = gate.Choices(
        accepted,
        frozenset(failed or ()),
        exclude_failed=failed == (),
        head_points=release_settings.head_points,
    )
    paths = [source.relative for source in sources]
    return gate.decide(paths, found, choices, head_points.find(sources))


def _look(
    settings: Settings,
    release_settings: ReleaseSettings,
    sources: Sequence[Source],
    found: list[Record],
    tell: Tell,
) -> tuple[Decision, ...]:
    """Decide on every file, and look at those that would be released without an examination."""
    return unexamined.look(
        decide(settings, release_settings, sources, found),
        {source.relative: source.path for source in sources},
        settings.work_dir / LOOKS,
        tell=tell,
        exclude=release_settings.exclude_failed == (),
        nprocs=settings.nprocs,
    )


def _links_to_private(settings: Settings, sources: Sequence[Source]) -> list[str]:
    """Return a problem for each file that is a link into the work or private folder."""
    folders = [Path(os.path.realpath(p)) for p in (settings.work_dir, settings.private_dir)]
    return [
        f'{source.relative}: it is a link into the work or private folder. Remove the link from '
        'the dataset.'
        for source in sources
        if any(source.path.is_relative_to(folder) for folder in folders)
    ]


def _missing_templates(settings: Settings, decisions: Sequence[Decision]) -> list[str]:
    """Return a problem for each defaced image without templates for the attack."""
    return [
        f'{item.path}: its templates are not in the private folder, so it cannot be attacked. '
        'Give the folder of the participant level with --private-dir or --work-dir, and run that '
        'level without --deface-only.'
        for item in decisions
        if item.action == gate.REPLACE
        and item.record is not None
        and was_defaced(item.record)
        and not records.has_templates(settings.private_dir, item.record)
    ]


def _released_images(decisions: Sequence[Decision]) -> list[HeadImage]:
    """Return the examined images that are released."""
    leaving = [item.path for item in decisions if item.action == gate.REPLACE]
    return [HeadImage.from_relative_path(path) for path in leaving]


def _metadata_problems(
    settings: Settings, release_settings: ReleaseSettings, contents: Contents
) -> list[str]:
    """Return a problem if metadata identify people and are not removed."""
    found = contents.findings
    if release_settings.metadata == 'scrub' or not found:
        return []
    rules = ', '.join(f'{rule} {n}' for rule, n in Counter(f.rule for f in found).most_common())
    files = len({item.path for item in found})
    return [
        f'Metadata identify people: {len(found)} values in {files} file'
        f'{"s" if files > 1 else ""} ({rules}), such as {found[0].where} in {found[0].path}. All '
        f'are listed in {settings.private_dir / FINDINGS}. Correct the dataset, or remove them '
        'from the release with --metadata scrub.'
    ]


def _write_findings(settings: Settings, contents: Contents) -> None:
    """Write the original values to the private folder, and nowhere else."""
    for name, findings in ((FINDINGS, contents.findings), (FREE_TEXT, contents.free_text)):
        path = settings.private_dir / name
        if not findings:
            path.unlink(missing_ok=True)
            continue
        make_writable(settings.private_dir, 'private', mode=0o700)
        rows = [{column: getattr(item, column) for column in FINDING_COLUMNS} for item in findings]
        write_text_atomic(path, records.tsv(list(FINDING_COLUMNS), rows))
        path.chmod(0o600)


def _date(settings: Settings) -> str:
    """Return the date on which the results of the cohort last changed; a rerun keeps it."""
    table = settings.output_dir / names.COMPARISONS_TABLE
    return time.strftime('%Y-%m-%d', time.gmtime(table.stat().st_mtime))


def _command(settings: Settings, release_settings: ReleaseSettings) -> str:
    """Return the command line, with the names of folders but not their paths."""
    words = [
        'facebids', settings.bids_dir.name, settings.output_dir.name, 'group',
        '--release-dir', release_settings.release_dir.name,
    ]  # fmt: skip
    if release_settings.exclude_failed is not None:
        words += ['--exclude-failed', *release_settings.exclude_failed]
    if release_settings.accept_file:
        words += ['--accept', release_settings.accept_file.name]
    return ' '.join(
        [
            *words,
            *('--link', release_settings.link),
            *('--metadata', release_settings.metadata),
            *('--head-points', release_settings.head_points),
        ]
    )


def _damaged(path: str) -> str:
    return (
        f'{path}: it is damaged, as its data do not match the checksum at their end. Copy it '
        f'again from its source, or exclude it (--exclude-failed {path}).'
    )


def _install(
    release_settings: ReleaseSettings, about: Release, hashes: dict[str, str]
) -> Certificate:
    """Write the certificate, and move dataset and certificate to their destinations."""
    from facebids.reports.certificate import certificate_markdown

    staging = build.staging_dir(release_settings.release_dir)
    if wrong := [p for p, known in about.contents.examined.items() if hashes.get(p) != known]:
        shutil.rmtree(staging / build.NEW)
        raise OutputError(
            f'{wrong[0]}: the written file is not the one that was attacked. Run it again.'
        )
    certificate = certify(about, hashes)
    if certificate.accepted and release_settings.accept_file:
        accepted = release_settings.accept_file.read_text(encoding='utf-8-sig')
        write_text_atomic(staging / ACCEPTED, accepted)
    else:
        (staging / ACCEPTED).unlink(missing_ok=True)
    write_text_atomic(staging / MARKDOWN, certificate_markdown(certificate))
    write_json_atomic(staging / JSON, to_json(certificate))
    if release_settings.sign_key:
        signed = signature.sign((staging / JSON).read_bytes(), release_settings.sign_key)
        write_text_atomic(staging / SIGNATURE, signed)
    else:
        (staging / SIGNATURE).unlink(missing_ok=True)
    build.install(staging / build.NEW, release_settings.release_dir)
    _move_certificate(release_settings.release_dir, certificate)
    return certificate


def _resume_install(release_settings: ReleaseSettings) -> None:
    """Move the certificate beside its release if a killed run did not do so."""
    root, staging = release_settings.release_dir, build.staging_dir(release_settings.release_dir)
    path = staging / JSON
    if not path.is_file() or (staging / build.NEW).exists() or not root.is_dir():
        return
    certificate = read_certificate(path)
    if not differences(certificate, root):
        _move_certificate(root, certificate)


def _move_certificate(root: Path, certificate: Certificate) -> None:
    """Move the certificate beside its release."""
    staging = build.staging_dir(root)
    unused = {
        *([] if certificate.accepted else [ACCEPTED]),
        *([] if certificate.public_key else [SIGNATURE]),
    }
    for name in reversed(BESIDE):  # the machine-readable one is moved last
        if (staging / name).exists():
            shutil.move(staging / name, root.parent / name)
        elif name in unused:
            (root.parent / name).unlink(missing_ok=True)
    build.clear(root)


def report(
    settings: Settings,
    release_settings: ReleaseSettings,
    certificate: Certificate,
    reporter: Reporter,
) -> None:
    """Report what was released, and where it is."""
    reporter.say()
    for what, count in summary(certificate).items():
        reporter.say(f'{what}: {count}')
    root = release_settings.release_dir
    paths = {'release': root, 'certificate': root.parent / MARKDOWN}
    if certificate.metadata.removed:
        paths['removed metadata (private)'] = settings.private_dir / FINDINGS
    if certificate.metadata.free_text:
        paths['free text to read before the upload (private)'] = settings.private_dir / FREE_TEXT
    reporter.show_paths(paths)


def describe(decisions: Sequence[Decision]) -> str:
    """Return the decisions as text, with refused files last."""
    refused = [item for item in decisions if item.action == gate.REFUSE]
    others = [item for item in decisions if item.action != gate.REFUSE]
    lines = [f'{item.path}\n  {item.action}: {item.reason}' for item in (*others, *refused)]
    end = (
        f'{counted(len(refused), "file")} would stop the release.'
        if refused
        else 'No file would stop it.'
    )
    note = 'A dry run checks neither contents, metadata, the cohort nor BIDS.'
    return '\n'.join([*lines, f'{end} {note}'])
