# SPDX-License-Identifier: Apache-2.0
"""Simulated scans and photographs of fictitious people, with their ground truth."""
