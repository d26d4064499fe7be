# SPDX-License-Identifier: Apache-2.0
"""The architecture: allowed imports, what an import loads, and the lengths of functions.

The rules are read from the source with `ast`, so they hold for code that no other test runs.
"""

import ast
import json
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import facebids

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())
FOLDERS = {'facebids': ROOT / 'facebids', 'facebids.workflows': ROOT / 'workflows'}

# The imports that each part of the package may have. `facebids` is its __init__: the version.
EVERYONE = {
    'facebids.version',
    'facebids',
    'facebids.config',
    'facebids.errors',
    'facebids.filesystem',
    'facebids.processes',
    'facebids.provenance',
    'facebids.signals',
    'facebids.words',
}
GROUND = {
    f'facebids.core.{name}'
    for name in (
        'arrays',
        'contrasts',
        'coverage',
        'declare',
        'foreground',
        'grids',
        'headers',
        'images',
        'metrics',
        'modes',
        'networks',
        'packages',
        'record',
        'steps',
        'thresholds',
        'verdict',
    )
}
# Light tables that all may use: contrasts, defacing modes, and the names of the metrics.
_SHARED = ('contrasts', 'coverage', 'metrics', 'metrics_file', 'modes', 'record', 'remedies')
TABLES = {f'facebids.core.{name}' for name in _SHARED}
DOWNWARDS = {
    'facebids.errors': set(),
    'facebids.version': set(),
    'facebids.config': set(),
    'facebids.filesystem': {'facebids.errors'},
    'facebids.processes': set(),
    'facebids.provenance': set(),
    'facebids.signals': set(),
    'facebids.words': set(),
    'facebids.core.atlas': {'facebids.core.atlas', *GROUND},
    'facebids.core.alignment': {
        'facebids.core.alignment',
        'facebids.core.atlas',
        *GROUND,
    },
    'facebids.core.brain': {'facebids.core.brain', 'facebids.core.atlas', *GROUND},
    'facebids.core.defacing': {
        'facebids.core.defacing',
        'facebids.core.alignment',
        'facebids.core.brain',
        'facebids.core.atlas',
        *GROUND,
    },
    'facebids.core.attack': {
        'facebids.core.attack',
        'facebids.core.identifiability.calibration',
        'facebids.core.alignment',
        'facebids.core.atlas',
        *GROUND,
    },
    'facebids.core.identifiability': {'facebids.core.identifiability', *GROUND},
    'facebids.core.phantoms': {
        'facebids.core.phantoms',
        'facebids.core.atlas',
        'facebids.core.attack',
        *GROUND,
    },
    'facebids.core': {'facebids.core.atlas', *GROUND},
    'facebids.bids': {'facebids.bids', *TABLES},
    'facebids.studies': {'facebids.studies', 'facebids.core', 'facebids.bids'},
    'facebids.release': {
        'facebids.release',
        'facebids.studies.results',
        'facebids.bids',
        'facebids.core',
    },
    'facebids.reports': {
        'facebids.reports',
        'facebids.release.certificate_types',
        'facebids.studies.results',
        'facebids.bids',
        'facebids.core.thresholds',
        'facebids.core.verdict',
        *TABLES,
    },
    'facebids.interfaces': {
        'facebids.interfaces',
        'facebids.core',
        'facebids.bids.names',
        'facebids.bids.metadata',
        'facebids.bids.records',
    },
    'facebids.workflows': {
        'facebids.workflows',
        'facebids.interfaces',
        'facebids.bids.plan',
        'facebids.bids.names',
        *TABLES,
    },
    'facebids.stages': {
        'facebids.stages',
        'facebids.workflows',
        'facebids.studies',
        'facebids.core',
        'facebids.reports',
        'facebids.release',
        'facebids.bids',
    },
    'facebids.cli': {
        'facebids.cli',
        'facebids.stages',
        'facebids.studies.results',
        'facebids.bids.names',
        'facebids.bids.suffixes',
        *TABLES,
    },
    'facebids.review': {
        'facebids.review',
        'facebids.web',
        'facebids.cli.arguments',
        'facebids.cli.command',
        'facebids.stages.folders',
        'facebids.stages.locks',
        'facebids.release.gate',
        'facebids.reports',
        'facebids.core.verdict',
        'facebids.bids',
        *TABLES,
    },
    'facebids.quiz.scoring': {
        'facebids.quiz',
        'facebids.reports',
        'facebids.studies',
        'facebids.core.attack',
        'facebids.core.arrays',
        'facebids.bids',
    },
    'facebids.web': {'facebids.web'},
    'facebids.quiz': {
        'facebids.quiz',
        'facebids.web',
        'facebids.core.attack',
        'facebids.studies.photographs',
        'facebids.stages.locks',
        'facebids.cli.arguments',
        'facebids.cli.command',
        'facebids.bids',
        'facebids.core.arrays',
        *TABLES,
    },
    'facebids.mask': {
        'facebids.mask',
        'facebids.core.atlas',
        'facebids.core.attack',
        'facebids.core.arrays',
        'facebids.core.packages',
        'facebids.studies.photographs.read',
        'facebids.reports',
        'facebids.cli.arguments',
        'facebids.cli.command',
        'facebids.cli.console',
    },
    'facebids.api': {'facebids.core'},
    'facebids.__main__': {'facebids.cli'},
}

