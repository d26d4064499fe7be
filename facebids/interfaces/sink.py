# SPDX-License-Identifier: Apache-2.0
"""Where the results of an image leave the graph: the only place that writes outputs.

A released image goes to the output folder; one that failed is withheld in the private folder.
What shows or describes the original face goes to the private folder in any case. A run may be
killed at any moment: what an earlier one released goes first, and no defaced image is in the
output before its verdict is. The record in the work folder, written last, says that all is there.
"""

import shutil
from pathlib import Path

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from facebids.bids import metadata, names, records
from facebids.bids.names import HeadImage
from facebids.core import engines, registration
from facebids.interfaces import files


class _SinkInputSpec(BaseInterfaceInputSpec):
    relative_path = traits.Str(mandatory=True, desc='the image, relative to its dataset')
    mode = traits.Str(mandatory=True, desc='what the face became')
    output_dir = traits.Str(mandatory=True)
    private_dir = traits.Str(mandatory=True)
    work_dir = traits.Str(mandatory=True)
    record = File(exists=True, mandatory=True, desc='from Judge')
    defaced = File(exists=True, mandatory=True)
    mask = File(exists=True, mandatory=True)
    registration = File(exists=True, mandatory=True)
    before = File(exists=True, mandatory=True, desc='attack on the original')
    after = File(exists=True, mandatory=True, desc='attack on the defaced image')
    slices = File(exists=True, mandatory=True, desc='figure of the defaced image')
    renders = File(exists=True, mandatory=True, desc='figure of the defaced image')
    slices_before = File(exists=True, mandatory=True)
    renders_before = File(exists=True, mandatory=True)


class _SinkOutputSpec(TraitedSpec):
    out_file = File(desc='the record, in the work folder')


class Sink(SimpleInterface):
    """Write everything that an image leaves behind."""

    input_spec = _SinkInputSpec
    output_spec = _SinkOutputSpec
    _always_run = True  # the outputs may be gone while the graph's cache is not

    def _run_interface(self, runtime):
        image = HeadImage.from_relative_path(self.inputs.relative_path)
        record = files.read_json(self.inputs.record)
        for name in names.public_files(image):
            self._released(name).unlink(missing_ok=True)
        self._write_private(image)
        place = self._withheld if record['verdict'] == 'fail' else self._released
        self._write_public(image, place)
        records.merge(self.inputs.output_dir, names.metrics(image), [record])
        _copy(self.inputs.defaced, place(names.defaced(image)))
        path = Path(self.inputs.work_dir) / names.record(image)
        metadata.write_json_atomic(path, record)
        self._results['out_file'] = str(path)
        return runtime

    def _released(self, name):
        return Path(self.inputs.output_dir) / name

    def _withheld(self, name):
        return Path(self.inputs.private_dir) / names.withheld(name)

    def _write_public(self, image, place):
        """Write all that may be public but the defaced image itself."""
        affine = np.array(files.read_registration(self.inputs.registration)['affine'])
        # ITK maps points of the space that is resampled into, to the image's.
        metadata.write_text_atomic(place(names.to_template(image)), registration.itk_text(affine))
        metadata.write_text_atomic(
            place(names.from_template(image)), registration.itk_text(np.linalg.inv(affine))
        )
        _copy(self.inputs.slices, place(names.figure(image, 'slices')))
        _copy(self.inputs.renders, place(names.figure(image, 'renders')))
        _copy(self.inputs.mask, place(names.mask(image)))
        for name, sidecar in (
            (names.mask(image), metadata.mask_sidecar(image)),
            (names.defaced(image), metadata.defaced_sidecar(image, self.inputs.mode)),
        ):
            metadata.write_json_atomic(place(names.sidecar(name)), sidecar)

    def _write_private(self, image):
        root = Path(self.inputs.private_dir)
        for state in names.STATES:
            attack = files.read_arrays(getattr(self.inputs, state))
            frontal = attack['names'].tolist().index('frontal')
            with metadata.atomic_path(root / names.private_templates(image, state)) as path:
                np.savez_compressed(
                    path,
                    frontal=attack['pictures'][frontal],
                    frontal_box=attack['boxes'][frontal],
                    **engines.pack(engines.unpack(attack)),
                )
        _copy(self.inputs.slices_before, root / names.private_figure(image, 'slices'))
        _copy(self.inputs.renders_before, root / names.private_figure(image, 'renders'))


def _copy(source, target):
    with metadata.atomic_path(target) as path:
        shutil.copyfile(source, path)
