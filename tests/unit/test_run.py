# SPDX-License-Identifier: Apache-2.0
"""The whole command, with a graph of toy steps in the place of the real one."""

import dataclasses
import gc
import io
import json
import logging
import os
import re
import shutil
import signal
import sys
import time
from types import SimpleNamespace

import make
import pytest
from toys import FLAIR_A, T1W_2, T1W_A, T1W_B, image_of

from facebids.bids import names, records
from facebids.bids.names import HeadImage
from facebids.bids.usage import Usage
from facebids.cli import console
from facebids.cli.console import ImageProgress, time_left
from facebids.cli.run import main
from facebids.core import remedies
from facebids.core.record import Reason
from facebids.core.thresholds import THRESHOLDS
from facebids.filesystem import TEMPORARY
from facebids.stages.crashes import NOT_REACHED, Crash, reason_for_missing_record


def test_the_output_in_derivatives_is_no_input(run):
    run.out = run.bids / 'derivatives/facebids'
    assert run() == 0
    first = run.verdicts()
    assert len(first) == 4
    assert run() == run(level='group') == 0
    assert run.verdicts() == first
    description = json.loads((run.out / 'dataset_description.json').read_text())
    assert description['DatasetLinks'] == {'raw': '../..'}


def test_every_image_is_released_and_described(run, capsys):
    assert run() == 0
    assert run.verdicts() == dict.fromkeys([FLAIR_A, T1W_A, T1W_B, T1W_2], 'pass')
    assert all(path.is_file() for path in run.files(T1W_B))
    pages = {path.name for path in run.out.glob('*.html')}
    assert pages == {path.name for path in run.private.glob('*.html')}
    assert pages == {'sub-01.html', 'sub-02.html'}
    description = json.loads((run.out / 'dataset_description.json').read_text())
    assert description['DatasetLinks'] == {'raw': '../raw'}
    text = capsys.readouterr().out
    assert re.search(rf'\[1/4\] {FLAIR_A}: pass, \d+ s', text)
    assert text.count('9/10') == 4
    assert 'reports: ' in text
    assert 'nipype' not in text.lower()


def test_nipype_speaks_to_the_log_alone(run):
    run()
    (log,) = (run.work / 'log').glob('*/facebids.log')
    assert 'nipype.workflow' in log.read_text()
    assert json.loads(log.with_name('settings.json').read_text())['seed'] == 0
    assert not [item for item in logging.getLogger().handlers if str(run.work) in str(item)]


@pytest.mark.parametrize('nprocs', ['1', '2'])
def test_one_failing_image_fails_itself_and_the_others_finish(run, nprocs, capsys):
    assert run('--nprocs', nprocs, outcomes={T1W_A: 'empty'}) == 1
    assert run.verdicts() == {FLAIR_A: 'pass', T1W_A: 'fail', T1W_B: 'pass', T1W_2: 'pass'}
    message = 'x/sub-01_ses-A_T1w.nii.gz: only zeros.'
    assert run.reason(T1W_A) == Reason('empty_image_error', 'fail', message)
    assert not any(path.exists() for path in run.files(T1W_A))
    assert 'only zeros.' in (run.out / 'sub-01.html').read_text()
    assert not list(run.out.rglob('*crash*'))
    assert len(list((run.work / 'crash').glob('*/*'))) == 1
    text = capsys.readouterr().out
    assert re.search(rf'{T1W_A}: fail, \d+ s wall time\. .*/{message}\n', text)
    assert len(re.findall(r'^\[\d/4\] \S+: \w+, \d+ s', text, re.M)) == 4
    assert 'crash files: ' in text


def test_what_strangers_say_is_not_made_public(run):
    assert run(outcomes={T1W_2: 'bug'}) == 1
    assert run.reason(T1W_2).code == 'unexpected_error'
    assert 'ValueError' in run.reason(T1W_2).message
    everything = [path.read_text() for path in run.out.rglob('*') if path.is_file()]
    assert not any('secret' in text or str(run.work) in text for text in everything)


def test_a_killed_process_fails_its_image_and_ends(run):
    assert run('--nprocs', '2', '--participant-label', '01', outcomes={T1W_A: 'killed'}) == 1
    assert run.reason(T1W_A).code == 'worker_killed'
    assert '--nprocs' in run.reason(T1W_A).message
    assert run.verdicts()[T1W_B] == 'pass'