# Libraries that only some modules may import.
OWNERS = {
    'alembic': {'facebids.quiz.database', 'facebids.quiz.migrations'},
    'ants': {
        'facebids.core.alignment.registration',
        'facebids.core.alignment.coregistration',
        'facebids.core.defacing.tissues',
    },
    'av': {'facebids.mask.video', 'facebids.mask.cli'},
    'bids': {'facebids.bids.inputs'},
    'dlib': {'facebids.core.attack.recognition'},
    'embreex': {'facebids.core.attack.rays'},
    'jinja2': {'facebids.reports', 'facebids.quiz'},
    'markdown_it': {'facebids.quiz.server.pages'},
    'mediapipe': {'facebids.mask.landmarks', 'facebids.mask.cli'},
    'nilearn': {'facebids.core.atlas'},
    'nipype': {
        'facebids.interfaces',
        'facebids.workflows',
        'facebids.stages.graph',
        'facebids.stages.measured',
        'facebids.stages.pool',
        'facebids.stages.slurm',
    },
    'rich': {'facebids.cli', 'facebids.mask.cli'},
    'sqlalchemy': {'facebids.quiz.database', 'facebids.quiz.migrations'},
    'starlette': {'facebids.web', 'facebids.quiz.server', 'facebids.review.server'},
    'templateflow': {'facebids.bids.templateflow'},
    'uvicorn': {'facebids.web', 'facebids.quiz.server', 'facebids.review.server'},
}

# Libraries that take long to import, so functions import them when needed. The exceptions are
# Nipype interfaces and plugins: classes, whose base must exist when the module is imported.
SLOW = {'ants', 'av', 'bids', 'dlib', 'jinja2', 'matplotlib', 'mediapipe', 'nilearn', 'nipype'}
SLOW |= {'pandas', 'skimage', 'sklearn', 'statsmodels', 'templateflow', 'trimesh'}
SLOW_ALLOWED = {
    'nipype': {
        'facebids.interfaces',
        'facebids.workflows',
        'facebids.stages.measured',
        'facebids.stages.pool',
        'facebids.stages.slurm',
    }
}

# The modules that `facebids --help` imports.
STDLIB_ONLY = {'facebids', 'facebids.cli', 'facebids.cli.parser', 'facebids.config'}
STDLIB_ONLY |= {'facebids.errors', *TABLES}

# Calls that run a shell, and modules that run code while they read data.
SHELLS = {'os.system', 'os.popen', 'subprocess.getoutput', 'subprocess.getstatusoutput'}
UNSAFE = {'pickle', 'cPickle', 'dill', 'cloudpickle', 'joblib', 'shelve', 'marshal'}

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
LONGEST_FUNCTION, LONGEST_FACTORY, LONGEST_MODULE = 60, 80, 400


@dataclass(frozen=True)
class Module:
    """One source file of the package, and the name by which it is imported."""

    name: str
    path: Path

    @property
    def tree(self) -> ast.Module:
        return _parse(self.path)


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def _modules() -> Iterator[Module]:
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob('*.py')):
            parts = path.relative_to(folder).with_suffix('').parts
            name = '.'.join([package, *parts]).removesuffix('.__init__')
            yield Module(name, path)


MODULES = list(_modules())
each_module = pytest.mark.parametrize('module', MODULES, ids=lambda module: module.name)


def _is_inside(name: str, packages) -> bool:
    return any(name == package or name.startswith(f'{package}.') for package in packages)


