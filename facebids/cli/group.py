# SPDX-License-Identifier: Apache-2.0
"""The group stage: one table, its dictionary and one page of all images."""

from facebids.bids import names, records
from facebids.bids.metadata import generated_by, write_json_atomic, write_text_atomic
from facebids.cli.console import make_console, show_places, show_results
from facebids.cli.places import make_writable
from facebids.config import Settings
from facebids.errors import NoImagesError, UsageError


def run_group(settings: Settings) -> int:
    """Reduce the metrics of all participants in the output folder.

    Returns
    -------
    int
        0, or 1 when an image of the dataset failed.

    Raises
    ------
    NoImagesError
        If the output folder has no metrics.
    UsageError
        If a participant that was asked for has none.
    """
    found = records.read_all(settings.output_dir, settings.participant_label)
    there = {record['participant_id'].removeprefix('sub-') for record in found}
    if not found:
        raise NoImagesError(
            f'{settings.output_dir}: no metrics of images here. Run the participant level first, '
            'with the same folders.'
        )
    if missing := [label for label in settings.participant_label if label not in there]:
        raise UsageError(
            f'--participant-label: no metrics of {", ".join(missing)}. '
            'Run the participant level for them first.'
        )
    if settings.dry_run:
        lines = [f'{record["image"]}: {record["verdict"]}' for record in found]
        make_console().print('\n'.join(lines), soft_wrap=True)
        return 0
    make_writable(settings.output_dir, 'output')
    _write(settings, found)
    show_results(found, {})
    show_places({'table and page': settings.output_dir / names.GROUP_PAGE})
    return int(any(record['verdict'] == 'fail' for record in found))


def _write(settings: Settings, found: list[records.Record]) -> None:
    from facebids.reports.group import write_page

    header = records.columns([records.row(record) for record in found])
    dictionary = {'GeneratedBy': [generated_by()], **records.dictionary(header)}
    write_text_atomic(settings.output_dir / names.GROUP_TABLE, records.table(found))
    write_json_atomic(settings.output_dir / names.GROUP_DICTIONARY, dictionary)
    write_page(settings.output_dir, found)
