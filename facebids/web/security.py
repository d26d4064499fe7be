# SPDX-License-Identifier: Apache-2.0
"""Secrets, signatures, limits of rates, and the headers of every response."""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # no script at all, and nothing from elsewhere
    'Content-Security-Policy': "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    'Cache-Control': 'no-store',  # faces and answers stay in no cache
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Robots-Tag': 'noindex, nofollow',
}
LOOPBACK = ['localhost', '127.0.0.1', '[::1]', '::1']  # names of this machine
LINK_BYTES = 16  # of chance in a personal link, and of its signature
MOST_KEYS = 20_000  # addresses and observers whose rates are remembered


@dataclass(frozen=True)
class FormToken:
    """What a form carries: the number of its question, and when it was shown (ms since 1970)."""

    number: int
    shown: int


class Signer:
    """Make and check personal links and the tokens of forms.

    A form is accepted only from the browser that it was sent to, because its token signs what a
    cookie of that browser holds: a page elsewhere can forge neither.

    Parameters
    ----------
    secret
        Key of all signatures. It stays the same when the server restarts, so that open pages and
        personal links stay valid.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def new_link(self) -> str:
        """Return a new secret of a personal link."""
        chance = secrets.token_hex(LINK_BYTES)
        return chance + self._sign('link', chance)

    def is_link(self, link: str) -> bool:
        """Return whether this server made a link, perhaps for an observer deleted since."""
        chance = link[: 2 * LINK_BYTES]
        return self._matches(link[2 * LINK_BYTES :], 'link', chance)

    def form(self, purpose: str, cookie: str, token: FormToken) -> str:
        """Return the token of a form as text."""
        values = str(token.number), str(token.shown)
        return '.'.join((*values, self._sign(purpose, cookie, *values)))

    def read(self, purpose: str, cookie: str, text: str) -> FormToken | None:
        """Return the token of a form, None if it was not made for this purpose and browser."""
        parts = text.split('.')
        if len(parts) != 3 or not self._matches(parts[2], purpose, cookie, *parts[:2]):
            return None
        return FormToken(int(parts[0]), int(parts[1]))

    def _sign(self, *parts: str) -> str:
        message = '\n'.join(parts).encode(errors='surrogatepass')
        return hmac.new(self._secret, message, 'sha256').hexdigest()[: 2 * LINK_BYTES]

    def _matches(self, signature: str, *parts: str) -> bool:
        given = signature.encode(errors='surrogatepass')
        return hmac.compare_digest(given, self._sign(*parts).encode())


class RateLimit:
    """At most so many events in a period for each key, which refill evenly.

    Parameters
    ----------
    count
        Number of events; 0: no limit.
    period
        s.
    clock
        Returns the time (s).
    """

    def __init__(self, count: int, period: float, clock: Callable[[], float]) -> None:
        self._count, self._period, self._clock = count, period, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, key: str) -> bool:
        """Count an event; return whether it is within the limit."""
        if not self._count:
            return True
        now = self._clock()
        left, before = self._left.pop(key, (float(self._count), now))
        left = min(left + (now - before) * self._count / self._period, self._count)
        self._left[key] = (left - 1 if left >= 1 else left), now
        while len(self._left) > MOST_KEYS:
            self._left.popitem(last=False)
        return left >= 1


class Admin:
    """The administrator: a password that works once, and then a session of one browser."""

    def __init__(self) -> None:
        self.password: str | None = secrets.token_urlsafe(12)
        self._session: str | None = None

    def log_in(self, password: str) -> str | None:
        """Return the cookie of a new session, None if the password is wrong or was used."""
        if self.password is None or not _equal(password, self.password):
            return None
        self.password, self._session = None, secrets.token_urlsafe(24)
        return self._session

    def knows(self, cookie: str) -> bool:
        """Return whether a cookie is that of the session."""
        return self._session is not None and _equal(cookie, self._session)


class SecureHeaders:
    """Add headers to every response of an application.

    Parameters
    ----------
    app
        The application.
    headers
        By default those of a quiz.
    """

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] = HEADERS) -> None:
        self._app, self._headers = app, dict(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def send_with_headers(message: Message) -> None:
            if message['type'] == 'http.response.start':
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _equal(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(errors='surrogatepass'), b.encode())
