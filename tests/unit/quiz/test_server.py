# SPDX-License-Identifier: Apache-2.0
"""The requests of a quiz: what an observer does, and what others try."""

import re
import signal
import subprocess
import sys
import time

import make_quiz
import pytest
import quiz_load
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quiz_load import choices, served, token

from facebids.errors import DatasetError, OutputError, UsageError
from facebids.quiz import draw, study
from facebids.quiz.cli import main
from facebids.quiz.database import answers_of, url_of
from facebids.quiz.server import app, pages, run
from facebids.quiz.study import read
from facebids.web import security
from facebids.web.security import FormToken, RateLimit, Signer

PAGES = ('/', '/about', '/link', '/question', '/withdraw', '/thanks', '/withdrawn', '/admin')


def begin(served_quiz, **about):
    """Return a visitor who has joined, and the path of the personal link."""
    visitor = served_quiz.visitor
    return visitor, visitor.join(**about)


def test_an_observer_answers_all_questions(serve):
    quiz = serve(arms=('before', 'after'))
    visitor, _ = begin(
        quiz, age_band='30-39', sex='female', ethnicity=' Any  kind ', profession=''
    )
    shown = [visitor.answer() for _ in range(6)]
    assert [page.find(r'<h1>(.*?)</h1>') for page in shown] == [
        [f'Question {number} of 6'] for number in range(1, 7)
    ]
    end = visitor.get('/question')
    assert (end.status, end.headers['location']) == (303, '/thanks')
    assert 'Thank you' in visitor.get('/thanks').text
    (person,), answers = quiz.stored
    about = (person.age_band, person.sex, person.ethnicity, person.profession)
    assert about == ('30-39', 'female', 'Any kind', None)
    questions = draw.questions_of(read(quiz.folder), 1)
    for page, question, answer in zip(shown, questions, answers, strict=True):
        offered = [*question.choices, *(['none'] if question.kind == 'open' else [])]
        assert choices(page) == offered
        assert answer.chosen == question.choices[0]
        for name in ('scan', 'arm', 'kind', 'present', 'choices', 'right', 'number'):
            assert getattr(answer, name) == getattr(question, name)
        assert 0 <= answer.seconds < 60


def test_none_of_the_above_is_stored_as_no_photograph(serve):
    quiz = serve()
    visitor, _ = begin(quiz)
    while (page := visitor.get('/question')).status == 200:
        visitor.post('/question', {'token': token(page), 'choice': choices(page)[-1]})
    answers = quiz.stored[1]
    assert {answer.kind for answer in answers if answer.chosen is None} == {'open'}
    assert sum(answer.chosen is None for answer in answers) == 3


def test_without_consent_nothing_is_stored(serve):
    quiz = serve()
    visitor = quiz.visitor
    page = visitor.get('/')
    assert 'We ask <em>kindly</em>' in page.text
    assert '<b>nothing' not in page.text
    refused = visitor.post('/consent', {'token': token(page)})
    assert refused.status == 422
    assert 'role="alert"' in refused.text
    assert quiz.stored == ((), ())
    assert {visitor.get(path).status for path in PAGES[1:6]} == {401}


def test_pages_name_neither_people_nor_files(serve):
    quiz = serve(arms=('before', 'after'))
    visitor, _ = begin(quiz)
    page = visitor.get('/question')
    for word in ('sub-', 'before', 'after', 'distractor', 'present'):
        assert word not in page.text
    assert 'Server' not in page.headers


def test_the_time_of_an_answer_is_from_when_the_question_was_shown(serve, monkeypatch):
    quiz = serve()
    visitor, _ = begin(quiz)
    page = visitor.get('/question')
    shown = int(token(page).split('.')[1])
    monkeypatch.setattr(app, 'now', lambda: shown + 4321)
    visitor.post('/question', {'token': token(page), 'choice': choices(page)[0]})
    assert quiz.stored[1][0].seconds == 4.321


