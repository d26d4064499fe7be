# SPDX-License-Identifier: Apache-2.0
"""Affine registration of images to the head atlas, and its quality."""
