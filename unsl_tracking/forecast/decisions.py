"""How `law.allocate(…)` and `law.next_runs(…)` reach `decide`, which stands further right.

A forecast may not import a decision: the arrow of the house plan goes the other way. So decisions
are pure functions of a law (`decide.allocate(law, …)`), each registers itself here when the package
is imported, and the law's methods are one line each that look it up. Compared with hanging methods
into the class from outside, `help` and type checkers see real methods; compared with an import
inside the method, the direction holds at run time too. Only the types of the results are named in
`fitted_law.py`, for type checkers alone (`ignore_imports` in pyproject.toml).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
_DECISIONS: Final[dict[str, Callable[..., Any]]] = {}


def decision(function: F) -> F:
    """Register a pure function of a law under its own name; returns it unchanged."""
    _DECISIONS[function.__name__] = function
    return function


def decision_named(name: str) -> Callable[..., Any]:
    """The function that was registered under this name."""
    return _DECISIONS[name]