def test_a_personal_link_continues_in_another_browser(serve):
    quiz = serve()
    visitor, link = begin(quiz)
    visitor.answer()
    other = quiz.visitor
    assert other.get(link).headers['location'] == '/question'
    assert 'Question 2 of 6' in other.get('/question').text
    assert 'Continue</a>, or begin' in other.get('/').text


def test_links_that_nobody_got_are_unknown(serve):
    quiz = serve()
    _, link = begin(quiz)
    secret = link.rpartition('/')[2]
    changed = secret[:-1] + ('0' if secret[-1] != '0' else '1')
    for guess in (changed, secret[:32], 'a' * 64, '%00', '..%2f..', Signer(b'other').new_link()):
        assert quiz.visitor.get(f'/resume/{guess}').status == 404
        stranger = quiz.visitor
        stranger.cookies[app.OBSERVER] = guess
        assert stranger.get('/question').status == 401
    assert quiz.visitor.get(f'/resume/{Signer(b"secret").new_link()}').status == 404


def test_the_database_holds_no_personal_link(serve):
    quiz = serve()
    _, link = begin(quiz)
    content = b''.join(path.read_bytes() for path in quiz.folder.glob('quiz.sqlite*'))
    assert link.rpartition('/')[2].encode() not in content


def test_an_answer_sent_twice_counts_once(serve):
    quiz = serve()
    visitor, _ = begin(quiz)
    page = visitor.get('/question')
    first, second = choices(page)[:2]
    for choice in (first, second, first):
        sent = visitor.post('/question', {'token': token(page), 'choice': choice})
        assert (sent.status, sent.headers['location']) == (303, '/question')
    assert [answer.chosen for answer in quiz.stored[1]] == [first]
    assert 'Question 2 of 6' in visitor.get('/question').text


def test_a_missing_answer_is_asked_for(serve):
    quiz = serve()
    visitor, _ = begin(quiz)
    page = visitor.get('/question')
    again = visitor.post('/question', {'token': token(page)})
    assert again.status == 422
    assert 'Choose an answer first' in again.text
    assert token(again) == token(page)  # the time goes on
    visitor.post('/question', {'token': token(again), 'choice': choices(again)[0]})
    assert len(quiz.stored[1]) == 1


def test_forged_and_malformed_answers_are_refused_kindly(serve):
    quiz = serve()
    visitor, _ = begin(quiz)
    stranger, _ = begin(quiz)
    page = visitor.get('/question')
    theirs = token(stranger.get('/question'))
    mine, choice = token(page), choices(page)[0]
    number, shown, signature = mine.split('.')
    other = {'p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7'} - set(choices(page))
    refused = {
        403: [
            {'choice': choice},
            {'token': '', 'choice': choice},
            {'token': 'a.b.c.d', 'choice': choice},
            {'token': f'{number}.{shown}.{signature[:-1]}', 'choice': choice},
            {'token': f'2.{shown}.{signature}', 'choice': choice},
            {'token': f'{number}.0.{signature}', 'choice': choice},
            {
                'token': f'{number}.{shown}.\ud800'.encode('utf-8', 'surrogatepass').decode(
                    'latin1'
                )
            },
            {'token': theirs, 'choice': choice},
            {'token': token(visitor.get('/withdraw')), 'choice': choice},
        ],
        400: [{'token': mine, 'choice': value} for value in ('', 'p99', '\0', other.pop())],
    }
    for status, forms in refused.items():
        for form in forms:
            reply = visitor.post('/question', form)
            assert reply.status == status, form
            assert 'Continue the quiz' in reply.text
            assert 'Traceback' not in reply.text
    ahead = Signer(b'secret').form('question', visitor.cookies[app.OBSERVER], FormToken(3, 0))
    assert visitor.post('/question', {'token': ahead, 'choice': choice}).status == 409
    assert quiz.stored[1] == ()


