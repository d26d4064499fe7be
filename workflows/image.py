# SPDX-License-Identifier: Apache-2.0
"""One image's way through the program."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.bids import names
from facebids.interfaces.sink import Sink
from facebids.workflows.deface import init_deface_wf
from facebids.workflows.figures import init_figures_wf
from facebids.workflows.identify import init_identify_wf
from facebids.workflows.utility import init_utility_wf


def init_image_wf(*, image, settings, template=None):
    """Build the graph of one image: deface, measure, attack, judge, draw, write it all.

    Parameters
    ----------
    image : facebids.bids.names.HeadImage
    settings : facebids.config.Settings
    template : str or Path, optional
        The prepared template by way of which the image is registered.

    Returns
    -------
    nipype.pipeline.engine.Workflow
    """
    workflow = pe.Workflow(name=names.workflow_name(image))
    inputnode = pe.Node(niu.IdentityInterface(fields=['in_file']), name='inputnode')
    inputnode.inputs.in_file = image.path
    deface_wf = init_deface_wf(modality=image.suffix, settings=settings, template=template)
    identify_wf = init_identify_wf(
        relative_path=image.relative_path, mode=settings.mode, seed=settings.seed
    )
    utility_wf = init_utility_wf(modality=image.suffix, settings=settings, template=template)
    figures_wf = init_figures_wf()
    sink = pe.Node(
        Sink(
            relative_path=image.relative_path,
            mode=settings.mode,
            output_dir=str(settings.output_dir),
            private_dir=str(settings.private_dir),
            work_dir=str(settings.work_dir),
        ),
        name='sink',
    )
    workflow.connect([
        (inputnode, deface_wf, [('in_file', 'inputnode.in_file')]),
        (inputnode, utility_wf, [('in_file', 'inputnode.in_file')]),
        (deface_wf, utility_wf, [
            ('outputnode.registration', 'inputnode.registration'),
            ('outputnode.defaced', 'inputnode.defaced'),
        ]),
        (inputnode, identify_wf, [('in_file', 'inputnode.in_file')]),
        (utility_wf, identify_wf, [('outputnode.utility', 'inputnode.utility')]),
        (deface_wf, identify_wf, [
            ('outputnode.registration', 'inputnode.registration'),
            ('outputnode.screening', 'inputnode.screening'),
            ('outputnode.coverage', 'inputnode.coverage'),
            ('outputnode.integrity', 'inputnode.integrity'),
            ('outputnode.defaced', 'inputnode.defaced'),
        ]),
        (inputnode, figures_wf, [('in_file', 'inputnode.in_file')]),
        (deface_wf, figures_wf, [
            ('outputnode.registration', 'inputnode.registration'),
            ('outputnode.mask', 'inputnode.mask'),
            ('outputnode.defaced', 'inputnode.defaced'),
        ]),
        (identify_wf, figures_wf, [
            ('outputnode.before', 'inputnode.before'),
            ('outputnode.after', 'inputnode.after'),
        ]),
        (deface_wf, sink, [
            ('outputnode.registration', 'registration'),
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
