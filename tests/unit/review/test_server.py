# SPDX-License-Identifier: Apache-2.0
"""Who may see and decide: the browser with the key, from the page of this server."""

import http.client
import json
import re
import subprocess
import sys
from urllib.parse import urlencode

import pytest
from review_heads import DOUBTFUL, NEAR

from facebids.release.gate import read_accepted


class _Browser:
    """Sends requests with a cookie, and follows nothing."""

    def __init__(self, url):
        self.address, self.cookie = url.removeprefix('http://'), ''

    def ask(self, path, form=None, **headers):
        connection = http.client.HTTPConnection(self.address)
        try:
            sent = {'Cookie': self.cookie, **headers}
            body = None if form is None else urlencode(form)
            connection.request('GET' if form is None else 'POST', path, body, sent)
            response = connection.getresponse()
            return response, response.read().decode(errors='replace')
        finally:
            connection.close()

    def enter(self, key):
        response, _ = self.ask(f'/?key={key}')
        self.cookie = (response.getheader('Set-Cookie') or '').partition(';')[0]
        return response

    def data(self):
        found = re.search(r'id="data">(.*?)</script>', self.ask('/')[1], re.S)
        return json.loads(found[1])


@pytest.fixture
def served(serve):
    return serve()


@pytest.fixture
def browser(served):
    found = _Browser(served.url)
    found.enter(served.key)
    return found


def test_nobody_gets_in_without_the_key(served):
    stranger = _Browser(served.url)
    assert stranger.enter('wrong').status == 401
    for path in ('/', '/figures/0/renders'):
        response, text = stranger.ask(path)
        assert response.status == 401
        assert 'sub-02' not in text
    assert stranger.ask('/decide', {'number': 0, 'choice': 'accept'})[0].status == 401


def test_the_key_leaves_the_address_and_the_cookie_stays_here(served):
    response = _Browser(served.url).enter(served.key)
    assert (response.status, response.getheader('Location')) == (303, '/')
    assert 'httponly; path=/; samesite=strict' in response.getheader('Set-Cookie').lower()


def test_every_response_forbids_what_comes_from_elsewhere(browser):
    for path in ('/', '/assets/review.js', '/figures/0/renders', '/nothing'):
        policy = browser.ask(path)[0].getheader('Content-Security-Policy')
        assert "default-src 'none'; script-src 'self'" in policy
        assert 'unsafe' not in policy
    assert browser.ask('/', Host='example.org')[0].status == 400


def test_a_decision_needs_the_token_of_the_page(browser, served):
    form = {'number': 0, 'choice': 'accept', 'token': '1.2.3'}
    assert browser.ask('/decide', form)[0].status == 403
    assert not served.table.exists()
    response, text = browser.ask('/decide', form | {'token': browser.data()['token']})
    assert response.status == 200
    assert json.loads(text)['decided'][0]['choice'] == 'accept'
    assert set(read_accepted(served.table)) == {DOUBTFUL}


@pytest.mark.parametrize(
    ('change', 'status'),
    [
        ({'choice': 'delete'}, 400),
        ({'number': '99'}, 400),
        ({'number': '-1'}, 400),
        ({'number': '²'}, 400),
        ({'comment': 'x' * 20_000}, 413),
    ],
)
def test_what_no_page_sends_is_refused(browser, served, change, status):
    form = {'number': 0, 'choice': 'accept', 'token': browser.data()['token']}
    assert browser.ask('/decide', form | change)[0].status == status
    assert not served.table.exists()


@pytest.mark.parametrize(
    'path', ['/figures/99/renders', '/figures/0/..', '/assets/..%2f__init__.py', '/figures/0/x']
)
def test_only_figures_of_the_review_are_served(browser, path):
    assert browser.ask(path)[0].status == 404


def test_a_later_start_continues(browser, served, serve):
    form = {'number': 1, 'choice': 'reject', 'comment': 'a nose', 'token': browser.data()['token']}
    browser.ask('/decide', form)
    later = serve()
    again = _Browser(later.url)
    again.enter(later.key)
    (decision,) = again.data()['decided']
    assert (decision['number'], decision['choice'], decision['comment']) == (1, 'reject', 'a nose')
    assert (decision['by'], bool(decision['time'])) == ('Ada', True)


def test_the_command_serves_until_it_is_stopped(output, tmp_path):
    table = tmp_path / 'tables' / 'accepted.tsv'
    command = [sys.executable, '-m', 'facebids.review.cli', str(output), '--by', 'Ada']
    with subprocess.Popen(
        [*command, '--port', '0', '--table', str(table)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            url, _, key = process.stdout.readline().split()[-1].partition('/?key=')
            browser = _Browser(url)
            browser.enter(key)
            token = browser.data()['token']
            for number, choice in enumerate(('accept', 'reject')):
                form = {'number': number, 'choice': choice, 'token': token}
                assert browser.ask('/decide', form)[0].status == 200
            second = subprocess.run(
                [*command, '--port', '0', '--table', str(table)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert second.returncode == 73
            assert 'the review of process' in second.stderr
        finally:
            process.terminate()
        said = process.stdout.read()
    assert process.returncode == 0
    assert 'Accepted 1, rejected 1, not decided 1 of 3.' in said
    assert f'--accept {table}' in said
    assert f'--exclude-failed {NEAR}' in said
    assert sorted(path.name for path in table.parent.iterdir()) == [
        'accepted.tsv', 'accepted_journal.tsv',
    ]  # fmt: skip
