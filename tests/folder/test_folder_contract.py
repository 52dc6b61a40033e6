"""A folder keeps the contract of queues, but for what only a journal can know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from values import Values

from persistq.testing import Check, queue_contract_checks

OF_JOURNALS = {
    "what_is_put_again_is_absorbed": "what was put is not compared with what was put before",
    "items_in_another_order_are_absorbed": "the same",
    "load_without_a_seal_stays_open": "the same; the folder is carried on",
    "equal_looking_items_are_not_mixed_up": "the same",
    "failed_load_is_carried_on": "the same: it is put twice",
    "fresh_begins_a_new_load": "files that wait are not left out; who wants that moves them away",
    "held_back_items_wait_for_their_release": "the same",
    "held_back_items_of_a_sealed_load_are_not_done": "the same",
    "item_that_is_retried_is_handed_out_again": "no attempts are counted, so there are no retries",
    "item_is_parked_when_its_retries_are_used_up": "the same",
    "queue_without_retries_parks_at_once": "the same",
    "retry_waits_for_its_time_and_others_do_not": "the same",
    "retry_that_does_not_count_uses_nothing_up": "the same",
    "task_retry_takes_the_oldest_or_the_named_item": "the same",
    "attempts_are_counted_over_all_runs": "the same",
}
"""Rules that do not hold for a folder, and why."""

CHECKS = [check for check in queue_contract_checks() if check.name not in OF_JOURNALS]


def _opened(path: Path, maxsize: int = 0, **_: bool) -> Values:
    return Values(path, producer="work", ready_max=maxsize, poll=0.02)


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_a_folder_keeps_the_contract_of_queues(check: Check[Any], tmp_path: Path) -> None:
    """Each rule holds for `FolderQueue`."""

    @contextmanager
    def make() -> Iterator[Callable[..., Any]]:
        yield partial(_opened, tmp_path / "in")

    check(make)
