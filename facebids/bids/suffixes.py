# SPDX-License-Identifier: Apache-2.0
"""Which images may show a face, by data type and suffix. It imports nothing: help reads it.

Suffixes are those of BIDS 1.11 (schema/objects/suffixes.yaml), deprecated ones that are still
around included; ``ct`` is what datasets use while BIDS has no CT.
"""

NIFTI = ('.nii', '.nii.gz')

# What is defaced: of `anat` and `ct` always, of the others on request.
HEADS = {
    'anat': (
        'T1w', 'T2w', 'PDw', 'FLAIR', 'T2starw', 'inplaneT1', 'inplaneT2', 'PDT2', 'angio',
        'UNIT1', 'MP2RAGE', 'IRT1', 'VFA', 'MPM', 'MEGRE', 'MESE', 'MTR', 'MTS', 'FLASH', 'PD',
        'T2star', 'T1rho', 'T1map', 'T2map', 'T2starmap', 'R1map', 'R2map', 'R2starmap', 'PDmap',
        'M0map', 'S0map', 'MTRmap', 'MTsat', 'MTVmap', 'MWFmap', 'Chimap', 'TB1map', 'RB1map',
    ),
    'ct': ('ct',),
    'dwi': ('dwi', 'sbref', 'ADC', 'FA', 'S0map', 'trace', 'expADC', 'colFA'),
    'fmap': (
        'magnitude', 'magnitude1', 'magnitude2', 'phase1', 'phase2', 'phasediff', 'fieldmap',
        'epi', 'm0scan', 'TB1DAM', 'TB1EPI', 'TB1AFI', 'TB1TFL', 'TB1RFM', 'RB1COR', 'TB1SRGE',
        'TB1map', 'RB1map',
    ),
    'func': ('bold', 'cbv', 'sbref', 'phase'),
    'perf': ('asl', 'm0scan'),
    'pet': ('pet',),
}  # fmt: skip
ALWAYS = ('anat', 'ct')
ON_REQUEST = tuple(sorted(set(HEADS) - set(ALWAYS)))

# By the key of a filter file: the suffix in lower case.
BY_KEY = {suffix.lower(): suffix for suffixes in HEADS.values() for suffix in suffixes}

# Images whose whole contrast the atlas has: they are registered to it by themselves.
IN_ATLAS = {'T1w': 'T1w', 'FLAIR': 'FLAIR', 'T2w': 'T2w', 'PDw': 'PDw', 'ct': 'CT'}

# Where another image has to be registered to the atlas: the contrast that is most like its own.
CLOSEST = {
    'T1w': (
        'inplaneT1', 'UNIT1', 'MP2RAGE', 'IRT1', 'VFA', 'MPM', 'MTR', 'MTS', 'FLASH', 'angio',
        'T1map', 'R1map', 'MTRmap', 'MTsat', 'pet',
    ),
    'PDw': (
        'PD', 'PDT2', 'PDmap', 'M0map', 'm0scan', 'MTVmap', 'magnitude', 'magnitude1',
        'magnitude2', 'MEGRE', 'TB1map', 'RB1map',
    ),
}  # fmt: skip
OTHERWISE = 'T2w'

# What a participant's other images are co-registered to, the best first; `inv` of MP2RAGE is 2.
REFERENCES = ('T1w', 'MP2RAGE', 'UNIT1', 'T2w', 'FLAIR', 'PDw', 'ct')

# Images that others of the same acquisition show better, and the suffixes of these: most have no
# magnitude.
MAGNITUDES = {
    'phase': ('bold',),
    'phase1': ('magnitude1',),
    'phase2': ('magnitude2', 'magnitude1'),
    'phasediff': ('magnitude1', 'magnitude2'),
    'fieldmap': ('magnitude', 'magnitude1'),
    'UNIT1': ('MP2RAGE',),
}

# Files beside NIfTI images that may show a face: volumes, surfaces, archives, pictures, videos.
PICTURES = (
    '.jpg', '.jpeg', '.png', '.tif', '.tiff', '.bmp', '.gif', '.webp', '.heic', '.mp4', '.avi',
    '.mov', '.mkv', '.webm', '.wmv',
)  # fmt: skip
OTHER_FORMATS = (
    '.img', '.mgh', '.mgz', '.mnc', '.nrrd', '.nhdr', '.mha', '.mhd', '.dcm', '.ima', '.stl',
    '.obj', '.ply', '.vtk', '.gii', '.hdr', '.brik', '.par', '.rec', '.mri', '.glb', '.zip', '.7z',
    '.rar', '.tar', '.tgz', '.tar.gz', *PICTURES,
)  # fmt: skip
COMPRESSED = ('.gz', '.bz2', '.xz', '.zst')

# What else BIDS has beside head images, and text: all that is known to show no face, also
# compressed. Recordings come in many formats (schema/objects/datatypes.yaml of BIDS 1.11).
FACELESS = ('.json', '.tsv', '.bval', '.bvec', '.txt', '.csv', '.md')
RECORDINGS = ('beh', 'eeg', 'emg', 'ieeg', 'meg', 'micr', 'motion', 'nirs')

# Echo-planar images, which hardly show faces: undefaced ones were matched with photographs in 0
# to 2 % of 182 people, fewer than defaced T1w (Schwarz et al. 2021 to 2024, face recognition of
# research MRI by sequence). They may be released without having been looked at.
HARDLY_SHOW_FACES = {
    'func': HEADS['func'],
    'dwi': HEADS['dwi'],
    'fmap': ('epi',),
}

SPECTRA = {'mrs': ('svs', 'mrsi', 'unloc', 'mrsref')}


def atlas_contrast(suffix: str) -> str:
    """Return the contrast of the atlas that is the image's own, or the most like it."""
    if suffix in IN_ATLAS:
        return IN_ATLAS[suffix]
    return next((contrast for contrast, like in CLOSEST.items() if suffix in like), OTHERWISE)
