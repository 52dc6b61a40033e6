"""Names of journals, and parameters in them."""

from __future__ import annotations

import pytest

from persistq.errors import UsageError
from persistq.site.naming import fields_of, filled, fits


def test_a_name_is_filled_with_parameters() -> None:
    """Each as often as it stands there; a name without any is itself."""
    values = {"day": "2024-01-01", "n": 3}
    assert filled("sales-{day}-{n}.{n}", values) == "sales-2024-01-01-3.3"
    assert filled("sales", values) == "sales"
    assert fields_of("sales-{day}-{n}") == ["day", "n"]


@pytest.mark.parametrize("values", [{}, {"day": None}])
def test_a_parameter_without_a_value_is_missing(values: dict[str, object]) -> None:
    """None is no name for anything."""
    with pytest.raises(UsageError, match="needs the parameter 'day'"):
        filled("sales-{day}", values)


@pytest.mark.parametrize("name", ["a{", "a}", "{}", "{0}", "{a.b}", "{a!r}", "{a:>3}", "{{a}}"])
def test_braces_hold_the_name_of_a_parameter(name: str) -> None:
    """Nothing of what Python's own formatting allows."""
    with pytest.raises(UsageError, match="between braces stands the name of a parameter"):
        fields_of(name)


def test_a_name_fits_what_it_may_have_come_of() -> None:
    """So a command can name a load whose program knows its pattern only."""
    assert fits("sales-{day}", "sales-2024-01-01")
    assert not fits("sales-{day}", "sales-")
    assert not fits("sales.{day}", "sales-x")
    assert not fits("sales", "sales-x")
