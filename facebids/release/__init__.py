# SPDX-License-Identifier: Apache-2.0
"""What a raw dataset must not tell about people when it is shared: found, and taken out."""
