# SPDX-License-Identifier: Apache-2.0
"""Thin Nipype interfaces: each opens files, calls one part of `core`, and saves what it returns.

What a step measured travels to the next as a small JSON file, so that it is cached with the step.
"""
