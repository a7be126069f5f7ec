"""Examples of the documentation: where they are, and what they may take for granted."""

from __future__ import annotations

import doctest
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import unsl_tracking as ut

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]*) -->\n)?(?P<indent> *)```(?P<language>python|pycon)\n"
    r"(?P<code>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)


class Example(NamedTuple):
    """A block of code: its first line in the page, its language, why it is not run if it is not."""

    line: int
    language: str
    code: str
    why_not: str


def pages() -> list[Path]:
    """README and every page, by name; none where a wheel is tested away from the source."""
    return sorted([*ROOT.glob("README.md"), *ROOT.glob("docs/*.md")])


def examples_of(page: Path) -> list[Example]:
    """Blocks of Python in a page, in order. `<!-- not run: why -->` before one leaves it out."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in _FENCE.finditer(text):
        line = text[: block.start("code")].count("\n")
        indent = block["indent"]
        code = re.sub(rf"^{indent}", "", block["code"], flags=re.MULTILINE)
        language = "pycon" if code.startswith(">>>") else "python"
        found.append(Example(line, language, code, block["why"] or ""))
    return found


def given() -> dict[str, Any]:
    """What examples go on from: the ladder of the quick start, and somebody's training."""
    rng = np.random.default_rng(0)
    rows = []
    for params in (1e7, 3e7, 1e8, 3e8, 1e9):
        for tokens in (5e8, 2e9, 6e9, 2e10):
            loss = 1.69 + 406 * params**-0.34 + 411 * tokens**-0.28
            rows.append((params, tokens, loss * np.exp(rng.normal(scale=0.004))))
    frame = pd.DataFrame(rows, columns=["params", "tokens", "val_loss"])
    more = pd.DataFrame([(2e9, 4e10, 2.398)], columns=frame.columns)
    names = {"ut": ut, "np": np, "pd": pd, "frame": frame, "more_rows": more}
    return {**names, "val_loss": 3.0}


def run(example: Example, page: str, names: dict[str, Any]) -> str:
    """Run a block in these names; what failed, as text."""
    if example.language == "python":
        code = example.code
        if re.search(r"^\s+break$", code, re.MULTILINE) and not re.search(r"\bfor\b", code):
            code = "for _ in (0,):\n" + textwrap.indent(code, "    ")  # the body of somebody's loop
        exec(compile("\n" * example.line + code, page, "exec"), names)  # noqa: S102
        return ""
    return check(example.code, page, names, example.line)


def check(text: str, where: str, names: dict[str, Any], line: int = 0) -> str:
    """Run the `>>>` lines of a text; what failed. The names that it defines stay."""
    test = doctest.DocTestParser().get_doctest(text, {}, where, where, line)
    test.globs = names
    told: list[str] = []
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    doctest.DocTestRunner(optionflags=options).run(test, out=told.append, clear_globs=False)
    return "".join(told)
