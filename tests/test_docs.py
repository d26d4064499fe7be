# SPDX-License-Identifier: Apache-2.0
"""The documentation agrees with the code: everything is documented, and the recipes run."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import pytest
import reference
from packaging.requirements import Requirement

from facebids import errors
from facebids.bids import names
from facebids.cli.command import INTERRUPTED
from facebids.cli.parser import make_parser
from facebids.core.metrics import METRICS
from facebids.core.modes import MODES
from facebids.core.thresholds import THRESHOLDS
from facebids.quiz.cli import make_parser as make_quiz_parser
from facebids.release.rules import RULES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
EXTRAS = PROJECT['optional-dependencies']


def _page(name: str) -> str:
    return (ROOT / 'docs' / name).read_text()


def _name(requirement: str) -> str:
    return re.match(r'[\w.-]+', requirement)[0]


def _error_classes(base: type = errors.FacebidsError) -> set[type]:
    return {base}.union(*map(_error_classes, base.__subclasses__()))


def test_every_option_is_documented():
    options = {option for action in make_parser()._actions for option in action.option_strings}
    words = set(re.findall(r'(?<![\w-])--?[\w-]+', _page('usage.md')))
    assert not options - words


def test_no_option_is_documented_that_does_not_exist():
    options = {option for action in make_parser()._actions for option in action.option_strings}
    tables = [line for line in _page('usage.md').splitlines() if line.startswith('| `-')]
    documented = {word for line in tables for word in re.findall(r'`(--?[\w-]+)', line)}
    assert documented
    assert not documented - options


def test_every_option_of_the_quiz_is_documented_and_no_other():
    (commands,) = (action for action in make_quiz_parser()._actions if action.choices)
    actions = [item for parser in commands.choices.values() for item in parser._actions]
    options = {option for action in actions for option in action.option_strings}
    options -= {'-h', '--help'}
    page = _page('observers.md')
    assert not options - set(re.findall(r'`(--[\w-]+)', page))
    tables = [line for line in page.splitlines() if line.startswith('| `-')]
    cells = [line.split('|')[1] for line in tables]
    assert not {word for cell in cells for word in re.findall(r'--[\w-]+', cell)} - options
    assert not [name for name in commands.choices if f'facebids-quiz {name}' not in page]


def test_every_exit_code_is_documented():
    table = _page('usage.md').partition('## Exit codes')[2]
    documented = {int(code) for code in re.findall(r'^\| (\d+) \|', table, re.M)}
    assert documented == {0, INTERRUPTED} | {error.exit_code for error in _error_classes()}


def _check_table(page: str, columns: int, rows: list[str]) -> None:
    """Compare the first table of a page with so many columns with its rows.

    FACEBIDS_UPDATE_DOCS=1 writes the rows to the page instead.
    """
    path = ROOT / 'docs' / page
    before, line, rest = path.read_text().partition(f'\n|{"---|" * columns}\n')
    table, gap, after = rest.rstrip('\n').partition('\n\n')
    if os.environ.get('FACEBIDS_UPDATE_DOCS'):
        path.write_text(before + line + '\n'.join(rows) + gap + after + '\n')
    else:
        assert table.splitlines() == rows


def _metric_row(metric) -> str:
    cells = [f'`{metric.column}`', metric.label, metric.meaning, metric.unit or '']
    return f'| {" | ".join([*cells, metric.safer or ""])} |'


def test_metrics_are_documented_as_they_are():
    assert METRICS
    _check_table('metrics.md', 5, [_metric_row(metric) for metric in METRICS])


def _threshold_row(threshold) -> str:
    limits = {'at least': threshold.least, 'at most': threshold.most}
    limit = ', '.join(f'{word} {value:g}' for word, value in limits.items() if value is not None)
    cells = [f'`{threshold.name}`', f'`{threshold.metric.column}`', limit, threshold.severity]
    modes = [f'`{mode.name}`' for mode in MODES.values() if mode.face_gone]
    where = ', '.join([*filter(None, [threshold.contrast]), *(modes * threshold.face_gone)])
    return f'| {" | ".join(cells)} | {where or "all"} | {threshold.source} |'


def test_thresholds_are_documented_as_they_are():
    assert THRESHOLDS
    _check_table('metrics.md', 6, [_threshold_row(threshold) for threshold in THRESHOLDS])


@pytest.mark.parametrize('name', ['commands.md', 'codes.md'])
def test_the_reference_is_as_the_code(name):
    """If it fails, run it with FACEBIDS_UPDATE_DOCS=1, or run ``docs/reference.py``."""
    text = reference.pages()[name]
    if os.environ.get('FACEBIDS_UPDATE_DOCS'):
        (ROOT / 'docs' / name).write_text(text)
    assert _page(name) == text


def test_the_reference_has_every_command_and_every_error():
    pages = reference.pages()
    commands = PROJECT['scripts']
    assert not [name for name in commands if f'## {name}\n' not in pages['commands.md']]
    kinds = _error_classes()
    assert not [kind for kind in kinds if f'| `{kind.__name__}` |' not in pages['codes.md']]
    assert '| `attack_blind` | review or fail | No face was detected' in pages['codes.md']


def test_rules_about_metadata_are_documented_as_they_are():
    rows = [
        f'| {rule.name} | {rule.what} | {"; ".join(rule.sources)} | {rule.action} |'
        for rule in RULES
    ]
    _check_table('metadata.md', 4, rows)


def test_every_output_is_documented():
    page = _page('outputs.md')
    image = names.HeadImage.from_relative_path('sub-01/ses-A/anat/sub-01_ses-A_T1w.nii.gz')
    written = [names.defaced(image), names.mask(image), names.to_template(image)]
    written += [names.sidecar(names.defaced(image)), names.metrics(image), names.page('01')]
    written += [names.GROUP_TABLE, names.COMPARISONS_TABLE, names.SEARCHES_TABLE, names.GROUP_PAGE]
    assert not [name for name in written if name.rpartition('/')[2] not in page]


REQUIRED = sorted(map(_name, PROJECT['dependencies']))
PACKAGE = [*(ROOT / 'facebids').rglob('*.py'), *(ROOT / 'workflows').rglob('*.py')]
TOOLS = [path for name in ('benchmarks', 'docs') for path in (ROOT / name).rglob('*.py')]
TOOLS.append(ROOT / 'scripts' / 'structure')
TRAINING = [*(ROOT / 'training').rglob('*.py')]
TESTS = [*(ROOT / 'tests').rglob('*.py')]
OURS = {'facebids', *(path.stem for path in [*TOOLS, *TRAINING, *TESTS])}


def _modules_used(node: ast.AST) -> set[str]:
    """Return the top-level modules that a node imports, or whose data files it reads."""
    match node:
        case ast.Import(names):
            return {alias.name.partition('.')[0] for alias in names}
        case ast.ImportFrom(module):
            return {module.partition('.')[0]}
        case ast.Call(func=ast.Name('package_file'), args=[ast.Constant(str(package)), *_]):
            return {package}
    return set()


def _third_party(paths: Iterable[Path]) -> set[str]:
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text())))
    used = set().union(*map(_modules_used, nodes))
    return used - sys.stdlib_module_names - OURS


def _normalised(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name).lower()


def _modules_of(name: str) -> set[str]:
    """Return the top-level modules of an installed distribution, by its files."""
    files = distribution(name).files
    packages = {file.parts[0].removesuffix('.py') for file in files if file.suffix == '.py'}
    compiled = {
        file.name.split('.')[0] for file in files if file.match('*.so') and not file.parent.name
    }
    return packages | compiled


@pytest.mark.parametrize('name', REQUIRED)
def test_every_dependency_is_used(name):
    assert _modules_of(name) & _third_party(PACKAGE)


@pytest.mark.parametrize(
    ('paths', 'extras'),
    [
        (PACKAGE, ('quiz', 'sign', 'video')),
        (TOOLS, ('docs', 'video')),
        (TESTS, ('quiz', 'sign', 'test', 'validate', 'video')),
    ],
)
def test_everything_imported_is_declared(paths, extras):
    requirements = {*REQUIRED, *(_name(item) for extra in extras for item in EXTRAS[extra])}
    declared = set().union(*map(_modules_of, requirements - {'facebids'}))
    assert not _third_party(paths) - declared


@pytest.mark.parametrize(
    'name', sorted({*REQUIRED, *(_name(r) for e in EXTRAS.values() for r in e)})
)
def test_every_dependency_is_documented(name):
    assert name == 'facebids' or f'| `{name}` |' in _page('dependencies.md')


def test_every_dependency_has_both_bounds():
    everything = [*PROJECT['dependencies'], *(r for extra in EXTRAS.values() for r in extra)]
    bounded = re.compile(r'[\w.-]+>=[\d.]+,<[\d.]+$')
    assert not [r for r in everything if _name(r) != 'facebids' and not bounded.match(r)]


def _pins(lock: str) -> dict[str, set[str]]:
    """Return the versions of each package in a lock file: one for each range of Python."""
    pins = {}
    for name, version in re.findall(r'^([\w.-]+)==([^ ;]+)', (ROOT / lock).read_text(), re.M):
        pins.setdefault(_normalised(name), set()).add(version)
    return pins


@pytest.mark.parametrize(
    ('lock', 'extras'),
    [
        ('requirements.txt', ['quiz', 'sign', 'validate']),
        ('requirements-video.txt', ['quiz', 'sign', 'validate', 'video']),
        ('requirements-dev.txt', EXTRAS.keys() - {'training'}),
    ],
)
def test_every_dependency_is_pinned_within_its_bounds(lock, extras):
    """If it fails, run ``scripts/lock``."""
    pins = _pins(lock)
    wanted = [*PROJECT['dependencies'], *(item for extra in extras for item in EXTRAS[extra])]
    requirements = [item for item in map(Requirement, wanted) if item.name != 'facebids']
    wrong = [
        f'{requirement}: {pins.get(_normalised(requirement.name))}'
        for requirement in requirements
        if not pins.get(_normalised(requirement.name))
        or not all(map(requirement.specifier.contains, pins[_normalised(requirement.name)]))
    ]
    assert not wrong


def test_both_lock_files_pin_the_same_versions():
    assert _pins('requirements.txt').items() <= _pins('requirements-dev.txt').items()


@pytest.mark.parametrize(
    'lock', ['requirements.txt', 'requirements-video.txt', 'requirements-dev.txt']
)
def test_every_pin_has_hashes_and_no_index(lock):
    text = (ROOT / lock).read_text()
    entries = re.split(r'^(?=[\w.-]+==)', text, flags=re.M)[1:]
    assert not [entry for entry in entries if '--hash=sha256:' not in entry]
    assert not re.search(r'://|^-[a-z-]', text, re.M)


def test_links_between_pages_lead_somewhere():
    pages = [ROOT / 'README.md', *(ROOT / 'docs').rglob('*.md')]
    broken = [
        f'{page.name}: {link}'
        for page in pages
        for link in re.findall(r'\]\((?!https?:)([^)#]+)', page.read_text())
        if not (page.parent / link).exists()
    ]
    assert not broken


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page, as MkDocs and GitHub make them from plain headings."""
    headings = re.findall(r'^#+ (.+)$', page.read_text(), re.M)
    return {re.sub(r'[^\w\s-]', '', text).strip().lower().replace(' ', '-') for text in headings}


