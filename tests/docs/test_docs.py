"""Every Python example of README and docs runs, and says what it is said to say."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import unsl_tracking as ut
from tests.docs.examples import ROOT, check, examples_of, given, pages, run

PAGES = pages()
# What a page takes for granted beside what all do.
IN_CONTEXT = {
    "backtest.md": "frame = frame.rename(columns={'tokens': 'step'}).assign(run_id=frame.params)",
}


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path) -> Iterator[None]:
    """Examples that write do so in a folder of their own."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield
    ut.detach()  # what an example attached must not watch the tests that follow
    os.chdir(before)


@pytest.mark.skipif(not PAGES, reason="no source tree: a wheel is being tested")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if examples_of(page)], ids=lambda page: page.name
)
def test_the_examples_of_a_page_run(page: Path) -> None:
    names = given()
    exec(IN_CONTEXT.get(page.name, ""), names)  # noqa: S102
    for example in examples_of(page):
        if example.why_not:
            continue
        failed = run(example, str(page), names)
        assert not failed, failed


@pytest.mark.skipif(not PAGES, reason="no source tree: a wheel is being tested")
def test_the_first_example_of_the_readme_needs_nothing_but_itself() -> None:
    names: dict[str, Any] = {}
    first = examples_of(ROOT / "README.md")[0]
    assert not run(first, "README.md", names)
    low, high = names["forecast"].interval(0.8)
    assert low < 1.69 + 406 * 7e9**-0.34 + 411 * 1.4e11**-0.28 < high


def documented() -> dict[str, str]:
    """Docstrings with examples of the package, of all that it exports, and of their methods."""
    found = {"unsl_tracking": ut.__doc__ or ""}
    for name in ut.__all__:
        value = getattr(ut, name)
        found[name] = inspect.getdoc(value) or ""
        if inspect.isclass(value):
            for method, member in vars(value).items():
                inner = getattr(member, "__func__", member)
                if not method.startswith("_") and callable(inner):
                    found[f"{name}.{method}"] = inspect.getdoc(inner) or ""
    return {name: text for name, text in found.items() if ">>>" in text}


@pytest.fixture(scope="module")
def ladder() -> dict[str, Any]:
    """The law of the quick start, and its backtest, made once."""
    names = given()
    law = ut.fit(names["frame"], ["params", "tokens"], "val_loss")
    return {**names, "law": law.to_json(), "tested": law.backtest(design="size")}


@pytest.mark.parametrize("name", documented())
def test_the_examples_of_a_docstring_run(name: str, ladder: dict[str, Any]) -> None:
    names = {**ladder, "law": ut.FittedLaw.from_json(ladder["law"])}
    failed = check(documented()[name], f"ut.{name}", names)
    assert not failed, failed


def test_every_public_function_has_an_example() -> None:
    functions = {name for name in ut.__all__ if inspect.isfunction(getattr(ut, name))}
    assert functions <= documented().keys()


@pytest.mark.skipif(not PAGES, reason="no source tree: a wheel is being tested")
def test_the_page_of_the_command_line_lists_every_command() -> None:
    from unsl_tracking.cli.app import app

    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `unsl ([\w-]+)`", page, re.MULTILINE))
    assert listed == set(getattr(typer.main.get_command(app), "commands"))  # noqa: B009


def test_whoever_asks_for_a_scale_says_which_letters_a_number_may_end_in() -> None:
    from unsl_tracking.cli.app import app
    from unsl_tracking.runs.numbers import SUFFIXES

    commands = getattr(typer.main.get_command(app), "commands")  # noqa: B009
    helps = [
        option.help
        for command in commands.values()
        for option in command.params
        if option.name == "at"
    ]
    assert len(helps) >= 5
    for text in helps:
        letters = re.findall(r"\b[A-Za-z]\b", text.partition("Numbers may end in")[2])
        assert {letter.lower() for letter in letters} == set(SUFFIXES)
