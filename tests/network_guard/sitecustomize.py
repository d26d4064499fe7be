# SPDX-License-Identifier: Apache-2.0
"""Refuses the network while ``FACEBIDS_NETWORK_LOG`` names a file, and notes each attempt in it.

On ``PYTHONPATH`` Python runs this by itself at its start, so that child processes are held too.
An audit hook sees every socket, whatever library opens it; it cannot be taken out again, hence
the variable.
"""

import os
import sys

LOOPBACK = {'localhost', '127.0.0.1', '::1', '', None}


def _refuse(event: str, args: tuple) -> None:
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


sys.addaudithook(_refuse)
