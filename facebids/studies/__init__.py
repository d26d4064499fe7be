# SPDX-License-Identifier: Apache-2.0
"""Attacks on a whole dataset: who can be told from whom, before and after defacing.

It reads the templates of the private folder, lets the engines score what
:mod:`facebids.studies.comparisons` allows, and hands on numbers alone
(:mod:`facebids.studies.results`). It knows no page, no table and no command line.
"""
