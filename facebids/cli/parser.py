# SPDX-License-Identifier: Apache-2.0
"""Parse the command line into settings. Standard library only, so that ``--help`` is fast."""

import argparse
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import facebids
from facebids.bids.names import Template
from facebids.bids.suffixes import BY_KEY, ON_REQUEST
from facebids.cli.arguments import Parser, millimetres, whole_number
from facebids.config import OF_LEVEL, PLUGINS, ReleaseSettings, Settings
from facebids.core.coverage import REPLACED
from facebids.core.modes import MODES
from facebids.errors import UsageError

DESCRIPTION = """\
Deface the head images of a BIDS dataset, and attack the result with face recognition.
Run the participant level first (as one job or many), then the group level once.
"""
EPILOG = """\
Exit codes: 0 success; 1 an image failed and is withheld, all others are done; 2 invalid options
or template; 3 release refused; 65 invalid BIDS dataset; 66 no matching image; 70 internal error;
73 a folder must not or cannot be written, is full, or another run is at work there;
130 interrupted: run the same command again to resume.
"""

Group = argparse._ArgumentGroup  # what add_argument_group returns; it has no public name


def parse(argv: Sequence[str] | None = None) -> Settings:
    """Return the settings given on the command line.

    Parameters
    ----------
    argv
        Arguments without the program name. None: the arguments of the process.

    Raises
    ------
    SystemExit
        With code 2 if the arguments are invalid, with 0 after ``--help`` or ``--version``.
    """
    parser = make_parser()
    given = _given(parser, argv)
    options = {name: parser.get_default(name) for name in given} | {
        name: value for name, value in given.items() if value is not None
    }
    _refuse_other_level(parser, given)
    plugin_args = _plugin_args(parser, options)
    nprocs = options['nprocs'] or plugin_args.pop('n_procs', None) or len(os.sched_getaffinity(0))
    if options['omp_nthreads'] > nprocs:
        parser.error(
            f'--omp-nthreads {options["omp_nthreads"]} is more than --nprocs {nprocs}, so no step '
            'could run. Lower it, or raise --nprocs.'
        )
    private = options['private_dir'] or options['work_dir'] / 'private'
    release = _release(parser, options, given)
    changed = {
        'nprocs': nprocs,
        'plugin_args': plugin_args,
        'private_dir': private,
        'keep': tuple(options['keep']),
        'release': release,
    }
    return Settings(**options | changed)


