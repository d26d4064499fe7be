# SPDX-License-Identifier: Apache-2.0
"""Write the outputs of an image. No other step of the workflow writes outputs.

A released image is written to the output folder. An image that failed is withheld in the private
folder. Data that show or describe the original face are always written to the private folder. A
run may be killed at any time: each file of an earlier run stays until its successor lies beside
it, and a defaced image gets its name only after its verdict is written. The record in the work
folder is written last and marks the outputs as complete.
"""

import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids import filesystem
from facebids.bids import metadata, names, records
from facebids.bids.names import HeadImage, Template
from facebids.core.alignment import registration
from facebids.core.attack import brains, engines
from facebids.core.attack.attacker import AttackResult
from facebids.core.attack.screening import is_skull_stripped
from facebids.core.metrics_file import from_json
from facebids.errors import UnreadableImageError
from facebids.interfaces import files


class _SinkInputSpec(BaseInterfaceInputSpec):
    relative_path = traits.Str(mandatory=True, desc='path of the image, relative to its dataset')
    in_file = File(exists=True, mandatory=True, desc='head image')
    output_dir = traits.Str(mandatory=True)
    private_dir = traits.Str(mandatory=True)
    work_dir = traits.Str(mandatory=True)
    record = File(exists=True, mandatory=True, desc='from Judge')
    defaced = File(exists=True, mandatory=True)
    mask = File(exists=True, mandatory=True)
    registration = File(exists=True, mandatory=True)
    before = File(exists=True, desc='attack on the original, if it was attacked')
    after = File(exists=True, desc='attack on the defaced image')
    slices = File(exists=True, mandatory=True, desc='figure of the defaced image')
    renders = File(exists=True, desc='figure of the defaced image, if it was attacked')
    slices_before = File(exists=True, mandatory=True)
    renders_before = File(exists=True)


class _SinkOutputSpec(TraitedSpec):
    out_file = File(desc='the record in the work folder')


class Sink(SimpleInterface):
    """Write all outputs of an image."""

    input_spec = _SinkInputSpec
    output_spec = _SinkOutputSpec
    _always_run = True  # outputs may be missing although the cache is complete

    def _run_interface(self, runtime):
        image = HeadImage.from_relative_path(self.inputs.relative_path)
        (record,) = from_json(Path(self.inputs.record).read_bytes())
        self._check_unchanged(record.provenance)
        failed = record.verdict == 'fail'
        destination = self._withheld if failed else self._released
        enrolled = bool(self.inputs.before) and not record.passed_on
        self._write_private(image, enrolled=enrolled)
        # the successor lies beside the image of an earlier run before that is touched
        with filesystem.atomic_path(destination(names.defaced(image))) as path:
            shutil.copyfile(self.inputs.defaced, path)
            written = self._write_public(image, destination, record)
            self._delete_others(image, kept=() if failed else (*written, names.defaced(image)))
            records.merge(self.inputs.output_dir, names.metrics(image), [record])
        path = Path(self.inputs.work_dir) / names.record(image)
        records.write(path, record)
        self._results['out_file'] = str(path)
        return runtime

    def _delete_others(self, image, *, kept):
        """Delete what an earlier run released and this one does not."""
        for path in metadata.public_paths(self.inputs.output_dir, image):
            if path.relative_to(self.inputs.output_dir).as_posix() not in kept:
                path.unlink(missing_ok=True)

    def _check_unchanged(self, provenance):
        """Check that the files are those to which the verdict applies."""
        for path, digest in (
            (self.inputs.in_file, provenance.source_sha256),
            (self.inputs.defaced, provenance.defaced_sha256),
            (self.inputs.mask, provenance.mask_sha256),
        ):
            if filesystem.sha256(path) != digest:
                raise UnreadableImageError(
                    f'{path}: the file changed while the image was processed. Run it again.'
                )

    def _released(self, name):
        return Path(self.inputs.output_dir) / name

    def _withheld(self, name):
        return Path(self.inputs.private_dir) / names.withheld(name)

    def _write_public(self, image, destination, record):
        """Write all public outputs except the defaced image, and return their names."""
        kept = record.provenance.keep_masks
        stripped = record.screening is not None and is_skull_stripped(record.screening)
        texts, sidecars = self._transforms(image)
        sidecars |= {
            names.sidecar(names.mask(image)): metadata.mask_sidecar(image, kept),
            names.sidecar(names.defaced(image)): metadata.defaced_sidecar(
                image, record.mode, kept, skull_stripped=stripped
            ),
        }
        copies = {
            names.figure(image, 'slices'): self.inputs.slices,
            names.mask(image): self.inputs.mask,
        }
        if self.inputs.renders:
            copies[names.figure(image, 'renders')] = self.inputs.renders
        for name, source in copies.items():
            _copy(source, destination(name))
        for name, text in texts.items():
            filesystem.write_text_atomic(destination(name), text)
        for name, sidecar in sidecars.items():
            filesystem.write_json_atomic(destination(name), sidecar)
        return copies.keys() | texts.keys() | sidecars.keys()

    def _transforms(self, image):
        """Return the texts and the sidecars of the transforms, by name."""
        found = files.read_alignment(self.inputs.registration)
        affine, template, sidecars = found.affine, names.HEAD_ATLAS, {}
        if through := found.template:
            affine, template = np.array(through.affine), Template.from_text(through.name)
            name = names.sidecar(names.to_template(image, template))
            sidecars[name] = metadata.transform_sidecar(
                image, through.name, through.files, through.from_atlas, asdict(through.fit)
            )
        # An ITK transform maps points of the target space to points of the image.
        texts = {
            names.to_template(image, template): registration.itk_text(affine),
            names.from_template(image, template): registration.itk_text(np.linalg.inv(affine)),
        }
        return texts, sidecars

    def _write_private(self, image, *, enrolled):
        root = Path(self.inputs.private_dir)
        for state in names.STATES:
            if not enrolled:  # it arrived defaced, or was not attacked
                (root / names.private_templates(image, state)).unlink(missing_ok=True)
                continue
            arrays = files.read_arrays(getattr(self.inputs, state))
            attack = AttackResult.from_arrays(arrays)
            frontal = attack.recognition.names.tolist().index('frontal')
            with filesystem.atomic_path(root / names.private_templates(image, state)) as path:
                np.savez_compressed(
                    path,
                    frontal=attack.pictures[frontal],
                    frontal_box=attack.recognition.boxes[frontal],
                    **engines.pack(attack.face_templates),
                    **brains.pack(brains.unpack(arrays)),
                )
        _copy(self.inputs.slices_before, root / names.private_figure(image, 'slices'))
        renders = root / names.private_figure(image, 'renders')
        if self.inputs.renders_before:
            _copy(self.inputs.renders_before, renders)
        else:
            renders.unlink(missing_ok=True)


def _copy(source, target):
    with filesystem.atomic_path(target) as path:
        shutil.copyfile(source, path)
