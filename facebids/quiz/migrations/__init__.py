# SPDX-License-Identifier: Apache-2.0
"""Migrations of the database of a quiz, by Alembic: a revision for each change of the tables."""
