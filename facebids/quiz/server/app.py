# SPDX-License-Identifier: Apache-2.0
"""The requests of a quiz and their responses.

An observer is known by a cookie that holds the secret of the personal link. Every form is sent by
POST and answered by a redirect, so that reloading a page sends nothing twice.
"""

import re
import secrets
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from facebids.quiz import draw
from facebids.quiz.answers import Answer
from facebids.quiz.database import Database, Seat
from facebids.quiz.draw import OPEN, Question
from facebids.quiz.server import pages
from facebids.quiz.server.responses import (
    address,
    cookie_path,
    one_of,
    page,
    problem,
    redirect,
    set_cookie,
    text,
)
from facebids.quiz.study import PICTURES, Study, files
from facebids.web.requests import Form, now, read_form
from facebids.web.security import (
    LOOPBACK,
    Admin,
    FormToken,
    RateLimit,
    SecureHeaders,
    Signer,
)

OBSERVER, VISIT, ADMIN = 'quiz_observer', 'quiz_visit', 'quiz_admin'  # cookies
NONE = 'none'  # the value of "none of the above"
JOINS = (300, 600.0)  # new observers of one address, s: a lecture hall behind one address
VISITS = (1200, 60.0)  # requests of one address without a valid cookie, s
LOGINS = (5, 60.0)


@dataclass(frozen=True)
class Options:
    """How to serve a quiz.

    Attributes
    ----------
    consent
        Text of the consent page, Markdown.
    secret
        Key of all signatures.
    rate
        Requests of an observer in a minute; 0: no limit.
    local
        Whether only this machine is served, without a proxy. Then pages of other names that lead
        to this machine are refused (DNS rebinding).
    """

    consent: str
    secret: bytes
    rate: int
    local: bool


def make_app(
    quiz_dir: Path, study: Study, database: Database, options: Options, admin: Admin
) -> Starlette:
    """Return the application of a quiz.

    Parameters
    ----------
    quiz_dir
        Folder of the quiz.
    study
        The study in it.
    database
        Open database, with its tables.
    options
        How to serve it.
    admin
        Whoever may see the counts.
    """
    quiz = _Quiz(quiz_dir, study, database, options, admin)
    middleware = [Middleware(SecureHeaders)]
    if options.local:
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK))
    get, post = ['GET'], ['POST']
    return Starlette(
        routes=[
            Route('/', quiz.show_consent, methods=get),
            Route('/consent', quiz.consent, methods=post),
            Route('/about', quiz.show_about, methods=get),
            Route('/about', quiz.about, methods=post),
            Route('/link', quiz.show_link, methods=get),
            Route('/resume/{link}', quiz.resume, methods=get),
            Route('/question', quiz.show_question, methods=get),
            Route('/question', quiz.answer, methods=post),
            Route('/thanks', quiz.show_thanks, methods=get),
            Route('/withdraw', quiz.show_withdraw, methods=get),
            Route('/withdraw', quiz.withdraw, methods=post),
            Route('/withdrawn', quiz.show_withdrawn, methods=get),
            Route('/admin', quiz.show_admin, methods=get),
            Route('/admin', quiz.log_in, methods=post),
            Route('/pictures/{name}', quiz.picture, methods=get),
            Route('/style.css', quiz.style, methods=get),
        ],
        middleware=middleware,
        exception_handlers={HTTPException: problem, Exception: problem},
    )


