# SPDX-License-Identifier: Apache-2.0
"""Turn the command line into settings. It imports the standard library only: help is quick."""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import facebids
from facebids.bids.names import Template
from facebids.bids.suffixes import BY_KEY, ON_REQUEST
from facebids.config import ReleaseSettings, Settings
from facebids.errors import UsageError

DESCRIPTION = """\
Deface the head images of a BIDS dataset, and attack the result with face recognition.
Run the participant level first (one job or many), then the group level once.
"""
EPILOG = """\
Exit codes: 0 done; 1 some image failed and is withheld, the others are done; 2 wrong options
or no such template; 3 the release is refused; 65 not a usable BIDS dataset; 66 no matching image;
70 internal error; 73 a folder that must not or cannot be written.
"""


def parse(argv: Sequence[str] | None = None) -> Settings:
    """Return the settings that the command line asks for.

    Parameters
    ----------
    argv
        Arguments without the program name; None means those of the process.

    Raises
    ------
    SystemExit
        Code 2 when the arguments are wrong, 0 after ``--help`` or ``--version``.
    """
    parser = make_parser()
    options = vars(parser.parse_args(argv))
    nprocs = options['nprocs'] or len(os.sched_getaffinity(0))
    if options['omp_nthreads'] > nprocs:
        parser.error(
            f'--omp-nthreads {options["omp_nthreads"]} is more than the {nprocs} of --nprocs: '
            'no step could run. Lower it, or raise --nprocs.'
        )
    private = options['private_dir'] or options['work_dir'] / 'private'
    release = _release(parser, options)
    changed = {
        'nprocs': nprocs,
        'private_dir': private,
        'keep': tuple(options['keep']),
        'release': release,
    }
    return Settings(**options | changed)


