"""How a browser comes in, and that nobody else does."""

from __future__ import annotations

import pytest

from persistq.errors import UsageError
from persistq.web.sessions import IDLE_S, MOST, Sessions
from persistq.web.tokens import Attempts, Tokens, words_in

from .asking import COOKIE, HERE, TOKEN, Site


def test_an_address_lets_one_browser_in_once(site: Site) -> None:
    """Then the next one is written to the terminal."""
    first = site.words[-1]
    assert site.enter().client.get("/").status_code == 200
    assert len(site.words) == 2
    site.client.cookies.clear()
    answer = site.client.get("/", params={"token": first})
    assert answer.status_code == 401
    assert "used before" in answer.text
    assert site.enter().client.get("/").status_code == 200


def test_who_is_in_does_not_use_up_an_address(site: Site) -> None:
    """It leads to the page without the word."""
    site.enter()
    answer = site.client.get("/", params={"token": site.words[-1]}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert len(site.words) == 2


def test_a_token_that_was_given_out_lets_people_in_again_and_again(site: Site) -> None:
    """It is typed into a form; in an address it would be kept."""
    for _ in range(2):
        site.client.cookies.clear()
        assert site.client.get("/", params={"token": TOKEN}).status_code == 401
        form = {"token": TOKEN}
        answer = site.client.post("/enter", data=form, headers={"Origin": HERE})
        assert answer.status_code == 200
        assert "Journals" in answer.text


def test_after_ten_wrong_words_nobody_comes_in_for_a_while(site: Site) -> None:
    """Who is in stays in."""
    word = site.words[-1]
    for _ in range(10):
        assert site.client.get("/", params={"token": "x"}).status_code == 401
    answer = site.client.get("/", params={"token": word})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    right = site.client.post("/enter", data={"token": TOKEN}, headers={"Origin": HERE})
    assert right.status_code == 429


def test_the_while_ends() -> None:
    """A minute after the first of the ten."""
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(10):
        now[0] += 1
        attempts.note_wrong()
    assert attempts.wait == pytest.approx(51)
    now[0] = 62
    assert attempts.wait == 0


def test_who_has_left_is_out(site: Site) -> None:
    """Also with the cookie of before."""
    cookie = site.enter().client.cookies[COOKIE]
    form = {"order": site.order_token()}
    answer = site.client.post("/leave", data=form, headers={"Origin": HERE})
    assert "you have left" in answer.text
    site.client.cookies.set(COOKIE, cookie)
    assert site.client.get("/").status_code == 401


def test_a_session_ends_by_itself() -> None:
    """When nothing was asked for half a day; and there are only so many."""
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    first = sessions.begin()
    now[0] = IDLE_S
    assert sessions.find(first) is not None
    now[0] += IDLE_S + 1
    assert sessions.find(first) is None
    kept = [sessions.begin() for _ in range(MOST + 1)]
    assert [sessions.has(it) for it in (kept[0], kept[1], kept[-1])] == [False, True, True]


def test_tokens_that_can_be_guessed_are_refused() -> None:
    """With a word on how to make one."""
    with pytest.raises(UsageError, match="could be guessed"):
        Tokens(["hunter2"])
    assert words_in("# mine\n\n  abc \n") == ["abc"]
    assert not Tokens([]).knows("")
