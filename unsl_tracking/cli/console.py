"""Where text goes: results to stdout, everything else (progress, notes, errors) to stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

StageProgress = Callable[[str, int, int], None]


def out() -> Console:
    """Made anew for every command, so that it writes to the stdout of now."""
    return Console(highlight=False)


def err() -> Console:
    """The same for stderr."""
    return Console(stderr=True, highlight=False)


def plain(text: object, limit: int = 200) -> str:
    """Untrusted text on one line, without control characters or rich markup."""
    line = " ".join(str(text).split())
    line = "".join(char if char.isprintable() else "�" for char in line)
    return escape(line if len(line) <= limit else line[: limit - 1] + "…")


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