def _add_dependents(bids):
    """Add an image that borrows the registration of a T1w, and one that shares that of the first.

    Returns
    -------
    list of str
        The two images, relative to the dataset.
    """
    added = [T1W_A.replace('T1w', f'echo-{echo}_T2starw') for echo in (1, 2)]
    for path in added:
        shutil.copy(bids / T1W_A, bids / path)
    return added


@pytest.mark.parametrize('left_out', [False, True])
def test_dependent_images_fail_with_the_name_of_their_source(run, left_out, capsys):
    added = _add_dependents(run.bids)
    wanted = [T1W_A, *added]
    options = ['--participant-label', '01', '--session-label', 'A']
    if left_out:  # the T1w is registered for the others alone
        wanted = added
        (run.bids / 'filter.json').write_text('{"t1w": {"run": 1}}')
        options += ['--bids-filter-file', str(run.bids / 'filter.json')]
    assert run(*options, outcomes={T1W_A: 'empty'}) == 1
    assert run.verdicts() == {FLAIR_A: 'pass'} | dict.fromkeys(wanted, 'fail')
    for image in added:
        assert run.reason(image).code == 'source_failed'
        assert f'registration of {T1W_A}, ' in run.reason(image).message
        assert 'Run it again.' in run.reason(image).message
    lines = re.findall(r'^\[\d+/(\d+)\] (\S+): (?:fail|pass), ', capsys.readouterr().out, re.M)
    assert sorted(lines) == sorted((str(len(wanted) + 1), image) for image in [FLAIR_A, *wanted])


def test_a_source_that_stopped_after_its_registration_is_not_blamed():
    image, source = image_of(T1W_A.replace('T1w', 'T2starw')), image_of(T1W_A)
    step = f'facebids_wf.sub_01_wf.{names.workflow_name(source)}'
    later = Crash(f'{step}.deface_wf.deface', 'worker_killed', 'x')
    assert reason_for_missing_record(image, [later], {image: source}).code == NOT_REACHED
    first = Crash(f'{step}.register_wf.register', 'worker_killed', 'x')
    assert (
        reason_for_missing_record(image, [later, first], {image: source}).code == 'source_failed'
    )
    own = Crash(f'facebids_wf.sub_01_wf.{names.workflow_name(image)}.sink', 'own', 'x')
    assert reason_for_missing_record(image, [first, own], {image: source}) == own


def test_a_failed_verdict_withholds_the_image(run):
    assert run(outcomes={T1W_A: 'fail'}) == 1
    assert not any(path.exists() for path in run.files(T1W_A))
    assert all(path.is_file() for path in run.withheld(T1W_A))
    page = (run.out / 'sub-01.html').read_text()
    assert 'A face was found.' in page
    assert 'sub-01_ses-A_desc-renders_T1w.png' not in page


@pytest.mark.parametrize('outcome', ['fail', 'empty'])
def test_results_of_an_earlier_run_that_no_longer_hold_go(run, outcome):
    assert run() == 0
    assert run(outcomes={T1W_A: outcome}) == 1
    assert not any(path.exists() for path in run.files(T1W_A))
    assert all(path.exists() for path in run.withheld(T1W_A)) == (outcome == 'fail')
    assert all(path.is_file() for path in run.files(FLAIR_A))
    assert run() == 0
    assert all(path.is_file() for path in run.files(T1W_A))
    assert not any(path.exists() for path in run.withheld(T1W_A))


def test_an_image_that_passed_and_was_not_written_has_failed(run):
    assert run(outcomes={T1W_2: 'lost'}) == 1
    assert run.reason(T1W_2).code == 'output_missing'


def test_a_run_sweeps_what_killed_ones_left(run):
    run()
    left = run.out / 'sub-01' / 'ses-A' / 'anat' / f'{TEMPORARY}x-sub-01_T1w.nii.gz'
    left.write_text('half')
    os.utime(left, (0, 0))
    run()
    assert not left.exists()


