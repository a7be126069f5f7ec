"""What went wrong inside MLflow, as the errors of unsl_tracking.

MLflow raises `MlflowException` for everything from a misspelt filter to a dead server; the kind is
in `error_code`, in the exception it was raised from, and now and then only in the text.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from unsl_mlflow.uris import without_credentials
from unsl_tracking.errors import (
    NotFound,
    TrackerError,
    TrackerReadOnly,
    TrackerUnavailable,
    UnslError,
)

_READ_ONLY = re.compile(
    r"readonly database|read[- ]only (?:database|transaction|file system|mode|sql)"
    r"|permission denied for (?:table|relation|schema)|(?:insert|update) command denied",
    re.IGNORECASE,
)
_UNAVAILABLE = re.compile(
    r"database is locked|unable to open database|could not connect|connection refused"
    r"|connection (?:reset|aborted)|can't connect|server closed the connection|timed? ?out",
    re.IGNORECASE,
)
_OLD_SCHEMA = re.compile(r"out-of-date database schema|can't locate revision", re.IGNORECASE)
_LONGEST = 300
"""Characters of MLflow's own words that we repeat; some messages hold a whole SQL statement."""


def says_read_only(text: str) -> bool:
    """True when a database's message says that it cannot be written to."""
    return bool(_READ_ONLY.search(text))


@contextmanager
def translated(uri: str, doing: str, *, writing: bool = False) -> Iterator[None]:
    """Run a block; whatever MLflow raises in it leaves as a `TrackerError` of the right kind.

    `doing` ends the sentence "MLflow must be able to …" (`read run 'abc'`).
    """
    try:
        yield
    except UnslError:
        raise
    except Exception as failure:
        raise translate(failure, uri, doing, writing=writing) from failure


def translate(failure: Exception, uri: str, doing: str, *, writing: bool = False) -> TrackerError:
    """The error of unsl_tracking that says what `failure` means for somebody using a tracker."""
    where = without_credentials(uri)
    rule = f"MLflow at {where} must be able to {doing}"
    code = str(getattr(failure, "error_code", ""))
    text = _short(str(failure))
    if "unsupported URI" in text:
        return unknown_kind(uri)
    if says_read_only(str(failure)) or (writing and _refused_by_file_system(failure)):
        return read_only(where, text)
    if code == "RESOURCE_DOES_NOT_EXIST" or isinstance(failure, FileNotFoundError):
        return NotFound(rule, got=text, next_step="List what there is with `runs(experiment)`.")
    if code in {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}:
        return TrackerError(rule, got=text, next_step=_LOG_IN)
    if code == "PERMISSION_DENIED":
        if writing:
            return read_only(where, text)
        return TrackerError(rule, got=text, next_step=_LOG_IN)
    if _OLD_SCHEMA.search(str(failure)):
        return TrackerError(rule, got=text, next_step=_UPGRADE)
    if code == "TEMPORARILY_UNAVAILABLE" or _is_connection_trouble(failure):
        return unavailable(uri, text)
    if "not in a valid JSON format" in str(failure) or isinstance(failure, json.JSONDecodeError):
        return TrackerError(rule, got=text, next_step=_NO_SERVER)
    return TrackerError(rule, got=text)


_NO_SERVER = "Something other than an MLflow server answers there: check the address and its path."
_LOG_IN = (
    "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, "
    "to an account that may do this."
)
_UPGRADE = (
    "Back the database up and run `mlflow db upgrade <uri>`, or install the MLflow version that "
    "wrote it."
)


def unknown_kind(uri: str) -> TrackerError:
    """MLflow knows no store of this kind: `htp://host`, or one whose plugin is not installed."""
    scheme = uri.partition(":")[0]
    near = get_close_matches(scheme.lower(), _KINDS, n=1)
    meant = f"{near[0]}{uri[len(scheme) :]}" if near else ""
    return TrackerError(
        f"An MLflow address must begin with {', '.join(f'{kind}:' for kind in _KINDS)}, or be a"
        " folder or the scheme of an installed plugin",
        got=without_credentials(uri),
        next_step=f"Did you mean {without_credentials(meant)}?" if meant else "Check the address.",
    )


_KINDS = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "file", "databricks")


def read_only(where: str, text: str) -> TrackerReadOnly:
    """The store answers, but does not let itself be written to."""
    return TrackerReadOnly(
        f"To write forecasts back, {where} must be writable",
        got=text,
        next_step="Give this account write access, or forecast without writing back.",
    )


def unavailable(uri: str, text: str) -> TrackerUnavailable:
    """No answer; `text` says why as far as it is known."""
    if uri.lower().startswith("http"):
        hint = (
            "Check that the server runs (`mlflow server`) and that host, port and proxy settings "
            "are right."
        )
    else:
        hint = "Check that the database runs, can be reached and is not locked by another process."
    where = without_credentials(uri)
    return TrackerUnavailable(f"MLflow at {where} must answer", got=_short(text), next_step=hint)


def _is_connection_trouble(failure: Exception) -> bool:
    chain: BaseException | None = failure
    while chain is not None:
        if isinstance(chain, ConnectionError | TimeoutError):
            return True
        if type(chain).__module__.startswith(("requests", "urllib3")):
            return True
        chain = chain.__cause__ or chain.__context__
    return bool(_UNAVAILABLE.search(str(failure)))


def _refused_by_file_system(failure: Exception) -> bool:
    refused = {errno.EACCES, errno.EPERM, errno.EROFS}
    return isinstance(failure, OSError) and failure.errno in refused


def _short(text: str) -> str:
    text = without_credentials(" ".join(text.split()))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
