# SPDX-License-Identifier: Apache-2.0
"""Where the brain of a subject ends."""
