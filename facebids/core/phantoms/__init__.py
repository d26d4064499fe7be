# SPDX-License-Identifier: Apache-2.0
"""Scans and photographs of people who do not exist, with their ground truth."""
