"""An axis: a name, where its numbers come from, and how the law is to treat it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from unsl_tracking.errors import AxisError, DataError
from unsl_tracking.runs.expression import Expression, parse_expression
from unsl_tracking.runs.names import Kind, kind_of

Place = Literal["param", "config", "tag", "metric", "step"]
PLACES: Final[tuple[Place, ...]] = get_args(Place)
"""Where the numbers of a bare name are looked for, in this order."""

RESERVED: Final = frozenset({"run_id", "group", "count"})
_GUESS: Final = cast("Kind", "")
_NAMED = re.compile(r"\s*(?P<name>[^=]+?)\s*(?:\[(?P<kind>\w*)\]\s*)?=\s*(?P<source>.*\S)\s*")
_OF_A_KIND = re.compile(rf"\s*(?P<name>[\w./-]+)\s*\[(?P<kind>{'|'.join(get_args(Kind))})\]\s*")
_PLAIN = re.compile(r"[\w.]+")
_HOW: Final = 'Write for example: params, tokens=metric:tokens_seen, or tokens="batch_size * step".'


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a law.

    `source` says where its numbers come from: `param:key`, `config:key`, `tag:key`, `metric:key`
    (a value along the run), `step` (of the metric that is forecast), or `expr:` and arithmetic
    over any of these (see `expression`; names in it may carry such a prefix in backquotes).
    Text without a prefix is arithmetic too. None looks for `name` in `PLACES`, in that order.

    `kind` is `scale` (more of it helps along a power law), `hyper` (it has a best value) or
    `repeat` (passes over the same data); when left out it is guessed from the name, see `names`.

    Examples:
        >>> ut.Axis("tokens", source="metric:tokens_seen").kind
        'scale'
        >>> ut.Axis("learning_rate").kind
        'hyper'
        >>> seen = ut.Axis("tokens", source="batch_size * step * seq_len")
    """

    name: str
    source: str | None = None
    kind: Kind = _GUESS

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise AxisError("An axis must have a name", got=self.name, next_step=_HOW)
        if self.name in RESERVED:
            raise AxisError(
                f"An axis may not be called {', '.join(sorted(RESERVED))}",
                got=self.name,
                next_step=f"Give it another name: n_{self.name}={self.source or self.name}.",
            )
        if self.kind not in (_GUESS, *get_args(Kind)):
            raise AxisError(
                f"The kind of an axis must be one of {', '.join(get_args(Kind))}", got=self.kind
            )
        if self.kind == _GUESS:
            object.__setattr__(self, "kind", kind_of(self.name))
        self.expression()  # so that a source that cannot be read fails here

    @classmethod
    def parse(cls, text: str) -> Axis:
        """Read `name`, `name=source`, both with `name[kind]`, or bare arithmetic.

        Arithmetic without a name is called by its own text.
        """
        if (named := _OF_A_KIND.fullmatch(text)) is not None:
            return cls(named["name"], None, cast("Kind", named["kind"]))
        found = _NAMED.fullmatch(text)
        if found is None:
            text = text.strip()
            if "=" in text:
                rule = "`=` must stand between a name and a source"
                raise AxisError(rule, got=text, next_step=_HOW)
            return cls(text, None if _is_name(text) else f"expr:{text}")
        kind = cast("Kind", found["kind"] or _GUESS)
        return cls(found["name"], found["source"], kind)

    def expression(self) -> Expression | None:
        """The arithmetic to evaluate, or None when the numbers are taken from one place."""
        if self.source is None or place_of(self.source) is not None:
            return None
        text = self.source.removeprefix("expr:")
        try:
            return parse_expression(text)
        except DataError as error:
            raise AxisError(
                f"The axis `{self.name}` cannot be read: {error.rule}",
                got=error.got,
                next_step=error.next_step,
            ) from error

    def __str__(self) -> str:
        return self.name if self.source in (None, self.name) else f"{self.name} = {self.source}"


def place_of(source: str) -> tuple[Place, str] | None:
    """Place and key of `param:lr` or `step`; None for arithmetic and bare names."""
    if source == "step":
        return "step", ""
    place, colon, key = source.partition(":")
    if colon and key and place in PLACES and place != "step":
        return cast("Place", place), key
    return None


def as_axes(axes: Iterable[str | Axis] | str | Axis) -> tuple[Axis, ...]:
    """Axes from names, `name=source` texts or `Axis`. Raises `AxisError` for none or a repeat."""
    if isinstance(axes, (str, Axis)):
        axes = [axes]
    result = tuple(Axis.parse(each) if isinstance(each, str) else each for each in axes)
    if not result:
        raise AxisError("There must be an axis", got=[], next_step=_HOW)
    _check_different([axis.name for axis in result])
    return result


def _check_different(names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise AxisError("Every axis must have a name of its own", got=", ".join(repeated))


def _is_name(text: str) -> bool:
    """True for what can only be a key: `params`, `model/hidden-size`; false for arithmetic.

    `a/b` and `a-b` are read as names: keys of that form are common, and dividing two axes without
    spaces around the sign is not.
    """
    return _PLAIN.fullmatch(text) is not None or not re.search(r"[*+()`]|\s[-/]\s", text)
