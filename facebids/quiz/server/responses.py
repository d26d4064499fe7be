# SPDX-License-Identifier: Apache-2.0
"""Check what forms say; answer with pages, redirects, cookies, and what went wrong."""

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from facebids.quiz.server import pages
from facebids.web.security import HEADERS

# title, and what to do
PROBLEMS = {
    400: ('This answer is not one of the choices', 'Go back to the question and choose again.'),
    401: (
        'We do not know who you are',
        'Open your personal link to continue, or begin from the first page. If you have deleted '
        'your answers, there is nothing more to do. The quiz needs cookies.',
    ),
    403: (
        'This form is out of date',
        'It was not made for this browser, or you have opened another personal link since. Open '
        'the page again. The quiz needs cookies.',
    ),
    404: ('There is no such page', 'Check the address. A personal link ends when it is deleted.'),
    405: ('This page cannot be used like that', 'Begin from the first page.'),
    409: ('This is not the next question', 'Continue with the question that is.'),
    413: ('That was too long', 'Shorten your text and send it again.'),
    429: ('That was very fast', 'Wait a minute, then open the page again.'),
    500: ('Something went wrong', 'Your answers so far are safe. Try again in a moment.'),
}


def text(value: str) -> str | None:
    """Return a line that an observer has typed: printable and not too long; None if empty."""
    line = ''.join(character for character in ' '.join(value.split()) if character.isprintable())
    return line[: pages.LONGEST].strip() or None


def one_of(value: str | None, choices: Sequence[str]) -> str | None:
    """Return a value if it is one of the choices, else None."""
    return value if value in choices else None


def page(request: Request, template: str, *, status: int = 200, **values: object) -> Response:
    """Return a page as a response."""
    return HTMLResponse(pages.render(template, root=root(request), **values), status)


def redirect(request: Request, path: str) -> Response:
    """Return a redirect to a page of the quiz, which the browser gets by GET."""
    return RedirectResponse(root(request) + path, 303)


def set_cookie(
    request: Request, response: Response, name: str, value: str, *, strict: bool = False
) -> None:
    """Set a cookie that ends with the browser and that no script can read."""
    response.set_cookie(
        name,
        value,
        path=cookie_path(request),
        secure=request.url.scheme == 'https',
        httponly=True,
        samesite='strict' if strict else 'lax',
    )


def cookie_path(request: Request) -> str:
    """Return the path under which cookies are sent."""
    return root(request) or '/'


def root(request: Request) -> str:
    """Return the path under which a proxy shows the quiz, without a slash at the end."""
    return str(request.scope.get('root_path', '')).rstrip('/')


def address(request: Request) -> str:
    """Return the address of the browser, to limit rates; it is not stored."""
    return request.client.host if request.client else ''


def problem(request: Request, error: Exception) -> Response:
    """Return a page that says kindly what went wrong."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    title, advice = PROBLEMS.get(status, PROBLEMS[400])
    response = page(request, 'problem', status=status, title=title, advice=advice)
    if status == 429:
        response.headers['Retry-After'] = '60'
    if status == 500:  # sent from outside the middleware
        response.headers.update(HEADERS)
    return response
