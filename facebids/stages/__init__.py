# SPDX-License-Identifier: Apache-2.0
"""What each analysis level does: participant, group and release."""
