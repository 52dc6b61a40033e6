"""Which cases of a test are run where not all are."""

from __future__ import annotations

from portion import chosen


def test_one_in_so_many_cases_is_run() -> None:
    """As many as that is, wherever the first one lies."""
    for name in ("one", "another", "a third"):
        assert len(chosen(name, range(12), 4)) == 3
        assert len(chosen(name, range(3), 4)) == 1
    assert chosen("one", ["only"], 4) == ["only"]
    assert chosen("one", range(5), 1) == range(5)


def test_the_cases_of_different_tests_differ() -> None:
    """So each start method, say, is met by some of them; and the same one each time."""
    firsts = {chosen(f"test_{n}", range(3), 4)[0] for n in range(30)}
    assert firsts == {0, 1, 2}
    assert chosen("test_1", range(9), 4) == chosen("test_1", range(9), 4)
