"""Reads the small languages of the command line: lists, and points such as `params=7e9`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unsl_tracking.errors import DataError
from unsl_tracking.runs.numbers import read_number

_OPEN, _CLOSE = "([", ")]"


def split_list(values: Iterable[str] | None) -> list[str]:
    """Items of options that may be repeated and hold several values split by commas.

    Commas inside brackets or backquotes belong to the item (`size=max(width, depth)`).
    """
    items: list[str] = []
    for value in values or ():
        depth, quoted, item = 0, False, ""
        for char in value:
            if char == "`":
                quoted = not quoted
            depth += (char in _OPEN) - (char in _CLOSE)
            if char == "," and depth <= 0 and not quoted:
                items.append(item)
                item = ""
            else:
                item += char
        items.append(item)
    return [item.strip() for item in items if item.strip()]


def read_point(option: str, values: Sequence[str] | None) -> dict[str, float] | None:
    """`{"params": 7e9}` from `params=7B`; None when the option was not given.

    Raises `DataError` for anything else than NAME=NUMBER with a positive number, or a repeat.
    """
    items = split_list(values)
    if not items:
        return None
    point: dict[str, float] = {}
    for item in items:
        name, equals, text = (part.strip() for part in item.rpartition("="))
        number = read_number(text)
        if not equals or not name or number is None or number <= 0:
            raise DataError(
                f"{option} must be NAME=NUMBER with a positive number",
                got=item,
                next_step=f"Write for example {option} params=7e9,tokens=140G.",
            )
        if name in point:
            raise DataError(f"{option} may name an axis once", got=f"{name} twice")
        point[name] = number
    return point


def read_number_lists(option: str, values: Sequence[str] | None) -> dict[str, list[float]]:
    """`{"params": [1e9, 2e9]}` from `params=1e9:2e9`; empty when the option was not given.

    Raises `DataError` for anything else than NAME=NUMBER:NUMBER:… with positive numbers.
    """
    lists: dict[str, list[float]] = {}
    for item in split_list(values):
        name, equals, text = (part.strip() for part in item.rpartition("="))
        numbers = [read_number(part) for part in text.split(":")]
        known = [number for number in numbers if number is not None and number > 0]
        if not equals or not name or len(known) < len(numbers) or name in lists:
            raise DataError(
                f"{option} must be NAME=NUMBER:NUMBER:…, positive numbers, a name once",
                got=item,
                next_step=f"Write for example {option} params=1e9:2e9.",
            )
        lists[name] = known
    return lists


def read_ranges(option: str, values: Sequence[str] | None) -> dict[str, tuple[float, float]]:
    """`{"params": (1e9, 1e11)}` from `params=1e9:1e11`; empty when the option was not given.

    Raises `DataError` as `read_number_lists`, and for more or fewer numbers than two.
    """
    ranges: dict[str, tuple[float, float]] = {}
    for name, numbers in read_number_lists(option, values).items():
        if len(numbers) != 2:
            raise DataError(f"{option} takes a lowest and a highest value", got=f"{name}={numbers}")
        ranges[name] = (numbers[0], numbers[1])
    return ranges