def test_later_runs_over_other_images_keep_earlier_records(run):
    run('--participant-label', '01', '--session-label', 'A', outcomes={FLAIR_A: 'fail'})
    assert run('--participant-label', 'sub-02') == 0
    assert run.verdicts() == {FLAIR_A: 'fail', T1W_A: 'pass', T1W_2: 'pass'}
    assert FLAIR_A in (run.out / 'sub-01.html').read_text()


def test_stop_on_first_crash_starts_nothing_new(run):
    outcomes = dict.fromkeys([FLAIR_A, T1W_A, T1W_B, T1W_2], 'empty')
    assert run('--stop-on-first-crash', outcomes=outcomes) == 1
    assert [item.codes for item in records.read_all(run.out)] == [('empty_image_error',)]


@pytest.mark.parametrize('nprocs', ['1', '2'])
def test_images_that_stop_on_first_crash_did_not_reach_keep_what_they_had(run, nprocs):
    assert run() == 0
    options = ('--stop-on-first-crash', '--nprocs', nprocs)
    assert run(*options, outcomes={FLAIR_A: 'empty'}) == 1
    assert not any(path.exists() for path in run.files(FLAIR_A))
    assert run.verdicts() == {FLAIR_A: 'fail', T1W_A: 'pass', T1W_B: 'pass', T1W_2: 'pass'}
    assert all(path.is_file() for image in (T1W_B, T1W_2) for path in run.files(image))


def test_an_interrupt_leaves_what_was_done_and_no_verdict_on_the_rest(run, capsys):
    assert run(outcomes={T1W_2: 'interrupted'}) == 130
    assert 'pass' in run.verdicts().values()
    assert T1W_2 not in run.verdicts()
    assert 'Run the same command again' in capsys.readouterr().err


def test_an_interrupt_takes_back_what_a_crash_before_it_made_wrong(run):
    assert run() == 0
    assert run(outcomes={T1W_A: 'empty', T1W_2: 'interrupted'}) == 130
    assert not any(path.exists() for path in run.files(T1W_A))
    assert run.verdicts()[T1W_A] == 'fail'
    assert all(path.is_file() for path in run.files(FLAIR_A))


def test_a_request_to_end_ends_like_an_interrupt(monkeypatch, bids_dir, tmp_path):
    def terminated(settings):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr('facebids.cli.run.run', terminated)
    assert main([str(bids_dir), str(tmp_path / 'out'), 'participant']) == 130
    assert signal.getsignal(signal.SIGTERM) is handler


def test_no_process_outlives_a_run_that_was_ended(run):
    assert run('--nprocs', '2', outcomes={T1W_A: 'ended'}) == 130
    assert not (run.work / 'finished').exists()
    worker = int((run.work / 'worker').read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    assert T1W_A not in run.verdicts()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_end_is_not_lost_while_garbage_is_collected(run, number):
    def end(phase, info):
        if list((run.work / 'nipype').rglob('_node.pklz')):  # a step is at work
            gc.callbacks.remove(end)
            os.kill(os.getpid(), number)

    gc.callbacks.append(end)
    assert run('--nprocs', '2', outcomes={T1W_A: 'slow'}) == 130
    assert end not in gc.callbacks
    assert T1W_A not in run.verdicts()


def test_a_dry_run_tells_the_plan_and_writes_nothing(run, tmp_path, capsys):
    before = sorted(tmp_path.rglob('*'))
    assert run('--dry-run', '--bids-database-dir', str(tmp_path / 'db')) == 0
    assert sorted(tmp_path.rglob('*')) == before
    text = capsys.readouterr().out
    assert all(image in text for image in (FLAIR_A, T1W_A, T1W_B, T1W_2))
    assert '2 participants, 4 images to deface (1 FLAIR, 3 T1w)\n' in text
    assert 'passed over, although a face may show: 1 (defaced only with --include func;' in text
    assert 'expected wall time' not in text


def test_a_dry_run_tells_the_time_that_earlier_images_took(run, capsys):
    log = run.work / 'log/earlier/facebids.log'
    log.parent.mkdir(parents=True)
    ends = ['pass, 100 s wall time', 'review, 200 s wall time. Why.', 'fail, 1 s wall time. Why.']
    lines = [f'INFO: [{number}/3] {T1W_A}: {end}' for number, end in enumerate(ends, 1)]
    log.write_text('\n'.join(lines))
    assert run('--dry-run', '--nprocs', '2') == 0
    text = capsys.readouterr().out
    assert 'about 5 min with 2 processes (150 s for each image, the mean of 2 images in' in text


def test_the_graph_is_written_when_asked_for(run):
    assert run('--write-graph') == 0
    assert list((run.work / 'log').glob('*/graph.dot'))


def test_verbose_shows_each_step(run, capsys):
    run('-v')
    assert 'sub_02_T1w_wf.sink: end' in capsys.readouterr().out


def test_a_participant_without_images_is_named(run, capsys):
    (run.bids / 'sub-03/anat').mkdir(parents=True)
    assert run('--participant-label', '02', '03') == 0
    assert 'no image to deface for participant 03' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('options', 'code', 'message'),
    [
        (['--participant-label', '09'], 2, 'The dataset has 01, 02'),
        (['-w', 'raw/work'], 73, 'is inside the input'),
        (['--private-dir', 'out/private'], 73, 'meant to be shared'),
        (['--template', 'Nobody'], 2, 'tpl-Nobody/tpl-Nobody_res-1_T1w.nii.gz is not in'),
    ],
)
def test_wrong_requests_end_with_their_code_and_leave_nothing(run, capsys, options, code, message):
    assert run(*options) == code
    assert message in capsys.readouterr().err
    assert not run.out.exists()
    assert not run.work.exists()