@pytest.mark.parametrize(
    ('body', 'status'),
    [
        (b'\xff\xfe\0', 400),
        (b'token=%ff', 400),
        (b'a' * 20_000, 413),
        (b'', 403),
        (b'{"a": 1}', 403),
    ],
)
def test_bodies_of_any_kind_are_refused(serve, body, status):
    quiz = serve()
    visitor, _ = begin(quiz)
    for path in ('/question', '/about', '/withdraw', '/consent', '/admin'):
        assert visitor._ask('POST', path, body, 'page', {}).status == status
    assert quiz.stored[1] == ()


@pytest.fixture(scope='module')
def fuzzed(tmp_path_factory):
    """Return the address of a quiz, and the folder."""
    folder = make_quiz.write(tmp_path_factory.mktemp('fuzz') / 'quiz')
    with served(folder, '--rate-limit', '0') as (url, _, _):
        yield url, folder


ANY = st.text(max_size=60)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(form=st.dictionaries(ANY, ANY, max_size=4), choice=ANY, token=ANY, cookie=st.binary())
def test_forms_and_cookies_of_any_content_do_no_harm(fuzzed, form, choice, token, cookie):
    url, folder = fuzzed
    text = re.sub(r'[\0-\x1f\x7f]', ' ', cookie.decode('latin1'))  # HTTP has no others
    stranger = quiz_load.Visitor(url, dict.fromkeys((app.VISIT, app.OBSERVER, app.ADMIN), text))
    assert {stranger.get(path).status for path in ('/', '/withdrawn', '/admin')} == {200}
    form |= {'choice': choice, 'token': token, 'agree': 'yes', 'password': choice}
    for path in ('/consent', '/about', '/question', '/withdraw', '/admin'):
        assert 400 <= stranger.post(path, form).status < 500
    assert not answers_of(url_of(folder))[0]


def test_words_about_oneself_are_cleaned(serve):
    quiz = serve()
    visitor, _ = begin(
        quiz, age_band='7', sex='<b>', ethnicity='a\0b\u202e\nc', profession='<script>' + 'x' * 500
    )
    (person,), _ = quiz.stored
    assert (person.age_band, person.sex, person.ethnicity) == (None, None, 'ab c')
    assert len(person.profession) == pages.LONGEST
    assert '<script' not in visitor.get('/about').text


def test_an_observer_can_withdraw(serve):
    quiz = serve()
    visitor, link = begin(quiz, profession='painter')
    visitor.answer()
    page = visitor.get('/withdraw')
    assert 'your 1 answer and' in page.text
    assert visitor.post('/withdraw', {'token': 'x'}).status == 403
    picture = visitor.get('/question').find(r'/pictures/[\w-]+\.jpg')[0]
    assert visitor.get(picture).status == 200
    gone = visitor.post('/withdraw', {'token': token(page)})
    assert gone.headers['location'] == '/withdrawn'
    assert not visitor.cookies[app.OBSERVER]
    assert 'are deleted' in visitor.get('/withdrawn').text
    assert quiz.stored == ((), ())
    assert visitor.get(link).status == 404
    assert visitor.get(picture).status == 404


def test_pictures_are_for_observers_and_of_the_study_only(serve):
    quiz = serve()
    visitor, _ = begin(quiz)
    paths = visitor.get('/question').find(r'/pictures/[\w-]+\.jpg')
    assert len(paths) == 4
    for path in paths:
        found = visitor.get(path)
        assert (found.status, found.headers['content-type']) == (200, 'image/jpeg')
        assert found.content == (quiz.folder / path.strip('/')).read_bytes()
        assert quiz.visitor.get(path).status == 404
    (quiz.folder / 'pictures' / 'other.jpg').write_bytes(b'x')
    for name in ('other.jpg', '..%2fstudy.json', '%2e%2e/study.json', '%00', ''):
        assert visitor.get(f'/pictures/{name}').status == 404
    assert visitor.get('/study.json').status == 404
    assert visitor.get('/secret').status == 404


