# SPDX-License-Identifier: Apache-2.0
"""What defacing costs the analysis of an image."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.interfaces.registration import Register
from facebids.interfaces.utility import Utility


def init_utility_wf(*, modality, mode, seed, omp_nthreads):
    """Build the graph that compares the brain before and after defacing.

    Parameters
    ----------
    modality : str
        Contrast of the image.
    mode : str
        What the face became: where another one was put on, the defaced image is registered too.
    seed : int
    omp_nthreads : int
        Threads of segmentation and registration.

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Inputs: ``in_file``, ``defaced``, ``registration``. Outputs: ``utility``.
    """
    workflow = pe.Workflow(name='utility_wf')
    inputnode = pe.Node(
        niu.IdentityInterface(fields=['in_file', 'defaced', 'registration']), name='inputnode'
    )
    outputnode = pe.Node(niu.IdentityInterface(fields=['utility']), name='outputnode')
    utility = pe.Node(Utility(modality=modality), name='utility', n_procs=omp_nthreads, mem_gb=2)
    workflow.connect([
        (inputnode, utility, [
            ('in_file', 'in_file'),
            ('defaced', 'defaced'),
            ('registration', 'registration'),
        ]),
        (utility, outputnode, [('out_file', 'utility')]),
    ])  # fmt: skip
    if mode == 'reface':
        register_after = pe.Node(
            Register(modality=modality, seed=seed),
            name='register_after',
            n_procs=omp_nthreads,
            mem_gb=1,
        )
        workflow.connect([
            (inputnode, register_after, [('defaced', 'in_file')]),
            (register_after, utility, [('out_file', 'registration_after')]),
        ])  # fmt: skip
    return workflow
