# SPDX-License-Identifier: Apache-2.0
"""One image's way through the program."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.bids import names
from facebids.interfaces.sink import Sink
from facebids.workflows.deface import init_deface_wf, init_register_wf
from facebids.workflows.figures import init_figures_wf
from facebids.workflows.identify import init_identify_wf


def init_image_wf(*, item, mode, fill, seed, omp_nthreads, output_dir, private_dir, work_dir):
    """Build the graph of one image: register, deface, attack, judge, draw, and write it all.

    Parameters
    ----------
    item : facebids.bids.plan.ImagePlan
    mode, fill : str
        What the face becomes, and what is left where it is removed.
    seed : int
        Seed of registration and random views.
    omp_nthreads : int
        Threads of the registration.
    output_dir, private_dir, work_dir : str
        Where results go.

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Its `register_wf` takes the ``source_registration`` and gives the ``registration``.
    """
    image = item.image
    mode = 'remove' if item.magnitude else mode  # only intensities can be painted
    workflow = pe.Workflow(name=names.workflow_name(image))
    inputnode = pe.Node(niu.IdentityInterface(fields=['in_file', 'seen']), name='inputnode')
    inputnode.inputs.in_file = image.path
    inputnode.inputs.seen = (item.magnitude or image).path
    register_wf = init_register_wf(item=item, seed=seed, omp_nthreads=omp_nthreads)
    deface_wf = init_deface_wf(mode=mode, fill=fill, seed=seed, part=bool(item.magnitude))
    identify_wf = init_identify_wf(relative_path=image.relative_path, mode=mode, seed=seed)
    figures_wf = init_figures_wf()
    sink = pe.Node(
        Sink(
            relative_path=image.relative_path,
            mode=mode,
            output_dir=output_dir,
            private_dir=private_dir,
            work_dir=work_dir,
        ),
        name='sink',
    )
    workflow.connect([
        (inputnode, deface_wf, [('in_file', 'inputnode.in_file'), ('seen', 'inputnode.seen')]),
        (inputnode, identify_wf, [('seen', 'inputnode.in_file')]),
        *(
            (register_wf, step, [('outputnode.registration', 'inputnode.registration')])
            for step in (deface_wf, identify_wf, figures_wf)
        ),
        (deface_wf, identify_wf, [
            ('outputnode.coverage', 'inputnode.coverage'),
            ('outputnode.integrity', 'inputnode.integrity'),
            ('outputnode.seen_defaced', 'inputnode.defaced'),
        ]),
        (inputnode, figures_wf, [('in_file', 'inputnode.in_file')]),
        (deface_wf, figures_wf, [
            ('outputnode.mask', 'inputnode.mask'),
            ('outputnode.defaced', 'inputnode.defaced'),
        ]),
        (identify_wf, figures_wf, [
            ('outputnode.before', 'inputnode.before'),
            ('outputnode.after', 'inputnode.after'),
        ]),
        (register_wf, sink, [('outputnode.registration', 'registration')]),
        (deface_wf, sink, [
            ('outputnode.mask', 'mask'),
            ('outputnode.defaced', 'defaced'),
        ]),
        (identify_wf, sink, [
            ('outputnode.before', 'before'),
            ('outputnode.after', 'after'),
            ('outputnode.record', 'record'),
        ]),
        (figures_wf, sink, [
            ('outputnode.slices', 'slices'),
            ('outputnode.renders', 'renders'),
            ('outputnode.slices_before', 'slices_before'),
            ('outputnode.renders_before', 'renders_before'),
        ]),
    ])  # fmt: skip
    return workflow