def test_every_response_has_the_headers_of_security(serve, monkeypatch):
    quiz = serve()
    visitor, _ = begin(quiz)
    replies = [visitor.get(path) for path in (*PAGES, '/style.css', '/nothing', '/pictures/a')]
    replies += [visitor.post('/question', {}), visitor.post('/', {})]
    monkeypatch.setattr(app.draw, 'question_of', lambda *_: 1 / 0)
    broken = visitor.get('/question')
    assert broken.status == 500
    assert 'Your answers so far are safe' in broken.text
    for reply in (*replies, broken):
        assert {name: reply.headers[name.lower()] for name in security.HEADERS} == security.HEADERS
    assert 'script' not in security.HEADERS['Content-Security-Policy']


def test_cookies_are_out_of_reach_of_scripts(serve):
    header = serve().visitor.get('/').headers['set-cookie']
    assert 'HttpOnly' in header
    assert 'SameSite=lax' in header


def test_the_password_of_the_administrator_works_once(serve):
    quiz = serve()
    visitor, _ = begin(quiz)
    visitor.answer()
    admin, password = quiz.visitor, quiz.admin.password
    page = admin.get('/admin')
    assert admin.post('/admin', {'token': token(page), 'password': 'x'}).status == 403
    assert admin.post('/admin', {'password': password}).status == 403
    admin.post('/admin', {'token': token(page), 'password': password})
    counts = admin.get('/admin')
    rows = dict(counts.find(r'<th scope="row">(.*?)</th><td>(\d+)</td>'))
    assert (rows['Observers who consented'], rows['Answers']) == ('1', '1')
    assert 'Private.' in counts.text
    assert quiz.stored[0][0].id not in counts.text
    second = quiz.visitor
    again = second.post('/admin', {'token': token(second.get('/admin')), 'password': password})
    assert again.status == 403
    assert 'type="password"' in second.get('/admin').text


def test_passwords_cannot_be_tried_at_will(serve):
    quiz = serve()
    visitor = quiz.visitor
    form = {'token': token(visitor.get('/admin')), 'password': 'x'}
    found = [visitor.post('/admin', form) for _ in range(8)]
    assert [reply.status for reply in found] == [403] * 5 + [429] * 3
    assert found[-1].headers['retry-after'] == '60'
    assert 'very fast' in found[-1].text


def test_an_observer_who_is_very_fast_has_to_wait(serve):
    quiz = serve(rate=10)
    visitor, _ = begin(quiz)
    assert 429 in [visitor.get('/question').status for _ in range(12)]
    assert begin(quiz)[0].get('/question').status == 200  # others have not


def test_rates_refill_evenly_and_old_keys_are_forgotten(monkeypatch):
    clock = [0.0]
    limit = RateLimit(2, 10, lambda: clock[0])
    assert [limit.allows('a') for _ in range(3)] == [True, True, False]
    assert limit.allows('b')
    clock[0] = 5
    assert [limit.allows('a') for _ in range(2)] == [True, False]
    monkeypatch.setattr(security, 'MOST_KEYS', 1)
    limit.allows('c')
    assert [limit.allows('a') for _ in range(3)] == [True, True, False]
    assert all(RateLimit(0, 10, lambda: 0.0).allows('a') for _ in range(100))


def test_a_name_that_leads_to_this_machine_is_refused(serve):
    assert serve().visitor.get('/', Host='evil.example').status == 400
    assert serve(local=False).visitor.get('/', Host='quiz.example').status == 200


@pytest.mark.parametrize('trusted', [True, False])
def test_forwarded_headers_are_believed_only_of_a_known_proxy(serve, trusted):
    quiz = serve(local=False, root='/quiz', forwarded='127.0.0.1' if trusted else None)
    visitor = quiz.visitor
    proxy = {'Host': 'lab.example', 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '192.0.2.7'}
    page = visitor.get('/', **proxy)
    assert ('Secure' in page.headers['set-cookie']) == trusted
    assert 'Path=/quiz;' in page.headers['set-cookie']
    assert page.find('action="([^"]+)"') == ['/quiz/consent']
    visitor.post('/consent', {'token': token(page), 'agree': 'yes'})
    link = visitor.get('/link', **proxy).find(r'href="(http[^"]+)"')[0]
    assert link.startswith('https://lab.example/quiz/resume/' if trusted else 'http://lab.example')


