"""Work that was only promised is never recorded as done."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import multiprocessing.pool
import types
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from persistq import Drop, Pipeline, Retry, UsageError
from persistq.codec import ItemCodec
from persistq.errors import ItemNotStorable
from persistq.pipeline.callables import name_of
from persistq.pipeline.stageoptions import stage_of

from .conftest import MakeProgram


async def coroutine(row: object = None) -> None:
    """Do nothing until awaited."""


async def generator(row: object = None) -> AsyncIterator[object]:
    """Do nothing until iterated over."""
    yield row


@types.coroutine
def by_decorator(row: object = None) -> Iterator[None]:
    """Do nothing until awaited, in the words of old programs."""
    yield


@contextlib.contextmanager
def opened(row: object = None) -> Iterator[object]:
    """Do nothing until entered."""
    yield row


class Loader:
    """An object to be called."""

    def __call__(self, row: object = None) -> object:
        """Return what it gets."""
        return row

    def load(self, row: object = None) -> object:
        """Return what it gets."""
        return row


class Awaited:
    """An object whose call is a coroutine."""

    async def __call__(self, row: object = None) -> None:
        """Do nothing until awaited."""

    async def load(self, row: object = None) -> None:
        """Do nothing until awaited."""


def waits(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a coroutine function so that a call does the work."""

    @functools.wraps(function)
    def wrapper(*args: object) -> object:
        return asyncio.run(function(*args))

    return wrapper


