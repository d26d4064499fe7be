# SPDX-License-Identifier: Apache-2.0
"""Re-identification of the participants of a dataset, before and after defacing.

- `dataset`: all comparisons of a dataset
- `comparisons`: which comparisons the data allow
- `enrolment`: templates from the private folder, and their scores
- `photographs`: find, read and enrol photographs
- `scans`: scans in a gallery of scans
- `same_acquisition`: of the same site, scanner and voxel size
- `brain_linkage`: brains in a gallery of brains
- `against_photographs`: S1 and S2, and with `single_views` S3
- `render_pairs`: S4
- `outcomes`: from scores to the outcome of a comparison
- `results`: the results, dataclasses
- `tables`: the results as tables
"""
