# SPDX-License-Identifier: Apache-2.0
"""The released dataset and its certificate."""
