"""`Pipeline`: a source, its stages, and `run`, which starts a load or carries one on."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, TypeVar, overload

from persistq import ending, failpoints
from persistq.broker.wire import QueueSizes
from persistq.client.presence import say_farewell, see_off, sizes_of_run
from persistq.client.starting import OpenedRun, open_run
from persistq.codec import CodecName, ItemCodec
from persistq.errors import (
    BrokerLost,
    ItemsFailed,
    JournalError,
    LoadUnfinished,
    PersistqError,
    UsageError,
)
from persistq.halting import halt_rule
from persistq.journal.naming import filled
from persistq.leftovers import left_over
from persistq.openings import (
    left_sentence,
    named_by_resume,
    opening,
    resume_command,
)
from persistq.origin import current_directory
from persistq.pickles import own_modules
from persistq.pipeline.callables import checked, module_of_caller, name_of, required_of
from persistq.pipeline.context import Context
from persistq.pipeline.inline import InlineRun
from persistq.pipeline.parameters import Parameters, parameters_of, wants_settings
from persistq.pipeline.source import Source, SourceAssignment, run_source
from persistq.pipeline.stage import (
    Drop,
    ItemInfo,
    OnError,
    Retry,
    Stage,
    extras_of,
    outputs_of,
)
from persistq.pool.child import end_if_imported
from persistq.pool.crew import Crew, Post
from persistq.pool.deadlines import Deadlines
from persistq.pool.progress import Console, console_for
from persistq.pool.supervisor import RunOutcome, Supervisor
from persistq.pool.worker import Assignment, run_worker
from persistq.settings import Settings, available_cpus, load_settings
from persistq.streams import broken_pipes_told, say
from persistq.suggestions import options_by_name

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Summary:
    """What `Pipeline.run` leaves behind.

    Attributes:
        name: The load's name.
        load_id: Its number in the journal.
        outcome: ``DONE`` (settled), ``FAILED``, ``INTERRUPTED`` or ``LOST``.
        reason: Why it is not ``DONE``.
        done: Items done, over all stages.
        dropped: Items dropped.
        parked: Items parked as failed.
        outstanding: Items left.
        journal: Path of the journal.
        exit_code: What a command should exit with.
    """

    name: str
    load_id: int
    outcome: str
    reason: str
    done: int
    dropped: int
    parked: int
    outstanding: int
    journal: str
    exit_code: int


class Pipeline:
    """A chain of stages that a load runs through, each stage with its own workers.

    Handlers stay ordinary functions: the decorators return them unchanged, so tests can call them.

    Example:
        >>> pipeline = Pipeline("sales", workers=4)
        >>> @pipeline.source
        ... def paths():
        ...     yield from ["a.csv", "b.csv"]
        >>> @pipeline.stage(retries=2)
        ... def load(path):
        ...     print("loading", path)
        >>> pipeline                                    # run with: pipeline.run()
        Pipeline('sales', source='paths', stages=['load'])

    Args:
        name: Name of the load and of its journal file. ``sales-{day}`` keeps a journal for each
            value of the source's parameter ``day``.
        workers: Processes of each stage that does not say otherwise; None takes the setting, whose
            default is the number of CPUs. 0 runs everything inline in the calling process.
        codec: How items are stored; see `persistq.codec`.
        allow_pickle: Whether items may be stored as pickles.
    """

    @options_by_name("Pipeline")
    def __init__(
        self,
        name: str,
        *,
        workers: int | None = None,
        codec: CodecName = "auto",
        allow_pickle: bool = True,
    ) -> None:
        ending.install()
        self.name = name
        self.workers = workers
        self.stages: list[Stage] = []
        # A wrong one is refused where it is given.
        ItemCodec(codec, allow_pickle=allow_pickle)
        self._codec: tuple[CodecName, bool] = codec, allow_pickle
        self._source: Source | None = None
        self._context: Context | None = None
        self._module = module_of_caller()

    def __repr__(self) -> str:
        source = self._source.name if self._source else None
        names = [stage.name for stage in self.stages]
        return f"Pipeline({self.name!r}, source={source!r}, stages={names!r})"

    # --- building ---

    @overload
    def source(self, function: F) -> F: ...

    @overload
    def source(self) -> Callable[[F], F]: ...

    @options_by_name("a source")
    def source(self, function: Any = None) -> Any:
        """Decorate the function that yields the items of the first stage.

        It runs in a process of its own. Its parameters are filled by name from ``params``.

        Raises:
            UsageError: The pipeline has a source already, or a call of the function would not
                yield items.
        """
        if function is None:
            return self.source
        if self._source is not None:
            raise UsageError(f"pipeline {self.name!r} has the source {self._source.name!r} already")
        checked(function, "the source")
        self._source = Source(name_of(function), function)
        return function

    @overload
    def stage(self, function: F) -> F: ...

    @overload
    def stage(
        self,
        *,
        name: str | None = None,
        was: str | None = None,
        workers: int | None = None,
        retries: int | None = None,
        backoff: float | None = None,
        backoff_max: float | None = None,
        max_crashes: int | None = None,
        on_error: OnError | None = None,
        timeout: float | None = None,
        halt: str | None = None,
    ) -> Callable[[F], F]: ...

    @options_by_name("a stage")
    def stage(
        self,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        was: str | None = None,
        workers: int | None = None,
        retries: int | None = None,
        backoff: float | None = None,
        backoff_max: float | None = None,
        max_crashes: int | None = None,
        on_error: OnError | None = None,
        timeout: float | None = None,
        halt: str | None = None,
    ) -> Any:
        """Decorate the handler of the next stage, with or without options.

        The first parameter is the item; ``ctx`` (what the `context` function returned), ``item``
        (an `ItemInfo`) and ``settings`` are filled by name if the handler has them. It returns the
        item for the next stage, or None for none, or is a generator that yields any number; what
        the last stage returns is not kept. What only promises a result, like a coroutine or a
        future, fails the item.

        Args:
            function: The handler, when used without parentheses.
            name: Name of the stage; by default the handler's, or its class's if it is an object.
            was: The name it had before. An unfinished load that knows it by that name is carried
                on, and knows it by the new one from then on; leave it there as long as you like.
            workers: Processes; by default the pipeline's.
            retries: Further attempts at an item after the first one raised.
            backoff: Seconds before the first retry; they double with each.
            backoff_max: Most seconds before a retry.
            max_crashes: An item whose worker died this often is parked.
            on_error: ``park`` a failed item and go on, or ``stop`` the load with FAILED.
            timeout: Seconds that one attempt at an item may take. Its worker is killed then, from
                outside, and the item is treated like one that killed its worker.
            halt: A rule that ends the load with FAILED, like ``soon,fail=3`` or ``now,fail=5%``;
                see `persistq.halting`.

        What is None is taken from the settings.

        Raises:
            UsageError: The handler takes no item or unknown parameters, or a call of it would not
                do its work; the name is taken, or there is no such option.
        """
        if halt is not None:
            halt_rule(halt)

        def add(handler: F) -> F:
            called = name_of(checked(handler, "the handler"))
            stage = Stage(
                name=name or called,
                was=was or "",
                handler=handler,
                workers=workers,
                retries=retries,
                backoff=backoff,
                backoff_max=backoff_max,
                max_crashes=max_crashes,
                on_error=on_error,
                timeout=timeout,
                halt=halt,
                extras=extras_of(handler, what=f"the handler {called!r}"),
            )
            self._append(stage)
            return handler

        return add if function is None else add(function)

    @overload
    def context(self, function: F) -> F: ...

    @overload
    def context(self) -> Callable[[F], F]: ...

    @options_by_name("a context")
    def context(self, function: Any = None) -> Any:
        """Decorate a function that is called once in each worker process.

        What it returns, a connection pool for example, is the argument ``ctx`` of handlers. It may
        take ``settings``.

        Raises:
            UsageError: The pipeline has a context already, the function takes other parameters, or
                a call of it would not return a context, because it is a generator or a coroutine.
        """
        if function is None:
            return self.context
        if self._context is not None:
            raise UsageError(
                f"pipeline {self.name!r} has the context {self._context.name!r} already"
            )
        self._context = Context.of(function)
        return function

    def _append(self, stage: Stage) -> None:
        if any(other.name == stage.name for other in self.stages):
            raise UsageError(f"pipeline {self.name!r} has a stage {stage.name!r} already")
        if stage.was and any(other.was == stage.was for other in self.stages):
            raise UsageError(f"pipeline {self.name!r} has a stage that was {stage.was!r} already")
        self.stages.append(stage)

    # --- running ---

    @broken_pipes_told()
    def run(
        self,
        *,
        workers: int | None = None,
        fresh: bool | None = None,
        params: Mapping[str, Any] | None = None,
        check: bool = True,
        **overrides: Any,
    ) -> Summary:
        """Start a load, or carry on the one that is unfinished, and work until it is settled.

        Crash: whatever dies, the journal holds what is outstanding; the next call carries on. The
        README's table of guarantees says what may be done again.

        Args:
            workers: Processes of each stage, over what the pipeline says.
            fresh: Whether to begin anew although a load is unfinished; that one is marked
                abandoned.
            params: Arguments of the source, by name. They belong to the load: a start that carries
                it on takes what it does not name from there, and may not name other values.
            check: Whether to raise unless everything is done.
            overrides: Further settings by name; see the README.

        Returns:
            What was done and what is left.

        Raises:
            UsageError: The pipeline or a setting is wrong, or the unfinished load has other stages
                or other parameters. The journal is as it was.
            JournalError: The journal cannot be used, or this pipeline is running already.
            LoadUnfinished: It failed or was interrupted, and ``check`` is set.
            ItemsFailed: It is settled with failed items, and ``check`` is set.

        What is not caught ends a script without a traceback, with the exit code that the README's
        table names: 2 for wrong usage, 3 for an unfinished load (4 if the journal could not be
        written any more, 130/143 after a signal), 4 for a journal, 6 for failed items.
        """
        end_if_imported()
        ending.install()
        settings = load_settings(
            workers=self.workers if workers is None else workers,
            fresh=fresh,
            params=None if params is None else dict(params),
            **overrides,
        )
        if (
            settings.workers != 0
            and get_context(settings.start_method).get_start_method() != "fork"
        ):
            # Nothing but a fork starts in a directory that has been deleted.
            current_directory()
        if self._source is None or not self.stages:
            raise UsageError(f"pipeline {self.name!r} needs a source and at least one stage")
        self._require_context()
        codec = self._item_codec(settings)
        parameters = parameters_of(
            self._source.name, self._source.function, settings.params, _for_parameters(codec)
        )
        run = self._open(settings, parameters)
        name = run.handle.name
        try:
            arguments = parameters.of_load(run.welcome.params)
        except UsageError:
            run.anchor.close()
            raise
        settings = _with_parameters(settings, run, arguments)
        if wants_settings(self._source.function):
            arguments["settings"] = settings
        console = console_for(name, settings.progress, settings.progress_plain_interval)
        try:
            for line in _beginning(run):
                console.say(line)
            outcome = self._work(run, settings, arguments, console)
        finally:
            console.close()
        summary = _summary(run, outcome)
        _take_leave(run, outcome)
        return _concluded(summary, run, check=check)

    def _require_context(self) -> None:
        """Refuse a handler that takes what nobody makes, before all its items fail of it."""
        for stage in self.stages if self._context is None else ():
            if "ctx" in required_of(stage.handler):
                raise UsageError(
                    f"the handler of stage {stage.name!r} takes ctx, and pipeline {self.name!r} "
                    "has no context: decorate the function that makes it with @pipeline.context"
                )

    def _open(self, settings: Settings, parameters: Parameters) -> OpenedRun:
        """Open the load."""
        self.stages = [stage.validated() for stage in self.stages]
        wanted = opening(
            named_by_resume(self.name, settings) or filled(self.name, parameters.values),
            "pipeline",
            [stage.spec(settings) for stage in self.stages],
            settings,
            source=parameters.source,
            parameters=parameters.encoded(),
            takes_any=parameters.takes_any,
        )
        try:
            return open_run(
                wanted, ack_interval=settings.ack_interval, timeout=settings.broker_timeout
            )
        except BrokerLost as lost:
            # To the program it makes no difference when its broker died.
            raise LoadUnfinished(wanted.name, str(lost)) from lost

    def _work(
        self, run: OpenedRun, settings: Settings, arguments: dict[str, Any], console: Console
    ) -> RunOutcome:
        source = self._source_assignment(run, settings, arguments)
        assignments = self._assignments(run, settings)
        if settings.workers == 0:
            try:
                ended = InlineRun(source, assignments).run()
            except KeyboardInterrupt:
                number = signal.SIGINT
                reason = f"interrupted by {number.name}"
                return RunOutcome("INTERRUPTED", reason, number, _counted(run))
            except (BrokerLost, JournalError) as error:
                queues = tuple(run.welcome.queues)
                return RunOutcome("LOST", str(error), 0, queues, error.exit_code)
            return RunOutcome(ended.outcome, ended.reason, 0, _counted(run))
        crew = Crew(settings.start_method, self._posts(source, assignments, settings))
        with contextlib.closing(self._deadlines(run, settings)) as deadlines:
            supervisor = Supervisor(
                run,
                crew,
                console,
                deadlines,
                progress_interval=settings.progress_interval,
                shutdown_grace=settings.shutdown_grace,
            )
            return supervisor.supervise()

    def _deadlines(self, run: OpenedRun, settings: Settings) -> Deadlines:
        limits = {
            queue.queue_id: limit
            for stage, queue in zip(self.stages, run.welcome.queues, strict=True)
            if (limit := stage.limit(settings)) is not None
        }
        return Deadlines(run.handle.fence, limits)

    def _source_assignment(
        self, run: OpenedRun, settings: Settings, arguments: dict[str, Any]
    ) -> SourceAssignment | None:
        first = run.welcome.queues[0]
        if first.sealed or self._source is None:
            return None
        handle = run.handle.on(first.queue_id)
        return SourceAssignment(handle, self._source, arguments, self._item_codec(settings))

    def _assignments(self, run: OpenedRun, settings: Settings) -> list[Assignment]:
        queue_ids = [queue.queue_id for queue in run.welcome.queues]
        following = [*queue_ids[1:], None]
        return [
            Assignment(
                handle=run.handle.on(queue_id),
                stage=stage.name,
                handler=stage.handler,
                extras=stage.extras,
                outputs_of=outputs_of,
                context=None if self._context is None else self._context.maker(settings),
                make_info=ItemInfo,
                control_flow=(Retry, Drop),
                settings=settings if "settings" in stage.extras else None,
                next_queue_id=next_id,
                codec=self._item_codec(settings),
            )
            for stage, queue_id, next_id in zip(self.stages, queue_ids, following, strict=True)
        ]

    def _item_codec(self, settings: Settings) -> ItemCodec:
        name, allow_pickle = self._codec
        return ItemCodec(
            name,
            allow_pickle=allow_pickle,
            item_bytes_max=settings.item_bytes_max,
            own=own_modules(self._module),
        )

    def _posts(
        self, source: SourceAssignment | None, assignments: list[Assignment], settings: Settings
    ) -> list[Post]:
        default = available_cpus() if settings.workers is None else settings.workers
        posts = []
        if source is not None:
            posts.append(Post(f"source {source.source.name}", run_source, (source,), source=True))
        for stage, assignment in zip(self.stages, assignments, strict=True):
            count = default if stage.workers is None else stage.workers
            posts += [
                Post(f"worker {stage.name}-{number}", run_worker, (assignment,))
                for number in range(1, count + 1)
            ]
        return posts


def _for_parameters(codec: ItemCodec) -> ItemCodec:
    """Return a codec for values of any type: a pipeline may be narrow in what its items are."""
    return ItemCodec(allow_pickle=codec.allow_pickle, item_bytes_max=codec.item_bytes_max)


def _with_parameters(settings: Settings, run: OpenedRun, values: Mapping[str, Any]) -> Settings:
    """Return the settings with those parameters that the load was given."""
    given = {param.name for param in run.welcome.params if param.given}
    params = settings.params | {name: values[name] for name in given}
    return settings.model_copy(update={"params": params})


def _beginning(run: OpenedRun) -> Iterator[str]:
    welcome = run.welcome
    params = ", ".join(f"{param.name}={param.shown}" for param in welcome.params)
    place = f"journal {run.handle.journal}{f'; parameters {params}' if params else ''}"
    if welcome.carried_on:
        done = sum(queue.done + queue.dropped for queue in welcome.queues)
        yield (
            f"carrying on load {welcome.load_id}: {_outstanding(welcome.queues):,} outstanding, "
            f"{done:,} done before; {place}"
        )
        return
    yield f"load {welcome.load_id} begins; {place}"
    if welcome.left:
        yield left_sentence(run.handle.name, run.handle.journal, welcome.left)


def _outstanding(queues: Iterable[QueueSizes]) -> int:
    return sum(q.put - q.done - q.dropped - q.parked for q in queues)


def _counted(run: OpenedRun) -> tuple[QueueSizes, ...]:
    return tuple(sizes_of_run(run.handle))


def _summary(run: OpenedRun, outcome: RunOutcome) -> Summary:
    queues = outcome.queues
    parked = sum(queue.parked for queue in queues)
    codes = {"DONE": ItemsFailed.exit_code if parked else 0, "INTERRUPTED": 128 + outcome.signal}
    return Summary(
        name=run.handle.name,
        load_id=run.welcome.load_id,
        outcome=outcome.outcome,
        reason=outcome.reason,
        done=sum(queue.done for queue in queues),
        dropped=sum(queue.dropped for queue in queues),
        parked=parked,
        outstanding=_outstanding(queues),
        journal=run.handle.journal,
        exit_code=codes.get(outcome.outcome, outcome.exit_code),
    )


def _take_leave(run: OpenedRun, outcome: RunOutcome) -> None:
    """Tell the broker how the run ended, and wait until it has folded the journal."""
    result = {"INTERRUPTED": "interrupted", "FAILED": "failed", "DONE": "done"}.get(outcome.outcome)
    if result is not None:
        # If that fails, the end of this run is missing in the journal, and nothing else.
        with contextlib.suppress(BrokerLost, OSError):
            failpoints.point("supervisor.before_farewell")
            say_farewell(run.anchor, result, outcome.reason)
            failpoints.point("supervisor.after_farewell")
    run.anchor.close()
    see_off(run.broker, serves_others=False)


def _concluded(summary: Summary, run: OpenedRun, *, check: bool) -> Summary:
    """Say how it ended and how to carry on; raise if something is left and that is wanted."""
    left = left_over(run.welcome.left)
    others = f"; other loads have left {left}" if left else ""
    if summary.outcome == "DONE" and not summary.parked:
        _say(summary, f"done: {summary.done:,} items{others}")
        return summary
    if summary.outcome == "DONE":
        failed = ItemsFailed(summary.name, summary.parked)
        _say(summary, f"{failed}{others}; retry them with: {_resume(summary, run, failed=True)}")
        error: PersistqError = failed
    else:
        left = (
            f"{summary.outstanding:,} outstanding" if summary.outstanding else "source unfinished"
        )
        _say(
            summary,
            f"{summary.reason}; {left}; carry on with: {_resume(summary, run)}",
        )
        error = LoadUnfinished(summary.name, summary.reason, summary.exit_code)
    error.told = True
    if check:
        raise error
    return summary


def _resume(summary: Summary, run: OpenedRun, *, failed: bool = False) -> str:
    load = summary.load_id if run.welcome.reopened else None
    return resume_command(summary.name, summary.journal, failed=failed, load=load)


def _say(summary: Summary, text: str) -> None:
    say(f"{summary.name}: {text}")
