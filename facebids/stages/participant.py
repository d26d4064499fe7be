# SPDX-License-Identifier: Apache-2.0
"""Participant stage: plan, run the workflow, and write the results of each image."""

import os
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from tempfile import gettempdir

from facebids.bids import names, records
from facebids.bids.inputs import collect_images, read_description
from facebids.bids.keep_masks import with_keep_masks
from facebids.bids.metadata import public_paths, write_dataset_files
from facebids.bids.names import HeadImage
from facebids.bids.plan import (
    ParticipantPlan,
    complete,
    count_not_defaced,
    describe,
    make_plan,
    summarise,
)
from facebids.bids.usage import Usage
from facebids.config import Settings
from facebids.core.record import Record
from facebids.filesystem import TEMPORARY, own_temporary_folder, sweep, write_text_atomic
from facebids.stages import shared_folders
from facebids.stages.crashes import FULL, NOT_REACHED, read_crashes, reason_for_missing_record
from facebids.stages.folders import create_folders, full, make_writable
from facebids.stages.graph import logged, run_graph
from facebids.stages.locks import hold
from facebids.stages.monitor import Monitor
from facebids.stages.reporter import Reporter
from facebids.stages.space_template import check_template, prepare_template
from facebids.words import counted

# how long an image took that was not stopped, in the log
WALL_TIME = re.compile(r'\[\d+/\d+\] \S+: (?:pass|review), (\d+) s wall time')


def run_participants(settings: Settings, reporter: Reporter) -> int:
    """Deface and attack every requested image.

    Returns
    -------
    int
        0, or 1 if an image failed or a folder could not be read.
    """
    if settings.dry_run:
        plans = _plans(replace(settings, bids_database_dir=None))
        reporter.say(describe(plans))
        reporter.say(f'\n{summarise(plans)}')
        if expected := _expected(settings, sum(len(plan.images) for plan in plans)):
            reporter.say(expected)
        return 0
    if settings.bids_database_dir:
        make_writable(settings.bids_database_dir, 'database')
    plans = _plans(settings)
    _report_not_defaced(settings, plans, reporter)
    check_template(settings)
    # metrics that cannot be merged would stop the run at its end
    labels = [plan.participant for plan in plans]
    records.read_all(settings.output_dir, labels)
    make_writable(settings.output_dir, 'output')
    make_writable(settings.work_dir, 'work')
    what = 'the participant level'
    # who deletes intermediate files must be alone
    cleaned = None if settings.clean_workdir else labels
    with (
        hold([settings.output_dir], what, labels),
        hold([settings.work_dir], what, cleaned),
    ):
        create_folders(settings)
        with hold([settings.private_dir], what, labels):
            _sweep(settings, labels)
            with own_temporary_folder():
                return _run(settings, plans, reporter)


def _expected(settings: Settings, count: int) -> str:
    """Return how long a run would take, if earlier runs with this work folder tell."""
    found = [
        float(seconds)
        for path in sorted((settings.work_dir / 'log').glob('*/facebids.log'))
        for seconds in WALL_TIME.findall(path.read_text(encoding='utf-8', errors='replace'))
    ]
    if not found or not count:
        return ''
    each = sum(found) / len(found)
    left = each * count / min(settings.nprocs, count)
    return (
        f'expected wall time: about {max(left / 60, 1):.0f} min with '
        f'{counted(settings.nprocs, "process", "processes")} '
        f'({each:.0f} s for each image, the mean of {counted(len(found), "image")} in '
        'earlier runs)'
    )