def _imported(node: ast.AST) -> list[str]:
    """Return the dotted names of an import statement; a ``from`` import has one for each name."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f'line {node.lineno}: imports are absolute'
        return [f'{node.module}.{alias.name}' for alias in node.names]
    return []


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run when the module is imported: all but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and 'TYPE_CHECKING' in ast.unparse(child.test)
        if not isinstance(child, FUNCTIONS | ast.Lambda) and not typing_only:
            yield child
            yield from _at_import(child)


def _imports(nodes) -> list[str]:
    return [name for node in nodes for name in _imported(node)]


def _top(name: str) -> str:
    return name.partition('.')[0]


def _docstring_lines(node: ast.AST) -> set[int]:
    body = getattr(node, 'body', None)
    first = body[0] if isinstance(body, list) and body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return set(range(first.lineno, first.end_lineno + 1))
    return set()


def _code_lines(module: Module, node: ast.AST) -> int:
    """Count the lines of a node that are neither empty, comment nor docstring."""
    lines = module.path.read_text().splitlines()
    first, last = getattr(node, 'lineno', 1), getattr(node, 'end_lineno', len(lines))
    documentation = set().union(*(_docstring_lines(child) for child in ast.walk(node)))
    code = [lines[i - 1].strip() for i in range(first, last + 1) if i not in documentation]
    return sum(1 for line in code if line and not line.startswith('#'))


@each_module
def test_imports_go_downwards_only(module):
    layer = next((name for name in DOWNWARDS if _is_inside(module.name, [name])), None)
    assert layer or module.name == 'facebids', f'{module.name} belongs to no part of the package'
    allowed = DOWNWARDS.get(layer, {'facebids.api'})
    ours = [name for name in _imports(ast.walk(module.tree)) if _top(name) == 'facebids']
    # `from facebids import errors` names a module, `from facebids.errors import X` something in it
    wrong = [
        name
        for name in ours
        if not _is_inside(name, allowed)
        and name not in EVERYONE
        and name.rpartition('.')[0] not in EVERYONE
    ]
    assert not wrong


@each_module
def test_a_library_is_imported_only_by_its_owner(module):
    used = {_top(name) for name in _imports(ast.walk(module.tree))}
    wrong = [lib for lib in used & set(OWNERS) if not _is_inside(module.name, OWNERS[lib])]
    assert not wrong


@each_module
def test_slow_libraries_are_imported_inside_the_functions_that_use_them(module):
    used = {_top(name) for name in _imports(_at_import(module.tree))}
    wrong = [lib for lib in used & SLOW if not _is_inside(module.name, SLOW_ALLOWED.get(lib, ()))]
    assert not wrong


@pytest.mark.parametrize('name', sorted(STDLIB_ONLY))
def test_what_help_reads_needs_the_standard_library_only(name):
    module = next(module for module in MODULES if module.name == name)
    used = {_top(name) for name in _imports(_at_import(module.tree))}
    assert used <= sys.stdlib_module_names | {'facebids'}


@each_module
def test_only_the_command_line_prints(module):
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    prints = [node.lineno for node in calls if ast.unparse(node.func) == 'print']
    assert not prints or _is_inside(
        module.name,
        ['facebids.cli', 'facebids.mask.cli', 'facebids.quiz.cli', 'facebids.review.cli'],
    )


@each_module
def test_functions_and_modules_are_short(module):
    long = {}
    for node in ast.walk(module.tree):
        if isinstance(node, FUNCTIONS):
            factory = node.name.startswith('init_') and node.name.endswith('_wf')
            length = _code_lines(module, node)
            if length > (LONGEST_FACTORY if factory else LONGEST_FUNCTION):
                long[node.name] = length
    assert not long
    assert _code_lines(module, module.tree) <= LONGEST_MODULE


@each_module
def test_nothing_is_left_unwritten(module):
    empty = []
    protocols = [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and 'Protocol' in map(ast.unparse, node.bases)
    ]
    declared = {part for protocol in protocols for part in protocol.body}
    for node in ast.walk(module.tree):
        if isinstance(node, FUNCTIONS) and node not in declared:
            body = [line for line in node.body if line.lineno not in _docstring_lines(node)]
            text = '; '.join(ast.unparse(line) for line in body)
            if text in {'', 'pass', '...'} or 'NotImplementedError' in text:
                empty.append(node.name)
    assert not empty


@each_module
def test_no_shell_runs_and_no_pickle_is_read(module):
    """Both would run code that stands in a file name or a data file."""
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    names = {node: ast.unparse(node.func) for node in calls}
    options = {
        node: {item.arg: ast.unparse(item.value) for item in node.keywords} for node in calls
    }
    shells = [name for name in names.values() if name in SHELLS]
    shells += [names[node] for node in calls if options[node].get('shell', 'False') != 'False']
    assert not shells
    assert not {_top(name) for name in _imports(ast.walk(module.tree))} & UNSAFE
    loads = [node for node in calls if names[node] in ('np.load', 'numpy.load')]
    assert all(options[node].get('allow_pickle') == 'False' for node in loads)
    assert 'True' not in [options[node].get('allow_pickle') for node in calls]


def test_every_package_folder_is_packaged():
    found = {module.name for module in MODULES if module.path.name == '__init__.py'}
    folders = {
        '.'.join([package, *path.parent.relative_to(folder).parts])
        for package, folder in FOLDERS.items()
        for path in folder.rglob('*.py')
    }
    assert found == folders == set(PROJECT['tool']['setuptools']['packages'])


def test_console_scripts_exist():
    for target in PROJECT['project']['scripts'].values():
        name, _, function = target.partition(':')
        module = next(module for module in MODULES if module.name == name)
        functions = {n.name for n in module.tree.body if isinstance(n, ast.FunctionDef)}
        assert function in functions, target


def test_the_image_has_the_fallback_version_by_default():
    default = re.search(r'^ARG VERSION=(.+)$', (ROOT / 'Dockerfile').read_text(), re.M)[1]
    assert default == PROJECT['tool']['setuptools_scm']['fallback_version']


def test_ci_tests_every_supported_python():
    classifiers = PROJECT['project']['classifiers']
    supported = [item.rpartition(' ')[2] for item in classifiers if ':: 3.' in item]
    matrix = re.search(r'matrix:.*version: (\[.*?\])', (ROOT / '.circleci/config.yml').read_text())
    assert json.loads(matrix[1]) == supported


@pytest.mark.parametrize('name', sorted(PROJECT['project']['scripts']))
def test_every_command_prints_its_version(name):
    module, _, function = PROJECT['project']['scripts'][name].partition(':')
    code = f'import sys; from {module} import {function}; sys.argv = ["{name}", "--version"]; '
    done = subprocess.run(
        [sys.executable, '-c', f'{code}{function}()'], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f'{name} {facebids.__version__}'


HELP = """
import json, sys
sys.argv = ['facebids', '--help']
from facebids.cli.run import main
try:
    main()
