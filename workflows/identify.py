# SPDX-License-Identifier: Apache-2.0
"""Workflow of the attack before and after defacing, and of the verdict."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from facebids.interfaces.recognition import Attack, Decoys
from facebids.interfaces.verdict import Judge


def init_identify_wf(*, relative_path, contrast, mode, seed, keep_masks=()):
    """Build the workflow that attacks the original and the defaced image and judges the results.

    Parameters
    ----------
    relative_path : str
        The image, relative to its dataset.
    contrast : str
        Contrast of the atlas that is the same as or most similar to that of the image.
    mode : str
        Mode of defacing. Some thresholds apply to one mode only.
    seed : int
        Random seed of the views, the same before and after defacing.
    keep_masks : sequence of facebids.bids.plan.KeepMask
        Masks of what was kept.

    Returns
    -------
    nipype.pipeline.engine.Workflow
        Inputs: ``in_file``, ``defaced``, ``registration``, ``screening``, ``coverage``,
        ``defacing``, ``utility``.
        Outputs: ``before``, ``after``, ``record``.
    """
    workflow = pe.Workflow(name='identify_wf')
    inputnode = pe.Node(
        niu.IdentityInterface(
            fields=[
                'in_file',
                'defaced',
                'registration',
                'screening',
                'coverage',
                'defacing',
                'utility',
            ]
        ),
        name='inputnode',
    )
    outputnode = pe.Node(
        niu.IdentityInterface(fields=['before', 'after', 'record']), name='outputnode'
    )
    attack_before = pe.Node(Attack(contrast=contrast, seed=seed), name='attack_before', mem_gb=2)
    attack_after = pe.Node(Attack(contrast=contrast, seed=seed), name='attack_after', mem_gb=2)
    decoys = pe.Node(Decoys(contrast=contrast, seed=seed), name='decoys', mem_gb=2)
    judge = pe.Node(
        Judge(
            relative_path=relative_path,
            mode=mode,
            seed=seed,
            keep_masks={mask.name: mask.sha256 for mask in keep_masks},
        ),
        name='judge',
        mem_gb=0.2,
    )
    workflow.connect([
        (inputnode, attack_before, [('in_file', 'in_file'), ('registration', 'registration')]),
        (inputnode, attack_after, [('defaced', 'in_file'), ('registration', 'registration')]),
        (attack_before, attack_after, [('out_file', 'known_faces')]),
        (inputnode, decoys, [('in_file', 'in_file'), ('registration', 'registration')]),
        (attack_before, decoys, [('out_file', 'known_faces')]),
        (decoys, judge, [('out_file', 'decoys')]),
        (inputnode, judge, [
            ('registration', 'registration'),
            ('screening', 'screening'),
            ('coverage', 'coverage'),
            ('defacing', 'defacing'),
            ('utility', 'utility'),
        ]),
        (attack_before, judge, [('out_file', 'before')]),
        (attack_after, judge, [('out_file', 'after')]),
        (attack_before, outputnode, [('out_file', 'before')]),
        (attack_after, outputnode, [('out_file', 'after')]),
        (judge, outputnode, [('out_file', 'record')]),
    ])  # fmt: skip
    return workflow
