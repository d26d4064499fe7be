# SPDX-License-Identifier: Apache-2.0
import os
from dataclasses import fields
from pathlib import Path

import pytest

from facebids.cli.parser import make_parser, parse
from facebids.config import OF_LEVEL, ReleaseSettings, Settings

BASE = ['data', 'out', 'participant']
GROUP = ['data', 'out', 'group']


def test_the_defaults_of_all_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = parse(BASE)
    assert settings.bids_dir == tmp_path / 'data'
    assert settings.output_dir == tmp_path / 'out'
    assert settings.work_dir == tmp_path / 'work'
    assert settings.private_dir == tmp_path / 'work/private'
    assert settings.nprocs == len(os.sched_getaffinity(0))
    assert (settings.omp_nthreads, settings.seed, settings.participant_label) == (1, 0, ())


def test_every_option_sets_its_setting(tmp_path):
    filters = tmp_path / 'filters.json'
    filters.write_text('{"t1w": {"acquisition": null}}')
    plugin = tmp_path / 'plugin.json'
    plugin.write_text('{"sbatch_args": "--mem=4G", "max_jobs": 3}')
    settings = parse(
        [
            '/data', '/out', 'participant', '--participant-label', 'sub-01', '02',
            '--session-label', 'ses-A', '--bids-filter-file', str(filters),
            '--skip-bids-validation', '--bids-database-dir', '/db',
            '-w', '/scratch', '--private-dir', '/secret',
            '--clean-workdir', '--nprocs', '4', '--omp-nthreads', '2', '--random-seed', '7',
            '--stop-on-first-crash', '--dry-run', '--write-graph', '-vv',
            '--include', 'func', 'dwi', '--include', 'func', '--keep-mask', '/keep',
            '--plugin', 'SLURM', '--plugin-args', str(plugin), '--resource-monitor',
        ]
    )  # fmt: skip
    assert settings.analysis_level == 'participant'
    assert settings.participant_label == ('01', '02')
    assert settings.session_label == ('A',)
    assert settings.bids_filters == {'t1w': {'acquisition': None}}
    assert settings.include == ('func', 'dwi')
    assert settings.bids_database_dir == Path('/db')
    assert parse([*GROUP, '--photos', '/photos']).photos_dir == Path('/photos')
    assert settings.keep_mask == Path('/keep')
    assert (settings.work_dir, settings.private_dir) == (Path('/scratch'), Path('/secret'))
    assert (settings.nprocs, settings.omp_nthreads, settings.seed) == (4, 2, 7)
    assert settings.verbose == 2
    assert settings.plugin == 'SLURM'
    assert settings.plugin_args == {'sbatch_args': '--mem=4G', 'max_jobs': 3}
    assert settings.resource_monitor
    flags = ('skip_bids_validation', 'clean_workdir', 'stop_on_first_crash', 'dry_run')
    assert all(getattr(settings, flag) for flag in (*flags, 'write_graph'))


def test_options_of_one_level_alone_are_those_of_the_settings():
    read = {name for known in OF_LEVEL.values() for name in known.values()}
    assert read <= {item.name for item in (*fields(Settings), *fields(ReleaseSettings))}


@pytest.mark.parametrize('option', ['--nprocs', '--n-cpus', '--nthreads'])
def test_other_names_of_options(option):
    settings = parse([*BASE, option, '3', '--participant_label', '01', '--session_label', 'A'])
    assert (settings.nprocs, settings.participant_label, settings.session_label) == (
        3,
        ('01',),
        ('A',),
    )


def test_the_number_of_processes_may_be_an_argument_of_the_plugin(tmp_path):
    path = tmp_path / 'plugin.json'
    path.write_text('{"n_procs": 3, "memory_gb": 16}')
    settings = parse([*BASE, '--plugin-args', str(path)])
    assert (settings.nprocs, settings.plugin_args) == (3, {'memory_gb': 16})
    assert parse([*BASE, '--plugin-args', str(path), '--nprocs', '2']).nprocs == 2