def _release(parser: argparse.ArgumentParser, options: dict[str, Any]) -> ReleaseSettings | None:
    """Move the options of the release from ``options`` into settings of their own."""
    chosen = {item.name: options.pop(item.name) for item in fields(ReleaseSettings)}
    if chosen['release_dir']:
        if options['analysis_level'] != 'group':
            parser.error(
                '--release-dir belongs to the group level. Run the participant level first.'
            )
        return ReleaseSettings(**chosen)
    given = {
        '--accept': chosen['accept_file'],
        '--exclude-failed': chosen['exclude_failed'] is not None,
        '--link': chosen['link'] != 'auto',
        '--metadata': chosen['metadata'] != 'report',
    }
    if any(given.values()):
        names = ', '.join(name for name, value in given.items() if value)
        parser.error(f'{names}: nothing is released without --release-dir.')
    return None


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the ``facebids`` command."""
    parser = argparse.ArgumentParser(
        prog='facebids',
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_positional(parser)
    _add_selection(parser.add_argument_group('which images'))
    _add_defacing(parser.add_argument_group('what becomes of the face (participant level)'))
    _add_release(parser.add_argument_group('a dataset to upload (group level)'))
    _add_places(parser.add_argument_group('where to work'))
    _add_resources(parser.add_argument_group('how to run (participant level)'))
    _add_output(parser.add_argument_group('what to show'))
    return parser


def _add_positional(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bids_dir', type=_folder, help='the BIDS dataset; it is only read')
    parser.add_argument(
        'output_dir', type=_folder, help='the derivative dataset to write; made to be shared'
    )
    parser.add_argument(
        'analysis_level',
        choices=('participant', 'group'),
        help='participant: deface and attack each image; group: tables and a page of all results',
    )


def _add_selection(group: Any) -> None:
    group.add_argument(
        '--participant-label', '--participant_label', nargs='+', type=_label('sub-'), default=(),
        action=_Labels, metavar='LABEL', help='participants, with or without sub-; default: all',
    )  # fmt: skip
    group.add_argument(
        '--session-label', '--session_label', nargs='+', type=_label('ses-'), default=(),
        action=_Labels, metavar='LABEL',
        help='sessions, with or without ses-; default: all (participant level)',
    )  # fmt: skip
    group.add_argument(
        '--include', nargs='+', choices=ON_REQUEST, default=(), action=_Labels,
        metavar='DATATYPE', help='further data types to deface beside anat and ct: '
        f'{", ".join(ON_REQUEST)} (participant level)',
    )  # fmt: skip
    group.add_argument(
        '--bids-filter-file', type=_filters, default={}, dest='bids_filters', metavar='FILE',
        help='JSON file with pybids entities that images must have, as in '
        '{"t1w": {"acquisition": null}, "flair": {"run": 1}}; null: without it, "*": with any '
        '(participant level)',
    )  # fmt: skip
    group.add_argument(
        '--photos', type=_folder, dest='photos_dir', metavar='DIR',
        help='photographs of the participants, several for each: sub-01/*.jpg or *.png. They are '
        'compared with the scans, only read, and never copied or named in the output (group '
        'level)',
    )  # fmt: skip
    group.add_argument(
        '--skip-bids-validation', action='store_true',
        help='take a dataset that is not fully BIDS: without dataset_description.json, or with '
        'file names that the standard does not have',
    )  # fmt: skip
    group.add_argument(
        '--bids-database-dir', type=_folder, metavar='PATH',
        help='keep the index of the dataset here and use it again; delete it when the dataset '
        'changes (participant level)',
    )  # fmt: skip


def _add_defacing(group: Any) -> None:
    group.add_argument(
        '--mode', choices=('remove', 'blur', 'reface'), default='remove',
        help="remove: air like the scan's own; blur: a smooth head without features; reface: the "
        "atlas's generic face, painted with the scan's own intensities (default: remove)",
    )  # fmt: skip
    group.add_argument(
        '--fill', choices=('air', 'zero'), default='air',
        help="what remove leaves: air with the scan's noise, or plain zeros (default: air)",
    )  # fmt: skip
    for part in ('ears', 'eyes'):
        group.add_argument(
            f'--keep-{part}', action='append_const', const=part, default=[], dest='keep',
            help=f'leave the {part}, which identify people too',
        )  # fmt: skip
    group.add_argument(
        '--brain-margin', type=_distance, default=3.0, metavar='MM',
        help='least distance (mm) between what is replaced and the brain (default: 3)',
    )  # fmt: skip
    group.add_argument(
        '--force',
        action='store_true',
        help='deface images that arrive defaced, too; without it they are passed on as they are',
    )
    group.add_argument(
        '--template', type=_template, metavar='NAME[:cohort-X][:res-Y]',
        help='register the images by way of this T1w template of TemplateFlow, as for children '
        'or infants: MNIPediatricAsym:cohort-3; taken from TEMPLATEFLOW_HOME, or else fetched '
        '(default: none, and nothing is ever fetched)',
    )  # fmt: skip


def _add_release(group: Any) -> None:
    group.add_argument(
        '--release-dir', type=_folder, metavar='DIR',
        help='write the raw dataset with its images defaced here, and its certificate beside it; '
        'only with proof: what may not leave is listed, and the exit code is 3',
    )  # fmt: skip
    group.add_argument(
        '--exclude-failed', nargs='*', default=None, action=_Labels, metavar='IMAGE',
        help='leave out images that may not be released; with paths relative to BIDS_DIR these '
        'files alone, whatever they are',
    )  # fmt: skip
    group.add_argument(
        '--accept', type=_folder, dest='accept_file', metavar='FILE',
        help='table (TSV) of images with the verdict review that a person looked at and releases: '
        'participant_id, image, decided_by, reason; kept beside the release',
    )  # fmt: skip
    group.add_argument(
        '--link', choices=('auto', 'hard', 'copy'), default='auto',
        help='files that do not change: hard links where possible, always, or never (default: '
        'auto)',
    )  # fmt: skip
    group.add_argument(
        '--metadata', choices=('report', 'scrub'), default='report',
        help='metadata that identify people: list them and release nothing, or take them out of '
        'the release; original values stand in the private folder alone (default: report)',
    )  # fmt: skip


def _add_places(group: Any) -> None:
    group.add_argument(
        '-w', '--work-dir', type=_folder, default=_folder('work'), metavar='PATH',
        help='intermediate files, records and logs; faces can be recognised in them (default: '
        'work in the current folder)',
    )  # fmt: skip
    group.add_argument(
        '--private-dir', type=_folder, metavar='PATH',
        help='pictures and embeddings of the faces before defacing, and images that failed '
        '(default: private in the work folder)',
    )  # fmt: skip
    group.add_argument(
        '--clean-workdir', action='store_true',
        help='delete the intermediate files, records and logs of earlier runs first; the private '
        'folder stays (not while other jobs use the same work folder; participant level)',
    )  # fmt: skip


def _add_resources(group: Any) -> None:
    group.add_argument(
        '--nprocs', '--n-cpus', '--nthreads', type=_positive, metavar='N',
        help='steps that run at the same time, each on a core (default: all cores)',
    )  # fmt: skip
    group.add_argument(
        '--omp-nthreads', type=_positive, default=1, metavar='N',
        help='threads of a single step (default: 1; only one thread and one seed repeat a '
        'registration exactly)',
    )  # fmt: skip
    group.add_argument(
        '--random-seed', type=int, default=0, dest='seed', metavar='N',
        help='start of all random numbers (default: 0)',
    )  # fmt: skip
    group.add_argument(
        '--stop-on-first-crash', action='store_true', help='start nothing new after an error'
    )
    group.add_argument(
        '--write-graph', action='store_true',
        help='write the graph of all steps beside the log (.svg where Graphviz is installed, else '
        '.dot)',
    )  # fmt: skip


def _add_output(group: Any) -> None:
    group.add_argument(
        '--dry-run', action='store_true', help='say what would be done and why; write nothing'
    )
    group.add_argument(
        '-v', '--verbose', action='count', default=0,
        help='show each step, and the traceback of an internal error',
    )  # fmt: skip
    group.add_argument('--version', action='version', version=f'facebids {facebids.__version__}')


class _Labels(argparse.Action):
    """Collect labels as a tuple, each once, also over a repeated option."""

    def __call__(self, parser, namespace, values, option_string=None):
        known = getattr(namespace, self.dest) or ()
        setattr(namespace, self.dest, tuple(dict.fromkeys((*known, *values))))


def _label(prefix: str):
    def strip(text: str) -> str:
        label = text.removeprefix(prefix)
        if not label.replace('+', '').isalnum():
            raise argparse.ArgumentTypeError(f'{text!r} is not a label of letters and digits')
        return label

    return strip


def _template(text: str) -> str:
    try:
        return str(Template.from_text(text))
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _folder(text: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(text)))


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number above 0')
    return number


def _distance(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 20:
        raise argparse.ArgumentTypeError(f'{text!r} is not a distance of 0 to 20 mm')
    return number


def _filters(text: str) -> dict[str, dict[str, Any]]:
    try:
        filters = json.loads(Path(text).read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f'{text} cannot be read as JSON: {error}') from error
    if not isinstance(filters, dict) or not all(isinstance(v, dict) for v in filters.values()):
        raise argparse.ArgumentTypeError(f'{text} must look like {{"t1w": {{"run": 1}}}}')
    if unknown := set(filters) - set(BY_KEY):
        raise argparse.ArgumentTypeError(
            f'{text}: unknown {", ".join(sorted(unknown))}. There are: {", ".join(BY_KEY)}.'
        )
    return filters
