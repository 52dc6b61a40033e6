"""Checkpoints: how far a long item has come, for the next attempt at it."""

from __future__ import annotations

import signal

import pytest

from persistq.errors import UsageError
from persistq.pipeline.iteminfo import ItemInfo

from .conftest import MakeProgram

LONG = """
    pipeline = Pipeline("demo", workers={workers}, codec="{codec}")

    @pipeline.source
    def numbers(): yield from [1, 2]

    @pipeline.stage(retries=3, backoff=0)
    def work(number, item):
        begun = item.last_checkpoint
        note("item", number, "from", begun)
        for step in range((begun or [0])[0], 4):
            {fault}
            item.checkpoint([step + 1])
        note("item", number, "saw", item.last_checkpoint)

    if __name__ == "__main__":
        pipeline.run()
    """
RAISES = "if step == 2 and begun is None and number == 1: raise ValueError('no')"
DIES = "if step == 2 and begun is None and number == 1: os.kill(os.getpid(), signal.SIGKILL)"
STOPS = DIES.replace("getpid", "getppid") + "; await_file('never')"
RESUMED = {
    "item 1 from None": 1,
    "item 1 from [2]": 1,
    "item 1 saw [4]": 1,
    "item 2 from None": 1,
    "item 2 saw [4]": 1,
}


@pytest.mark.parametrize(
    ("workers", "codec", "fault"),
    [(1, "json", RAISES), (0, "pickle", RAISES), (1, "auto", DIES)],
)
def test_the_next_attempt_goes_on_at_the_last_checkpoint(
    program: MakeProgram, workers: int, codec: str, fault: str
) -> None:
    """After an error, or a death; an item has its own, and none is left when all are done."""
    script = program(LONG.format(workers=workers, codec=codec, fault=fault))
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.counts == RESUMED
    assert script.rows("SELECT * FROM checkpoint") == []


def test_the_next_run_goes_on_at_the_last_checkpoint(program: MakeProgram) -> None:
    """A checkpoint is on disk when its call returns."""
    script = program(LONG.format(workers=1, codec="auto", fault=STOPS))
    assert script.run().code == -signal.SIGKILL
    assert script.rows("SELECT data FROM checkpoint") == [b"[2]"]
    ended = script.run()
    assert ended.code == 0, ended.err
    assert script.counts == RESUMED


def test_a_parked_item_keeps_its_checkpoint_for_a_retry_by_hand(program: MakeProgram) -> None:
    """It may be tried again in another run."""
    text = LONG.format(workers=1, codec="auto", fault=RAISES).replace("retries=3", "retries=0")
    script = program(text)
    assert script.run().code == 6
    assert script.rows("SELECT data FROM checkpoint") == [b"[2]"]
    assert script.run(PERSISTQ_RETRY_FAILED="true").code == 0
    assert script.counts == RESUMED
    assert script.rows("SELECT * FROM checkpoint") == []


def test_a_checkpoint_that_cannot_be_stored_fails_its_item(program: MakeProgram) -> None:
    """With the sentence of any item that cannot."""
    script = program(
        """
        pipeline = Pipeline("demo", workers=1, codec="json")
        pipeline.source(lambda: [1])

        @pipeline.stage
        def work(number, item): item.checkpoint({1, 2})

        pipeline.run()
        """
    )
    assert script.run(PERSISTQ_START_METHOD="fork").code == 6
    [message] = script.rows("SELECT type || ': ' || message FROM failure")
    assert message.startswith("ItemNotStorable: ")


def test_an_item_made_by_hand_has_no_checkpoints() -> None:
    """A test that calls a handler is told so, and a checkpoint that is lost is not taken."""
    item = ItemInfo(1, 1, "work", "key")
    with pytest.raises(UsageError, match="belongs to no run"):
        item.checkpoint(1)
    with pytest.raises(UsageError, match="belongs to no run"):
        item.last_checkpoint  # noqa: B018