def test_anchors_in_files_beside_the_documentation_lead_somewhere():
    """Those between its pages are checked by MkDocs: see ``scripts/docs``."""
    links = [
        (name, *link)
        for name in ('README.md', 'CHANGES.md', 'CONTRIBUTING.md')
        for link in re.findall(r'\]\((?!https?:)([^)#]+)#([^)]+)\)', (ROOT / name).read_text())
    ]
    assert links
    assert not [link for link in links if link[2] not in _anchors(ROOT / link[1])]


def _write_command(path: Path) -> None:
    """Write a program that prints its arguments."""
    path.parent.mkdir()
    path.write_text('#!/bin/sh\necho "$@"\n')
    path.chmod(0o755)


@pytest.mark.parametrize(
    ('task', 'labels'), [('1', 'sub-0001'), ('2', 'sub-0002 sub-1002'), ('7', None)]
)
def test_the_array_job_takes_its_participants(tmp_path, task, labels):
    """How it does on a cluster is tested in ``integration/test_slurm.py``."""
    _write_command(tmp_path / 'bin' / 'facebids')
    for number in range(7 if labels is None else 1003):
        (tmp_path / 'my data' / f'sub-{number:04}').mkdir(parents=True)
    environment = {
        'PATH': f'{tmp_path / "bin"}{os.pathsep}{os.environ["PATH"]}',
        'SLURM_ARRAY_TASK_ID': task,
    }
    arguments = [str(tmp_path / 'my data'), 'out', 'scratch', '--mode', 'blur']
    done = subprocess.run(
        ['sh', str(ROOT / 'docs/hpc/slurm-array.sbatch'), *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not labels:
        assert (done.returncode, done.stdout) == (2, '')
        assert 'no participant for task 7' in done.stderr
        return
    assert f'--participant-label {labels} ' in done.stdout
    assert make_parser().parse_args(done.stdout.replace(arguments[0], 'bids').split())


def test_the_container_is_called_as_the_command_is(tmp_path):
    script = re.search(r'```sh\n(#!/bin/sh.*?)```', _page('hpc/apptainer.md'), re.S)[1]
    (tmp_path / 'facebids').write_text(script)
    _write_command(tmp_path / 'bin' / 'apptainer')
    environment = {
        'PATH': f'{tmp_path / "bin"}{os.pathsep}{os.environ["PATH"]}',
        'HOME': str(tmp_path),
        'SCRATCH': str(tmp_path / 'scratch'),
    }
    done = subprocess.run(
        ['sh', str(tmp_path / 'facebids'), 'bids', 'out', 'participant'],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith('run --containall ')
    assert done.stdout.endswith('/facebids.sif bids out participant\n')
    assert (tmp_path / 'scratch/tmp').is_dir()


def test_every_fault_has_its_test():
    text = _page('reliability.md')
    named = re.findall(r'`(tests/[\w/]+\.py)::(\w+)`', text)
    missing = [
        f'{path}::{test}'
        for path, test in named
        if f'def {test}(' not in (ROOT / path).read_text()
    ]
    rows = [line for line in text.splitlines() if line.startswith('| ') and '| test |' not in line]
    without = [row for row in rows if not re.search(r'`tests/[\w/]+\.py::\w+`', row)]
    assert named
    assert not missing
    assert not without
