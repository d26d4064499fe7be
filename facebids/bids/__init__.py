# SPDX-License-Identifier: Apache-2.0
"""BIDS: what comes in, what is planned, and how what goes out is named and described."""
