# SPDX-License-Identifier: Apache-2.0
"""From an image to its affine: where it lies in the head atlas, and how well it fits."""
