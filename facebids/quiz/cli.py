# SPDX-License-Identifier: Apache-2.0
"""``facebids-quiz``: make, serve and score a study of observers."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from facebids import __version__
from facebids.cli.arguments import Parser, whole_number
from facebids.cli.command import Extra, run_command
from facebids.errors import UsageError
from facebids.quiz.study import ARMS, CHOICES, QUESTIONS, Study
from facebids.signals import handled, interrupt

DATABASE = 'FACEBIDS_QUIZ_DATABASE'
RATE = 240
DESCRIPTION = """\
Ask people whether they recognise renders of heads, before or after defacing.
Build a study from a run of the participant level, serve it as a web page, and score the answers.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the ``facebids-quiz`` command."""
    parser = Parser(
        prog='facebids-quiz',
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    _add_build(commands)
    _add_serve(commands)
    _add_score(commands)
    _add_export(commands)
    _add_delete(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    options = make_parser().parse_args(argv)
    return run_command(
        'facebids-quiz',
        lambda: int(options.run(options)),
        'Run the same command again.',
        extra=Extra('quiz', 'of the quiz'),
    )


def _add_build(commands: 'argparse._SubParsersAction[Parser]') -> None:
    parser = commands.add_parser(
        'build',
        usage='%(prog)s OUTPUT_DIR QUIZ_DIR --private-dir DIR --photos DIR [options]',
        help='make a study from a run of the participant level and photographs',
        description='Make a study from a run of the participant level and photographs.',
    )
    parser.add_argument('output_dir', type=Path, help='output folder of the participant level')
    parser.add_argument('quiz_dir', type=Path, help='folder to make; it is private')
    parser.add_argument(
        '--private-dir', type=Path, required=True, metavar='DIR',
        help='private folder of the same run, with the renders',
    )  # fmt: skip
    parser.add_argument(
        '--photos', type=Path, required=True, metavar='DIR',
        help='photographs of the participants: sub-01/*.jpg ...',
    )  # fmt: skip
    parser.add_argument(
        '--distractors', type=Path, metavar='DIR',
        help='photographs of other people, a file or a folder for each, with participants.tsv if '
        'sex and age are known',
    )  # fmt: skip
    parser.add_argument(
        '--participants-tsv', type=Path, metavar='FILE',
        help='sex, age and ethnicity of the participants, to choose other photographs alike',
    )  # fmt: skip
    parser.add_argument(
        '--questions', type=whole_number(2), metavar='N',
        help='questions for each observer, an even number: half with a certain match, half with '
        f'"none of the above" (default: {QUESTIONS}, or two for each scan if there are fewer)',
    )  # fmt: skip
    parser.add_argument(
        '--choices', type=whole_number(2), default=CHOICES, metavar='N',
        help=f'photographs of a question (default: {CHOICES})',
    )  # fmt: skip
    parser.add_argument(
        '--arms', nargs='+', choices=ARMS, default=[ARMS[0]],
        help='renders before or after defacing; with both, each observer sees those of one '
        f'(default: {ARMS[0]})',
    )  # fmt: skip
    parser.add_argument(
        '--seed', type=whole_number(0), default=0, metavar='N',
        help='random seed of all draws (default: 0)',
    )  # fmt: skip
    parser.add_argument(
        '--consent', type=Path, metavar='FILE',
        help='text of the consent page (Markdown); without it, consent.md is a draft to complete',
    )  # fmt: skip
    parser.add_argument(
        '--skip-unusable', action='store_true',
        help='leave out scans and photographs that cannot be used, and name them',
    )  # fmt: skip
    parser.add_argument(
        '--dry-run', action='store_true',
        help='print the design and what accuracy it can tell from chance; write nothing',
    )  # fmt: skip
    parser.set_defaults(run=_build)


def _add_serve(commands: 'argparse._SubParsersAction[Parser]') -> None:
    parser = commands.add_parser(
        'serve', help='show a study as web pages', description='Show a study as web pages.'
    )
    parser.add_argument('quiz_dir', type=Path, help='folder of the study')
    _add_database(parser)
    parser.add_argument(
        '--host', default='127.0.0.1', help='address to listen on (default: 127.0.0.1)'
    )
    parser.add_argument(
        '--port', type=whole_number(0), default=8000, metavar='N',
        help='port to listen on; 0: any that is free (default: 8000)',
    )  # fmt: skip
    parser.add_argument(
        '--root-path', default='', metavar='PATH',
        help='path under which a reverse proxy shows the study, and which it strips (/quiz)',
    )  # fmt: skip
    parser.add_argument(
        '--forwarded-allow-ips', metavar='ADDRESSES',
        help='addresses of the reverse proxies whose X-Forwarded headers are believed, separated '
        'by commas (default: none)',
    )  # fmt: skip
    parser.add_argument(
        '--rate-limit', type=whole_number(0), default=RATE, metavar='N',
        help=f'requests of an observer in a minute; 0: no limit (default: {RATE})',
    )  # fmt: skip
    parser.set_defaults(run=_serve)


def _add_score(commands: 'argparse._SubParsersAction[Parser]') -> None:
    parser = commands.add_parser(
        'score',
        help='write tables and a page of how well people, and machines, recognise the renders',
        description='Write tables and a page of how well people, and machines, recognise the '
        'renders. They name participants: they are private.',
    )
    parser.add_argument('quiz_dir', type=Path, help='folder of the study')
    _add_database(parser)
    parser.add_argument(
        '--engines', nargs='*', default=['dlib'], metavar='NAME',
        help='recognition engines that answer the same questions; no name: none (default: dlib)',
    )  # fmt: skip
    parser.add_argument(
        '--output', type=Path, metavar='DIR',
        help='folder to write to (default: the folder scores of the study)',
    )  # fmt: skip
    parser.set_defaults(run=_score)


def _add_export(commands: 'argparse._SubParsersAction[Parser]') -> None:
    parser = commands.add_parser(
        'export',
        help='write anonymous tables of the observers and answers, to share',
        description='Write anonymous tables of the observers and answers, to share: with new '
        'numbers drawn at random, and without words of observers, photographs and participants.',
    )
    parser.add_argument('quiz_dir', type=Path, help='folder of the study')
    parser.add_argument('output', type=Path, help='folder in which to make the folder phenotype')
    _add_database(parser)
    parser.set_defaults(run=_export)


def _add_delete(commands: 'argparse._SubParsersAction[Parser]') -> None:
    parser = commands.add_parser(
        'delete-observer',
        help='delete an observer and all their answers',
        description='Delete an observer and all their answers. Observers can do so themselves.',
    )
    parser.add_argument('quiz_dir', type=Path, help='folder of the study')
    parser.add_argument(
        'observer', help='personal link of the observer, or the id in the database'
    )
    _add_database(parser)
    parser.set_defaults(run=_delete)


def _add_database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--database', default=os.environ.get(DATABASE), metavar='URL',
        help='postgresql://user@host/name (default: SQLite in the folder; the environment '
        f'variable {DATABASE} keeps a password out of the list of processes)',
    )  # fmt: skip


def _build(options: argparse.Namespace) -> int:
    from facebids.quiz import build

    if options.questions and options.questions % 2:
        raise UsageError(
            f'--questions {options.questions}: give an even number, half of each kind.'
        )
    request = build.Request(
        output_dir=options.output_dir,
        private_dir=options.private_dir,
        photos_dir=options.photos,
        distractors_dir=options.distractors,
        participants_tsv=options.participants_tsv,
        arms=tuple(dict.fromkeys(options.arms)),
        questions=options.questions,
        choices=options.choices,
        seed=options.seed,
    )
    build.check_place(options.quiz_dir, request)
    consent = build.read_consent(options.consent)
    print('Searching the photographs for faces ...', flush=True)
    made = build.plan(request, skip_unusable=options.skip_unusable)
    for problem in made.problems:
        sys.stderr.write(f'facebids-quiz: left out: {problem}\n')
    for line in build.design(made.study):
        print(line)
    if options.dry_run:
        _print_power(made.study)
        return 0
    build.write(made, options.quiz_dir, consent)
    print(f'Written to {options.quiz_dir}. PRIVATE: it holds faces; do not share it.')
    if options.consent is None:
        print(f'Complete {options.quiz_dir / "consent.md"} before you serve it.')
    return 0


def _print_power(study: Study) -> None:
    from facebids.quiz import power

    print('\nSmallest accuracy that is told from chance (two-sided 5 %, power 80 %):')
    print('observers\tkind\tchance\taccuracy')
    half = study.questions // 2
    for item in power.powers(min(half, len(study.scans)), study.questions, study.choices):
        accuracy = 'none' if item.accuracy is None else f'{item.accuracy:.0%}'
        print(f'{item.observers}\t{item.kind}\t{item.chance:.0%}\t{accuracy}')
    if len(study.arms) > 1:
        print('The observers are those of one arm.')


def _serve(options: argparse.Namespace) -> int:
    from facebids.quiz.server.run import Settings, serve

    settings = Settings(
        quiz_dir=options.quiz_dir,
        database=options.database,
        host=options.host,
        port=options.port,
        root_path=options.root_path,
        forwarded_allow_ips=options.forwarded_allow_ips,
        rate=options.rate_limit,
    )
    # also where a shell has made its background processes ignore Ctrl-C
    try:
        with handled(interrupt, signal.SIGINT, signal.SIGTERM):
            serve(settings, lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        print('Stopped.')
    return 0


def _score(options: argparse.Namespace) -> int:
    from facebids.quiz.scoring import page_tables, report

    output = options.output or options.quiz_dir / report.OUTPUT
    print('Scoring the answers ...', flush=True)
    found = report.score(options.quiz_dir, options.database, options.engines, output)
    for arm in found.arms:
        print(page_tables.finding(found, arm))
    print(f'Written to {output}: open {report.PAGE} there. PRIVATE: it names participants.')
    return 0


def _export(options: argparse.Namespace) -> int:
    from facebids.quiz.scoring import export

    found = export.export(options.quiz_dir, options.output, options.database)
    print(f'Observers: {len(found.observers)}. Written to {options.output / export.FOLDER}.')
    if found.unique:
        print(
            f'Unique in what they said about themselves, taken together: {found.unique}. Remove '
            'columns of observers.tsv if somebody might know them by it.'
        )
    return 0


def _delete(options: argparse.Namespace) -> int:
    from facebids.quiz import study
    from facebids.quiz.database import Database, url_of

    study.read(options.quiz_dir)
    database = Database(url_of(options.quiz_dir, options.database))
    try:
        # the secret of a personal link is its last part; it is longer than an id
        deleted = database.delete(
            link=options.observer.rstrip('/').rpartition('/')[2], observer=options.observer
        )
    finally:
        database.close()
    if not deleted:
        raise UsageError(
            'There is no such observer. Give the whole link, or the id in the database.'
        )
    print('The observer and all their answers are deleted. Delete earlier exports yourself.')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
