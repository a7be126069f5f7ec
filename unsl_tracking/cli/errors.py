"""One clean message per error, and the exit status that scripts rely on.

0    done
1    a tracker's error, data that cannot be forecast, or anything unexpected
2    the command line itself is wrong
130  interrupted (Ctrl-C)
"""

from __future__ import annotations

import os
import sys
from typing import Any, cast

import typer
from typer.core import TyperGroup

from unsl_tracking.cli.console import err, plain
from unsl_tracking.errors import TooLittleEvidence, UnslError

# typer's errors about the command line print themselves and exit with 2
_USAGE = cast("type[Exception]", typer.BadParameter.__base__)


class UsageError(UnslError):
    """The command line is wrong: exit status 2."""

    @classmethod
    def of(cls, error: UnslError) -> UsageError:
        """The same message, as an error of usage."""
        wrapped = cls(error.rule)
        wrapped.args = error.args
        return wrapped


class CleanErrors(TyperGroup):
    """A group of commands whose errors are one line on stderr, unless --debug asks for more."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command and translate what it raises."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            err().print("Interrupted. What was written so far is complete.")
            raise typer.Exit(130) from None
        except BrokenPipeError:  # `unsl … | head`: the reader has seen enough
            sys.stdout = open(os.devnull, "w")
            raise typer.Exit(0) from None
        except UnslError as error:
            if ctx.params.get("debug"):
                raise
            show_error(error)
            raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None
        except (typer.Exit, typer.Abort, _USAGE):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            if isinstance(error, OSError) and error.filename is not None:
                show_error(_unusable(error))
                raise typer.Exit(1) from None
            name = type(error).__name__
            err().print(f"[bold red]Error[/] unexpected {name}: {plain(error, 500)}")
            err().print("Run `unsl --debug …` for the traceback, and please report it.")
            raise typer.Exit(1) from None


def _unusable(error: OSError) -> UnslError:
    return UnslError(
        "A file or folder that is read or written must be usable",
        got=str(error.filename),
        next_step=f"{error.strerror}: check the path, its permissions and the space left.",
    )


def show_error(error: UnslError) -> None:
    """Rule, value and next step; for too little evidence also what there is."""
    console = err()
    console.print(f"[bold red]Error[/] {plain(error, 2000)}", soft_wrap=True)
    if isinstance(error, TooLittleEvidence) and error.known:
        known = ", ".join(f"{plain(k)}: {plain(v)}" for k, v in error.known.items())
        console.print(f"Known so far: {known}", soft_wrap=True)
