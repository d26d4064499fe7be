# SPDX-License-Identifier: Apache-2.0
"""How identifiable people are: definitions, formulas and their sources."""

from facebids.core.identifiability.defacing import compare

__all__ = ['compare']