def _sweep(settings: Settings, labels: Sequence[str]) -> None:
    """Delete the temporary files that killed runs left, from folders that may be written."""
    tops = [settings.output_dir, settings.private_dir, settings.private_dir / names.withheld('')]
    for folder in (Path(top, f'sub-{label}') for top in tops for label in labels):
        if folder.is_dir():
            inner = [path for path in folder.rglob('*') if path.is_dir()]
            for path in (folder, *inner):  # a run would otherwise fail at its end
                make_writable(path, 'output')
            # reserved for this run, so that nobody else may have made them
            sweep(folder.rglob('*'), owned=True)
    shared = [*tops, settings.work_dir, settings.bids_database_dir, settings.output_dir / 'logs']
    for folder in filter(None, [*shared, Path(gettempdir())]):
        sweep(folder.glob(f'{TEMPORARY}*'))
    for name in ('records', 'log', 'cache'):
        sweep((settings.work_dir / name).rglob('*'))


def _run(settings: Settings, plans: tuple[ParticipantPlan, ...], reporter: Reporter) -> int:
    if note := shared_folders.note_on_group(settings.private_dir):
        reporter.warn(f'facebids: {note}')
    if sentence := shared_folders.warning(settings.private_dir):
        reporter.warn(sentence)
    run_id = f'{time.strftime("%Y%m%d-%H%M%S")}_{uuid.uuid4().hex[:8]}'
    log_dir = settings.work_dir / 'log' / run_id
    write_text_atomic(log_dir / 'settings.json', settings.to_json() + '\n')
    with logged(log_dir / 'facebids.log'):
        source = read_description(settings.bids_dir, required=False)
        write_dataset_files(settings.output_dir, source, settings.bids_dir, [settings.mode])
        template = prepare_template(settings)
        crash_dir = settings.work_dir / 'crash' / run_id
        return _process(settings, plans, log_dir, crash_dir, template, reporter)


def _plans(settings: Settings) -> tuple[ParticipantPlan, ...]:
    found = collect_images(settings)
    plans = make_plan(
        found.images,
        found.others,
        found.not_defaced,
        template=settings.template,
        force=settings.force,
    )
    if settings.keep_mask is not None:
        known = [*found.images, *found.others, *(item.image for item in found.refused)]
        plans = with_keep_masks(plans, settings.keep_mask, known)
    return complete(plans, found.participants, found.not_defaced, found.refused, found.closed)


def _process(
    settings: Settings,
    plans: tuple[ParticipantPlan, ...],
    log_dir: Path,
    crash_dir: Path,
    template: Path | None,
    reporter: Reporter,
) -> int:
    planned = tuple(plan for plan in plans if plan.images)
    images = [item.image for plan in planned for item in plan.images]
    for image in images:  # a record of an earlier run would be taken for a new one
        (settings.work_dir / names.record(image)).unlink(missing_ok=True)

    def read_record(image: HeadImage) -> Record | None:
        return records.read(settings.work_dir / names.record(image))

    sources = {
        item.image: item.lender for plan in plans for item in (*plan.images, *plan.registered)
    }

    def explain(image: HeadImage) -> Record:
        reason = reason_for_missing_record(image, read_crashes(crash_dir), sources)
        return records.failed(image, reason.code, reason.message)

    with reporter.follow(images, read_record, explain) as progress:
        monitor = Monitor(progress, planned)
        callback = monitor if settings.resource_monitor else progress
        finished = run_graph(settings, planned, callback, crash_dir, log_dir, template)
    if settings.resource_monitor:
        monitor.write(log_dir)
    crashes = read_crashes(crash_dir)
    if any(crash.code == FULL for crash in crashes):
        raise full(settings)
    ended_early = not finished or (settings.stop_on_first_crash and bool(crashes))
    results = {
        item.image: records.failed(item.image, item.code, item.message)
        for plan in plans
        for item in plan.refused
    }
    for image in images:
        found = read_record(image)
        if found is None:
            reason = reason_for_missing_record(image, crashes, sources)
            if ended_early and reason.code == NOT_REACHED:  # it keeps the results it had
                continue
            found = records.failed(image, reason.code, reason.message)
        results[image] = _strip_paths(_require_output(image, found, settings.output_dir), settings)
        if finished:
            progress.end(image, results[image])
    publish(settings, results, tuple(monitor.used.values()))
    if not finished:
        raise KeyboardInterrupt
    seconds = {image.relative_path: progress.seconds_of(image) for image in results}
    reporter.show_results(results.values(), seconds)
    reporter.show_paths(_paths(settings, log_dir, crash_dir if crashes else None))
    left_out = any(plan.closed for plan in plans)
    return int(left_out or any(result.verdict == 'fail' for result in results.values()))


