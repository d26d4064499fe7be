# SPDX-License-Identifier: Apache-2.0
"""How the steps are wired: Nipype graph factories and nothing else."""
