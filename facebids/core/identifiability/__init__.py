# SPDX-License-Identifier: Apache-2.0
"""How identifiable people are: definitions, formulas and their sources.

- `defacing`: one image before and after
- `ranking`: closed-set identification, ranks and the CMC curve
- `verification`: same person or not, ROC, AUC, similarity, SVM
- `open_set`: identification where the person may not be in the gallery
- `resampling`: intervals by person
- `population`: identification among up to 10^9 people
- `summary`: all of them for one comparison
"""

from facebids.core.identifiability.defacing import compare
from facebids.core.identifiability.summary import summarise

__all__ = ['compare', 'summarise']
