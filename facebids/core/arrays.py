# SPDX-License-Identifier: Apache-2.0
"""Names for the arrays of signatures; shapes and units are in the docstrings."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
IntArray: TypeAlias = NDArray[np.integer[Any]]
BoolArray: TypeAlias = NDArray[np.bool_]
StrArray: TypeAlias = NDArray[np.str_]
AnyArray: TypeAlias = NDArray[Any]
Picture: TypeAlias = NDArray[np.uint8]  # RGB, shape (H, W, 3)
