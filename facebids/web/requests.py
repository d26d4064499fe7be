# SPDX-License-Identifier: Apache-2.0
"""Read forms, and tell when."""

import time
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

LARGEST_FORM = 10_000  # bytes
Form = dict[str, str]


async def read_form(request: Request) -> Form:
    """Return the fields of a form; of fields of the same name the last.

    Raises
    ------
    HTTPException
        413 if it is too long, 400 if it is not a form.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise HTTPException(413)
    try:
        return dict(parse_qsl(body.decode('ascii'), keep_blank_values=True, errors='strict'))
    except ValueError as error:
        raise HTTPException(400) from error


def now() -> int:
    """Return the time (ms since 1970)."""
    return time.time_ns() // 1_000_000