def test_two_hundred_observers_at_once_lose_nothing(serve):
    """Over loopback; ``benchmarks/quiz_load.py`` measures how long they wait."""
    quiz = serve(scans=4, others=6)
    quiz_load.run(quiz.url, observers=200, questions=2, think=0, pictures=False)
    people, answers = quiz.stored
    assert len(people) == 200
    given = [(answer.observer, answer.number) for answer in answers]
    assert len(given) == len(set(given)) == 400
    assert {person.id for person in people} == {observer for observer, _ in given}


def test_a_killed_server_loses_no_answer(tmp_path):
    folder = make_quiz.write(tmp_path / 'quiz', scans=3)
    link, sent = None, 0
    for _ in range(3):
        with served(folder) as (url, _, process):
            visitor = quiz_load.Visitor(url)
            if link is None:
                link = visitor.join()
            visitor.get(link)
            assert f'Question {sent + 1} of 6' in visitor.get('/question').text
            for _ in range(2):
                visitor.answer()
                sent += 1
            process.send_signal(signal.SIGKILL)
    _, answers = answers_of(url_of(folder))
    assert [answer.number for answer in answers] == list(range(1, 7))


def test_an_open_page_survives_a_restart(tmp_path):
    folder = make_quiz.write(tmp_path / 'quiz')
    with served(folder) as (url, _, _):
        visitor = quiz_load.Visitor(url)
        visitor.join()
        page = visitor.get('/question')
        cookies = visitor.cookies
    with served(folder) as (url, _, _):
        visitor = quiz_load.Visitor(url, cookies)
        visitor.post('/question', {'token': token(page), 'choice': choices(page)[0]})
        assert 'Question 2 of 6' in visitor.get('/question').text


def test_a_quiz_can_be_moved(tmp_path):
    folder = make_quiz.write(tmp_path / 'here')
    with served(folder) as (url, _, _):
        visitor = quiz_load.Visitor(url)
        link = visitor.join()
        visitor.answer()
    moved = folder.rename(tmp_path / 'there')
    assert str(tmp_path).encode() not in (moved / study.NAME).read_bytes()
    with served(moved) as (url, _, _):
        visitor = quiz_load.Visitor(url)
        visitor.get(link)
        page = visitor.get('/question')
        assert 'Question 2 of 6' in page.text
        for path in page.find(r'/pictures/[\w-]+\.jpg'):
            assert visitor.get(path).status == 200


def test_two_servers_on_one_quiz_are_refused(tmp_path, capsys):
    folder = make_quiz.write(tmp_path / 'quiz')
    with served(folder) as (_, _, process):
        assert main(['serve', str(folder), '--port', '0']) == OutputError.exit_code
        assert f'the server of process {process.pid} ' in capsys.readouterr().err
    with served(folder):  # it is free again
        pass


