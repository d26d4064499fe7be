# SPDX-License-Identifier: Apache-2.0
"""Group stage: identification of participants, all tables, and the group report."""

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from facebids.bids import acquisitions, names, records
from facebids.bids.metadata import generated_by
from facebids.bids.names import HeadImage
from facebids.config import Settings
from facebids.core.record import Record
from facebids.errors import NoImagesError, UsageError
from facebids.filesystem import (
    TEMPORARY,
    own_temporary_folder,
    sweep,
    write_json_atomic,
    write_lines_atomic,
)
from facebids.release import cohort, tree
from facebids.stages import release
from facebids.stages.folders import make_writable
from facebids.stages.locks import hold
from facebids.stages.reporter import Reporter
from facebids.studies import tables as studies_tables
from facebids.studies.results import Results
from facebids.words import counted

SHOWN = 10  # participants that a message names
MOST_LINES = 500  # images that the terminal shows


def run_group(settings: Settings, reporter: Reporter) -> int:
    """Search each scan in a gallery of all participants, and write the group results.

    Returns
    -------
    int
        0, or 1 if an image of the dataset failed and no release was requested.

    Raises
    ------
    NoImagesError
        If the output folder has no metrics.
    UsageError
        If a requested participant has no metrics, or the private folder is not that of the
        participant level.
    ReleaseRefused
        If a release was requested and something must not be released.
    """
    if settings.release:
        release.check_options(settings, settings.release)
    if settings.dry_run:
        reporter.say(_dry_run(settings, _records(settings)))
        return 0
    folders = [path for path in (settings.output_dir, settings.private_dir) if path.is_dir()]
    if settings.output_dir in folders:
        make_writable(settings.output_dir, 'output')
    with hold(folders, 'the group level', sorted(settings.participant_label) or None):
        found = _records(settings)
        with release.reserved(settings.release) if settings.release else nullcontext():
            _check_templates(settings, found)
            _warn_of_missing(settings, found, reporter)
            for folder in (*folders, settings.work_dir, Path(gettempdir())):
                sweep(folder.glob(f'{TEMPORARY}*'))
            with own_temporary_folder():
                return _run(settings, _with_images(settings.output_dir, found), reporter)


def _records(settings: Settings) -> list[Record]:
    """Return the records of the requested participants."""
    found = records.read_all(settings.output_dir, settings.participant_label)
    if not found:
        raise NoImagesError(
            f'{settings.output_dir}: no metrics found. Run the participant level first, '
            'with the same folders.'
        )
    there = {record.participant_id.removeprefix('sub-') for record in found}
    if missing := [label for label in settings.participant_label if label not in there]:
        raise UsageError(
            f'--participant-label: no metrics for {", ".join(missing)}. '
            'Run the participant level for them first.'
        )
    return found


def _warn_of_missing(settings: Settings, found: list[Record], reporter: Reporter) -> None:
    """Name the participants of the dataset without metrics, as their jobs may have been killed."""
    if settings.participant_label:
        return
    people = {path.name for path in settings.bids_dir.glob('sub-*') if path.is_dir()}
    if missing := sorted(people - {record.participant_id for record in found}):
        shown = ', '.join(missing[:SHOWN]) + (' ...' if len(missing) > SHOWN else '')
        of = counted(len(people), 'participant')
        reporter.warn(
            f'facebids: no metrics of {len(missing):,} of {of} ({shown}). '
            'They have no image to deface, or their participant level has not ended.'
        )


def _run(settings: Settings, found: list[Record], reporter: Reporter) -> int:
    images = [HeadImage.from_relative_path(record.image) for record in found]
    people = len({record.participant_id for record in found})
    reporter.say(f'comparing {counted(len(images), "image")} of {counted(people, "participant")}')
    results = _run_studies(settings, images, reporter)
    write(settings, found, results)
    urgent = sorted(found, key=lambda record: record.verdict == 'pass')
    reporter.show_results(found if len(found) <= MOST_LINES else urgent[:MOST_LINES], {})
    if len(found) > MOST_LINES:
        reporter.say(f'{MOST_LINES} of {len(found):,} images; {names.GROUP_TABLE} has all.')
    reporter.show_findings(results)
    reporter.show_paths({'group report': settings.output_dir / names.GROUP_PAGE})
    if settings.release:
        certificate = release.run_release(
            settings,
            settings.release,
            found,
            lambda leaving: (
                results if leaving == images else _run_studies(settings, leaving, reporter)
            ),
            reporter.say,
        )
        release.report(settings, settings.release, certificate, reporter)
        return 0
    return int(any(record.verdict == 'fail' for record in found))


