# SPDX-License-Identifier: Apache-2.0
"""Workflow that makes the head of an image visible."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.interfaces.visible import Show

# The image to attack, those with the anatomy and the outline of the head, and whether the first
# rests on own voxels.
SEEN = ('seen', 'anatomy', 'outline', 'own')


def init_visible_wf(*, item):
    """Build the workflow that finds what shows the head of an image.

    A magnitude shows it by itself. What is no magnitude shows it by the smoothness of its voxels,
    and the anatomy is that of its magnitude.

    Parameters
    ----------
    item : facebids.bids.plan.ImagePlan
        Plan of the image.

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Inputs: ``in_file``, ``registration``, ``source_registration``. Outputs: ``seen``,
        ``anatomy``, ``outline``, ``own``.
    """
    workflow = pe.Workflow(name='visible_wf')
    inputnode = pe.Node(
        niu.IdentityInterface(fields=['in_file', 'registration', 'source_registration']),
        name='inputnode',
    )
    inputnode.inputs.in_file = item.image.path
    outputnode = pe.Node(niu.IdentityInterface(fields=list(SEEN)), name='outputnode')
    if item.is_magnitude:
        outputnode.inputs.own = True
        for name in ('seen', 'anatomy', 'outline'):
            workflow.connect(inputnode, 'in_file', outputnode, name)
        return workflow
    show = pe.Node(Show(contrast=item.contrast, signal=item.signal), name='show', mem_gb=2)
    workflow.connect([
        (inputnode, show, [('in_file', 'in_file'), ('registration', 'registration')]),
        (show, outputnode, [(name, name) for name in SEEN]),
    ])  # fmt: skip
    if item.magnitude:
        show.inputs.magnitude = item.magnitude.path
        workflow.connect(inputnode, 'source_registration', show, 'source_registration')
    return workflow
