# SPDX-License-Identifier: Apache-2.0
"""From an affine to the face mask, the new voxels inside it, and what that costs."""
