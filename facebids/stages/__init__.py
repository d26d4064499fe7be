# SPDX-License-Identifier: Apache-2.0
"""What the commands do: participant level, group level, release, verification, phantoms."""