def test_no_matching_image(run, capsys):
    (run.bids / T1W_2).unlink()
    assert run('--participant-label', '02') == 66
    assert not run.out.exists()


def test_not_bids(run, capsys):
    (run.bids / 'dataset_description.json').unlink()
    assert run() == 65
    assert '--skip-bids-validation' in capsys.readouterr().err


def test_an_internal_error_is_one_sentence_and_the_log_has_the_rest(run, monkeypatch, capsys):
    monkeypatch.setattr('facebids.stages.participant.publish', lambda *_: 1 / 0)
    assert run() == 70
    text = capsys.readouterr().err
    assert 'internal error (ZeroDivisionError' in text
    assert 'Traceback' not in text
    (log,) = (run.work / 'log').glob('*/facebids.log')
    assert str(log) in text
    assert 'Traceback' in log.read_text()


def test_threads_caches_and_silence_are_set_before_anything_heavy(run):
    run('--nprocs', '4', '--omp-nthreads', '3', '--dry-run')
    assert os.environ['ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS'] == '3'
    assert os.environ['OMP_NUM_THREADS'] == '3'
    assert os.environ['NO_ET'] == os.environ['NIPYPE_NO_ET'] == '1'
    assert os.environ['MPLCONFIGDIR'].startswith(str(run.work))


def test_group_needs_metrics(run, capsys):
    run.out.mkdir()
    assert run(level='group') == 66
    assert 'participant level first' in capsys.readouterr().err


def test_group_reduces_all_images_and_tells_of_failures(run, capsys):
    run(outcomes={T1W_A: 'fail', T1W_2: 'empty'})
    capsys.readouterr()
    assert run(level='group') == 1
    rows = (run.out / names.GROUP_TABLE).read_text().splitlines()
    dictionary = json.loads((run.out / names.GROUP_DICTIONARY).read_text())
    assert len(rows) == 5
    assert set(rows[0].split('\t')) == set(dictionary) - {'GeneratedBy'}
    page = (run.out / names.GROUP_PAGE).read_text()
    assert 'the private folder has no template of it' in page
    told = capsys.readouterr().out
    assert told.startswith('comparing 4 images of 2 participants\n')  # before it takes time
    assert 'face_found_after' in told
    for table, described in (
        (names.COMPARISONS_TABLE, names.COMPARISONS_DICTIONARY),
        (names.SEARCHES_TABLE, names.SEARCHES_DICTIONARY),
    ):
        header = (run.out / table).read_text().partition('\n')[0].split('\t')
        assert set(header) == set(json.loads((run.out / described).read_text())) - {'GeneratedBy'}


def test_group_with_another_private_folder_is_refused_and_keeps_the_page(run, tmp_path, capsys):
    run()
    assert run(level='group') == 0
    before = {path: path.read_bytes() for path in run.out.glob('group*')}
    options = ('--private-dir', str(tmp_path / 'forgotten'))
    assert run(*options, level='group') == 2
    assert 'no template of any of the 4 attacked images' in capsys.readouterr().err
    assert {path: path.read_bytes() for path in run.out.glob('group*')} == before


