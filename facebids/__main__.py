# SPDX-License-Identifier: Apache-2.0
"""``python -m facebids`` does what the ``facebids`` command does."""

import sys

from facebids.cli.run import main

if __name__ == '__main__':
    sys.exit(main())
