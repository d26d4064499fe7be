# SPDX-License-Identifier: Apache-2.0
"""Listen on an address of this machine."""

import ipaddress
import socket

from facebids.errors import OutputError


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address; port 0: any that is free.

    Raises
    ------
    OutputError
        If the address cannot be used.
    """
    try:
        family = socket.AF_INET6 if ':' in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=1024)
        # connections inherit it; without it, a page waits 40 ms between its header and its content
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise OutputError(
            f'{host}:{port} cannot be used ({error}). Choose another --port.'
        ) from error


def is_loopback(host: str) -> bool:
    """Return whether an address is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'
