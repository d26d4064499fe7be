# SPDX-License-Identifier: Apache-2.0
"""Workflow of the attack before and after defacing, and of further attempts."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.interfaces.improve import ATTEMPT, Improve
from facebids.interfaces.recognition import Attack, Decoys


def init_identify_wf(*, item, settings):
    """Build the workflow that attacks an image, defaced and not, until the removal is proven.

    Parameters
    ----------
    item : facebids.bids.plan.ImagePlan
        Plan of the image.
    settings : facebids.config.Settings
        Settings of the run.

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Inputs: ``in_file``, ``seen``, ``anatomy``, ``outline``, ``registration``, ``screening``,
        and of the first attempt ``mask``, ``coverage``, ``defaced``, ``seen_defaced`` and
        ``defacing``. Outputs: the same of the attempt that is kept, ``before``, ``after``,
        ``decoys``, ``steps``.
    """
    workflow = pe.Workflow(name='identify_wf')
    of_defacing = [name for name in ATTEMPT if name != 'after']
    given = ['in_file', 'seen', 'anatomy', 'outline', 'registration', 'screening']
    inputnode = pe.Node(niu.IdentityInterface(fields=given + of_defacing), name='inputnode')
    outputnode = pe.Node(
        niu.IdentityInterface(fields=[*ATTEMPT, 'before', 'decoys', 'steps']), name='outputnode'
    )
    options = {'contrast': item.contrast, 'seed': settings.seed}
    attack_before = pe.Node(Attack(**options), name='attack_before', mem_gb=2)
    attack_after = pe.Node(Attack(**options), name='attack_after', mem_gb=2)
    decoys = pe.Node(Decoys(**options), name='decoys', mem_gb=2)
    improve = pe.Node(
        Improve(
            suffix=item.image.suffix,
            mode=settings.mode,
            fill=settings.fill,
            part=not item.is_magnitude,
            mask_options=mask_options(item, settings),
            **options,
        ),
        name='improve',
        mem_gb=2,
    )
    workflow.connect([
        (inputnode, attack_before, [('seen', 'in_file'), ('registration', 'registration')]),
        (inputnode, attack_after, [
            ('seen_defaced', 'in_file'),
            ('registration', 'registration'),
        ]),
        (attack_before, attack_after, [('out_file', 'known_faces')]),
        (inputnode, decoys, [('seen', 'in_file'), ('registration', 'registration')]),
        (attack_before, decoys, [('out_file', 'known_faces')]),
        (inputnode, improve, [(name, name) for name in given + of_defacing]),
        (attack_before, improve, [('out_file', 'before')]),
        (attack_after, improve, [('out_file', 'after')]),
        (decoys, improve, [('out_file', 'decoys')]),
        (attack_before, outputnode, [('out_file', 'before')]),
        (decoys, outputnode, [('out_file', 'decoys')]),
        (improve, outputnode, [(name, name) for name in (*ATTEMPT, 'steps')]),
    ])  # fmt: skip
    return workflow


def mask_options(item, settings):
    """Return the inputs of `FaceMask` that come from the plan and the settings."""
    return {
        'brain_margin': settings.brain_margin,
        'keep': list(settings.keep),
        'keep_masks': {mask.path: mask.sha256 for mask in item.keep_masks},
    }
