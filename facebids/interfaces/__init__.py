# SPDX-License-Identifier: Apache-2.0
"""Nipype interfaces. Each reads files, calls one part of `core`, and saves the result.

Measurements are passed between steps as small JSON files, so that they are cached with the step.
"""
