# SPDX-License-Identifier: Apache-2.0
"""Photographs of the participants: find, read and enrol them.

Photographs are read only. Neither they nor their names are stored, and nothing of them is written.
"""
