# SPDX-License-Identifier: Apache-2.0
"""From an image to its defaced copy."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.interfaces.deface import Deface
from facebids.interfaces.masks import FaceMask
from facebids.interfaces.registration import Register
from facebids.interfaces.screening import Screen


def init_deface_wf(*, modality, settings, template=None):
    """Build the graph that registers an image, carries the face mask over and applies it.

    Parameters
    ----------
    modality : str
        Contrast of the atlas to register to.
    settings : facebids.config.Settings
    template : str or Path, optional
        The prepared template by way of which the image is registered.

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Inputs: ``in_file``. Outputs: ``registration``, ``screening``, ``mask``, ``coverage``,
        ``defaced``, ``integrity``.
    """
    workflow = pe.Workflow(name='deface_wf')
    inputnode = pe.Node(niu.IdentityInterface(fields=['in_file']), name='inputnode')
    outputnode = pe.Node(
        niu.IdentityInterface(
            fields=['registration', 'screening', 'mask', 'coverage', 'defaced', 'integrity']
        ),
        name='outputnode',
    )
    seed = settings.seed
    register = pe.Node(
        Register(modality=modality, seed=seed),
        name='register',
        n_procs=settings.omp_nthreads,
        mem_gb=1,
    )
    if template:
        register.inputs.template = str(template)
    screen = pe.Node(
        Screen(modality=modality, seed=seed, force=settings.force), name='screen', mem_gb=2
    )
    face_mask = pe.Node(
        FaceMask(brain_margin=settings.brain_margin, keep=list(settings.keep)),
        name='face_mask',
        mem_gb=1,
    )
    deface = pe.Node(
        Deface(mode=settings.mode, fill=settings.fill, seed=seed), name='deface', mem_gb=2
    )
    workflow.connect([
        (inputnode, register, [('in_file', 'in_file')]),
        (inputnode, screen, [('in_file', 'in_file')]),
        (inputnode, face_mask, [('in_file', 'in_file')]),
        (inputnode, deface, [('in_file', 'in_file')]),
        (register, screen, [('out_file', 'registration')]),
        (register, face_mask, [('out_file', 'registration')]),
        (screen, face_mask, [('out_file', 'screening')]),
        (register, deface, [('out_file', 'registration')]),
        (face_mask, deface, [('mask_file', 'mask_file'), ('guard_file', 'guard_file')]),
        (register, outputnode, [('out_file', 'registration')]),
        (screen, outputnode, [('out_file', 'screening')]),
        (face_mask, outputnode, [('mask_file', 'mask'), ('coverage', 'coverage')]),
        (deface, outputnode, [('out_file', 'defaced'), ('integrity', 'integrity')]),
    ])  # fmt: skip
    return workflow
