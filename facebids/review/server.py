# SPDX-License-Identifier: Apache-2.0
"""Serve the images to look at on this machine, and store what a person decides.

Only who has the printed address gets in: it sets a cookie that the browser sends to this server
alone. Decisions carry a token, which no page elsewhere can know. Nothing comes from elsewhere.
"""

import hmac
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route

from facebids.review import decisions, page
from facebids.review.decisions import CHOICES, Decision
from facebids.review.items import Item
from facebids.web.listen import listen
from facebids.web.requests import now, read_form
from facebids.web.security import HEADERS, LOOPBACK, FormToken, SecureHeaders, Signer
from facebids.words import counted

HOST = '127.0.0.1'
COOKIE, PURPOSE = 'facebids_review', 'decide'
OWN = HEADERS | {
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
}


@dataclass(frozen=True)
class Review:
    """What is reviewed, by whom, and where the decisions go."""

    output_dir: Path
    table: Path
    by: str
    items: tuple[Item, ...]


@dataclass
class _Endpoints:
    review: Review
    key: str
    journal: list[Decision]
    signer: Signer = field(default_factory=lambda: Signer(secrets.token_bytes(32)))

    def show(self, request: Request) -> Response:
        given = request.query_params.get('key', '')
        if given and _equal(given, self.key):  # the address leaves the history of the browser
            response = RedirectResponse('/', 303)
            response.set_cookie(COOKIE, self.key, httponly=True, samesite='strict')
            return response
        self._check(request)
        token = self.signer.form(PURPOSE, self.key, FormToken(0, now()))
        held = decisions.standing(self.review.items, self.journal)
        return HTMLResponse(page.render_page(self.review.items, held, self.review.by, token=token))

    def asset(self, request: Request) -> Response:
        name = request.path_params['name']
        if name not in page.ASSETS:
            raise HTTPException(404)
        return Response(page.asset(name), media_type=page.ASSETS[name])

    def figure(self, request: Request) -> Response:
        self._check(request)
        number, kind = request.path_params['number'], request.path_params['kind']
        if number >= len(self.review.items):
            raise HTTPException(404)
        name = self.review.items[number].figures.get(kind)
        if name is None:
            raise HTTPException(404)
        return FileResponse(self.review.output_dir / name, media_type='image/png')

    async def decide(self, request: Request) -> Response:
        self._check(request)
        form = await read_form(request)
        if self.signer.read(PURPOSE, self.key, form.get('token', '')) is None:
            raise HTTPException(403)
        number, choice = form.get('number', ''), form.get('choice', '')
        known = number.isascii() and number.isdigit() and int(number) < len(self.review.items)
        if choice not in CHOICES or not known:
            raise HTTPException(400)
        item = self.review.items[int(number)]
        comment = decisions.line(form.get('comment', ''))
        made = Decision(decisions.now(), self.review.by, item.image, item.sha256, choice, comment)
        journal = [*self.journal, made]
        decisions.write(self.review.table, self.review.items, journal)
        self.journal = journal  # only what is on the disk counts
        held = decisions.standing(self.review.items, journal)
        return JSONResponse(page.decided(self.review.items, held))

    def _check(self, request: Request) -> None:
        if not _equal(request.cookies.get(COOKIE, ''), self.key):
            raise HTTPException(401)


def make_app(review: Review, key: str) -> Starlette:
    """Return the application.

    Parameters
    ----------
    review
        What to review.
    key
        Secret of the address that lets a browser in.
    """
    ends = _Endpoints(review, key, decisions.read(review.table))
    return Starlette(
        routes=[
            Route('/', ends.show, methods=['GET']),
            Route('/assets/{name}', ends.asset, methods=['GET']),
            Route('/figures/{number:int}/{kind}', ends.figure, methods=['GET']),
            Route('/decide', ends.decide, methods=['POST']),
            Route('/favicon.ico', lambda request: Response(status_code=204), methods=['GET']),
        ],
        middleware=[
            Middleware(SecureHeaders, headers=OWN),
            Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK),
        ],
        exception_handlers={HTTPException: _problem},
    )


def serve(review: Review, port: int, announce: Callable[[str], None]) -> None:
    """Serve until the process is stopped.

    Parameters
    ----------
    review
        What to review.
    port
        0: any that is free.
    announce
        Receives lines for whoever started the server.

    Raises
    ------
    OutputError
        If the address cannot be used.
    UsageError
        If the journal of the table is damaged.
    """
    key = secrets.token_urlsafe(24)
    app = make_app(review, key)
    with closing(listen(HOST, port)) as listener:
        place = f'http://{HOST}:{listener.getsockname()[1]}/?key={key}'
        announce(f'Review {counted(len(review.items), "image")}: {place}')
        announce(f'Decisions of {review.by} go to {review.table}. Stop with Ctrl-C.')
        configuration = uvicorn.Config(
            app, server_header=False, access_log=False, log_level='warning', lifespan='off',
            ws='none',
        )  # fmt: skip
        uvicorn.Server(configuration).run([listener])


def _problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    texts = {
        401: 'Open the address that facebids-review printed: it has a key.',
        403: 'This page is of an earlier start of facebids-review. Open the new address.',
    }
    return Response(texts.get(status, 'There is no such page.'), status, media_type='text/plain')


def _equal(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(errors='surrogatepass'), b.encode())
