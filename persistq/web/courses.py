"""What was recorded of a load's runs: that of runs that have ended is read once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from persistq.timings import StageTimes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from persistq.journal.reader import JournalReader
    from persistq.journal.run import Run
    from persistq.timings import Sample

RUNS: Final = 24
"""How many runs of a load are drawn: the last ones."""

_KEPT: Final = 256


class Course(NamedTuple):
    """What was recorded of one run.

    Attributes:
        samples: Where it stood, moment by moment.
        times: How long stages took.
    """

    samples: Sequence[Sample]
    times: Sequence[StageTimes]


class Courses:
    """Reads courses, and keeps those of runs that have ended; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Course] = OrderedDict()

    def of(self, reader: JournalReader, run: Run) -> Course:
        """Return the course of a run.

        Args:
            reader: Its journal.
            run: The run.
        """
        with self._lock:
            if (kept := self._kept.get(run.uuid)) is not None:
                return kept
        course = Course(reader.samples(run.run_id), reader.times(run.run_id))
        if run.ended_at is not None:
            self._keep(run, course)
        return course

    def _keep(self, run: Run, course: Course) -> None:
        with self._lock:
            self._kept[run.uuid] = course
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


def added_up(courses: Iterable[Course]) -> dict[int, StageTimes]:
    """Return how long each stage took in several runs together, by queue."""
    total: dict[int, StageTimes] = {}
    for times in (times for course in courses for times in course.times):
        stage = total.setdefault(times.queue_id, StageTimes(times.queue_id))
        stage.worked += times.worked
        stage.waited += times.waited
        stage.counts.update(times.counts)
    return total
