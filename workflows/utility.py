# SPDX-License-Identifier: Apache-2.0
"""Workflow that measures the effect of defacing on an analysis."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.core.modes import MODES
from facebids.interfaces.registration import Register
from facebids.interfaces.utility import Utility


def init_utility_wf(*, item, settings, template=None):
    """Build the workflow that compares the brain before and after defacing.

    With ``reface``, the defaced image is registered, too.

    Parameters
    ----------
    item : facebids.bids.plan.ImagePlan
        Plan of the image.
    settings : facebids.config.Settings
        Settings of the run.
    template : str or Path, optional
        The prepared template to which the image is registered.

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Inputs: ``in_file``, ``registration``, and ``defaced``; of what is no magnitude, ``mask``
        instead, in which it is zero. Outputs: ``utility``.
    """
    workflow = pe.Workflow(name='utility_wf')
    result = 'defaced' if item.is_magnitude else 'mask'
    inputnode = pe.Node(
        niu.IdentityInterface(fields=['in_file', result, 'registration']),
        name='inputnode',
    )
    outputnode = pe.Node(niu.IdentityInterface(fields=['utility']), name='outputnode')
    utility = pe.Node(
        Utility(suffix=item.image.suffix),
        name='utility',
        n_procs=settings.omp_nthreads,
        mem_gb=2,
    )
    workflow.connect([
        (inputnode, utility, [
            ('in_file', 'in_file'),
            (result, result),
            ('registration', 'registration'),
        ]),
        (utility, outputnode, [('out_file', 'utility')]),
    ])  # fmt: skip
    if MODES[settings.mode].register_again:
        register_after = pe.Node(
            Register(contrast=item.contrast, seed=settings.seed),
            name='register_after',
            n_procs=settings.omp_nthreads,
            mem_gb=1,
        )
        if template:
            register_after.inputs.template = str(template)
        workflow.connect([
            (inputnode, register_after, [('defaced', 'in_file')]),
            (register_after, utility, [('out_file', 'registration_after')]),
        ])  # fmt: skip
    return workflow
