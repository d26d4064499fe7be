# SPDX-License-Identifier: Apache-2.0
"""Write the pages of the reference that follow from the code: ``commands.md`` and ``codes.md``.

Run ``python docs/reference.py`` after a change of options, errors or limits.
``tests/test_docs.py`` compares.
"""

import argparse
import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from facebids import errors
from facebids.cli import parser, phantom, verify
from facebids.cli.command import INTERRUPTED
from facebids.core import verdict
from facebids.core.remedies import FAILED, LOOK
from facebids.core.thresholds import THRESHOLDS
from facebids.mask import cli as mask
from facebids.quiz import cli as quiz
from facebids.review import cli as review

COMMANDS = (parser, verify, review, phantom, quiz, mask)
COMMANDS_HEAD = """
# Command line

<!-- Made by docs/reference.py. Do not edit. -->

All commands and their options, as `--help` prints them. [Usage](usage.md) explains those of
`facebids`.
"""
CODES = """\
# Errors and reasons

<!-- Made by docs/reference.py. Do not edit. -->

A message of FaceBIDS says what happened, to which file, and what to do. Scripts may rely on the
codes below.

## Errors

Every error that a user can correct is a class of `facebids.errors`. A command ends with the exit
code of its error, with 0 after success, and with {interrupted} if it was interrupted.
[Usage](usage.md#exit-codes) explains the exit codes.

| class | exit code | meaning |
|---|---|---|
{errors}

An error of a single image is the reason of its verdict, with the name of the class as the code:
`not_a_head_error`. `source_failed` says that the image whose registration it borrows or shares
was stopped.

## Reasons of a verdict

A *fail* withholds the image, a *review* asks a person, and a *note* does not change the verdict.
[Metrics and verdict](metrics.md#verdict) explains them. If the number of a limit could not be
measured, its code ends in `_unknown`.

### Limits that are not met

[Thresholds](metrics.md#thresholds) has the numbers.

| code | severity | meaning |
|---|---|---|
{limits}

### Other reasons

| code | severity | meaning |
|---|---|---|
{others}

## What to do

The line of an image on the terminal says it, too. About a *review*: {look}

| code of a *fail* | what to do |
|---|---|
{remedies}
"""


def pages() -> dict[str, str]:
    """Return the text of each page by its name."""
    return {'commands.md': _commands(), 'codes.md': _codes()}


def _commands() -> str:
    parts = [COMMANDS_HEAD.strip()]
    for module in COMMANDS:
        parts += _command(module.make_parser(), 2)
    return '\n\n'.join(parts) + '\n'


def _command(made: argparse.ArgumentParser, level: int) -> Iterator[str]:
    """Yield the sections of a command and of its subcommands."""
    yield f'{"#" * level} {made.prog}'
    yield _text(' '.join((made.description or '').split()))
    commands = [action for action in made._actions if isinstance(action.choices, dict)]
    if not commands:
        shown = [action for group in made._action_groups for action in group._group_actions]
        usage = ' '.join([made.prog, *(_name(a) for a in shown if not a.option_strings)])
        yield f'    {usage} [options]'
    for group in made._action_groups:
        actions = [a for a in group._group_actions if a.dest != 'help' and a not in commands]
        if actions:
            named = group.title not in ('positional arguments', 'options')
            title = [f'*{group.title[0].upper()}{group.title[1:]}*'] if named else []
            yield '\n\n'.join([*title, _table(made, actions)])
    if made.epilog:
        yield _text(' '.join(made.epilog.split()))
    for action in commands:
        for sub in action.choices.values():
            yield from _command(sub, level + 1)


def _table(made: argparse.ArgumentParser, actions: list[argparse.Action]) -> str:
    expand = made._get_formatter()._expand_help
    rows = [f'| {_typed(action)} | {_text(expand(action))} |' for action in actions]
    return '\n'.join(['| argument | meaning |', '|---|---|', *rows])


def _typed(action: argparse.Action) -> str:
    return ', '.join(f'`{name}`' for name in _name(action).split(', '))


def _name(action: argparse.Action) -> str:
    """Return an argument as it is typed: ``-w, --work-dir PATH``."""
    value = action.metavar or action.dest.upper()
    if action.choices and not action.metavar:
        value = '{' + ','.join(map(str, action.choices)) + '}'
    many = {'+': f'{value} ...', '*': f'[{value} ...]', '?': f'[{value}]'}
    value = '' if action.nargs == 0 else many.get(str(action.nargs), value)
    return ' '.join(filter(None, [', '.join(action.option_strings), value]))


def _text(words: str) -> str:
    """Return plain words for Markdown."""
    return re.sub(r'([*_<|])', r'\\\1', words)


def _codes() -> str:
    kinds = _kinds(errors.FacebidsError)
    return CODES.format(
        interrupted=INTERRUPTED,
        errors='\n'.join(f'| `{k.__name__}` | {k.exit_code} | {_summary(k)} |' for k in kinds),
        # limits that depend on the contrast have the same code
        limits='\n'.join(
            dict.fromkeys(f'| `{t.name}` | {t.severity} | {t.message} |' for t in THRESHOLDS)
        ),
        others='\n'.join(_other_reasons()),
        look=LOOK[0].lower() + LOOK[1:],
        remedies='\n'.join(f'| `{code}` | {text} |' for code, text in FAILED.items()),
    )


def _kinds(base: type[errors.FacebidsError]) -> Iterator[type[errors.FacebidsError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)


def _summary(kind: type) -> str:
    return (inspect.getdoc(kind) or '').splitlines()[0]


def _other_reasons() -> Iterator[str]:
    """Yield a row for each reason with a code and a message of its own, from the source."""
    for function in ast.walk(ast.parse(inspect.getsource(verdict))):
        if not isinstance(function, ast.FunctionDef):
            continue
        message = ''
        for node in sorted(ast.walk(function), key=lambda node: getattr(node, 'lineno', 0)):
            match node:
                case ast.Assign([ast.Name('message')], text):
                    message = _words(text)
                case ast.Call(ast.Name('Reason'), [ast.Constant(str(code)), severity, *_]):
                    options = [n.value for n in ast.walk(severity) if isinstance(n, ast.Constant)]
                    yield f'| `{code}` | {" or ".join(options)} | {message} |'


def _words(text: ast.expr) -> str:
    """Return a text of the source, with an ellipsis for what is filled in."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return ''.join(p.value if isinstance(p, ast.Constant) else '...' for p in parts)


if __name__ == '__main__':
    for name, text in pages().items():
        Path(__file__).with_name(name).write_text(text)
