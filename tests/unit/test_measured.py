# SPDX-License-Identifier: Apache-2.0
import pytest
from nipype.interfaces import utility

from facebids.stages import measured


def _merge(folder, value):
    """Return a step that merges a list; a node remembers its hash, as each run makes it anew."""
    node = measured.MeasuredNode(utility.Merge(1), name='merge', base_dir=str(folder))
    node.inputs.in1 = [value]
    return node


def test_a_cached_step_keeps_what_it_used_when_it_ran(tmp_path):
    node = _merge(tmp_path, 1)
    assert measured.read(node, 'a.nii') is None
    node.run()
    first = measured.read(node, 'a.nii')
    assert (first.image, first.step) == ('a.nii', 'merge')
    _merge(tmp_path, 1).run()
    assert measured.read(node, 'a.nii') == first
    _merge(tmp_path, 2).run()
    assert measured.read(node, 'a.nii').started > first.started


def test_a_step_that_fails_is_measured_too(tmp_path):
    node = measured.MeasuredNode(utility.Select(), name='select', base_dir=str(tmp_path))
    node.inputs.inlist, node.inputs.index = [1], [5]
    with pytest.raises(Exception, match='index'):
        node.run()
    assert measured.read(node, 'a.nii').wall_s > 0
