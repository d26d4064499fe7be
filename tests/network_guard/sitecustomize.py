# SPDX-License-Identifier: Apache-2.0
"""Refuses the network while ``FACEBIDS_NETWORK_LOG`` names a file, and notes each attempt in it.

On ``PYTHONPATH`` Python runs this by itself at its start, which holds child processes. There an
audit hook sees every socket, whatever library opens it.

The tests' own process has no such hook: it could not be taken out again, and before Python 3.12 a
thread that starts while coverage is measured dies if a hook runs in another one. It calls
``refuse`` from ``socket`` instead.
"""

import os
import sys

LOOPBACK = {'localhost', '127.0.0.1', '::1', '', None}


def refuse(event: str, args: tuple) -> None:
    """Refuse an event of ``sys.audit`` that leads to another machine, and note it."""
    log = os.environ.get('FACEBIDS_NETWORK_LOG')
    if not log or event not in {'socket.connect', 'socket.getaddrinfo', 'socket.sendto'}:
        return
    host = args[0] if event == 'socket.getaddrinfo' else _host(args[1])
    if host in LOOPBACK:
        return
    with open(log, 'a') as stream:
        stream.write(f'{event} {host!r}\n')
    raise PermissionError(f'no network in this test: {event} {host!r}')


def _host(address) -> str | None:
    """Return the host of an internet address, None for a socket inside this machine."""
    host = address[0] if isinstance(address, tuple) else None
    return host if isinstance(host, str) else None


if __name__ == 'sitecustomize':
    sys.addaudithook(refuse)
