# SPDX-License-Identifier: Apache-2.0
"""Files that draw the head beside images: digitised points, 3-D scans and photographs.

They belong to recordings of MEG, EEG and NIRS. Names alone decide here; BIDS 1.11 has the suffixes
(schema/rules/files/raw/{meg,eeg,nirs,channels,photo}.yaml).
"""

from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from facebids.bids import suffixes

Kind: TypeAlias = Literal['shape', 'sensors', 'picture']

RECORDINGS = ('eeg', 'ieeg', 'meg', 'nirs')  # data types
SENSORS = {'electrodes': ('eeg', 'meg', 'nirs'), 'optodes': ('nirs',)}  # intracranial ones are not
# Polhemus and KIT (.hsp, .elp), CTF (.pos, .shape), EGI and BESA (.sfp), ASA (.elc), MNE (.hpts),
# CapTrak (.bvct); BTi/4D and EGI have files of a fixed name
POINT_FORMATS = ('.hsp', '.elp', '.pos', '.shape', '.sfp', '.elc', '.hpts', '.bvct')
POINT_FILES = ('hs_file', 'coordinates.xml')
SURFACES = ('.stl', '.obj', '.ply', '.vtk', '.gii', '.glb')

WHAT: dict[Kind, str] = {
    'shape': 'digitised points of the shape of the head',
    'sensors': 'digitised positions of sensors on the head',
    'picture': 'picture or 3-D scan of the head',
}


def kind_of(path: str) -> Kind | None:
    """Return how a file draws the head, or None if its name does not tell so.

    Parameters
    ----------
    path
        POSIX path relative to the dataset.
    """
    pure = PurePosixPath(path)
    if not path.startswith('sub-'):
        return None
    name = pure.name.lower()
    for ending in suffixes.COMPRESSED:
        name = name.removesuffix(ending)
    suffix = name.partition('.')[0].rpartition('_')[2]
    if suffix == 'headshape' and not name.endswith('.json'):
        return 'shape'
    datatype = next((part for part in pure.parts[1:-1] if part in RECORDINGS), None)
    if datatype is None:
        return None
    if name.endswith(POINT_FORMATS) or name in POINT_FILES:
        return 'shape'
    if name.endswith('.tsv') and datatype in SENSORS.get(suffix, ()):
        return 'sensors'
    return 'picture' if name.endswith((*suffixes.PICTURES, *SURFACES)) else None