def test_group_without_any_attacked_image_needs_no_templates(run, tmp_path):
    run(outcomes=dict.fromkeys((T1W_A, FLAIR_A, T1W_B, T1W_2), 'empty'))
    assert run('--private-dir', str(tmp_path / 'empty'), level='group') == 1


def test_group_reads_the_records_once(run, monkeypatch):
    assert run() == 0
    read, asked = records.read_all, []
    monkeypatch.setattr(records, 'read_all', lambda *of: asked.append(of) or read(*of))
    assert run(level='group') == 0
    assert len(asked) == 1


def test_group_of_some_participants(run, capsys):
    run(outcomes={T1W_2: 'fail'})
    assert run('--participant-label', '01', level='group') == 0
    assert len((run.out / names.GROUP_TABLE).read_text().splitlines()) == 4
    assert run('--participant-label', '01', '09', level='group') == 2
    assert 'no metrics for 09' in capsys.readouterr().err


def test_photographs_are_named_to_the_user_and_to_nobody_else(run, tmp_path, capsys):
    run()
    broken = tmp_path / 'photos' / 'sub-01' / 'john_smith.jpg'
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b'no picture')
    capsys.readouterr()
    assert run('--photos', str(tmp_path / 'photos'), level='group') == 0
    assert re.search('john_smith.jpg cannot be read', capsys.readouterr().err)
    public = [path.read_text() for path in run.out.rglob('*') if path.is_file()]
    assert any('photographs that cannot be read (1)' in text for text in public)
    assert not any('john_smith' in text or str(tmp_path) in text for text in public)
    assert run('--photos', str(tmp_path / 'nowhere'), level='group') == 2


def test_a_dry_run_of_the_group_writes_nothing(run, capsys):
    run()
    before = sorted(run.out.rglob('*'))
    assert run('--dry-run', level='group') == 0
    assert sorted(run.out.rglob('*')) == before
    assert f'{T1W_2}: pass' in capsys.readouterr().out


@pytest.mark.parametrize('nprocs', ['1', '2'])
def test_what_each_step_used_is_written_and_shown(run, nprocs):
    wanted = ['--participant-label', '02', '--nprocs', nprocs, '--resource-monitor']
    assert run(*wanted, outcomes={T1W_2: 'busy'}) == 0
    (path,) = run.work.glob('log/*/resources.tsv')
    header, *lines = [line.split('\t') for line in path.read_text().splitlines()]
    assert header == list(json.loads(path.with_suffix('.json').read_text()))
    assert header == [item.name for item in dataclasses.fields(Usage)]
    busy, sink = (dict(zip(header, line, strict=True)) for line in lines)
    assert (busy['image'], busy['step'], sink['step']) == (T1W_2, 'step', 'sink')
    assert 0.3 <= float(busy['cpu_s']) <= float(busy['wall_s']) + 0.1
    if busy['memory_mib'] != 'n/a':  # the memory of the first step is free again
        assert float(busy['memory_mib']) > float(sink['memory_mib']) + 100
    for folder in (run.out, run.private):
        page = (folder / 'sub-02.html').read_text()
        assert page.index('id="errors"') < page.index('id="usage"')
        assert f'{float(busy["wall_s"]):.1f} s' in page
    assert run(*wanted[:-1]) == 0
    assert len(list(run.work.glob('log/*/resources.tsv'))) == 1
    assert 'id="usage"' not in (run.out / 'sub-02.html').read_text()


def test_the_time_left_follows_from_what_images_took():
    assert time_left([], [3], 3) is None
    assert time_left([0], [0], 1) is None
    assert time_left([40, 60], [50, 0, 0], 75) == pytest.approx(50)  # two steps at a time
    assert time_left([10], [30], 20) == 0