def publish(
    settings: Settings, results: dict[HeadImage, Record], used: Sequence[Usage] = ()
) -> None:
    """Remove stale files, and write metrics and reports.

    Parameters
    ----------
    settings
        The settings of the run.
    results
        The record of each image, including images that failed.
    used
        What the steps of the images used, if it was measured.
    """
    from facebids.reports.participant import write_pages

    for image, result in results.items():
        remove_stale(settings, image, result)
    by_session = sorted(results, key=names.metrics)
    for metrics_name, session in groupby(by_session, key=names.metrics):
        records.merge(settings.output_dir, metrics_name, [results[image] for image in session])
    for participant in sorted({image.participant for image in results}):
        write_pages(settings.output_dir, settings.private_dir, participant, settings, used)


def remove_stale(settings: Settings, image: HeadImage, result: Record) -> None:
    """Delete files of earlier runs that contradict the result of this run.

    A failed image has only its record in the output folder. A released image has no withheld
    files. An image that was stopped by an error has neither.
    """
    public = public_paths(settings.output_dir, image)
    withheld = public_paths(settings.private_dir / names.withheld(''), image)
    stale = withheld if result.verdict != 'fail' else public
    if result.mask is None:
        stale = public + withheld
    for path in stale:
        path.unlink(missing_ok=True)


def _require_output(image: HeadImage, result: Record, output_dir: Path) -> Record:
    """Return the record, or a record of a failure if the released image is missing."""
    if result.verdict == 'fail' or (output_dir / names.defaced(image)).is_file():
        return result
    return records.failed(image, 'output_missing', 'The defaced image was not written.')


def _strip_paths(result: Record, settings: Settings) -> Record:
    """Return the record without folders of this machine in its messages."""
    reasons = tuple(
        replace(reason, message=_without_folders(reason.message, settings))
        for reason in result.reasons
    )
    return replace(result, reasons=reasons)


def _without_folders(text: str, settings: Settings) -> str:
    # the private folder first, because it may be inside the work folder
    for name in ('private_dir', 'work_dir', 'output_dir', 'bids_dir'):
        folder = getattr(settings, name)
        for path in (str(folder), os.path.realpath(folder)):
            text = text.replace(f'{path}/', '')
    return re.sub(r'(?<![\w.:/])/(?:[^\s/\'"]+/)+', '', text)


def _report_not_defaced(
    settings: Settings, plans: Sequence[ParticipantPlan], reporter: Reporter
) -> None:
    without = [plan.participant for plan in plans if not (plan.images or plan.refused)]
    if without:
        count = f'{len(without)} participants' if len(without) > 1 else 'participant'
        reporter.warn(f'facebids: no image to deface for {count} {", ".join(without)}.')
    for item in (item for plan in plans for item in plan.refused):
        reporter.warn(f'facebids: fail: {item.message}')
    for path, reason in (item for plan in plans for item in plan.closed):
        reporter.warn(f'facebids: {path} is left out: {reason}')
    if not_defaced := count_not_defaced(plans):
        reporter.warn(
            f'facebids: files that may show a face but are not defaced: {not_defaced}. '
            '--dry-run lists them.'
        )


def _paths(settings: Settings, log_dir: Path, crash_dir: Path | None) -> dict[str, Path]:
    """Return where the results are, by what they are."""
    return {
        'reports': settings.output_dir / 'sub-*.html',
        'private reports (do not share)': settings.private_dir / 'sub-*.html',
        'log': log_dir / 'facebids.log',
        **({'crash files': crash_dir} if crash_dir else {}),
    }