def ignore_interrupts():
    """Do what a shell does with the processes in its background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def test_what_a_server_says(tmp_path):
    draft = tmp_path / 'draft'
    make_quiz.build.write(make_quiz.plan(), draft, pages.draft_consent())
    command = [sys.executable, '-m', 'facebids.quiz.cli', 'serve', draft, '--host', '0.0.0.0']
    with subprocess.Popen(
        [*command, '--port', '0'], stdout=subprocess.PIPE, text=True, preexec_fn=ignore_interrupts
    ) as process:
        try:
            said = ''
            while not said.endswith('answers are kept.\n'):
                said += process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert re.search(r'^Quiz: http://0\.0\.0\.0:\d+/$', said, re.M)
    for word in ('PRIVATE', 'DRAFT', 'NOT ENCRYPTED', 'works once'):
        assert word in said
    assert not list(draft.glob('.facebids-*'))


def where(folder, **changes):
    base = {'database': None, 'host': '127.0.0.1', 'port': 0, 'root_path': '', 'rate': 0}
    return run.Settings(**{'quiz_dir': folder, 'forwarded_allow_ips': None, **base, **changes})


def fails(folder, error, match, **changes):
    with pytest.raises(error, match=match):
        run.serve(where(folder, **changes), lambda line: None)


def test_faults_of_a_quiz_are_named(tmp_path):
    fails(tmp_path, DatasetError, r'not the folder of a quiz')
    folder = make_quiz.write(tmp_path / 'quiz')
    fails(folder, UsageError, '--root-path quiz: begin', root_path='quiz')
    fails(folder, UsageError, '--database', database='mysql://a')
    fails(folder, OutputError, 'cannot be used', host='192.0.2.1')
    fails(folder, UsageError, 'the last port', port=99999)
    text = (folder / study.NAME).read_text()
    (folder / study.NAME).write_text(text.replace('"questions": 6', '"questions": 8'))
    fails(folder, DatasetError, r'study\.json cannot be read')
    (folder / study.NAME).write_text(text.replace('pictures/photo-1', 'pictures/../photo-1'))
    fails(folder, DatasetError, r'study\.json cannot be read')
    (folder / study.NAME).write_text(text)
    (folder / study.CONSENT).write_text(' ')
    fails(folder, DatasetError, r'consent\.md is empty')
    (folder / study.CONSENT).write_bytes(b'\xff')
    fails(folder, DatasetError, r'consent\.md cannot be read')
    (folder / study.CONSENT).write_text('# Text')
    (folder / 'pictures' / 'photo-1.jpg').unlink()
    fails(folder, DatasetError, r'1 pictures are missing, such as pictures/photo-1\.jpg')


def test_an_observer_can_be_deleted_by_command(tmp_path, capsys):
    folder = make_quiz.write(tmp_path / 'quiz')
    with served(folder) as (url, _, _):
        visitors = [quiz_load.Visitor(url) for _ in range(3)]
        links = [visitor.join() for visitor in visitors]
        for visitor in visitors:
            visitor.answer()
        assert main(['delete-observer', str(folder), url + links[0]]) == 0
        assert visitors[0].get('/question').status == 401
        (second, third), _ = answers_of(url_of(folder))
        assert main(['delete-observer', str(folder), second.id]) == 0
        assert main(['delete-observer', str(folder), second.id]) == UsageError.exit_code
    assert 'There is no such observer' in capsys.readouterr().err
    people, answers = answers_of(url_of(folder))
    assert people == (third,)
    assert [answer.observer for answer in answers] == [third.id]


def test_consent_holds_no_markup_and_no_picture():
    text = '# T\n\n<script>x</script> ![p](http://a/b.png) [l](javascript:x) [m](https://a)'
    html = pages.consent_html(text)
    assert '<script' not in html
    assert '<img' not in html
    assert 'href="javascript' not in html
    assert 'href="https://a"' in html
    assert not pages.is_draft(text)
    assert not pages.is_draft('a [sic] and [a][1]')
    assert pages.is_draft('by [The investigators.]')


def test_postgresql_serves_a_quiz(tmp_path, postgresql):
    folder, url = make_quiz.write(tmp_path / 'quiz'), postgresql()
    with served(folder, '--database', url) as (address, _, _):
        visitor = quiz_load.Visitor(address)
        visitor.join()
        for _ in range(6):
            visitor.answer()
    assert len(answers_of(url)[1]) == 6
    assert not (folder / 'quiz.sqlite').exists()


def test_the_clock_may_be_put_back(serve, monkeypatch):
    quiz = serve()
    visitor, _ = begin(quiz)
    page = visitor.get('/question')
    monkeypatch.setattr(app, 'now', lambda: time.time_ns() // 1_000_000 - 10_000_000)
    visitor.post('/question', {'token': token(page), 'choice': choices(page)[0]})
    assert quiz.stored[1][0].seconds == 0
