# SPDX-License-Identifier: Apache-2.0
"""Images that may show a face, by data type and suffix. It imports nothing, for a fast help.

Suffixes are those of BIDS 1.11 (schema/objects/suffixes.yaml), including deprecated ones that are
still in use. BIDS has no CT yet; ``ct`` is common practice.
"""

NIFTI = ('.nii', '.nii.gz')

# Head images. `anat` and `ct` are always defaced, other data types on request.
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

# keys of filter files: suffixes in lower case
BY_KEY = {suffix.lower(): suffix for suffixes in HEADS.values() for suffix in suffixes}

# Suffixes of the images that others are coregistered to, best first. Of an MP2RAGE it is the
# second inversion.
REFERENCES = ('T1w', 'MP2RAGE', 'UNIT1', 'T2w', 'FLAIR', 'PDw', 'ct')
# Contrasts in which the agreement with the atlas is least: their registrations may be replaced.
DOUBTFUL = ('T2w', 'PDw')

# Suffixes of images in which faces cannot be detected, mostly for lack of a magnitude, and of the
# images of the same acquisition in which they can.
MAGNITUDES = {
    'phase': ('bold',),
    'phase1': ('magnitude1',),
    'phase2': ('magnitude2', 'magnitude1'),
    'phasediff': ('magnitude1', 'magnitude2'),
    'fieldmap': ('magnitude', 'magnitude1'),
    'UNIT1': ('MP2RAGE',),
}

PHASES = ('phase', 'phase1', 'phase2', 'phasediff')

# Other formats that may show a face: volumes, surfaces, archives, pictures, videos.
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

# Text files, compressed or not, and data types of recordings in many formats: none of them shows
# a face (schema/objects/datatypes.yaml of BIDS 1.11).
FACELESS = ('.json', '.tsv', '.bval', '.bvec', '.txt', '.csv', '.md')
RECORDINGS = ('beh', 'eeg', 'emg', 'ieeg', 'meg', 'micr', 'motion', 'nirs')

# Echo-planar images hardly show faces: undefaced, they were matched with photographs of 0 to 2 %
# of 182 people, fewer than defaced T1w images (Schwarz et al. 2021 to 2024, face recognition of
# research MRI by sequence). They may be released without having been examined.
HARDLY_SHOW_FACES = {
    'func': HEADS['func'],
    'dwi': HEADS['dwi'],
    'fmap': ('epi',),
}

SPECTRA = {'mrs': ('svs', 'mrsi', 'unloc', 'mrsref')}
