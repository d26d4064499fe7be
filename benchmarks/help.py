# SPDX-License-Identifier: Apache-2.0
"""Time ``facebids --help`` against a Python that does nothing, in turns.

Run: python benchmarks/help.py

Prints the ratio of the shortest times, which a busy machine changes less than the times.
"""

import subprocess
import sys
import time

TURNS = 10
COMMANDS = {'python': ['-c', 'pass'], 'facebids --help': ['-m', 'facebids', '--help']}


def seconds(arguments):
    """Return how long Python runs with some arguments."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main():
    """Run and print."""
    times = {name: [] for name in COMMANDS}
    for _ in range(TURNS):
        for name, arguments in COMMANDS.items():
            times[name].append(seconds(arguments))
    nothing, asked = (min(times[name]) for name in COMMANDS)
    print(f'facebids --help: {asked:.2f} s, {asked / nothing:.1f} times an empty Python program')


if __name__ == '__main__':
    main()