@pytest.mark.parametrize(
    ('plugin', 'text', 'message'),
    [
        ('SLURM', '["--mem=4G"]', 'must hold a JSON object'),
        ('SLURM', '{mem: 4}', 'cannot be read as JSON'),
        ('SLURM', '{"qsub_args": "-q all"}', 'SLURM has no argument qsub_args. It has max_jobs, '),
        ('SLURM', '{"max_jobs": 0}', 'max_jobs must be a whole number of at least 1'),
        ('Linear', '{"n_procs": 2}', 'Linear has no argument n_procs. It has none.'),
        ('MultiProc', '{"n_procs": "2"}', 'n_procs must be a whole number of at least 1'),
        ('PBS', '{}', "--plugin 'PBS': choose from"),
    ],
)
def test_arguments_that_a_plugin_does_not_know_are_refused(
    tmp_path, capsys, plugin, text, message
):
    path = tmp_path / 'plugin.json'
    path.write_text(text)
    with pytest.raises(SystemExit) as end:
        parse([*BASE, '--plugin', plugin, '--plugin-args', str(path)])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_labels_may_be_repeated_and_count_once():
    settings = parse([*BASE, '--participant-label', '01', '--participant-label', '02', 'sub-01'])
    assert settings.participant_label == ('01', '02')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['data', 'out', 'both'], "analysis_level 'both': choose from"),
        (['data', 'out'], 'missing arguments: analysis_level.'),
        ([*BASE, '--participant-label', '*'], 'not a label'),
        ([*BASE, '--nprocs', '0'], 'not a whole number of at least 1'),
        ([*BASE, '--nprocs', 'many'], 'not a whole number of at least 1'),
        ([*BASE, '--random-seed', '-1'], 'not a whole number of at least 0'),
        ([*BASE, '--brain-margin', 'nan'], 'not a length from 0 to 20 mm'),
        ([*BASE, '--nprocs', '2', '--omp-nthreads', '3'], 'more than --nprocs 2'),
        ([*BASE, '--bids-filter-file', 'missing.json'], r'missing.json cannot be read'),
        ([*BASE, '--include', 'eeg'], "--include 'eeg': choose from"),
        ([*GROUP, '--head-points', 'keep'], 'nothing is released without --release-dir'),
        ([*BASE, '--photos', 'p', '--link', 'copy'], '--photos, --link: only the group level'),
        ([*BASE, '--release-dir', 'upload'], '--release-dir: only the group level'),
        (
            [*GROUP, '--mode', 'reface', '--keep-eyes'],
            '--mode, --keep-ears, --keep-eyes: only the',
        ),
        ([*GROUP, '--session-label', 'A'], '--session-label: only the participant level'),
        ([*BASE, '--link', 'auto'], '--link: only the group level'),  # although it is the default
        ([*GROUP, '--mode', 'remove'], '--mode: only the participant level'),
        ([*BASE, '--part', '01'], 'unknown arguments: --part 01.'),
        ([*BASE, '--nproc', '2'], 'unknown arguments: --nproc 2. Did you mean --nprocs?'),
        ([*BASE, '--nprocs'], '--nprocs/--n-cpus/--nthreads needs one argument.'),
    ],
)
def test_wrong_arguments_end_with_code_2_and_a_sentence(arguments, message, capsys):
    with pytest.raises(SystemExit) as end:
        parse(arguments)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith('facebids: ')
    assert said.endswith(' See facebids --help.\n')
    assert said.count('\n') == 1


@pytest.mark.parametrize(
    ('level', 'option'),
    [
        ({'participant': 'group', 'group': 'participant'}[of], option)
        for of, known in OF_LEVEL.items()
        for option in ', '.join(known).split(', ')
    ],
)
def test_every_option_of_the_other_level_is_refused(level, option, capsys, tmp_path):
    (tmp_path / 'x.json').write_text('{}')
    action = make_parser()._option_string_actions[option]
    values = {'--brain-margin': '3', '--session-label': 'A', '--template': 'A'}
    value = values.get(option) or (action.choices or [str(tmp_path / 'x.json')])[0]
    with pytest.raises(SystemExit) as end:
        parse(['data', 'out', level, option, *([] if action.nargs == 0 else [value])])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert option in said
    assert f'only the {"group" if level == "participant" else "participant"} level' in said


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"T1w": {}}', 'unknown key T1w. Known are t1w, '),
        ('[]', 'must have the form'),
        ('{"t1w": 1}', 'must have the form'),
        ('{', 'cannot be read as JSON'),
        ('{"t1w": {"acquisition": "Query.NONE"}}', 't1w, acquisition: Query.NONE matches nothing'),
        ('{"t1w": {"session": ["A", "bids.layout.Query.ANY"]}}', 'Query.ANY matches nothing'),
        ('{"t1w": {"subject": "sub-01"}}', "'sub-01' matches nothing"),
        ('{"t1w": {"run": ""}}', "'' matches nothing"),
        ('{"t1w": {"run": ["*"]}}', '"*" must stand alone'),
        ('{"t1w": {"run": []}}', '[] is neither a label'),
        ('{"t1w": {"run": true}}', 'True is neither a label'),
    ],
)
def test_an_invalid_filter_file_is_refused(tmp_path, capsys, text, message):
    filters = tmp_path / 'filters.json'
    filters.write_text(text)
    with pytest.raises(SystemExit):
        parse([*BASE, '--bids-filter-file', str(filters)])
    assert message in ' '.join(capsys.readouterr().err.split())


def test_help_lists_all_exit_codes(capsys):
    with pytest.raises(SystemExit) as end:
        parse(['--help'])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(f'{code} ' in text for code in (0, 1, 2, 3, 65, 66, 70, 73))
    assert '130 interrupted' in text


def test_a_template_is_normalised():
    assert parse(BASE).template is None
    assert parse([*BASE, '--template', 'Child:cohort-3:res-02']).template == 'Child:cohort-3:res-2'


def test_an_invalid_template_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        parse([*BASE, '--template', 'Child:foo'])
    assert end.value.code == 2
    assert "'Child:foo' is not a template" in capsys.readouterr().err


def test_already_defaced_images_are_unchanged_unless_forced():
    assert (parse(BASE).force, parse([*BASE, '--force']).force) == (False, True)
