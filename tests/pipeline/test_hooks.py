"""Functions that are called when a load is settled: once, and never forgotten."""

from __future__ import annotations

import pytest

from persistq import Pipeline, UsageError

from .conftest import MakeProgram

HOOKS = """
    pipeline = Pipeline("demo", workers=2)

    @pipeline.source
    def numbers():
        yield from range(20)

    @pipeline.stage
    def work(number):
        if number == 7 and not (HERE / "mended").exists():
            raise ValueError("no")
        return number

    @pipeline.stage
    def store(number):
        note("store", number)

    @pipeline.on_settled
    def settled(summary, item, ctx):
        note("settled", summary.done, summary.parked, summary.exit_code, item.stage, ctx)
        assert noted("store 3") == 1

    @pipeline.on_failed(retries=2, backoff=0.01)
    def failed(summary):
        note("failed", summary.parked, summary.load_id)
        if noted("failed 1 1") < 3:
            raise OSError("the mail server is away")

    @pipeline.context
    def context():
        return "context"

    if __name__ == "__main__":
        pipeline.run()
"""


def hooked(notes: list[str]) -> list[str]:
    """Return what hooks have left."""
    return sorted(line for line in notes if not line.startswith("store"))


def test_hooks_are_called_when_all_is_settled(program: MakeProgram, start_method: str) -> None:
    """With where the load stands; the one for failures is retried like any item."""
    script = program(HOOKS)
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 6, ended.err
    assert hooked(script.notes) == [
        *["failed 1 1"] * 3,
        "settled 38 1 6 on_settled context",
    ]
    assert script.queues() == [(20, 19, 0, 1), (19, 19, 0, 0), (1, 1, 0, 0), (1, 1, 0, 0)]


def test_a_load_that_is_retried_is_settled_again(program: MakeProgram) -> None:
    """Only what concerns it then is called."""
    script = program(HOOKS)
    assert script.run().code == 6
    script.touch("mended")
    ended = script.run(PERSISTQ_RETRY_FAILED="1")
    assert ended.code == 0, ended.err
    assert hooked(script.notes)[3:] == [
        "settled 38 1 6 on_settled context",
        "settled 40 0 0 on_settled context",
    ]


def test_hooks_without_processes(program: MakeProgram) -> None:
    """The same inline."""
    script = program(HOOKS.replace("workers=2", "workers=0"))
    ended = script.run()
    assert ended.code == 6, ended.err
    assert hooked(script.notes)[-1] == "settled 38 1 6 on_settled context"


@pytest.mark.parametrize(
    "fault",
    ["broker.before_hook@1", "broker.before_commit@1:exit:9", "broker.before_settle@1"],
)
def test_a_hook_is_never_forgotten(program: MakeProgram, fault: str) -> None:
    """Its item is recorded with the end of the last other one; a crash repeats it at most."""
    script = program(HOOKS.replace("number == 7", "number == 70"))
    assert script.run(PERSISTQ_FAILPOINT=fault).code == 3
    ended = script.run()
    assert ended.code == 0, ended.err
    assert {*hooked(script.notes)} == {"settled 40 0 0 on_settled context"}
    assert script.queues()[2:] == [(1, 1, 0, 0), (0, 0, 0, 0)]


def test_a_hook_that_fails_for_good_is_parked(program: MakeProgram) -> None:
    """The load is settled with it; the exit code says so, and it is retried by hand."""
    script = program(
        HOOKS.replace("number == 7", "number == 70").replace(
            'assert noted("store 3") == 1', 'assert (HERE / "mended").exists()'
        )
    )
    ended = script.run()
    assert ended.code == 6, ended.err
    assert script.rows("SELECT name FROM queue WHERE parked = 1") == ["on_settled"]
    script.touch("mended")
    ended = script.run(PERSISTQ_RETRY_FAILED="1")
    assert ended.code == 0, ended.err
    assert script.queues()[2:] == [(1, 1, 0, 0), (0, 0, 0, 0)]


def test_a_load_that_does_not_settle_calls_no_hook(program: MakeProgram) -> None:
    """It is carried on, and then does."""
    script = program(
        HOOKS.replace(
            "@pipeline.stage\n    def work", '@pipeline.stage(on_error="stop")\n    def work'
        )
    )
    assert script.run().code == 3
    assert hooked(script.notes) == []


def test_a_hook_is_added_to_an_unfinished_load(program: MakeProgram) -> None:
    """It needs nothing of what was done before."""
    cut = HOOKS.index("    @pipeline.on_settled")
    end = HOOKS.index("    @pipeline.on_failed")
    script = program(HOOKS[:cut] + HOOKS[end:])
    assert script.run(PERSISTQ_FAILPOINT="broker.before_settle").code == 3
    script.write(HOOKS[:cut] + HOOKS[end:] + "")
    assert script.run().code == 6


def test_a_hook_is_one_function_with_one_argument() -> None:
    """The same rules as for handlers."""
    pipeline = Pipeline("demo")

    @pipeline.on_settled
    def done(summary: object) -> None:
        pass

    with pytest.raises(UsageError, match="has on_settled already"):
        pipeline.on_settled(done)
    with pytest.raises(UsageError, match="takes 'mail', which nobody fills"):
        pipeline.on_failed(lambda summary, mail: None)
    with pytest.raises(UsageError, match="batch"):
        pipeline.on_failed(batch=3)(done)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="has a stage 'on_settled' already"):
        pipeline.stage(name="on_settled")(done)
