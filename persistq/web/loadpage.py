"""The page of one load: how far it is, how fast, who works on it, and what went wrong last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from markupsafe import Markup

from persistq.cli.pointing import names_in
from persistq.cli.shape import shape_in_words, targets_of
from persistq.cli.show import error_in_words
from persistq.cli.standing import brief, in_hand, next_command, standing_of
from persistq.cli.workers import WORKING, lines_of
from persistq.errors import JournalMissing
from persistq.journal.route import RouteKind
from persistq.text.masking import masked_text
from persistq.text.payloads import in_brief, shortened
from persistq.web import chart
from persistq.web.bar import bar_of
from persistq.web.courses import RUNS, Courses, added_up
from persistq.web.durations import durations_of
from persistq.web.overview import CRUMB
from persistq.web.page import Crumb, Page, number_in, path_to
from persistq.web.rendering import rendered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from persistq.cli.pointing import Names
    from persistq.cli.standing import Standing
    from persistq.cli.workers import Line
    from persistq.journal.queuerow import QueueRow
    from persistq.journal.reader import FailedAttempt, JournalReader
    from persistq.journal.run import Run
    from persistq.journal.view import JournalView
    from persistq.web.courses import Course
    from persistq.web.journals import Journals
    from persistq.web.page import Query

WORKERS: Final = 64
ENDED_WORKERS: Final = 8
FAILURES: Final = 5
SLOW: Final = 10
RUNS_LISTED: Final = 20
LOADS_LISTED: Final = 20

_ITEM_WIDTH: Final = 120
_ERROR_WIDTH: Final = 300


class Scene(NamedTuple):
    """A load, and what all pieces of its page ask for.

    Attributes:
        reader: Its journal.
        standing: The load.
        names: What its items are called.
        runs: Its runs, oldest first.
        rate: Items a second lately, if it is known.
        load: Its number if it was asked for by that, or None.
        typed: The directory as it was typed.
    """

    reader: JournalReader
    standing: Standing
    names: Names
    runs: list[Run]
    rate: float | None
    load: int | None
    typed: str | None

    @property
    def view(self) -> JournalView:
        """The load, its last run and its queues."""
        return self.standing.view

    def path(self, *below: str, **query: object) -> str:
        """Return the path of a page about this load."""
        return path_to(self.view.name, *below, load=self.load, **query)

    def item(self, item_id: int) -> str:
        """Return the path of the page of an item."""
        return path_to(self.view.name, "items", self.names.full(item_id))


def load_page(journals: Journals, courses: Courses, name: str, query: Query) -> Page:
    """Return the page of a load.

    Args:
        journals: All journals.
        courses: What was recorded of runs.
        name: The journal.
        query: ``load`` is the number of a load other than the one that is shown by itself.

    Raises:
        UsageError: There is no such load.
        JournalError: The journal cannot be read.
    """
    load, look = number_in(query, "load"), journals.look(name)
    with journals.reader(name) as reader:
        standing = standing_of(reader.view(load))
        view = standing.view
        if view.load is None:
            raise JournalMissing(view.path, "no load was begun in it")
        runs = reader.runs(view.load.load_id)
        rate = look.rate if look is not None and standing.running else None
        names = names_in(reader, view)
        scene = Scene(reader, standing, names, runs, rate, load, journals.typed)
        parts = dict(_parts(scene, [courses.of(reader, run) for run in runs[-RUNS:]]))
    crumbs = (CRUMB, Crumb(name))
    body = rendered("load.html", {"parts": parts})
    return Page(name, crumbs, body, parts)


def _parts(scene: Scene, courses: list[Course]) -> Iterator[tuple[str, Markup]]:
    stages = {row.queue_id: row.name for row in scene.view.worked_on}
    samples = [course.samples for course in courses if course.samples]
    rates = chart.rates(samples, stages)
    yield "head", rendered("load_head.html", _head(scene, rates))
    yield "stages", rendered("load_stages.html", {"stages": [*_stages(scene)], "scene": scene})
    yield "rate", _drawn("rate", "Items a second", rates)
    yield "memory", _drawn("memory", "Memory", chart.memory(samples, stages))
    yield "durations", rendered("load_durations.html", {"rows": _durations(scene, courses)})
    yield "workers", rendered("load_workers.html", _workers(scene))
    yield "failures", rendered("load_failures.html", _failures(scene))
    yield "slow", rendered("load_slow.html", {"rows": [*_slow(scene)]})
    yield "runs", rendered("load_runs.html", _runs(scene))
    yield "about", rendered("load_about.html", _about(scene))


def _head(scene: Scene, rates: chart.Chart) -> dict[str, Any]:
    view, standing = scene.view, scene.standing
    whole = bar_of(view.worked_on)
    return {
        "standing": standing,
        "view": view,
        "bar": whole,
        "rate": scene.rate,
        "left": _left(scene, rates),
        "next": next_command(standing, scene.typed, named=scene.load is not None),
        "path": scene.path,
        "loads": scene.reader.loads()[-LOADS_LISTED:][::-1],
        "load_path": lambda number: path_to(view.name, load=number),
    }


def _left(scene: Scene, rates: chart.Chart) -> float | None:
    """Return for about how many seconds there is work; None while more of it may come to be put.

    What waits in front of the slowest stage decides.
    """
    rows = scene.view.worked_on
    if not scene.standing.running or not rows or rows[0].sealed_total is None:
        return None
    spans = [row.outstanding / rate for row in rows if (rate := rates.lately(row.name))]
    return max(spans, default=None)


def _stages(scene: Scene) -> Iterator[dict[str, Any]]:
    view = scene.view
    for row in view.queues:
        yield {
            "row": row,
            "bar": bar_of([row]),
            "feeds": targets_of(view, row, RouteKind.FEEDS),
            "passes": targets_of(view, row, RouteKind.PASSES),
            "puts": targets_of(view, row, RouteKind.PUTS),
            "is_result": row not in view.worked_on,
            "waits": masked_text(row.held) if scene.standing.running else "",
            "items": scene.path("items", stage=row.name),
            "failures": scene.path("failures", stage=row.name),
        }


def _drawn(key: str, title: str, made: chart.Chart) -> Markup:
    return rendered("chart.html", {"key": key, "title": title, "chart": made})


def _durations(scene: Scene, courses: list[Course]) -> list[object]:
    times = added_up(courses)
    return [
        durations_of(row.name, times[row.queue_id])
        for row in scene.view.worked_on
        if row.queue_id in times
    ]


def _workers(scene: Scene) -> dict[str, Any]:
    view = scene.view
    rows = scene.reader.workers(view.run.run_id) if view.run is not None else []
    lines = lines_of(rows, scene.standing, scene.names)
    working = [line for line in lines if line.state == WORKING]
    ended = [line for line in lines if line.state not in {WORKING, "left"}]
    return {
        "lines": [*map(_worker(scene), [*working[:WORKERS], *ended[-ENDED_WORKERS:]])],
        "working": len(working),
        "left": sum(line.state == "left" for line in lines),
        "died": len(ended),
    }


def _worker(scene: Scene) -> Any:
    now, since = time.monotonic(), {it.pid: it.since for it in in_hand(scene.standing)}

    def shown(line: Line) -> dict[str, Any]:
        began = since.get(line.row.peer.pid) if line.item else None
        path = path_to(scene.view.name, "items", line.item, load=scene.load) if line.item else ""
        return {
            "line": line,
            "is_working": line.state == WORKING,
            "path": path,
            "at_it": max(0.0, now - began) if began else None,
        }

    return shown


def _failures(scene: Scene) -> dict[str, Any]:
    found = scene.reader.latest_failures(scene.view.queues, FAILURES)
    return {
        "rows": [_failure(scene, attempt) for attempt in found],
        "parked": scene.view.parked,
        "path": scene.path("failures"),
    }


def _failure(scene: Scene, attempt: FailedAttempt) -> dict[str, Any]:
    item = attempt.item
    return {
        "at": attempt.at,
        "name": scene.names.of(attempt.failure.item_id),
        "path": scene.item(attempt.failure.item_id),
        "error": shortened(error_in_words(attempt.failure), _ERROR_WIDTH),
        "item": in_brief(item.codec, item.payload, _ITEM_WIDTH) if item is not None else "",
    }


def _slow(scene: Scene) -> Iterator[dict[str, Any]]:
    found = [slow for row in scene.view.queues for slow in scene.reader.slow_items(row.queue_id)]
    for slow in sorted(found, key=lambda it: -it.seconds)[:SLOW]:
        one = next(scene.reader.items(slow.item_id, slow.item_id), None)
        yield {
            "seconds": slow.seconds,
            "name": scene.names.of(slow.item_id),
            "path": scene.item(slow.item_id),
            "item": in_brief(one.item.codec, one.item.payload, _ITEM_WIDTH) if one else "",
        }


def _runs(scene: Scene) -> dict[str, Any]:
    latest = scene.runs[-1] if scene.runs else None

    def result(run: Run) -> str:
        if run.result is not None:
            return run.result.value
        return "running" if scene.standing.running and run is latest else "killed"

    rows = [
        {
            "run": run,
            "result": result(run),
            "took": run.ended_at - run.started_at if run.ended_at is not None else None,
            "reason": masked_text(run.reason),
        }
        for run in scene.runs[-RUNS_LISTED:][::-1]
    ]
    return {"rows": rows, "more": len(scene.runs) - len(rows)}


def _about(scene: Scene) -> dict[str, Any]:
    view, run = scene.view, scene.view.run
    return {
        "view": view,
        "shape": shape_in_words(view),
        "command": brief(run.command) if run is not None else "",
        "cwd": run.command.cwd if run is not None else "",
        "left_out": [*_left_out(view.queues)],
    }


def _left_out(queues: Iterable[QueueRow]) -> Iterator[str]:
    for row in queues:
        if row.duplicates or row.skipped:
            twice, before = f"{row.duplicates:,}", f"{row.skipped:,}"
            yield f"{row.name}: {twice} duplicates, {before} done by earlier loads"
