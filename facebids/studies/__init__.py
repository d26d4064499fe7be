# SPDX-License-Identifier: Apache-2.0
"""Attacks on a whole dataset: who can be told from whom, before and after defacing.

It reads the templates of the private folder, lets the engines score what
:mod:`facebids.core.comparisons` allows, and hands on numbers alone (:mod:`facebids.bids.results`).
It knows no page, no table and no command line.
"""
