# SPDX-License-Identifier: Apache-2.0
"""From a head to its skin, renders and depth map, and what recognition engines make of them."""