def _plugin_args(parser: argparse.ArgumentParser, options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the plugin, all of which it must know."""
    plugin, given = options['plugin'], dict(options['plugin_args'])
    known = PLUGINS[plugin]
    if unknown := sorted(set(given) - set(known)):
        parser.error(
            f'--plugin-args: {plugin} has no argument {", ".join(unknown)}. '
            f'It has {", ".join(known) or "none"}.'
        )
    for name in ('n_procs', 'max_jobs'):
        if name in given and (not isinstance(given[name], int) or given[name] < 1):
            parser.error(f'--plugin-args: {name} must be a whole number of at least 1.')
    return given


def _given(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> dict[str, Any]:
    """Return the values on the command line by setting; None where it has none."""
    options = {action.dest for action in parser._actions if action.option_strings}
    unset = argparse.Namespace(**dict.fromkeys(options - {'help', 'version'}))
    return vars(parser.parse_args(argv, unset))  # sets no default of what is there


def _of_level(given: dict[str, Any], level: str) -> list[str]:
    """Return the options of a level that are on the command line."""
    return [option for option, name in OF_LEVEL[level].items() if given[name] is not None]


def _refuse_other_level(parser: argparse.ArgumentParser, given: dict[str, Any]) -> None:
    (other,) = OF_LEVEL.keys() - {given['analysis_level']}
    if wrong := _of_level(given, other):
        parser.error(
            f'{", ".join(wrong)}: only the {other} level reads this. Omit it, or run that level.'
        )


def _release(
    parser: argparse.ArgumentParser, options: dict[str, Any], given: dict[str, Any]
) -> ReleaseSettings | None:
    """Move the options of the release from ``options`` into settings of their own."""
    chosen = {item.name: options.pop(item.name) for item in fields(ReleaseSettings)}
    if chosen['release_dir']:
        return ReleaseSettings(**chosen)
    if wrong := [option for option in _of_level(given, 'group') if option != '--photos']:
        parser.error(f'{", ".join(wrong)}: nothing is released without --release-dir.')
    return None


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the ``facebids`` command."""
    parser = Parser(
        prog='facebids',
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_positional(parser)
    _add_selection(parser.add_argument_group('selection of images'))
    _add_defacing(parser.add_argument_group('defacing (participant level)'))
    _add_release(parser.add_argument_group('release (group level)'))
    _add_folders(parser.add_argument_group('folders'))
    _add_resources(parser.add_argument_group('resources and execution (participant level)'))
    _add_output(parser.add_argument_group('output'))
    return parser


def _add_positional(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bids_dir', type=_path, help='BIDS dataset; only read')
    parser.add_argument(
        'output_dir', type=_path, help='derivative dataset to write; meant to be shared'
    )
    parser.add_argument(
        'analysis_level',
        choices=('participant', 'group'),
        help='participant: deface and attack each image; group: tables and a report of all images',
    )


def _add_selection(group: Group) -> None:
    group.add_argument(
        '--participant-label', '--participant_label', nargs='+', type=_label('sub-'), default=(),
        action=_Labels, metavar='LABEL',
        help='participants to process, with or without sub- (default: all)',
    )  # fmt: skip
    group.add_argument(
        '--session-label', '--session_label', nargs='+', type=_label('ses-'), default=(),
        action=_Labels, metavar='LABEL',
        help='sessions to process, with or without ses- (default: all; participant level)',
    )  # fmt: skip
    group.add_argument(
        '--include', nargs='+', choices=ON_REQUEST, default=(), action=_Labels,
        metavar='DATATYPE', help='data types to deface in addition to anat and ct: '
        f'{", ".join(ON_REQUEST)} (participant level)',
    )  # fmt: skip
    group.add_argument(
        '--bids-filter-file', type=_filters, default={}, dest='bids_filters', metavar='FILE',
        help='JSON file with the pybids entities that images must have, such as '
        '{"t1w": {"acquisition": null}, "flair": {"run": 1}}; null: no such entity, "*": any '
        'value (participant level)',
    )  # fmt: skip
    group.add_argument(
        '--photos', type=_path, dest='photos_dir', metavar='DIR',
        help='photographs to compare with the scans, several for each participant: sub-01/*.jpg '
        'or *.png; only read, and neither copied nor named in the output (group level)',
    )  # fmt: skip
    group.add_argument(
        '--skip-bids-validation', action='store_true',
        help='accept a dataset that is not valid BIDS: without dataset_description.json, or with '
        'non-standard file names',
    )  # fmt: skip
    group.add_argument(
        '--bids-database-dir', type=_path, metavar='PATH',
        help='folder in which to keep the index of the dataset between runs; delete it when the '
        'dataset changes (participant level)',
    )  # fmt: skip


def _add_defacing(group: Group) -> None:
    group.add_argument(
        '--mode', choices=tuple(MODES), default='remove',
        help=f'how to replace the face ({REPLACED}). '
        + '; '.join(f'{mode.name}: {mode.help}' for mode in MODES.values())
        + ' (default: remove)',
    )  # fmt: skip
    group.add_argument(
        '--fill', choices=('air', 'zero'), default='air',
        help="what --mode remove fills in: air with the scan's own noise, or zeros (default: air)",
    )  # fmt: skip
    for part in ('ears', 'eyes'):
        group.add_argument(
            f'--keep-{part}', action='append_const', const=part, default=[], dest='keep',
            help=f'do not deface the {part}, although they identify people too',
        )  # fmt: skip
    group.add_argument(
        '--keep-mask', type=_path, metavar='PATH',
        help='what to keep, such as lesions, targets or sinuses: the mask of a single image, or a '
        'BIDS derivative dataset of masks (sub-01/anat/sub-01_space-T1w_desc-keep_mask.nii.gz)',
    )  # fmt: skip
    group.add_argument(
        '--brain-margin', type=millimetres(0, 20), default=3.0, metavar='MM',
        help='smallest distance (mm) between replaced voxels and the brain (default: 3)',
    )  # fmt: skip
    group.add_argument(
        '--force',
        action='store_true',
        help='deface images that are already defaced; by default they are copied unchanged',
    )
    group.add_argument(
        '--deface-only', action='store_true',
        help='leave out the attack and what the image loses, which take most of the time; the '
        'verdict is review at best, and the image cannot be released',
    )  # fmt: skip
    group.add_argument(
        '--template', type=_template, metavar='NAME[:cohort-X][:res-Y]',
        help='T1w template of TemplateFlow to register images to first, for instance of children '
        'or infants (MNIPediatricAsym:cohort-3); read from TEMPLATEFLOW_HOME, or else downloaded '
        '(default: none, and nothing is downloaded)',
    )  # fmt: skip


def _add_release(group: Group) -> None:
    group.add_argument(
        '--release-dir', type=_path, metavar='DIR',
        help='write the raw dataset with defaced images here and a certificate beside it; if '
        'anything must not be shared, list it, write nothing and exit with code 3',
    )  # fmt: skip
    group.add_argument(
        '--exclude-failed', nargs='*', default=None, action=_Labels, metavar='IMAGE',
        help='leave out all images that may not be released; with paths relative to BIDS_DIR, '
        'leave out exactly these files',
    )  # fmt: skip
    group.add_argument(
        '--accept', type=_path, dest='accept_file', metavar='FILE',
        help='table (TSV) of images with the verdict review that a person has inspected and '
        'accepts, with the columns participant_id, image, decided_by, reason; copied beside the '
        'release',
    )  # fmt: skip
    group.add_argument(
        '--sign-key', type=_path, metavar='FILE',
        help='sign the certificate with this Ed25519 key (PEM); facebids-verify --public-key '
        "checks it. Needs pip install 'facebids[sign]'",
    )  # fmt: skip
    group.add_argument(
        '--link', choices=('auto', 'hard', 'copy'), default='auto',
        help='add unchanged files as hard links where possible (auto), always (hard) or never '
        '(copy) (default: auto)',
    )  # fmt: skip
    group.add_argument(
        '--metadata', choices=('report', 'scrub'), default='report',
        help='identifying metadata. report: list them and refuse the release; scrub: remove them '
        'from the release and list the original values in the private folder (default: report)',
    )  # fmt: skip
    group.add_argument(
        '--head-points', choices=('drop', 'sensors', 'keep'), default='drop',
        help='digitised points of the head of MEG, EEG and NIRS, which draw the face. drop: leave '
        'them out; sensors: keep the positions of electrodes and optodes only; keep: keep all. '
        'Landmarks and head coils are always kept (default: drop)',
    )  # fmt: skip


def _add_folders(group: Group) -> None:
    group.add_argument(
        '-w', '--work-dir', type=_path, default=_path('work'), metavar='PATH',
        help='intermediate files, records and logs; they show recognisable faces (default: work '
        'in the current folder)',
    )  # fmt: skip
    group.add_argument(
        '--private-dir', type=_path, metavar='PATH',
        help='pictures and embeddings of faces before defacing, and images that failed (default: '
        'private in the work folder)',
    )  # fmt: skip
    group.add_argument(
        '--clean-workdir', action='store_true',
        help='first delete the intermediate files, records and logs of earlier runs, but not the '
        'private folder; not while other jobs use the same work folder (participant level)',
    )  # fmt: skip


def _add_resources(group: Group) -> None:
    group.add_argument(
        '--nprocs', '--n-cpus', '--nthreads', type=whole_number(1), metavar='N',
        help='number of parallel processes (default: one for each core)',
    )  # fmt: skip
    group.add_argument(
        '--omp-nthreads', type=whole_number(1), default=1, metavar='N',
        help='number of threads of each process; registrations are reproducible with 1 only '
        '(default: 1)',
    )  # fmt: skip
    group.add_argument(
        '--plugin', choices=tuple(PLUGINS), default='MultiProc',
        help='how to run the steps. MultiProc: in --nprocs processes; Linear: one by one; SLURM: '
        'each as a job of Slurm; SLURMGraph: the same, submitted all at once (default: MultiProc)',
    )  # fmt: skip
    group.add_argument(
        '--plugin-args', type=_object, default={}, metavar='FILE',
        help='JSON file with arguments of the plugin of Nipype, such as {"memory_gb": 16} or '
        '{"sbatch_args": "--mem=4G", "max_jobs": 100}',
    )  # fmt: skip
    group.add_argument(
        '--resource-monitor', action='store_true',
        help='measure the time and memory of each step; see resources.tsv beside the log',
    )  # fmt: skip
    group.add_argument(
        '--random-seed', type=whole_number(0), default=0, dest='seed', metavar='N',
        help='random seed (default: 0)',
    )  # fmt: skip
    group.add_argument(
        '--stop-on-first-crash', action='store_true', help='start no further step after an error'
    )
    group.add_argument(
        '--write-graph', action='store_true',
        help='write the graph of the workflow beside the log (.svg if Graphviz is installed, else '
        '.dot)',
    )  # fmt: skip


def _add_output(group: Group) -> None:
    group.add_argument(
        '--dry-run', action='store_true',
        help='print what would be done and why, and write nothing',
    )  # fmt: skip
    group.add_argument(
        '-v', '--verbose', action='count', default=0,
        help='print each step, and the traceback of internal errors',
    )  # fmt: skip
    group.add_argument('--version', action='version', version=f'facebids {facebids.__version__}')


class _Labels(argparse.Action):
    """Collect the unique values of a possibly repeated option as a tuple."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        known = getattr(namespace, self.dest) or ()
        setattr(namespace, self.dest, tuple(dict.fromkeys((*known, *values))))


def _label(prefix: str) -> Callable[[str], str]:
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


def _path(text: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(text)))


def _json(text: str) -> Any:
    try:
        return json.loads(Path(text).read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f'{text} cannot be read as JSON: {error}') from error


def _object(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f'{text} must hold a JSON object: {{...}}')
    return value


def _filters(text: str) -> dict[str, dict[str, Any]]:
    filters = _json(text)
    if not isinstance(filters, dict) or not all(isinstance(v, dict) for v in filters.values()):
        raise argparse.ArgumentTypeError(f'{text} must have the form {{"t1w": {{"run": 1}}}}')
    if unknown := set(filters) - set(BY_KEY):
        raise argparse.ArgumentTypeError(
            f'{text}: unknown key {", ".join(sorted(unknown))}. Known are {", ".join(BY_KEY)}.'
        )
    for key, entities in filters.items():
        for name, value in entities.items():
            if problem := _filter_problem(value):
                raise argparse.ArgumentTypeError(f'{text}, {key}, {name}: {problem}')
    return filters


def _filter_problem(value: Any) -> str | None:
    """Return why the value of an entity would never match an image, or None."""
    if isinstance(value, list) and value:
        if '*' in value:
            return '"*" must stand alone, not in a list.'
        return next((problem for item in value if (problem := _filter_problem(item))), None)
    if isinstance(value, str) and 'Query.' in value:
        return f'{value} matches nothing. Write null for no such entity, and "*" for any value.'
    if isinstance(value, str) and not re.fullmatch(r'\*|[a-zA-Z0-9+.]+', value):
        return (
            f'{value!r} matches nothing: labels have letters and digits only, without their key.'
        )
    if isinstance(value, bool | dict | list):
        return f'{value} is neither a label, a number, "*", null, nor a list of them.'
    return None
