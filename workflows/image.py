# SPDX-License-Identifier: Apache-2.0
"""Workflow of one image."""

from dataclasses import replace

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.bids import names
from facebids.interfaces.sink import Sink
from facebids.workflows.deface import init_deface_wf, init_register_wf
from facebids.workflows.figures import init_figures_wf
from facebids.workflows.identify import init_identify_wf
from facebids.workflows.utility import init_utility_wf


def init_image_wf(*, item, settings, template=None):
    """Build the workflow of one image: register, deface, attack, judge, draw and write.

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
        Its `register_wf` has the input ``source_registration`` and the output ``registration``.
    """
    image = item.image
    if item.magnitude:  # only intensities can be filled
        settings = replace(settings, mode='remove')
    workflow = pe.Workflow(name=names.workflow_name(image))
    inputnode = pe.Node(niu.IdentityInterface(fields=['in_file', 'seen']), name='inputnode')
    inputnode.inputs.in_file = image.path
    inputnode.inputs.seen = (item.magnitude or image).path
    register_wf = init_register_wf(item=item, settings=settings, template=template)
    deface_wf = init_deface_wf(
        contrast=item.contrast,
        settings=settings,
        part=bool(item.magnitude),
        keep_masks=item.keep_masks,
    )
    utility_wf = init_utility_wf(item=item, settings=settings, template=template)
    identify_wf = init_identify_wf(
        relative_path=image.relative_path,
        contrast=item.contrast,
        mode=settings.mode,
        seed=settings.seed,
        keep_masks=item.keep_masks,
    )
    figures_wf = init_figures_wf()
    sink = pe.Node(
        Sink(
            relative_path=image.relative_path,
            output_dir=str(settings.output_dir),
            private_dir=str(settings.private_dir),
            work_dir=str(settings.work_dir),
        ),
        name='sink',
    )
    workflow.connect([
        (inputnode, deface_wf, [('in_file', 'inputnode.in_file'), ('seen', 'inputnode.seen')]),
        (inputnode, identify_wf, [('seen', 'inputnode.in_file')]),
        *(
            (register_wf, step, [('outputnode.registration', 'inputnode.registration')])
            for step in (deface_wf, utility_wf, identify_wf, figures_wf)
        ),
        (inputnode, utility_wf, [('seen', 'inputnode.in_file')]),
        (deface_wf, utility_wf, [('outputnode.seen_defaced', 'inputnode.defaced')]),
        (utility_wf, identify_wf, [('outputnode.utility', 'inputnode.utility')]),
        (deface_wf, identify_wf, [
            ('outputnode.screening', 'inputnode.screening'),
            ('outputnode.coverage', 'inputnode.coverage'),
            ('outputnode.defacing', 'inputnode.defacing'),
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
        (inputnode, sink, [('in_file', 'in_file')]),
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