class _FakeTerminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_a_bar_with_the_time_left(run, monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setattr(sys, 'stdout', terminal := _FakeTerminal())
    assert run(outcomes={T1W_2: 'busy'}) == 0
    assert '1/4' in terminal.getvalue()
    assert re.search(r'about \d+ s left', terminal.getvalue())
    for done, step in enumerate(['step', 'sink']):
        assert f'sub-02_T1w: {step} ({done} of 2 steps done)' in terminal.getvalue()


def test_the_bar_moves_while_an_image_is_at_work(monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setattr(sys, 'stdout', terminal := _FakeTerminal())
    image = HeadImage.from_relative_path(T1W_2)
    progress = ImageProgress([image], lambda image: None, lambda image: None)
    steps = [f'run_wf.{names.workflow_name(image)}.{step}' for step in 'abcd']
    with progress:
        progress.expect(steps)
        shown = []
        for step in steps[:3]:
            node = SimpleNamespace(fullname=step)
            progress(node, 'start')
            shown.append(progress.bar.tasks[0].completed)
            progress(node, 'end')
        terminal.truncate(0)
        monkeypatch.setattr(console, 'REFRESH', -1.0)
        progress.tick()
        assert '0/1' in terminal.getvalue()
    assert shown == [0, 0.25, 0.5]


def test_the_wall_time_of_an_image_counts_steps_at_the_same_time_once(monkeypatch):
    clock = iter([0.0, 10.0, 11.0, 14.0, 15.0])
    monkeypatch.setattr(console.time, 'monotonic', lambda: next(clock, 15.0))
    image = HeadImage.from_relative_path(T1W_2)
    progress = ImageProgress([image], lambda image: None, lambda image: None)
    nodes = [
        SimpleNamespace(fullname=f'run_wf.{names.workflow_name(image)}.{step}') for step in 'ab'
    ]
    progress.drawn = 1e9
    for status in ('start', 'end'):
        for node in nodes:
            progress(node, status)
    assert progress.seconds_of(image) == 5.0
    assert progress.seconds[names.workflow_name(image)] > 5.0


def test_a_line_tells_that_an_image_has_started(run, capsys):
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(re.fullmatch(r'\[0/4\] \S+: started', line) for line in lines)
    for image in (FLAIR_A, T1W_A, T1W_B, T1W_2):
        started, ended = (
            next(i for i, line in enumerate(lines) if f'{image}: {word}' in line)
            for word in ('started', 'pass')
        )
        assert started < ended


def test_a_terminal_has_its_bar_instead_of_lines_of_starts(run, monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setattr(sys, 'stdout', terminal := _FakeTerminal())
    assert run() == 0
    assert 'started' not in terminal.getvalue()


def test_a_line_says_what_to_do(run, capsys):
    assert run(outcomes={T1W_2: 'fail'}) == 1
    text = capsys.readouterr().out
    assert re.search(rf'{T1W_2}: fail, \d+ s wall time\. A face was found\.\n', text)


@pytest.mark.parametrize('threshold', [t for t in THRESHOLDS if t.severity == 'fail'])
def test_every_failure_has_a_remedy(threshold):
    reason = Reason(f'{threshold.name}_unknown', 'fail', threshold.message)
    said = remedies.explain(make.image_record(T1W_2, verdict='fail', reasons=(reason,)))
    assert said.startswith(threshold.message)
    assert len(said) > len(threshold.message) + 20


def test_the_log_has_a_line_for_each_image(run):
    assert run(outcomes={T1W_2: 'empty'}) == 1
    (log,) = run.work.glob('log/*/facebids.log')
    found = re.findall(r'\[(\d)/4\] (\S+): (\w+), \d+ s wall time', log.read_text())
    assert [number for number, _, _ in found] == ['1', '2', '3', '4']
    assert len(re.findall(r'\[\d/4\] \S+: started$', log.read_text(), re.MULTILINE)) == 4
    assert {image: outcome for _, image, outcome in found} == {
        **dict.fromkeys([FLAIR_A, T1W_A, T1W_B], 'pass'),
        T1W_2: 'fail',
    }


def test_the_group_names_participants_whose_job_has_not_ended(run, capsys):
    assert run('--participant-label', '01') == 0
    assert run(level='group') == 0
    assert 'no metrics of 1 of 2 participants (sub-02).' in capsys.readouterr().err
    assert run('--participant-label', '01', level='group') == 0
    assert run('--participant-label', '02') == 0
    assert run(level='group') == 0
    assert 'no metrics' not in capsys.readouterr().err