def _check_templates(settings: Settings, found: list[Record]) -> None:
    """Refuse a private folder without any template: it would empty an earlier page."""
    enrolled = [record for record in found if record.identifiability and not record.passed_on]
    if enrolled and not any(
        records.has_templates(settings.private_dir, item) for item in enrolled
    ):
        raise UsageError(
            f'{settings.private_dir}: this private folder has no template of any of the '
            f'{len(enrolled):,} attacked images, so nothing could be compared. Give the folder of '
            'the participant level with --work-dir or --private-dir. Nothing was written.'
        )


def _with_images(output_dir: Path, found: list[Record]) -> list[Record]:
    """Return records, of which those fail whose image is not there: their run was killed."""
    return [
        record
        if record.verdict == 'fail' or (output_dir / names.defaced(image)).is_file()
        else records.failed(
            image,
            'output_missing',
            'The defaced image is not there. Run the participant level again.',
        )
        for record in found
        for image in [HeadImage.from_relative_path(record.image)]
    ]


def _dry_run(settings: Settings, found: list[Record]) -> str:
    """Return the verdict of each image as text, or what a release would do with each file."""
    if settings.release:
        sources = tree.walk(settings.bids_dir)
        return release.describe(release.decide(settings, settings.release, sources, found))
    return '\n'.join(f'{record.image}: {record.verdict}' for record in found)


def _run_studies(settings: Settings, images: list[HeadImage], reporter: Reporter) -> Results:
    from facebids.studies import dataset
    from facebids.studies.photographs.enrol import enrol

    faces, notes = None, []
    if settings.photos_dir:
        photographs = enrol(settings.photos_dir, {image.participant for image in images})
        faces, notes = photographs.templates, photographs.notes
        for problem in photographs.problems:
            reporter.warn(f'photographs: {problem.message}')
    return dataset.attack(
        settings.private_dir,
        images,
        faces,
        settings.seed,
        notes,
        acquisitions.read(settings.bids_dir, images),
        settings.nprocs,
    )


def write(settings: Settings, found: list[Record], results: Results) -> None:
    """Write the tables of images, comparisons and searches, their dictionaries, and the page.

    Parameters
    ----------
    settings
        Settings of the run.
    found
        Records of all images.
    results
        Results of the comparisons between participants.
    """
    from facebids.reports.group import write_page

    ranks = studies_tables.image_ranks(results)
    rows = (records.row(record) | ranks.get(record.image, {}) for record in found)
    meanings = records.dictionary(found) | studies_tables.dictionary(studies_tables.IMAGE_COLUMNS)
    compared = studies_tables.comparison_rows(results)
    header = studies_tables.header(compared, studies_tables.COMPARISON_COLUMNS)
    tables: dict[str, tuple[str, dict[str, dict[str, Any]], Iterable[studies_tables.Row]]] = {
        names.GROUP_TABLE: (names.GROUP_DICTIONARY, meanings, rows),
        names.COMPARISONS_TABLE: (
            names.COMPARISONS_DICTIONARY,
            studies_tables.dictionary(header),
            compared,
        ),
        names.SEARCHES_TABLE: (
            names.SEARCHES_DICTIONARY,
            studies_tables.dictionary(studies_tables.SEARCH_COLUMNS),
            studies_tables.search_rows(results),
        ),
    }
    for table, (dictionary, columns, content) in tables.items():
        write_lines_atomic(settings.output_dir / table, records.tsv_lines(list(columns), content))
        described = {'GeneratedBy': [generated_by()], **columns}
        write_json_atomic(settings.output_dir / dictionary, described)
    objections = cohort.objections(cohort.check(results))
    write_page(settings.output_dir, found, results, settings, objections)
