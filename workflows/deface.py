# SPDX-License-Identifier: Apache-2.0
"""From an image to its defaced copy."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.interfaces.deface import Deface
from facebids.interfaces.masks import FaceMask
from facebids.interfaces.registration import Coregister, Register, Share


def init_register_wf(*, item, seed, omp_nthreads, name='register_wf'):
    """Build the graph that finds the affine from the head atlas to an image.

    Parameters
    ----------
    item : facebids.bids.plan.ImagePlan
        The image, and whether its registration is its own, borrowed or shared.
    seed : int
    omp_nthreads : int
        Threads of the registration.
    name : str

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Inputs: ``in_file``, and ``source_registration`` where there is a source. Outputs:
        ``registration``.
    """
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(
        niu.IdentityInterface(fields=['in_file', 'source_registration']), name='inputnode'
    )
    inputnode.inputs.in_file = item.image.path
    outputnode = pe.Node(niu.IdentityInterface(fields=['registration']), name='outputnode')
    own = {'modality': item.contrast, 'seed': seed}
    source = item.source and {
        'source_file': item.source.path,
        'source': item.source.relative_path,
    }
    interface = {
        'own': lambda: Register(**own),
        'borrowed': lambda: Coregister(**own, **source),
        'shared': lambda: Share(**source),
    }[item.registration]()
    register = pe.Node(interface, name='register', n_procs=omp_nthreads, mem_gb=1)
    workflow.connect([
        (inputnode, register, [('in_file', 'in_file')]),
        (register, outputnode, [('out_file', 'registration')]),
    ])  # fmt: skip
    if item.source:
        workflow.connect(inputnode, 'source_registration', register, 'source_registration')
    return workflow


def init_deface_wf(*, mode, fill, seed, part):
    """Build the graph that carries the face mask over to a registered image and applies it.

    Parameters
    ----------
    mode, fill : str
        What the face becomes, and what is left where it is removed (`facebids.core.fill`).
    seed : int
    part : bool
        Whether the image is a part without intensities of its own: it gets zeros, and the image
        that is looked at in its place is defaced beside it.

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Inputs: ``in_file``, ``seen``: the image to look at, and ``registration``. Outputs:
        ``mask``, ``coverage``, ``defaced``, ``seen_defaced``, ``integrity``.
    """
    workflow = pe.Workflow(name='deface_wf')
    inputnode = pe.Node(
        niu.IdentityInterface(fields=['in_file', 'seen', 'registration']), name='inputnode'
    )
    outputnode = pe.Node(
        niu.IdentityInterface(fields=['mask', 'coverage', 'defaced', 'seen_defaced', 'integrity']),
        name='outputnode',
    )
    face_mask = pe.Node(FaceMask(), name='face_mask', mem_gb=1)
    deface = pe.Node(
        Deface(mode=mode, fill='zero' if part else fill, seed=seed), name='deface', mem_gb=2
    )
    seen = deface
    if part:
        seen = pe.Node(Deface(mode=mode, fill=fill, seed=seed), name='deface_seen', mem_gb=2)
    for node, source in {deface: 'in_file', seen: 'seen'}.items():
        workflow.connect([
            (inputnode, node, [(source, 'in_file'), ('registration', 'registration')]),
            (face_mask, node, [('mask_file', 'mask_file'), ('guard_file', 'guard_file')]),
        ])  # fmt: skip
    workflow.connect([
        (inputnode, face_mask, [('seen', 'in_file'), ('registration', 'registration')]),
        (face_mask, outputnode, [('mask_file', 'mask'), ('coverage', 'coverage')]),
        (deface, outputnode, [('out_file', 'defaced'), ('integrity', 'integrity')]),
        (seen, outputnode, [('out_file', 'seen_defaced')]),
    ])  # fmt: skip
    return workflow
