"""Safe arithmetic over names: `batch_size * step * seq_len`.

    sum     = product  { ("+" | "-") product }
    product = sign     { ("*" | "/") sign }
    sign    = ("-" | "+") sign  |  power
    power   = atom [ "**" sign ]
    atom    = number | name | function "(" sum { "," sum } ")" | "(" sum ")"

A name is letters, digits, `_`, and dots between them; any other name stands in backquotes:
`` `model/hidden-size` * 2 ``. Functions are `log` (natural), `sqrt`, `min` and `max`.

The text comes from command lines and reports, so it is parsed here and never given to Python.
It becomes a list of operations for a stack, which evaluates whole NumPy arrays at once; dividing
by zero and the like gives inf or NaN and no warning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unsl_tracking.errors import DataError

LONGEST: Final = 500  # characters
DEEPEST: Final = 40  # parentheses, signs and powers within each other
LARGEST_POWER: Final = 100.0  # a number after `**`
HOW: Final = "Write for example: batch_size * step * seq_len, or 6 * params * tokens."

_Array = NDArray[np.float64]
_BINARY: Final[dict[str, Callable[[_Array, _Array], _Array]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
}
_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., _Array]]]] = {  # how many arguments at least
    "log": (1, np.log),
    "sqrt": (1, np.sqrt),
    "min": (2, np.minimum),
    "max": (2, np.maximum),
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<name>[^\W\d]\w*(?:\.\w+)*)"
    r"|`(?P<quoted>[^`]+)`"
    r"|(?P<sign>\*\*|[-+*/(),]))"
)


class _Step(NamedTuple):
    """One operation on the stack: push a number, push a name, or apply something to the top."""

    what: str  # "number", "name", "negate", a key of _BINARY or of _FUNCTIONS
    of: float | str | int = 0  # the number, the name, or how many arguments a function has


@dataclass(frozen=True, slots=True)
class Expression:
    """Parsed arithmetic. `names` are the names in it, in the order in which they come."""

    text: str
    names: tuple[str, ...]
    _steps: tuple[_Step, ...] = field(repr=False)

    def __call__(self, values: Mapping[str, ArrayLike]) -> _Array:
        """Evaluate over numbers or arrays that broadcast; `DataError` for an unknown name."""
        stack: list[_Array] = []
        with np.errstate(all="ignore"):
            for what, of in self._steps:
                if what == "number":
                    stack.append(np.asarray(of, dtype=np.float64))
                elif what == "name":
                    stack.append(np.asarray(_look_up(str(of), values, self.text), dtype=np.float64))
                elif what == "negate":
                    stack.append(-stack.pop())
                elif what in _BINARY:
                    right, left = stack.pop(), stack.pop()
                    stack.append(_BINARY[what](left, right))
                else:
                    _apply(what, int(of), stack)
        return np.asarray(stack.pop())


def parse_expression(text: str) -> Expression:
    """Parse, or raise a `DataError` that says where the text stops making sense."""
    if len(text) > LONGEST:
        raise DataError(
            f"An expression may have {LONGEST} characters", got=len(text), next_step=HOW
        )
    parser = _Parser(text)
    parser.sum(0)
    if parser.at < len(parser.tokens):
        raise parser.error("an operator (+ - * / **)")
    names = dict.fromkeys(str(step.of) for step in parser.steps if step.what == "name")
    return Expression(text.strip(), tuple(names), tuple(parser.steps))


def near_names(name: str, known: Iterable[str]) -> str:
    """A sentence that lists the known names most like `name`, or the first few of them."""
    known = list(dict.fromkeys(known))
    near = closest(name, known)
    if near:
        return f"Near it: {', '.join(near)}."
    rest = f" and {len(known) - 12} more" if len(known) > 12 else ""
    return f"Known: {', '.join(known[:12])}{rest}." if known else "Nothing is known here."


def closest(name: str, known: Iterable[str]) -> list[str]:
    """The known names most like `name` or containing it, five at most; none where none is."""
    known = list(dict.fromkeys(known))
    lower = {each.lower(): each for each in known}
    near = [lower[each] for each in get_close_matches(name.lower(), lower, n=5, cutoff=0.5)]
    parts = [each for each in known if name.lower() in each.lower() and each not in near]
    return (near + parts)[:5]


def _look_up(name: str, values: Mapping[str, ArrayLike], text: str) -> ArrayLike:
    try:
        return values[name]
    except KeyError:
        raise DataError(
            f"Every name in `{text}` must be known",
            got=name,
            next_step=near_names(name, [str(each) for each in values]),
        ) from None


def _apply(function: str, count: int, stack: list[_Array]) -> None:
    arguments = [stack.pop() for _ in range(count)][::-1]
    _, apply = _FUNCTIONS[function]
    result = arguments[0] if count > 1 else apply(arguments[0])
    for argument in arguments[1:]:
        result = apply(result, argument)
    stack.append(result)


class _Parser:
    """Recursive descent over the grammar in the module's docstring; emits postfix steps."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []  # (kind, text, position)
        self.steps: list[_Step] = []
        self.at = 0
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if found is None:
                position += len(text[position:]) - len(text[position:].lstrip())
                raise self.error("a number, a name or one of + - * / ** ( ) ,", position)
            kind = str(found.lastgroup)
            self.tokens.append((kind, found[kind], found.start(kind)))
            position = found.end()

    def error(self, expected: str, position: int | None = None) -> DataError:
        """What should have come where."""
        if position is None:
            ended = self.at >= len(self.tokens)
            position = len(self.text) if ended else self.tokens[self.at][2]
        found = self.text[position:].strip()[:20] or "the end"
        return DataError(
            f"In `{self.text}`, {expected} must come at character {position + 1}",
            got=found,
            next_step=HOW,
        )

    def take(self, *signs: str) -> str:
        """The next token's text when it is one of these signs, else ""."""
        if self.at < len(self.tokens):
            kind, text, _ = self.tokens[self.at]
            if kind == "sign" and text in signs:
                self.at += 1
                return text
        return ""

    def sum(self, depth: int) -> None:
        self.product(depth)
        while sign := self.take("+", "-"):
            self.product(depth)
            self.steps.append(_Step(sign))

    def product(self, depth: int) -> None:
        self.sign(depth)
        while sign := self.take("*", "/"):
            self.sign(depth)
            self.steps.append(_Step(sign))

    def sign(self, depth: int) -> None:
        if depth > DEEPEST:
            raise DataError(
                f"An expression may be {DEEPEST} levels deep", got=self.text, next_step=HOW
            )
        sign = self.take("+", "-")
        if not sign:
            return self.power(depth)
        self.sign(depth + 1)
        if sign == "-":
            self.steps.append(_Step("negate"))

    def power(self, depth: int) -> None:
        self.atom(depth)
        if not self.take("**"):
            return
        self.sign(depth + 1)
        last = self.steps[-2] if self.steps[-1].what == "negate" else self.steps[-1]
        if last.what == "number" and float(last.of) > LARGEST_POWER:
            raise DataError(
                f"A power in `{self.text}` may be at most {LARGEST_POWER:g}", got=last.of
            )
        self.steps.append(_Step("**"))

    def atom(self, depth: int) -> None:
        if self.take("("):
            self.sum(depth + 1)
            self.close()
            return
        kind, text, _ = self.tokens[self.at] if self.at < len(self.tokens) else ("", "", 0)
        if kind == "number":
            self.number(text)
        elif kind in {"name", "quoted"}:
            self.at += 1
            if kind == "name" and self.take("("):
                self.function(text, depth)
            else:
                self.steps.append(_Step("name", text))
        else:
            raise self.error("a number, a name or (")

    def number(self, text: str) -> None:
        try:
            number = float(text)
        except ValueError:  # 1__0
            raise self.error("a number") from None
        if not math.isfinite(number):
            raise self.error("a number that fits into a float")
        self.at += 1
        self.steps.append(_Step("number", number))

    def function(self, name: str, depth: int) -> None:
        if name not in _FUNCTIONS:
            raise DataError(
                f"A function in `{self.text}` must be one of {', '.join(_FUNCTIONS)}", got=name
            )
        count = 1
        self.sum(depth + 1)
        while self.take(","):
            self.sum(depth + 1)
            count += 1
        self.close()
        least, _ = _FUNCTIONS[name]
        if count < least or (least == 1 and count > 1):
            many = "one value" if least == 1 else "two values or more"
            raise DataError(f"`{name}` in `{self.text}` takes {many}", got=count)
        self.steps.append(_Step(name, count))

    def close(self) -> None:
        if not self.take(")"):
            raise self.error("a closing parenthesis")
