# SPDX-License-Identifier: Apache-2.0
"""Top-level workflow, with one workflow per participant and one per image."""

import re

from nipype.pipeline import engine as pe

from facebids import provenance
from facebids.bids import names
from facebids.workflows.deface import init_register_wf
from facebids.workflows.image import init_image_wf


def init_facebids_wf(*, settings, plans, template=None):
    """Build the workflow of a run.

    Parameters
    ----------
    settings : facebids.config.Settings
        Settings of the run.
    plans : tuple of facebids.bids.plan.ParticipantPlan
        Plan of each participant.
    template : str or Path, optional
        The prepared template to which images are registered.

    Returns
    -------
    nipype.pipeline.engine.Workflow
    """
    # The cache is found by this name, and different code must not share a cache.
    workflow = pe.Workflow(name=re.sub(r'\W', '_', f'facebids_{provenance.identity()}_wf'))
    workflow.add_nodes(
        [init_participant_wf(settings=settings, plan=plan, template=template) for plan in plans]
    )
    return workflow


def init_participant_wf(*, settings, plan, template=None):
    """Build the workflow of one participant, with one workflow for each image of the plan.

    An image waits for the registration that it borrows, shares or may fall back on, and for no
    other result of another image.

    Parameters
    ----------
    settings : facebids.config.Settings
        Settings of the run.
    plan : facebids.bids.plan.ParticipantPlan
        Plan of the participant.
    template : str or Path, optional
        The prepared template to which images are registered.

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
        if item.lender:
            workflow.connect(
                {**images, **registered}[item.lender],
                place(item.lender, 'outputnode.registration'),
                {**images, **registered}[item.image],
                place(item.image, 'inputnode.source_registration'),
            )
    return workflow
