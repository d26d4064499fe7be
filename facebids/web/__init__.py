# SPDX-License-Identifier: Apache-2.0
"""What the local web applications share: the socket, reading forms, and security."""
