# SPDX-License-Identifier: Apache-2.0
"""The observer study: can people recognise the renders? No other part imports it."""
