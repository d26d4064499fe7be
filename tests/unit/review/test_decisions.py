# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
from review_heads import DOUBTFUL, NEAR, SURE

from facebids.errors import NoImagesError, UsageError
from facebids.release.gate import read_accepted
from facebids.review import cli, decisions, items, page
from facebids.review.decisions import Decision


def test_images_with_doubts_come_first_and_withheld_ones_not_at_all(output):
    found = items.collect(output)
    assert [item.image for item in found] == [DOUBTFUL, NEAR, SURE]
    assert found[0].reasons == ('<b>It may show.</b>',)
    assert ('Strength of evidence, upper end', '1.40', 'at most 1', 'review') in found[0].criteria
    assert set(found[0].figures) == {'renders', 'slices'}


def test_nothing_to_look_at(tmp_path):
    with pytest.raises(NoImagesError, match='no image to look at'):
        items.collect(tmp_path)


def _decide(found, number, choice, time='2026-01-01T00:00:00Z', comment=''):
    item = found[number]
    return Decision(time, 'Ada', item.image, item.sha256, choice, comment)


def test_the_table_is_what_accept_reads_and_the_journal_keeps_all(output, tmp_path):
    found, table = items.collect(output), tmp_path / 'accepted.tsv'
    journal = [
        _decide(found, 0, 'reject', comment='a nose'),
        _decide(found, 0, 'undo'),
        _decide(found, 0, 'accept', '2026-01-02T00:00:00Z', 'no\tface at all'),
        _decide(found, 1, 'accept'),
        _decide(found, 2, 'reject'),
    ]
    decisions.write(table, found, journal)
    (accepted,) = read_accepted(table).values()
    assert (accepted.image, accepted.decided_by) == (DOUBTFUL, 'Ada')
    assert accepted.reason == 'no face at all (2026-01-02T00:00:00Z)'
    again = decisions.read(table)
    assert [item.choice for item in again] == [item.choice for item in journal]
    held = decisions.standing(found, again)
    assert {image: item.choice for image, item in held.items()} == {
        DOUBTFUL: 'accept', NEAR: 'accept', SURE: 'reject',
    }  # fmt: skip


def test_an_undo_takes_back_the_last_decision_alone(output):
    found = items.collect(output)
    journal = [_decide(found, 0, choice) for choice in ('accept', 'reject', 'undo')]
    assert decisions.standing(found, journal)[DOUBTFUL].choice == 'accept'
    assert not decisions.standing(found, [*journal, journal[-1], journal[-1]])


def test_a_decision_does_not_hold_for_other_voxels(output):
    found = items.collect(output)
    journal = [_decide(found, 0, 'accept')]
    defaced_again = [replace(found[0], sha256='f' * 64), *found[1:]]
    assert not decisions.standing(defaced_again, journal)


@pytest.mark.parametrize('text', ['no table', '\t'.join(decisions.COLUMNS) + '\n1\t2\n', ''])
def test_a_journal_that_cannot_be_read_is_not_overwritten(output, tmp_path, text):
    table = tmp_path / 'accepted.tsv'
    path = decisions.journal_of(table)
    path.write_text(text)
    with pytest.raises(UsageError, match='cannot be read'):
        decisions.read(table)
    path.unlink()
    table.write_text('mine')
    with pytest.raises(UsageError, match='was not made by facebids-review'):
        decisions.read(table)


def test_what_was_typed_becomes_one_line():
    assert decisions.line(' a\tb\n\x1b[31mc ') == 'a b [31mc'
    assert len(decisions.line('x' * 10_000)) == decisions.LONGEST


def test_the_page_is_written_as_a_file_that_saves_nothing(output, capsys):
    assert cli.main([str(output), '--page']) == 0
    assert 'It saves no decision' in capsys.readouterr().out
    text = (output / page.NAME).read_text()
    assert 'sub-02/figures/sub-02_desc-renders_T1w.png' in text
    assert '<b>It may' not in text
    assert 'src="' not in text
    assert 'href="' not in text
    assert str(output.parent) not in text


def test_the_command_needs_an_output_folder(tmp_path, capsys):
    assert cli.main([str(tmp_path), '--by', 'Ada']) == 66
    assert 'no image to look at' in capsys.readouterr().err
