# SPDX-License-Identifier: Apache-2.0
"""Workflows of registration and defacing."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.interfaces.deface import Deface
from facebids.interfaces.masks import FaceMask
from facebids.interfaces.registration import (
    Coregister,
    Register,
    RegisterOrBorrow,
    Share,
)
from facebids.interfaces.screening import Screen
from facebids.workflows.identify import mask_options
from facebids.workflows.visible import SEEN


def init_register_wf(*, item, settings, template=None, name='register_wf'):
    """Build the workflow that estimates the affine from the head atlas to an image.

    Parameters
    ----------
    item : facebids.bids.plan.ImagePlan
        The image, and whether its registration is its own, borrowed or shared.
    settings : facebids.config.Settings
        Settings of the run.
    template : str or Path, optional
        The prepared template to which the image is registered.
    name : str
        Name of the workflow.

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Inputs: ``in_file``, and ``source_registration`` if there is a lender. Outputs:
        ``registration``, and ``source_registration`` likewise.
    """
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(
        niu.IdentityInterface(fields=['in_file', 'source_registration']), name='inputnode'
    )
    inputnode.inputs.in_file = item.image.path
    outputnode = pe.Node(
        niu.IdentityInterface(fields=['registration', 'source_registration']), name='outputnode'
    )
    own = {'contrast': item.contrast, 'seed': settings.seed}
    if template:
        own['template'] = str(template)
    source = item.lender and {
        'source_file': item.lender.path,
        'source': item.lender.relative_path,
        'source_contrast': item.source_contrast,
    }
    interface = {
        'own': lambda: RegisterOrBorrow(**own, **source) if source else Register(**own),
        'borrowed': lambda: Coregister(**own, **source),
        'shared': lambda: Share(signal=item.signal, **own, **source),
    }[item.origin]()
    register = pe.Node(interface, name='register', n_procs=settings.omp_nthreads, mem_gb=1)
    workflow.connect([
        (inputnode, register, [('in_file', 'in_file')]),
        (register, outputnode, [('out_file', 'registration')]),
    ])  # fmt: skip
    if item.lender:
        workflow.connect([
            (inputnode, register, [('source_registration', 'source_registration')]),
            (inputnode, outputnode, [('source_registration', 'source_registration')]),
        ])  # fmt: skip
    return workflow


def init_deface_wf(*, item, settings):
    """Build the workflow that screens a registered image, makes its face mask and defaces it.

    Parameters
    ----------
    item : facebids.bids.plan.ImagePlan
        Plan of the image. What is no magnitude is filled with zeros, and what shows its head is
        defaced in addition, for the attack.
    settings : facebids.config.Settings
        Settings of the run.

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Inputs: ``in_file``, ``registration`` and, of what is no magnitude, those of `Show`.
        Outputs: ``screening``, ``mask``, ``coverage``, ``defaced``, ``seen_defaced``,
        ``defacing``.
    """
    workflow = pe.Workflow(name='deface_wf')
    inputnode = pe.Node(
        niu.IdentityInterface(fields=['in_file', *SEEN, 'registration']), name='inputnode'
    )
    outputnode = pe.Node(
        niu.IdentityInterface(
            fields=['screening', 'mask', 'coverage', 'defaced', 'seen_defaced', 'defacing']
        ),
        name='outputnode',
    )
    contrast, seed, part = item.contrast, settings.seed, not item.is_magnitude
    screen = pe.Node(
        Screen(contrast=contrast, seed=seed, force=settings.force), name='screen', mem_gb=2
    )
    face_mask = pe.Node(
        FaceMask(contrast=contrast, **mask_options(item, settings)), name='face_mask', mem_gb=1
    )
    filled = Deface(contrast=contrast, mode=settings.mode, fill=settings.fill, seed=seed)
    zeroed = Deface(mode='remove', fill='zero', seed=seed)
    deface = pe.Node(zeroed if part else filled, name='deface', mem_gb=2)
    seen = deface
    if part:
        seen = pe.Node(zeroed, name='deface_seen', mem_gb=2)
    for node, source in {deface: 'in_file', seen: 'seen'}.items():
        workflow.connect([
            (inputnode, node, [(source, 'in_file'), ('registration', 'registration')]),
            (face_mask, node, [('mask_file', 'mask_file'), ('guard_file', 'guard_file')]),
        ])  # fmt: skip
    workflow.connect([
        (inputnode, screen, [
            ('seen', 'in_file'), ('own', 'own'), ('registration', 'registration'),
        ]),
        (inputnode, face_mask, [
            ('anatomy', 'in_file'), ('outline', 'outline'), ('registration', 'registration'),
        ]),
        (screen, face_mask, [('out_file', 'screening')]),
        (screen, outputnode, [('out_file', 'screening')]),
        (face_mask, outputnode, [('mask_file', 'mask'), ('coverage', 'coverage')]),
        (deface, outputnode, [('out_file', 'defaced'), ('defacing', 'defacing')]),
        (seen, outputnode, [('out_file', 'seen_defaced')]),
    ])  # fmt: skip
    return workflow