def passes_on(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function with nothing at all."""

    @functools.wraps(function)
    def wrapper(*args: object) -> object:
        return function(*args)

    return wrapper


VAIN = {
    "coroutine function": coroutine,
    "asynchronous generator": generator,
    "old coroutine": by_decorator,
    "partial": functools.partial(functools.partial(coroutine)),
    "partial of an asynchronous generator": functools.partial(generator),
    "cache": functools.lru_cache(coroutine),
    "method": Awaited().load,
    "object": Awaited(),
    "partial of an object": functools.partial(Awaited()),
    "context manager": opened,
    "asynchronous context manager": contextlib.asynccontextmanager(generator),
    "class to be called": Loader,
}


AWAITED = {
    "coroutine function",
    "asynchronous generator",
    "partial",
    "partial of an asynchronous generator",
    "method",
    "object",
    "partial of an object",
}
"""What is awaited, as a handler."""

CASES = [
    (part, name)
    for part in ("stage", "source")
    for name in VAIN
    # A source is asked for its items, and these are awaited.
    if part != "source" or not name.endswith("asynchronous generator")
    if part != "stage" or name not in AWAITED
]


@pytest.mark.parametrize(("part", "name"), CASES)
def test_a_function_whose_call_does_not_do_the_work_is_refused(part: str, name: str) -> None:
    """Where it is decorated, by its name, and nothing is added to the pipeline."""
    function = VAIN[name]
    pipeline = Pipeline("demo")
    with pytest.raises(UsageError, match="done their work when they return") as caught:
        getattr(pipeline, part)(function)
    assert repr(name_of(function)) in str(caught.value)
    assert repr(pipeline) == "Pipeline('demo', source=None, stages=[])"


@pytest.mark.parametrize("name", sorted(AWAITED))
def test_a_handler_that_is_asynchronous_is_awaited(name: str) -> None:
    """One item after the other, unless it says how many at the same time."""
    stage = stage_of(VAIN[name], {}, awaited=True)
    assert (stage.concurrency, stage.threads) == (1, None)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (functools.partial(print, "got"), "print"),
        (Loader(), "Loader"),
        (Loader().load, "load"),
        (Loader().__call__, "Loader"),
        (functools.partial(Loader()), "Loader"),
        (waits(coroutine), "coroutine"),
        (int, "int"),
        (Path, "Path"),
        (print, "print"),
        ([].append, "append"),
    ],
)
def test_whatever_does_its_work_when_called_is_a_handler(
    function: Callable[..., Any], name: str
) -> None:
    """Its stage is called after it."""
    pipeline = Pipeline("demo")
    pipeline.stage(function)
    pipeline.source(function)
    assert repr(pipeline) == f"Pipeline('demo', source={name!r}, stages=[{name!r}])"


def test_partials_and_objects_work(program: MakeProgram, start_method: str) -> None:
    """In processes as well; what a partial has bound is not filled with something else."""
    script = program(
        """
        import functools
        pipeline = Pipeline("demo", workers=1)

        def numbers(count): yield from range(count)
        def scale(number, factor, settings=None): return number * factor, settings

        class Store:
            def __init__(self, text): self.text = text
            def __call__(self, pair): note(self.text, *pair)

        pipeline.source(functools.partial(numbers, 3))
        pipeline.stage(functools.partial(scale, factor=10, settings="mine"))
        pipeline.stage(Store("got"))

        if __name__ == "__main__":
            pipeline.run()
        """
    )
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 0, ended.err
    assert script.counts == {f"got {number} mine": 1 for number in (0, 10, 20)}
    assert script.rows("SELECT name FROM queue ORDER BY position") == ["scale", "Store"]


def future_of_a_loop() -> asyncio.Future[None]:
    """Return a future that nobody will ever fulfil."""
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        return loop.create_future()


PROMISES: dict[str, Callable[[], Any]] = {
    "a coroutine": passes_on(coroutine),
    "an asynchronous iterator": generator,
    "a future": concurrent.futures.Future,
    "an awaitable (_asyncio.Future)": future_of_a_loop,
    "an asynchronous result": lambda: multiprocessing.pool.AsyncResult.__new__(
        multiprocessing.pool.AsyncResult
    ),
    "a lazy collection": type("Delayed", (), {"__dask_graph__": None}),
    "a context manager": opened,
    "a list with a future": lambda: [concurrent.futures.Future()],
    "a dict with a coroutine": lambda: {"key": coroutine()},
    "a tuple with an awaitable": lambda: (1, type("Lazy", (), {"__await__": None})()),
}
"""What is found, and how it comes about."""


@pytest.mark.parametrize("what", PROMISES)
@pytest.mark.parametrize("verb", ["returned", "yielded"])
def test_an_item_whose_result_is_only_promised_has_failed(
    tmp_path: Path, what: str, verb: str
) -> None:
    """It is parked with a sentence that says why, also after the last stage."""
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: [1])

    @pipeline.stage
    def store(row: int) -> Any:
        return PROMISES[what]() if verb == "returned" else (PROMISES[what]() for _ in range(1))

    summary = pipeline.run(check=False, journal=str(tmp_path), progress="none")
    assert (summary.done, summary.parked) == (0, 1)
    message = _failure(tmp_path)
    assert message.startswith(f"the handler {verb} {what}"), message
    assert "only promises a result: wait for the result in the function" in message


@pytest.mark.parametrize("request_", [Drop("empty"), Retry(1), Drop, Retry], ids=repr)
def test_a_request_that_is_returned_and_not_raised_fails_the_item(
    tmp_path: Path, request_: object
) -> None:
    """It would go unheard otherwise."""
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: [1])
    pipeline.stage(lambda row: request_)
    assert pipeline.run(check=False, journal=str(tmp_path), progress="none").parked == 1
    assert _failure(tmp_path) == f"the handler returned {request_!r}: raise it"


def _failure(directory: Path) -> str:
    import sqlite3

    with sqlite3.connect(directory / "demo.db") as journal:
        text: str = journal.execute("SELECT message FROM failure").fetchone()[0]
    return text


def test_what_is_computed_when_it_is_asked_for_is_computed(tmp_path: Path) -> None:
    """A `map` that nobody iterates over would do nothing; its values are outputs."""
    stored: list[int] = []
    pipeline = Pipeline("demo", workers=0)
    pipeline.source(lambda: [1, 2])
    pipeline.stage(name="double")(lambda n: map((10).__mul__, [n, n]))
    pipeline.stage(name="store")(lambda n: map(stored.append, [n]))
    assert pipeline.run(journal=str(tmp_path), progress="none").done == 2 + 4
    assert sorted(stored) == [10, 10, 20, 20]


@pytest.mark.parametrize(
    "value",
    [PROMISES["a future"](), PROMISES["a lazy collection"](), [PROMISES["a lazy collection"]()]],
    ids=["future", "lazy", "nested"],
)
def test_a_promise_is_no_item(value: object) -> None:
    """Whether it could be pickled or not."""
    with pytest.raises(ItemNotStorable, match="is the promise of a value: put the value"):
        ItemCodec().encode(value)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("None", "returned None: it has to yield the items, or return a list of them"),
        ("17", "returned one int: it has to yield"),
        ("'a.csv'", "returned one str: it has to yield"),
        ("vain()", "returned a coroutine, which only promises a result"),
        ("[ticks()]", "returned a list with an asynchronous iterator"),
    ],
)
def test_a_source_that_returns_no_items_fails_the_load(
    program: MakeProgram, start_method: str, result: str, words: str
) -> None:
    """In one sentence; the load is carried on when the source is mended."""
    text = f"""
        pipeline = Pipeline("demo", workers=1)

        async def vain(): pass
        async def ticks(): yield 1

        @pipeline.source
        def numbers(): return {result}

        @pipeline.stage
        def work(number): note(number)

        if __name__ == "__main__":
            pipeline.run()
        """
    script = program(text)
    ended = script.run(PERSISTQ_START_METHOD=start_method)
    assert ended.code == 3
    assert f"source 'numbers' {words}" in ended.err
    assert "Traceback" not in ended.err
    assert "never awaited" not in ended.err
    script.write(text.replace(f"return {result}", "return [1]"))
    assert script.run(PERSISTQ_START_METHOD=start_method).code == 0
    assert script.counts == {"1": 1}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_context_gets_the_settings(program: MakeProgram, workers: int) -> None:
    """By name, as handlers and sources do."""
    script = program(
        f"""
        pipeline = Pipeline("demo", workers={workers})
        pipeline.source(lambda: [1])

        @pipeline.context
        def connect(settings, table="t"): return settings.retries, table

        @pipeline.stage
        def work(number, ctx): note(*ctx)

        pipeline.run()
        """
    )
    assert script.run(PERSISTQ_START_METHOD="fork", PERSISTQ_RETRIES="7").code == 0
    assert script.counts == {"7 t": 1}


def test_a_context_with_other_parameters_is_refused() -> None:
    """Where it is decorated, with the nearest right name."""
    pipeline = Pipeline("demo")
    with pytest.raises(UsageError, match=r"'setings', which nobody fills; did you mean settings\?"):
        pipeline.context(lambda setings: None)
    pipeline.context(dict)
    with pytest.raises(UsageError, match="has the context 'dict' already"):
        pipeline.context(list)


def test_what_is_no_function_is_refused() -> None:
    """A name is given by name."""
    for part in ("stage", "source", "context"):
        with pytest.raises(UsageError, match="is to be a function, and 'load' is none; opt"):
            getattr(Pipeline("demo"), part)("load")
