# SPDX-License-Identifier: Apache-2.0
"""The science: NumPy arrays in, arrays out. No Nipype, no BIDS, one noun per file."""
