# SPDX-License-Identifier: Apache-2.0
"""The command line: options to settings, calls of the stages, and what the user sees of them."""
