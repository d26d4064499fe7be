# SPDX-License-Identifier: Apache-2.0
"""Workflow of the figures of an image before and after defacing."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.interfaces.figures import Figures


def init_figures_wf(*, settings):
    """Build the workflow that draws slices and renders of the original and the defaced image.

    Parameters
    ----------
    settings : facebids.config.Settings
        Settings of the run. Without the attack, there are no renders.

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Inputs: ``in_file``, ``defaced``, ``mask``, ``registration``, ``before``, ``after``.
        Outputs: ``slices``, ``renders``, ``slices_before``, ``renders_before``.
    """
    workflow = pe.Workflow(name='figures_wf')
    inputnode = pe.Node(
        niu.IdentityInterface(
            fields=['in_file', 'defaced', 'mask', 'registration', 'before', 'after']
        ),
        name='inputnode',
    )
    outputnode = pe.Node(
        niu.IdentityInterface(fields=['slices', 'renders', 'slices_before', 'renders_before']),
        name='outputnode',
    )
    figures_before = pe.Node(Figures(), name='figures_before', mem_gb=1)
    figures_after = pe.Node(Figures(), name='figures_after', mem_gb=1)
    for node, source, attack, suffix in (
        (figures_before, 'in_file', 'before', '_before'),
        (figures_after, 'defaced', 'after', ''),
    ):
        workflow.connect([
            (inputnode, node, [
                (source, 'in_file'),
                ('mask', 'mask_file'),
                ('registration', 'registration'),
            ]),
            (node, outputnode, [('slices', f'slices{suffix}')]),
        ])  # fmt: skip
        if not settings.deface_only:
            workflow.connect(
                [
                    (inputnode, node, [(attack, 'attack')]),
                    (node, outputnode, [('renders', f'renders{suffix}')]),
                ]
            )
    return workflow
