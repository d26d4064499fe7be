# SPDX-License-Identifier: Apache-2.0
"""What is written about the data: sidecars, and the files that describe a dataset.

No absolute path of the machine is ever written.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import facebids
from facebids.bids import citation, names
from facebids.bids.names import HeadImage
from facebids.filesystem import write_json_atomic, write_text_atomic

BIDS_VERSION = '1.11.1'

# PS3.16 of DICOM, context group 7050
METHODS = {
    'remove': 'face region replaced by air',
    'blur': 'face region replaced by a smooth head without features',
    'reface': 'face region replaced by a generic face',
}
DEIDENTIFICATION_CODES = [
    {
        'CodeValue': '113102',
        'CodeMeaning': 'Clean Recognizable Visual Features Option',
        'CodingSchemeDesignator': 'DCM',
    }
]

# without a slash: the validator would still name the folder that "figures/" leaves empty
# BIDS has no CT, no masks of some series and data types, and asks for gradients of derived
# diffusion images without having a name for them. One star before the end of a name: the validator
# fails to match several (bids-validator 3.0.2 with ignore 7.0.8).
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
# Head images without faces

[FaceBIDS](dataset_description.json) took the faces out of these head images and then attacked the
result with face recognition.

- `sub-*/**/*_desc-defaced_*.nii.gz`: the image without the face. Every voxel outside the mask is
  the one of the source, bit for bit.
- `*_desc-face_mask.nii.gz`: the mask; 1 where a voxel was replaced.
- `*_xfm.txt`: affine transforms between the image and the head atlas, or the template that was
  asked for (ITK text files).
- `*_desc-identifiability_metrics.json`, `.tsv`: what the attack found, and the verdict.
- `sub-*.html`, `group.html`: the same to read.

An image with the verdict *fail* is not here; its metrics say why. The verdict *review* asks for a
look at the report before the image is shared. The verdict *pass* says that no attack that was
tried recognised the face. That is a lower bound of the risk: a stronger attack may find more, and
nothing here looks at anything but the image.

How to cite the methods: `logs/CITATION.md`, `logs/CITATION.bib`.
"""


# --- sidecars -----------------------------------------------------------------------------------


def defaced_sidecar(image: HeadImage, mode: str | None) -> dict[str, Any]:
    """Return the sidecar of the defaced image.

    Parameters
    ----------
    image
        The image.
    mode
        A key of `METHODS`; None for an image that arrived defaced and was passed on as it is.
    """
    if mode is None:
        return {
            'Description': 'The source image, which arrived without a face: all voxels are the '
            'source, bit for bit; free text was taken out of its header.',
            'Sources': [names.uri(image)],
            'SkullStripped': False,
        }
    return {
        'Description': 'The source image with the voxels of the face replaced; '
        'all others are the source, bit for bit.',
        'Sources': [names.uri(image)],
        'SkullStripped': False,
        'DeidentificationMethod': [f'{defaced_by()}: {METHODS[mode]}'],
        'DeidentificationMethodCodeSequence': DEIDENTIFICATION_CODES,
    }


def mask_sidecar(image: HeadImage) -> dict[str, Any]:
    """Return the sidecar of the face mask."""
    return {
        'Description': 'Voxels that defacing replaces: 1 inside, 0 outside.',
        'Type': 'Face',
        'Sources': [names.uri(image)],
        'SpatialReference': names.uri(image),
    }


def transform_sidecar(
    image: HeadImage,
    template: str,
    files: Mapping[str, str],
    from_atlas: Sequence[Sequence[float]],
    fit: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the sidecar of a transform to a template that the user named.

    Parameters
    ----------
    image
        The image.
    template
        Name of the template.
    files
        SHA-256 of its files, by name.
    from_atlas
        Head atlas to template RAS mm, shape (4, 4).
    fit
        Agreement of the head atlas with the template.
    """
    return {
        'Description': 'Affine transform that resamples the image in the space of the template. '
        'The head atlas was registered to the template, and the image to the template.',
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
        ``dataset_description.json`` of the input dataset; empty when it has none.
    bids_dir, output_dir
        Folders of the input and of the derivative dataset.
    """
    doi = source.get('DatasetDOI')
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
    """Return the program and its version."""
    return f'FaceBIDS {facebids.__version__}'


def generated_by() -> dict[str, str]:
    """Return the ``GeneratedBy`` entry that names this program."""
    return {
        'Name': 'FaceBIDS',
        'Version': facebids.__version__,
        'Description': 'Defacing of head images, proved by attacks with face recognition',
    }


def write_dataset_files(
    output_dir: str | Path, source: dict[str, Any], bids_dir: str | Path
) -> None:
    """Write the files that describe the derivative dataset as a whole.

    Parameters
    ----------
    output_dir
        Folder of the derivative dataset.
    source, bids_dir
        See :func:`dataset_description`.
    """
    root = Path(output_dir)
    description = dataset_description(source, bids_dir, output_dir)
    write_json_atomic(root / 'dataset_description.json', description)
    write_text_atomic(root / '.bidsignore', BIDSIGNORE)
    if not (root / 'README.md').exists():  # the user may have written more into it
        write_text_atomic(root / 'README.md', README)
    write_text_atomic(root / 'logs' / 'CITATION.md', citation.markdown())
    write_text_atomic(root / 'logs' / 'CITATION.bib', citation.bibtex())


def doi_url(doi: str) -> str:
    """Return the address of a DOI, however it was written."""
    return 'https://doi.org/' + re.sub(r'^(doi:|https?://(dx\.)?doi\.org/)', '', doi.strip())


def _link(bids_dir: str | Path, output_dir: str | Path) -> str:
    """Return the way from the derivative to its source, unless it would tell the machine's layout.

    A dataset beside this one has a way. One that climbs higher or goes down further is made of
    the folders of somebody's machine, user names among them; a name without a place stands for it
    then.
    """
    way = Path(os.path.relpath(os.path.realpath(bids_dir), os.path.realpath(output_dir)))
    beside = len(way.parts) == 2 and way.parts[0] == '..' != way.parts[1]
    return quote(way.as_posix()) if beside else 'urn:x-facebids:raw'


def public_paths(root: str | Path, image: HeadImage) -> list[Path]:
    """Return every file in ``root`` that stands there for an image alone.

    Beside :func:`facebids.bids.names.public_files` these are the transforms to the templates of
    earlier runs.
    """
    paths = [Path(root) / name for name in names.public_files(image)]
    folder = Path(root, image.relative_path).parent
    others = folder.iterdir() if folder.is_dir() else ()
    return paths + [path for path in others if names.is_transform(image, path.name)]


# --- writing ------------------------------------------------------------------------------------
