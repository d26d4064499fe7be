# SPDX-License-Identifier: Apache-2.0
"""The whole graph: one workflow per participant, in it one per image."""

import re

from nipype.pipeline import engine as pe

from facebids import provenance
from facebids.bids import names
from facebids.workflows.deface import init_register_wf
from facebids.workflows.image import init_image_wf


def init_facebids_wf(*, settings, plans, template=None):
    """Build the graph of a run.

    Parameters
    ----------
    settings : facebids.config.Settings
    plans : tuple of facebids.bids.plan.ParticipantPlan
    template : str or Path, optional
        The prepared template by way of which images are registered.

    Returns
    -------
    nipype.pipeline.engine.Workflow
    """
    # The name is that of the cache: different code must not share one.
    workflow = pe.Workflow(name=re.sub(r'\W', '_', f'facebids_{provenance.identity()}_wf'))
    workflow.add_nodes(
        [init_participant_wf(settings=settings, plan=plan, template=template) for plan in plans]
    )
    return workflow


def init_participant_wf(*, settings, plan, template=None):
    """Build the graph of one participant: a workflow for each image of the plan.

    Images wait for the registration that they borrow or share, and for nothing else of others.

    Parameters
    ----------
    settings : facebids.config.Settings
    plan : facebids.bids.plan.ParticipantPlan
    template : str or Path, optional
        The prepared template by way of which images are registered.

    Returns
    -------
    nipype.pipeline.engine.Workflow
    """
    workflow = pe.Workflow(name=re.sub(r'\W', '_', f'sub_{plan.participant}_wf'))
    options = {'settings': settings, 'template': template}
    images = {item.image: init_image_wf(item=item, **options) for item in plan.images}
    registered = {
        item.image: init_register_wf(
            item=item, name=f'register_{names.workflow_name(item.image)}', **options
        )
        for item in plan.registered
    }
    workflow.add_nodes([*images.values(), *registered.values()])

    def place(image, field):
        return f'register_wf.{field}' if image in images else field

    for item in (*plan.images, *plan.registered):
        if item.source:
            workflow.connect(
                {**images, **registered}[item.source],
                place(item.source, 'outputnode.registration'),
                {**images, **registered}[item.image],
                place(item.image, 'inputnode.source_registration'),
            )
    return workflow
