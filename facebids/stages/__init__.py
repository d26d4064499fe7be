# SPDX-License-Identifier: Apache-2.0
"""Stages of the analysis levels: participant, group and release."""
