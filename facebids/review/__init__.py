# SPDX-License-Identifier: Apache-2.0
"""``facebids-review``: a person looks at every image, and decides."""