@dataclass
class _Quiz:
    """The endpoints."""

    quiz_dir: Path
    study: Study
    database: Database
    options: Options
    admin: Admin
    signer: Signer = field(init=False)

    def __post_init__(self) -> None:
        self.signer = Signer(self.options.secret)
        self._consent = pages.consent_html(self.options.consent)
        self._draft = pages.is_draft(self.options.consent)
        self._ethnicities = sorted({s.ethnicity for s in self.study.scans if s.ethnicity})
        self._per_observer = RateLimit(self.options.rate, 60, time.monotonic)
        self._per_address = RateLimit(*VISITS, time.monotonic)
        self._joins = RateLimit(*JOINS, time.monotonic)
        self._logins = RateLimit(*LOGINS, time.monotonic)
        self._files = frozenset(files(self.study))
        self._renders = {scan.id: scan.renders for scan in self.study.scans}
        self._photographs = {item.id: item.file for item in self.study.photographs}
        self._read = lru_cache(1000)(self._read_picture)

    # --- consent and registration ---------------------------------------------------------------

    async def show_consent(self, request: Request) -> Response:
        """Show what the study is about, and ask for consent."""
        self._limit_visit(request)
        return await self._consent_page(request)

    async def _consent_page(self, request: Request, *, error: bool = False) -> Response:
        visit = _visit(request)
        response = page(
            request,
            'consent',
            status=422 if error else 200,
            consent=self._consent,
            draft=self._draft,
            begun=await self._seat(request) is not None,
            error=error,
            token=self.signer.form('consent', visit, FormToken(0, 0)),
        )
        set_cookie(request, response, VISIT, visit)
        return response

    async def consent(self, request: Request) -> Response:
        """Add an observer who consents."""
        form = await read_form(request)
        self._check_visit(request, 'consent', form)
        if form.get('agree') != 'yes':
            return await self._consent_page(request, error=True)
        if not self._joins.allows(address(request)):
            raise HTTPException(429)
        link = self.signer.new_link()
        await run_in_threadpool(
            self.database.join, link, lambda number: draw.arm_of(self.study, number)
        )
        response = redirect(request, '/about')
        set_cookie(request, response, OBSERVER, link)
        return response

    async def show_about(self, request: Request) -> Response:
        """Ask observers about themselves, if they like."""
        seat = await self._observer(request)
        return page(
            request,
            'about',
            observer=seat.observer,
            age_bands=pages.AGE_BANDS,
            sexes=pages.SEXES,
            ethnicities=self._ethnicities,
            longest=pages.LONGEST,
            token=self._token(request, 'about'),
        )

    async def about(self, request: Request) -> Response:
        """Store what observers say about themselves."""
        await self._observer(request)
        form = await read_form(request)
        self._check_observer(request, 'about', form)
        said = {name: text(form.get(name, '')) for name in ('ethnicity', 'profession')}
        said['age_band'] = one_of(form.get('age_band'), pages.AGE_BANDS)
        said['sex'] = one_of(form.get('sex'), pages.SEXES)
        await run_in_threadpool(self.database.describe, request.cookies[OBSERVER], said)
        return redirect(request, '/link')

    async def show_link(self, request: Request) -> Response:
        """Show the personal link."""
        seat = await self._observer(request)
        link = f'{str(request.base_url).rstrip("/")}/resume/{request.cookies[OBSERVER]}'
        return page(request, 'link', link=link, seat=seat, questions=self.study.questions)

    async def resume(self, request: Request) -> Response:
        """Continue by the personal link, in any browser."""
        self._limit_visit(request)
        link = request.path_params['link']
        if not self.signer.is_link(link) or not await self._sit(link):
            raise HTTPException(404, 'unknown link')
        response = redirect(request, '/question')
        set_cookie(request, response, OBSERVER, link)
        return response

    # --- questions ------------------------------------------------------------------------------

    async def show_question(self, request: Request) -> Response:
        """Show the next question, or thank whoever has answered all."""
        seat = await self._observer(request)
        if seat.answered >= self.study.questions:
            return redirect(request, '/thanks')
        token = self._token(request, 'question', seat.answered + 1)
        return self._question_page(request, self._question(seat), token)

    def _question_page(
        self, request: Request, question: Question, token: str, *, error: bool = False
    ) -> Response:
        names = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
        return page(
            request,
            'question',
            status=422 if error else 200,
            question=question,
            questions=self.study.questions,
            render=self._renders[question.scan][question.arm],
            photographs=[
                (names[index] if index < len(names) else str(index + 1), id, self._photographs[id])
                for index, id in enumerate(question.choices)
            ],
            open=question.kind == OPEN,
            error=error,
            token=token,
        )

    async def answer(self, request: Request) -> Response:
        """Commit an answer, and lead to the next question."""
        seat = await self._observer(request)
        form = await read_form(request)
        token = self._check_observer(request, 'question', form)
        if token.number <= seat.answered:  # sent twice: the first answer counts
            return redirect(request, '/question')
        if token.number != seat.answered + 1 or token.number > self.study.questions:
            raise HTTPException(409)
        question = self._question(seat)
        choice = form.get('choice')
        if choice is None:
            return self._question_page(request, question, form['token'], error=True)
        if choice not in question.choices and not (choice == NONE and question.kind == OPEN):
            raise HTTPException(400)
        answer = Answer(
            observer=seat.observer.id,
            number=question.number,
            scan=question.scan,
            arm=question.arm,
            kind=question.kind,
            present=question.present,
            choices=question.choices,
            chosen=None if choice == NONE else choice,
            right=question.right,
            seconds=max(round((now() - token.shown) / 1000, 3), 0.0),
        )
        await run_in_threadpool(self.database.save, answer)
        return redirect(request, '/question')

    def _question(self, seat: Seat) -> Question:
        return draw.question_of(self.study, seat.number, seat.answered + 1)

    async def picture(self, request: Request) -> Response:
        """Send a picture to an observer."""
        file = f'{PICTURES}/{request.path_params["name"]}'
        if file not in self._files or not self.signer.is_link(request.cookies.get(OBSERVER, '')):
            raise HTTPException(404)
        return Response(await run_in_threadpool(self._read, file), media_type='image/jpeg')

    def _read_picture(self, file: str) -> bytes:
        return (self.quiz_dir / file).read_bytes()

    # --- the end --------------------------------------------------------------------------------

    async def show_thanks(self, request: Request) -> Response:
        """Thank whoever has answered all questions."""
        seat = await self._observer(request)
        if seat.answered < self.study.questions:
            return redirect(request, '/question')
        return page(request, 'thanks', seat=seat)

    async def show_withdraw(self, request: Request) -> Response:
        """Ask whether to delete the observer."""
        seat = await self._observer(request)
        return page(request, 'withdraw', seat=seat, token=self._token(request, 'withdraw'))

    async def withdraw(self, request: Request) -> Response:
        """Delete the observer and all answers."""
        await self._observer(request)
        self._check_observer(request, 'withdraw', await read_form(request))
        link = request.cookies[OBSERVER]
        await run_in_threadpool(lambda: self.database.delete(link=link))
        response = redirect(request, '/withdrawn')
        response.delete_cookie(OBSERVER, path=cookie_path(request))
        return response

    async def show_withdrawn(self, request: Request) -> Response:
        """Say that the observer was deleted."""
        self._limit_visit(request)
        return page(request, 'withdrawn')

    # --- administration -------------------------------------------------------------------------

    async def show_admin(self, request: Request) -> Response:
        """Show counts to the administrator, and ask others for the password."""
        self._limit_visit(request)
        if not self.admin.knows(request.cookies.get(ADMIN, '')):
            return self._login_page(request)
        counts = await run_in_threadpool(self.database.counts, self.study.questions)
        return page(request, 'admin', counts=counts, study=self.study, draft=self._draft)

    def _login_page(self, request: Request, *, error: bool = False) -> Response:
        visit = _visit(request)
        token = self.signer.form('admin', visit, FormToken(0, 0))
        status = 403 if error else 200
        response = page(request, 'login', status=status, token=token, error=error)
        set_cookie(request, response, VISIT, visit)
        return response

    async def log_in(self, request: Request) -> Response:
        """Check the password."""
        if not self._logins.allows(address(request)):
            raise HTTPException(429)
        form = await read_form(request)
        self._check_visit(request, 'admin', form)
        session = self.admin.log_in(form.get('password', ''))
        if session is None:
            return self._login_page(request, error=True)
        response = redirect(request, '/admin')
        set_cookie(request, response, ADMIN, session, strict=True)
        return response

    async def style(self, request: Request) -> Response:
        """Send the style sheet."""
        return Response(pages.style(), media_type='text/css')

    # --- who asks -------------------------------------------------------------------------------

    async def _seat(self, request: Request) -> Seat | None:
        link = request.cookies.get(OBSERVER, '')
        if not self.signer.is_link(link):
            return None
        return await self._sit(link)

    async def _sit(self, link: str) -> Seat | None:
        return await run_in_threadpool(self.database.seat, link)

    async def _observer(self, request: Request) -> Seat:
        """Return the observer who asks, or refuse."""
        link = request.cookies.get(OBSERVER, '')
        if not self.signer.is_link(link):
            self._limit_visit(request)
            raise HTTPException(401)
        if not self._per_observer.allows(link):
            raise HTTPException(429)
        seat = await self._sit(link)
        if seat is None:
            raise HTTPException(401)
        return seat

    def _limit_visit(self, request: Request) -> None:
        if not self._per_address.allows(address(request)):
            raise HTTPException(429)

    def _token(self, request: Request, purpose: str, number: int = 0) -> str:
        return self.signer.form(purpose, request.cookies[OBSERVER], FormToken(number, now()))

    def _check_observer(self, request: Request, purpose: str, form: Form) -> FormToken:
        return self._check(purpose, request.cookies[OBSERVER], form)

    def _check_visit(self, request: Request, purpose: str, form: Form) -> FormToken:
        self._limit_visit(request)
        return self._check(purpose, request.cookies.get(VISIT, ''), form)

    def _check(self, purpose: str, cookie: str, form: Form) -> FormToken:
        token = self.signer.read(purpose, cookie, form.get('token', ''))
        if token is None or not cookie:
            raise HTTPException(403)
        return token


def _visit(request: Request) -> str:
    """Return the cookie that binds forms to a browser without an observer, or a new one."""
    cookie = request.cookies.get(VISIT, '')
    return cookie if re.fullmatch(r'[\w-]{22}', cookie, re.ASCII) else secrets.token_urlsafe(16)
