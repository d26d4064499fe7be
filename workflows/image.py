# SPDX-License-Identifier: Apache-2.0
"""Workflow of one image."""

from dataclasses import replace

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.bids import names
from facebids.interfaces.sink import Sink
from facebids.interfaces.verdict import Judge
from facebids.workflows.deface import init_deface_wf, init_register_wf
from facebids.workflows.figures import init_figures_wf
from facebids.workflows.identify import init_identify_wf
from facebids.workflows.utility import init_utility_wf
from facebids.workflows.visible import SEEN, init_visible_wf


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
    if not item.is_magnitude:  # only intensities can be filled
        settings = replace(settings, mode='remove')
    workflow = pe.Workflow(name=names.workflow_name(image))
    inputnode = pe.Node(niu.IdentityInterface(fields=['in_file']), name='inputnode')
    inputnode.inputs.in_file = image.path
    visible_wf = init_visible_wf(item=item)
    register_wf = init_register_wf(item=item, settings=settings, template=template)
    deface_wf = init_deface_wf(item=item, settings=settings)
    judge = pe.Node(
        Judge(
            relative_path=image.relative_path,
            mode=settings.mode,
            seed=settings.seed,
            keep_masks={mask.name: mask.sha256 for mask in item.keep_masks},
            attacked=not settings.deface_only,
        ),
        name='judge',
        mem_gb=0.2,
    )
    figures_wf = init_figures_wf(settings=settings)
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
        (inputnode, deface_wf, [('in_file', 'inputnode.in_file')]),
        (register_wf, visible_wf, _same('registration', 'source_registration')),
        (visible_wf, deface_wf, _same(*SEEN)),
        (register_wf, deface_wf, _same('registration')),
        (register_wf, figures_wf, _same('registration')),
        (register_wf, judge, _from('registration')),
        (deface_wf, judge, _from('screening')),
        (inputnode, figures_wf, [('in_file', 'inputnode.in_file')]),
        (inputnode, sink, [('in_file', 'in_file')]),
        (register_wf, sink, _from('registration')),
        (judge, sink, [('out_file', 'record')]),
        (figures_wf, sink, _from('slices', 'slices_before')),
    ])  # fmt: skip
    kept = deface_wf
    if not settings.deface_only:
        kept = init_identify_wf(item=item, settings=settings)
        utility_wf = init_utility_wf(item=item, settings=settings, template=template)
        workflow.connect([
            (inputnode, kept, [('in_file', 'inputnode.in_file')]),
            (visible_wf, kept, _same('seen', 'anatomy', 'outline')),
            (register_wf, kept, _same('registration')),
            (deface_wf, kept, _same(
                'screening', 'mask', 'coverage', 'defaced', 'seen_defaced', 'defacing',
            )),
            (register_wf, utility_wf, _same('registration')),
            (visible_wf, utility_wf, [('outputnode.anatomy', 'inputnode.in_file')]),
            (kept, utility_wf, _same('defaced' if item.is_magnitude else 'mask')),
            (utility_wf, judge, _from('utility')),
            (kept, judge, _from('before', 'after', 'decoys', 'steps')),
            (kept, figures_wf, _same('before', 'after')),
            (kept, sink, _from('before', 'after')),
            (figures_wf, sink, _from('renders', 'renders_before')),
        ])  # fmt: skip
    workflow.connect(
        [
            (kept, judge, _from('coverage', 'defacing')),
            (kept, figures_wf, _same('mask', 'defaced')),
            (kept, sink, _from('mask', 'defaced')),
        ]
    )
    return workflow


def _same(*names):
    """Return connections between outputs and inputs of two workflows that have these names."""
    return [(f'outputnode.{name}', f'inputnode.{name}') for name in names]


def _from(*names):
    """Return connections between outputs of a workflow and inputs of a step of these names."""
    return [(f'outputnode.{name}', name) for name in names]
