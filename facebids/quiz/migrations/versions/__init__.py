# SPDX-License-Identifier: Apache-2.0
"""The revisions of the tables, in the order of their names."""
