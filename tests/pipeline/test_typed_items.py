"""Handlers get what their first parameter says; what is not of that type is never stored."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from persistq import ItemsFailed, LoadUnfinished, Pipeline, To

from .conftest import MakeProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Order:
    """An item."""

    id: int
    price: float = 1.0


def ran(pipeline: Pipeline, place: Path, **options: Any) -> Any:
    """Run a pipeline inline."""
    return pipeline.run(journal=str(place), progress="none", **options)


def told(place: Path, column: str) -> list[Any]:
    """Return a column of what has failed, in order."""
    with closing(sqlite3.connect(place / "demo.db")) as connection:
        return [
            row[0]
            for row in connection.execute(f"SELECT {column} FROM failure ORDER BY failure_id")
        ]


def pipeline_of(items: Any, **options: Any) -> tuple[Pipeline, Callable[[Any], Any]]:
    """Return a pipeline with a source, and what decorates its stages."""
    pipeline = Pipeline("demo", workers=0, **options)
    pipeline.source(name="items")(lambda: items)
    return pipeline, pipeline.stage


def test_a_handler_gets_its_type_from_a_source_and_from_a_handler(tmp_path: Path) -> None:
    """Of dicts and of objects; pickles are not needed."""
    seen: list[Any] = []
    pipeline, stage = pipeline_of(["a/1", Path("b/2")], allow_pickle=False)

    @stage
    def read(path: Path) -> Iterator[Any]:
        seen.append(path)
        yield Order(int(path.name))
        yield {"id": int(path.name), "price": 2}

    @stage
    def store(order: Order) -> None:
        seen.append(order)

    ran(pipeline, tmp_path)
    orders = [[Path(name), Order(n), Order(n, 2.0)] for n, name in ((1, "a/1"), (2, "b/2"))]
    assert seen == [one for some in orders for one in some]


def test_a_wrong_item_ends_its_source_with_the_field(tmp_path: Path) -> None:
    """What it had yielded before is kept, and done by the next run."""
    seen: list[Order] = []
    items: list[Any] = [Order(1), {"id": 2, "price": "x"}]
    pipeline, stage = pipeline_of(items)

    @stage
    def load(order: Order) -> None:
        seen.append(order)

    with pytest.raises(LoadUnfinished) as caught:
        ran(pipeline, tmp_path)
    assert "item of stage 'load' is not an Order: `$.price`: Expected float, got str" in str(
        caught.value
    )
    items[1]["price"] = 3.0
    assert ran(pipeline, tmp_path).done == 2
    assert seen == [Order(1), Order(2, 3.0)]


def test_a_wrong_item_ends_a_source_that_is_asked(tmp_path: Path) -> None:
    """It is not asked again, as it is when it raises."""
    pipeline = Pipeline("demo", workers=0)
    asked: list[int] = []

    @pipeline.source(poll=True, retries=5, interval=0.01)
    def rows() -> list[Any]:
        asked.append(1)
        return [{"id": "x"}]

    @pipeline.stage
    def load(order: Order) -> None:
        raise AssertionError

    with pytest.raises(LoadUnfinished, match=r"is not an Order: `\$\.id`: Expected int, got str"):
        ran(pipeline, tmp_path)
    assert asked == [1]


@pytest.mark.parametrize("way", ["returns", "yields", "routes", "puts", "batches"])
def test_a_wrong_output_fails_its_item_with_the_field(tmp_path: Path, way: str) -> None:
    """However it goes on; the other items are done."""
    seen: list[Any] = []
    pipeline, stage = pipeline_of([1, "x", 3])

    if way == "batches":

        @stage(batch=3)
        def many(ids: list[Any]) -> list[Any]:
            return [{"id": one} for one in ids]

    else:

        @stage(puts="one" if way == "puts" else ())
        def one(id: Any) -> Any:  # noqa: A002 - the field's name
            if isinstance(id, Order):
                return None
            if way == "puts":
                return pipeline.put("load", {"id": id})
            made = {"returns": {"id": id}, "yields": iter([{"id": id}]), "routes": None}[way]
            return To("load", {"id": id}) if way == "routes" else made

    if way == "routes":
        stage(name="other", after="one")(lambda item: None)

    @stage(after="many" if way == "batches" else "one")
    def load(order: Order) -> None:
        seen.append(order)

    with pytest.raises(ItemsFailed):
        ran(pipeline, tmp_path)
    assert seen == [Order(1), Order(3)]
    assert told(tmp_path, "message") == [
        "item of stage 'load' is not an Order: `$.id`: Expected int, got str"
    ]


def test_batches_and_groups_get_their_items_rebuilt(tmp_path: Path) -> None:
    """Keys and groups are told by the item, whatever was given for it."""
    seen: list[Any] = []
    pipeline = Pipeline("demo", workers=0)

    @pipeline.source(key=lambda order: order.id)
    def rows() -> Iterator[Any]:
        yield from ({"id": n % 4, "price": n} for n in range(6))

    @pipeline.stage(batch=2)
    def many(orders: list[Order]) -> list[Order]:
        seen.extend(orders)
        return orders

    @pipeline.stage(group_by=lambda order: order.id % 2, group_size=lambda _: 2)
    def together(orders: list[Order]) -> None:
        seen.append({order.id for order in orders})

    ran(pipeline, tmp_path)
    assert [one for one in seen if isinstance(one, Order)] == [Order(n, float(n)) for n in range(4)]
    assert [one for one in seen if isinstance(one, set)] == [{0, 2}, {1, 3}]


def test_what_does_not_fit_a_new_type_is_parked_with_the_field(tmp_path: Path) -> None:
    """The program has changed between two runs, or somebody has edited the item."""
    items = [{"id": 1, "price": "1.5"}, {"id": 2, "price": 2.5}]
    pipeline, stage = pipeline_of(items)

    @stage
    def load(order: dict[str, Any]) -> None:
        raise ValueError("not yet")

    with pytest.raises(ItemsFailed):
        ran(pipeline, tmp_path, retries=0)
    seen: list[Order] = []
    again, stage = pipeline_of(items)

    @stage(name="load")
    def typed(order: Order) -> None:
        seen.append(order)

    with pytest.raises(ItemsFailed):
        ran(again, tmp_path, retries=0, retry_failed=True)
    assert seen == [Order(2, 2.5)]
    assert told(tmp_path, "message") == [
        *["not yet"] * 2,
        "item of stage 'load' is not an Order: `$.price`: Expected float, got str",
    ]


TYPED = """
    from dataclasses import dataclass
    from datetime import date
    import msgspec
    from typing import Annotated

    pipeline = Pipeline("demo", workers=2, allow_pickle=False)

    @dataclass
    class Order:
        id: Annotated[int, msgspec.Meta(ge=0)]
        day: date
        path: Path

    @pipeline.source
    def orders():
        for n in range(300):
            yield {"id": n, "path": "in/a", "day": "2026-01-02"} if n % 2 else Order(
                n, date(2026, 1, 2), Path("in/a"))

    @pipeline.stage
    def check(order: Order):
        assert (order.day, order.path) == (date(2026, 1, 2), Path("in/a"))
        yield order

    @pipeline.stage(batch=20, key="id")
    def store(orders: list[Order]):
        for order in orders:
            note(type(order).__name__, order.id)

    if __name__ == "__main__":
        pipeline.run()
"""


def test_types_go_into_every_process(program: MakeProgram) -> None:
    """Those of the script, with an annotation that cannot be pickled."""
    script = program(TYPED)
    ended = script.run(PERSISTQ_START_METHOD="spawn")
    assert ended.code == 0, ended.err
    assert script.counts == {f"Order {n}": 1 for n in range(300)}
    [codec] = set(script.rows("SELECT codec FROM put_block"))
    assert codec == 0
    assert json.dumps("in/a") in script.rows("SELECT data FROM put_block")[0].decode()
