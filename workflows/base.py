# SPDX-License-Identifier: Apache-2.0
"""The whole graph: one workflow per participant, in it one per image."""

import re

from nipype.pipeline import engine as pe

from facebids import __version__
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
    # The version is in the name so that no result of another one is taken from the cache.
    workflow = pe.Workflow(name=re.sub(r'\W', '_', f'facebids_{__version__}_wf'))
    workflow.add_nodes(
        [init_participant_wf(settings=settings, plan=plan, template=template) for plan in plans]
    )
    return workflow


def init_participant_wf(*, settings, plan, template=None):
    """Build the graph of one participant: a workflow for each image of the plan.

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
    workflow.add_nodes(
        [
            init_image_wf(image=item.image, settings=settings, template=template)
            for item in plan.images
        ]
    )
    return workflow
