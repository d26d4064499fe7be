# SPDX-License-Identifier: Apache-2.0
"""Metrics of identifiability: definitions, formulas and their sources.

- `searches`: what is kept of the scores of a comparison, block by block
- `pairs`: scores of pairs, drawn at random where there are too many
- `ranking`: closed-set identification, ranks and the CMC curve
- `verification`: genuine or impostor pair, ROC, AUC, similarity, SVM
- `calibration`: from scores to likelihood ratios, their bounds and cost
- `open_set`: identification where the person may not be in the gallery
- `resampling`: bootstrap intervals over participants
- `population`: identification among up to 10^9 people
- `ratios`: likelihood ratios of a cohort, their cost, Tippett plot
- `evaluation`: all statistics of one comparison
- `summary`: their typed result
"""
