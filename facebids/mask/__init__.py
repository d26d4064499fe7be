# SPDX-License-Identifier: Apache-2.0
"""The digital mask: the motion of a face on photographs and video, shown on a generic face."""
