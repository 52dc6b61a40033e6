"""The type of a stage's items: it decides how they are stored, and is checked when they are put."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, is_typeddict
from uuid import UUID

from persistq.errors import ItemNotValid
from persistq.pipeline.annotations import decides, item_annotation
from persistq.pipeline.jsonform import form_of, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persistq.pipeline.jsonform import JsonForm
    from persistq.pipeline.stage import Stage

_MODULES: Final = re.compile(r"\b(?:\w+\.|<locals>\.)+(?=\w)")

# Of these msgspec says itself what is wrong, and a moment is no day.
_NATIVE: Final = (date, Decimal, UUID)

_BY_IDENTITY: Final[Any] = object.__eq__


class ItemType:
    """What the items of a stage are, as its handler says.

    Args:
        stage: The stage.
        handler: Its handler.
        listed: Whether that gets its items in lists.
        annotation: The type of one item.
        form: How that is stored.
    """

    def __init__(
        self,
        stage: str,
        handler: Callable[..., Any],
        *,
        listed: bool,
        annotation: Any,
        form: JsonForm,
    ) -> None:
        self.stage = stage
        self.name = _name(annotation)
        self._told = stage, handler, listed
        self._form = form
        self._instances = _class_of(annotation)

    def __reduce__(self) -> Any:
        # Annotations cannot be pickled, some of them; what has them can.
        return item_type, self._told

    def item(self, value: Any) -> Any:
        """Return the item that is given: itself, or plain values that make one.

        Raises:
            ItemNotValid: It is none.
        """
        if isinstance(value, self._instances):
            return value
        try:
            return self._form.of_given(value)
        except Exception as error:  # what makes an item may be the user's
            raise self._refused(error) from error

    def encoded(self, item: Any) -> bytes | None:
        """Return an item as JSON; None where that would lose something.

        Raises:
            ItemNotValid: One of its fields is wrong.
        """
        try:
            payload, rebuilt = self._form.encoded(item)
        except Exception:  # noqa: BLE001 - it is wrong, or has what JSON cannot hold, such as NaN
            self._check(item)
            return None
        return payload if _equal(rebuilt, item) else None

    def decoded(self, payload: bytes) -> Any:
        """Return the item that is stored as JSON.

        Raises:
            ItemNotValid: It is not of this type.
        """
        try:
            return self._form.decode(payload)
        except ValueError as error:
            raise self._refused(error) from error

    def rebuilt(self, values: Any) -> Any:
        """Return the item of what has been read from JSON.

        Raises:
            ItemNotValid: It is not of this type.
        """
        try:
            return self._form.of_values(values)
        except ValueError as error:
            raise self._refused(error) from error

    def _check(self, item: Any) -> None:
        try:
            self._form.check(item)
        except RecursionError:
            return  # it holds itself
        except Exception as error:
            raise self._refused(error) from error

    def _refused(self, error: BaseException) -> ItemNotValid:
        return ItemNotValid(self.stage, self.name, wrong(error))


def item_type(stage: str, handler: Callable[..., Any], listed: bool) -> ItemType | None:
    """Return the type of the items of a stage.

    None if the handler says none that decides how they are stored, as with numbers and arrays, or
    none that is known when the program runs.

    Args:
        stage: The stage.
        handler: Its handler.
        listed: Whether that gets its items in lists.
    """
    annotation = item_annotation(handler, listed=listed)
    form = form_of(annotation) if decides(annotation) else None
    if form is None:
        return None
    return ItemType(stage, handler, listed=listed, annotation=annotation, form=form)


def types_of(stages: Sequence[Stage]) -> dict[str, ItemType]:
    """Return the types of items by stage, where a handler says one."""
    found = {stage.name: type_of(stage) for stage in stages if not stage.hook}
    return {name: known for name, known in found.items() if known is not None}


def type_of(stage: Stage) -> ItemType | None:
    """Return the type of the items of a stage, None if its handler says none."""
    listed = stage.batching is not None or stage.grouping is not None
    return item_type(stage.name, stage.handler, listed)


def _class_of(annotation: Any) -> tuple[type, ...]:
    """Return the class whose objects are items as they are; none if they have to be looked at."""
    if not isinstance(annotation, type) or is_typeddict(annotation):
        return ()
    return () if issubclass(annotation, _NATIVE) else (annotation,)


def _name(annotation: Any) -> str:
    if isinstance(annotation, type):
        return annotation.__name__
    return _MODULES.sub("", str(annotation))


def _equal(one: Any, other: Any) -> bool:
    """Return whether two objects are equal; those that are equal to themselves alone may be."""
    kind: Any = type(one)
    return kind is type(other) and (kind.__eq__ is _BY_IDENTITY or bool(one == other))
