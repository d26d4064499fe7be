# SPDX-License-Identifier: Apache-2.0
"""A dataset to upload: what goes into it, and the proof that goes with it."""
