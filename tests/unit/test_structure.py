# SPDX-License-Identifier: Apache-2.0
"""``scripts/structure`` counts packages, imports, cycles and functions of a toy package."""

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / 'scripts' / 'structure'
SOURCES = {
    'toy/__init__.py': '',
    'toy/__main__.py': 'from toy.high.one import act\n',
    'toy/low/__init__.py': '"""Nothing."""\n',
    'toy/low/base.py': """
        def typed(a: int, *, b: str = '') -> int:
            \'\'\'Documented
            on two lines.\'\'\'
            # a comment

            return a


        def untyped(a):
            return a
        """,
    'toy/high/__init__.py': '',
    'toy/high/one.py': """
        from typing import TYPE_CHECKING
        from toy.low import base
        if TYPE_CHECKING:
            from toy.side import thing


        class Thing:
            def act(self) -> None:
                from toy.high import two
        """,
    'toy/high/two.py': 'import os\nfrom toy.high.one import act\nfrom toy.low.base import typed\n',
    'side/thing.py': '',
}


@pytest.fixture(scope='module')
def structure():
    loader = SourceFileLoader('structure', str(SCRIPT))
    module = module_from_spec(spec_from_loader('structure', loader))
    sys.modules['structure'] = module  # dataclasses look themselves up
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = written
    yield module
    del sys.modules['structure']


@pytest.fixture
def modules(structure, tmp_path):
    for name, text in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace('\n        ', '\n'))
    return structure.read({'toy': tmp_path / 'toy', 'toy.side': tmp_path / 'side'})


def test_imports_are_counted_once_for_each_pair(structure, modules):
    assert structure.module_arrows(modules) == {
        'toy': set(),
        'toy.__main__': {'toy.high.one'},
        'toy.low': set(),
        'toy.low.base': set(),
        'toy.high': set(),
        'toy.high.one': {'toy.low.base', 'toy.high.two'},
        'toy.high.two': {'toy.high.one', 'toy.low.base'},
        'toy.side.thing': set(),
    }
    assert structure.package_arrows(modules) == {
        'toy': set(),
        'toy.__main__': {'toy.high'},
        'toy.low': set(),
        'toy.high': {'toy.low'},
        'toy.side': set(),
    }


def test_cycles_are_found(structure, modules):
    assert structure.cycles(structure.package_arrows(modules)) == []
    found = structure.cycles(structure.module_arrows(modules))
    assert found == [['toy.high.one', 'toy.high.two']]


def test_functions_are_measured_without_docstrings_and_comments(modules):
    functions = {module.name: module.functions for module in modules}
    assert [(item.lines, item.typed) for item in functions['toy.low.base']] == [
        (2, True),
        (2, False),
    ]
    assert [(item.lines, item.typed) for item in functions['toy.high.one']] == [(2, True)]


@pytest.mark.parametrize(('share', 'value'), [(0.5, 5), (0.9, 9), (1, 10)])
def test_percentiles(structure, share, value):
    assert structure.percentile(range(1, 11), share) == value
    assert structure.percentile([], share) == 0


def test_the_table_has_a_row_for_each_package(structure, modules):
    lines = list(structure.table(modules))
    assert [line.split()[0] for line in lines[1:7]] == [
        'toy', 'toy.__main__', 'toy.high', 'toy.low', 'toy.side', 'all',
    ]  # fmt: skip
    assert '  toy.high.one <-> toy.high.two' in lines
