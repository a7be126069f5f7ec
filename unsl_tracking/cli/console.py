"""Where text goes: results to stdout, everything else (progress, notes, errors) to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

StageProgress = Callable[[str, int, int], None]


class _Out(Console):
    """A console that leaves a reader who went away (`unsl … | head`) to the command."""

    def on_broken_pipe(self) -> None:
        """Rich's own would exit with 1, which is an error here."""
        raise BrokenPipeError


def out() -> Console:
    """Made anew for every command, so that it writes to the stdout of now."""
    return _Out(highlight=False)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Goes on after the block, whose output nobody reads to its end (`unsl … | head`)."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")


def err() -> Console:
    """The same for stderr."""
    return Console(stderr=True, highlight=False)


def plain(text: object, limit: int = 200) -> str:
    """Untrusted text on one line, without control characters or rich markup."""
    line = " ".join(str(text).split())
    line = "".join(char if char.isprintable() else "�" for char in line)
    return escape(line if len(line) <= limit else line[: limit - 1] + "…")


def show_table(console: Console, table: Table) -> None:
    """Print a table whose columns that may not wrap (numbers) are never cut short.

    Where a terminal is too narrow for them their titles wrap, and then lines are longer than it: a
    number without its last digits is another number. Columns with a `max_width` (names) may shrink.
    """
    for column in table.columns:
        if column.no_wrap and column.max_width is None:
            cells = [Text.from_markup(str(cell)).cell_len for cell in column.cells]
            words = [len(word) for word in str(column.header).split()]
            column.min_width, column.no_wrap = max(1, *cells, *words), False
    console.print(table, crop=False)


@contextmanager
def progress_bars() -> Iterator[StageProgress]:
    """A callback (stage, done, total) that draws one bar per stage, on a terminal only."""
    console = err()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=32, complete_style="blue", finished_style="blue"),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(plain(stage), total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield update
