# SPDX-License-Identifier: Apache-2.0
"""Nipype workflows of FaceBIDS."""
