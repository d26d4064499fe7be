# SPDX-License-Identifier: Apache-2.0
"""The images of an output folder to review: verdict and upper bound of the evidence."""

HEADS = {
    'sub-01/anat/sub-01_T1w.nii.gz': ('pass', -1.0),
    'sub-02/anat/sub-02_T1w.nii.gz': ('review', 1.4),
    'sub-03/anat/sub-03_T1w.nii.gz': ('pass', 0.7),
    'sub-04/anat/sub-04_T1w.nii.gz': ('fail', 3.0),
}
DOUBTFUL, NEAR, SURE = (f'sub-{n}/anat/sub-{n}_T1w.nii.gz' for n in ('02', '03', '01'))
