# SPDX-License-Identifier: Apache-2.0
"""How long observers wait for `facebids-quiz serve` when many answer at once, over loopback.

Usage: quiz_load.py [--observers N] [--questions N] [--think S] [--database URL]

It makes a study of 29 scans and 150 other photographs with drawn faces in a temporary folder,
serves it, lets observers join and answer with pauses, as people do, and counts the answers in the
database: none may be lost or doubled. Server and observers share the machine.
"""

import argparse
import http.client
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

OBSERVERS, QUESTIONS, THINK = 200, 10, 4.0
ARRIVAL = 5  # pauses, in which all observers arrive
SCANS, OTHERS = 29, 150
START = 60  # s, until the server must have started


@dataclass(frozen=True)
class Reply:
    """A response: its status, headers (lower case, the last of each name) and content."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        """The page."""
        return self.content.decode()

    def find(self, pattern: str) -> list[str]:
        """Return what a regular expression finds in the page."""
        return re.findall(pattern, self.text)


@dataclass
class Visitor:
    """A browser without eyes: cookies, forms and redirects.

    Attributes
    ----------
    url
        Of the first page, without a slash at the end.
    cookies
        By name.
    waits
        Seconds of each request, by what was asked.
    """

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _connection: http.client.HTTPConnection | None = None

    def get(self, path: str, kind: str = 'page', **headers: str) -> Reply:
        """Get a page, without following redirects."""
        return self._ask('GET', path, None, kind, headers)

    def post(self, path: str, fields: dict[str, str], kind: str = 'page') -> Reply:
        """Send a form."""
        headers = {'Content-Type': 'application/x-www-form-urlencoded'}
        return self._ask('POST', path, urlencode(fields).encode(), kind, headers)

    def join(self, pause: Callable[[], None] = lambda: None, **about: str) -> str:
        """Consent and register, with pauses; return the path of the personal link."""
        first = self.get('/')
        pause()
        self.post('/consent', {'token': token(first), 'agree': 'yes'})
        second = self.get('/about')
        pause()
        self.post('/about', {'token': token(second), **about})
        (link,) = set(self.get('/link').find(r'/resume/\w+'))
        return link

    def answer(self, choice: str | None = None) -> Reply | None:
        """Get the next question and answer it; return the question, or None at the end.

        Parameters
        ----------
        choice
            Value of the answer; None: the first.
        """
        shown = self.get('/question')
        if shown.status != 200:
            return None
        self.post('/question', {'token': token(shown), 'choice': choice or choices(shown)[0]})
        return shown

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()

    def __del__(self) -> None:
        """Close the connection of a visitor whom nobody needs any longer."""
        self.close()

    def _ask(
        self, method: str, path: str, body: bytes | None, kind: str, headers: dict[str, str]
    ) -> Reply:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        cookie = '; '.join(f'{name}={value}' for name, value in self.cookies.items())
        begin = time.perf_counter()
        self._connection.request(
            method, urlsplit(self.url).path + path, body, {'Cookie': cookie, **headers}
        )
        response = self._connection.getresponse()
        content = response.read()
        self.waits[kind].append(time.perf_counter() - begin)
        for name, value in re.findall(
            r'^set-cookie: (\w+)=([^;]*)', str(response.headers), re.M | re.I
        ):
            self.cookies[name] = value.strip('"')
        found = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, found, content)


def token(page: Reply) -> str:
    """Return the token of the form on a page."""
    return page.find(r'name="token" value="([^"]+)"')[0]


def choices(page: Reply) -> list[str]:
    """Return the values of the answers on the page of a question."""
    return page.find(r'name="choice" value="([^"]+)"')


@contextmanager
def served(quiz_dir: Path, *options: str) -> Iterator[tuple[str, str, subprocess.Popen[str]]]:
    """Serve a quiz in another process.

    Yields
    ------
    url : str
        Of its first page, without a slash at the end.
    password : str
        Of its administrator.
    process : Popen
        The server.
    """
    command = [sys.executable, '-m', 'facebids.quiz.cli', 'serve', str(quiz_dir), '--port', '0']
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield *_announced(process), process
    finally:
        process.terminate()
        process.communicate(timeout=START)


def _announced(process: 'subprocess.Popen[str]') -> tuple[str, str]:
    seen = ''
    for line in process.stdout or ():
        seen += line
        if line.startswith('Stop it'):
            break
    found = re.search(r'Quiz: (\S+)/\n.*: (\S+)\n', seen)
    if found is None:
        raise RuntimeError(f'the server did not start: {seen}')
    return found[1], found[2]


def take_part(url: str, questions: int, think: float, seed: int, pictures: bool) -> Visitor:
    """Join and answer questions, with random pauses of a mean length (s) between pages."""
    chance = random.Random(seed)

    def pause() -> None:
        time.sleep(think * chance.uniform(0.5, 1.5))

    time.sleep(think * chance.uniform(0, ARRIVAL))
    visitor = Visitor(url)
    visitor.join(pause)
    for _ in range(questions):
        shown = visitor.get('/question', 'question')
        for path in shown.find(r'/pictures/[\w-]+\.jpg') if pictures else ():
            visitor.get(path, 'picture')
        pause()
        answer = {'token': token(shown), 'choice': chance.choice(choices(shown))}
        visitor.post('/question', answer, 'answer')
    return visitor


def run(
    url: str, observers: int, questions: int, think: float, *, pictures: bool = True
) -> dict[str, list[float]]:
    """Let observers answer at once; return the seconds of all requests by kind."""
    with ThreadPoolExecutor(observers) as pool:
        jobs = [
            pool.submit(take_part, url, questions, think, seed, pictures)
            for seed in range(observers)
        ]
        visitors = [job.result() for job in jobs]
    kinds = sorted({kind for visitor in visitors for kind in visitor.waits})
    return {kind: [s for visitor in visitors for s in visitor.waits[kind]] for kind in kinds}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--observers', type=int, default=OBSERVERS)
    parser.add_argument('--questions', type=int, default=QUESTIONS)
    parser.add_argument('--think', type=float, default=THINK, help='mean pause (s)')
    parser.add_argument('--database', help='URL; default: SQLite')
    options = parser.parse_args()

    sys.path.insert(0, str(Path(__file__).parents[1] / 'tests' / 'support'))
    import make_quiz

    from facebids.quiz.database import answers_of, url_of

    with tempfile.TemporaryDirectory() as folder:
        quiz = make_quiz.write(Path(folder) / 'quiz', scans=SCANS, others=OTHERS, choices=6)
        extra = ['--database', options.database] if options.database else []
        begin = time.perf_counter()
        with served(quiz, '--rate-limit', '0', *extra) as (url, _, _):
            waits = run(url, options.observers, options.questions, options.think)
        elapsed = time.perf_counter() - begin
        people, answers = answers_of(url_of(quiz, options.database))
    print('request\tcount\tmedian (ms)\tp95 (ms)\tlongest (ms)')
    for kind, seconds in waits.items():
        p95 = statistics.quantiles(seconds, n=20)[-1]
        numbers = (statistics.median(seconds), p95, max(seconds))
        print(kind, len(seconds), *(f'{1000 * value:.0f}' for value in numbers), sep='\t')
    total = sum(map(len, waits.values()))
    given = len({(answer.observer, answer.number) for answer in answers})
    print(f'{total / elapsed:.0f} requests a second, {len(people)} observers')
    print(f'{given} of {options.observers * options.questions} answers')
    print(f'{len(answers) - given} answers doubled')


if __name__ == '__main__':
    main()
