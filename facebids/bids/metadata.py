# SPDX-License-Identifier: Apache-2.0
"""Sidecars of the outputs, and the files that describe the derivative dataset.

None of them holds an absolute path of this machine.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from facebids.bids import citation, names
from facebids.bids.names import HeadImage
from facebids.core.modes import MODES
from facebids.filesystem import write_json_atomic, write_text_atomic
from facebids.version import __version__

BIDS_VERSION = '1.11.1'

# PS3.16 of DICOM, context group 7050
DEIDENTIFICATION_CODES = [
    {
        'CodeValue': '113102',
        'CodeMeaning': 'Clean Recognizable Visual Features Option',
        'CodingSchemeDesignator': 'DCM',
    }
]

# BIDS has no CT, no masks of some series and data types, and requires gradients of derived
# diffusion images without defining their names. For bids-validator 3.0.2 with ignore 7.0.8:
# patterns with several stars before the end of a name do not match, and "figures/" with a slash
# would leave an error about an empty folder.
BIDSIGNORE = """\
ct
*_space-MP2RAGE_desc-face_mask.*
*_space-IRT1_desc-face_mask.*
*_space-VFA_desc-face_mask.*
*_space-MPM_desc-face_mask.*
*_space-MTR_desc-face_mask.*
*_space-MTS_desc-face_mask.*
*_desc-defaced_dwi.*
**/fmap/*_mask.*
**/perf/*_mask.*
**/pet/*_mask.*
*.html
figures
*_xfm.txt
*_xfm.json
*_metrics.json
*_metrics.tsv
group_*
"""

README = """\
# Defaced head images

[FaceBIDS](dataset_description.json) defaced these head images and attacked the results with face
recognition.

- `sub-*/**/*_desc-defaced_*.nii.gz`: the defaced image. All voxels outside the mask are identical
  to those of the source.
- `*_desc-face_mask.nii.gz`: the mask, with 1 for replaced voxels.
- `*_xfm.txt`: affine transforms between the image and the head atlas or the requested template
  (ITK text files).
- `*_desc-identifiability_metrics.json`, `.tsv`: the results of the attack, and the verdict.
- `sub-*.html`, `group.html`: the reports.

Images with the verdict *fail* are withheld; their metrics give the reasons. Images with the
verdict *review* should be inspected in the report before they are shared. The verdict *pass* means
that no attack recognised the face. This is a lower bound of the risk: a stronger attack may
succeed, and only the images themselves were examined.

To cite the methods, see `logs/CITATION.md` and `logs/CITATION.bib`.
"""


# --- sidecars -----------------------------------------------------------------------------------


def defaced_sidecar(
    image: HeadImage,
    mode: str | None,
    keep_masks: Mapping[str, str] | None = None,
    *,
    skull_stripped: bool = False,
) -> dict[str, Any]:
    """Return the sidecar of the defaced image.

    Parameters
    ----------
    image
        The image.
    mode
        A defacing mode, or None for an image that was already defaced.
    keep_masks
        SHA-256 of the keep masks of the image, by name.
    skull_stripped
        Whether the image holds a brain without the head around it.
    """
    if mode is None:
        return {
            'Description': 'The source image, which was already defaced. All voxels are identical '
            'to those of the source; free text was removed from the header.',
            'Sources': [names.uri(image)],
            'SkullStripped': skull_stripped,
        }
    return {
        'Description': 'The source image with the voxels of the face replaced. All other voxels '
        'are identical to those of the source.',
        'Sources': [names.uri(image)],
        'SkullStripped': skull_stripped,
        'DeidentificationMethod': [f'{defaced_by()}: {MODES[mode].method}'],
        'DeidentificationMethodCodeSequence': DEIDENTIFICATION_CODES,
        **kept_entry(keep_masks),
    }


def mask_sidecar(image: HeadImage, keep_masks: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the sidecar of the face mask, given the SHA-256 of the keep masks by name."""
    return {
        'Description': 'Voxels replaced by defacing: 1 inside the mask, 0 outside.',
        'Type': 'Face',
        'Sources': [names.uri(image)],
        'SpatialReference': names.uri(image),
        **kept_entry(keep_masks),
    }


def kept_entry(keep_masks: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the entry of a sidecar on the masks whose voxels were not replaced."""
    files = [{'File': name, 'SHA256': digest} for name, digest in (keep_masks or {}).items()]
    return {'KeepMasks': files} if files else {}


def transform_sidecar(
    image: HeadImage,
    template: str,
    files: Mapping[str, str],
    from_atlas: Sequence[Sequence[float]],
    fit: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the sidecar of a transform to the requested template.

    Parameters
    ----------
    image
        The image.
    template
        Name of the template.
    files
        SHA-256 of its files, by name.
    from_atlas
        Affine from the head atlas to the template, RAS mm, shape (4, 4).
    fit
        Agreement of the head atlas with the template.
    """
    return {
        'Description': 'Affine transform that resamples the image to the template. The head atlas '
        'and the image were both registered to the template.',
        'Sources': [names.uri(image)],
        'Template': template,
        'TemplateFiles': dict(files),
        'HeadAtlasToTemplate': [list(row) for row in from_atlas],
        'HeadAtlasFit': dict(fit),
        'GeneratedBy': [generated_by()],
    }


# --- the dataset --------------------------------------------------------------------------------


def dataset_description(
    source: dict[str, Any], bids_dir: str | Path, output_dir: str | Path
) -> dict[str, Any]:
    """Return ``dataset_description.json`` of the derivative dataset.

    Parameters
    ----------
    source
        ``dataset_description.json`` of the input dataset, empty if it has none.
    bids_dir, output_dir
        Folders of the input and of the derivative dataset.
    """
    doi = str(source.get('DatasetDOI') or '')
    return {
        'Name': f'{source.get("Name", "Head images")}: defaced',
        'BIDSVersion': BIDS_VERSION,
        'DatasetType': 'derivative',
        'GeneratedBy': [generated_by()],
        **({'SourceDatasets': [{'URL': doi_url(doi)}]} if doi else {}),
        **{key: source[key] for key in ('Authors', 'License') if key in source},
        'DatasetLinks': {names.RAW: doi_url(doi) if doi else _link(bids_dir, output_dir)},
    }


def defaced_by() -> str:
    """Return the name and version of this program."""
    return f'FaceBIDS {__version__}'


def generated_by() -> dict[str, str]:
    """Return the ``GeneratedBy`` entry of this program."""
    return {
        'Name': 'FaceBIDS',
        'Version': __version__,
        'Description': 'Defacing of head images, tested by attacks with face recognition',
    }


def makers_of(description: Mapping[str, Any]) -> list[str]:
    """Return the names of the programs that made a dataset, of a description of any form."""
    makers = description.get('GeneratedBy')
    listed = makers if isinstance(makers, list) else [makers]
    return [str(maker.get('Name')) for maker in listed if isinstance(maker, dict)]


def write_dataset_files(
    output_dir: str | Path,
    source: dict[str, Any],
    bids_dir: str | Path,
    modes: Iterable[str] = (),
) -> None:
    """Write the files that describe the derivative dataset.

    Parameters
    ----------
    output_dir
        Folder of the derivative dataset.
    source, bids_dir
        See :func:`dataset_description`.
    modes
        Defacing modes that the methods are to describe; none if they are not known.
    """
    root = Path(output_dir)
    description = dataset_description(source, bids_dir, output_dir)
    write_json_atomic(root / 'dataset_description.json', description)
    write_text_atomic(root / '.bidsignore', BIDSIGNORE)
    if not (root / 'README.md').exists():  # users may have extended it
        write_text_atomic(root / 'README.md', README)
    write_text_atomic(root / 'logs' / 'CITATION.md', citation.markdown(modes))
    write_text_atomic(root / 'logs' / 'CITATION.bib', citation.bibtex())


def doi_url(doi: str) -> str:
    """Return the URL of a DOI in any notation."""
    return 'https://doi.org/' + re.sub(r'^(doi:|https?://(dx\.)?doi\.org/)', '', doi.strip())


def _link(bids_dir: str | Path, output_dir: str | Path) -> str:
    """Return the relative path from the derivative dataset to its source, or a name for it.

    Only the path of a dataset beside or around this one is returned. Any other path would reveal
    folders of this machine, such as user names.
    """
    path = Path(os.path.relpath(os.path.realpath(bids_dir), os.path.realpath(output_dir)))
    around = set(path.parts) == {'..'}
    beside = len(path.parts) == 2 and path.parts[0] == '..'
    return quote(path.as_posix()) if around or beside else 'urn:x-facebids:raw'


def public_paths(root: str | Path, image: HeadImage) -> list[Path]:
    """Return the paths of all output files of an image, whether they exist or not.

    These are :func:`facebids.bids.names.public_files` in ``root``, and existing transforms to
    templates of earlier runs.
    """
    paths = [Path(root) / name for name in names.public_files(image)]
    folder = Path(root, image.relative_path).parent
    others = folder.iterdir() if folder.is_dir() else ()
    return paths + [path for path in others if names.is_transform(image, path.name)]