except SystemExit as end:
    assert not end.code
print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))
"""


def test_help_imports_nothing_heavy():
    """How long it takes is measured in ``benchmarks/help.py``."""
    done = subprocess.run(
        [sys.executable, '-c', HELP], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert 'facebids' in loaded
    assert not loaded & (SLOW | {'embreex', 'scipy', 'numpy', 'nibabel'})


def _tracked() -> list[Path]:
    """Return the files of the project: those git tracks, or in a copy without git, all files."""
    if shutil.which('git'):
        command = ['git', 'ls-files', '-z']
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.stdout:
            return [path for name in done.stdout.split('\0') if (path := ROOT / name).is_file()]
    kept = ('facebids', 'workflows', 'tests', 'scripts', 'docs', 'benchmarks', '.ci', '.circleci')
    nested = [path for folder in kept for path in (ROOT / folder).rglob('*') if path.is_file()]
    return [path for path in nested if '__pycache__' not in path.parts]


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return None


MACHINE_PATH = re.compile(r'(?<![\w.)}~$])/(?:home|root|work|Users|mnt|media|private/tmp)/\w')


def test_no_path_of_a_machine_in_the_project():
    found = {
        str(path.relative_to(ROOT)): match.group()
        for path in _tracked()
        if (match := MACHINE_PATH.search(_text(path) or ''))
    }
    assert not found


def test_every_python_file_names_its_licence_first():
    line = '# SPDX-License-Identifier: Apache-2.0'
    sources = [path for path in _tracked() if path.suffix == '.py']
    assert sources
    assert not [path for path in sources if path.read_text().split('\n', 1)[0] != line]


NETWORK = """
import socket, urllib.request
try:
    urllib.request.urlopen('http://example.org', timeout=5)
except OSError:
    pass
"""


def test_the_network_guard_sees_swallowed_attempts_of_child_processes(tmp_path):
    """Other tests rely on the guard. It must refuse and record, even if errors are swallowed."""
    log = tmp_path / 'attempts.txt'
    environment = {
        'PYTHONPATH': str(ROOT / 'tests/network_guard'),
        'FACEBIDS_NETWORK_LOG': str(log),
    }
    subprocess.run([sys.executable, '-c', NETWORK], env=environment, check=True)
    assert 'example.org' in log.read_text()


@pytest.mark.usefixtures('no_network')
def test_the_network_guard_sees_attempts_of_this_process(tmp_path, monkeypatch):
    log = tmp_path / 'attempts.txt'
    monkeypatch.setenv('FACEBIDS_NETWORK_LOG', str(log))
    with pytest.raises(PermissionError):
        socket.create_connection(('192.0.2.1', 80), timeout=5)
    with pytest.raises(PermissionError), socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b'', 0, ('192.0.2.2', 80))
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen('http://example.org', timeout=5)
    assert all(host in log.read_text() for host in ('192.0.2.1', '192.0.2.2', 'example.org'))
