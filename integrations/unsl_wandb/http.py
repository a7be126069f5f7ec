"""Requests that wait for a server which is busy or away, for a while.

We talk to W&B's GraphQL API ourselves for two reasons. The SDK reads histories run by run, where
one of our requests holds many; and of a request that fails it tells neither what the server said
nor how long it tried (see `failures`).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import requests

from unsl_tracking.errors import UnslError
from unsl_wandb.failures import message_of, not_wandb, of_errors, refused, unavailable

_TIMEOUT: Final = (5.0, 60.0)
"""Seconds to connect, and between two bytes of an answer."""
_BUSY: Final = 120.0
"""Seconds to wait for a server that says 429: it is there, and its limits are per minute."""
_LONGEST_PAUSE: Final = 10.0
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})


class Http:
    """Requests to one server. Safe to use from several threads; each has its own connections."""

    def __init__(self, server: str, headers: Mapping[str, str], *, patience: float) -> None:
        """`patience`: seconds that a server may be away, before `TrackerUnavailable` is raised."""
        self.server = server
        self.patience = patience
        self._headers = dict(headers)
        self._threads = threading.local()

    def request(
        self,
        method: str,
        url: str,
        doing: str,
        *,
        auth: tuple[str, str] | None = None,
        writing: bool = False,
        **content: Any,
    ) -> requests.Response:
        """The answer of a server that did what was asked.

        `doing` ends the sentence "W&B must be able to …". Without `auth` no credentials are sent:
        files lie on other machines, behind addresses that are themselves the permission.
        """
        begin = time.monotonic()
        attempt = 0
        while True:
            wait, why = self._try(method, url, doing, auth, writing, content)
            if isinstance(wait, requests.Response):
                return wait
            attempt += 1
            spent = time.monotonic() - begin
            pause = wait if wait >= 0 else min(0.25 * 2**attempt, _LONGEST_PAUSE)
            limit = max(self.patience, _BUSY) if wait >= 0 else self.patience
            if spent + pause > limit:
                raise unavailable(self.server, why, spent)
            time.sleep(pause * random.uniform(1.0, 1.1))  # not all threads at once

    def _try(
        self,
        method: str,
        url: str,
        doing: str,
        auth: tuple[str, str] | None,
        writing: bool,
        content: Mapping[str, Any],
    ) -> tuple[requests.Response | float, str]:
        """The answer, or the seconds to wait (-1: as long as we think right), and why."""
        headers = {**self._headers, **content.get("headers", {})}
        rest = {name: value for name, value in content.items() if name != "headers"}
        try:
            answer = self._session().request(
                method, url, auth=auth, headers=headers, timeout=_TIMEOUT, **rest
            )
        except (requests.ConnectionError, requests.Timeout) as failure:
            return -1.0, _reason(failure)
        except requests.exceptions.ChunkedEncodingError as failure:  # cut off halfway
            return -1.0, _reason(failure)
        except (requests.RequestException, ValueError) as failure:
            raise not_wandb(self.server, doing, failure) from failure
        if answer.status_code < 400:
            return answer, ""
        text = message_of(answer.content)
        if answer.status_code in _RETRIED:
            why = f"HTTP {answer.status_code}: {text}"
            return _asked_to_wait(answer), why
        raise self._error(answer.status_code, text, doing, writing)

    def _error(self, status: int, text: str, doing: str, writing: bool) -> UnslError:
        if status in {401, 403}:
            return refused(self.server, doing, status, text, writing=writing)
        if status in {400, 422}:
            return of_errors(self.server, doing, [f"HTTP {status}: {text}"])
        return not_wandb(self.server, doing, f"HTTP {status}: {text}")

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = requests.Session()
        return session


def _asked_to_wait(answer: requests.Response) -> float:
    """Seconds of Retry-After; where there is none -1, and for 429 a few."""
    text = answer.headers.get("Retry-After", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return 5.0 if answer.status_code == 429 else -1.0


def _reason(failure: Exception) -> str:
    """The innermost words: urllib3 wraps the system's own several times."""
    inner: BaseException = failure
    while (deeper := inner.__cause__ or inner.__context__) is not None:
        inner = deeper
    return f"{type(inner).__name__}: {inner}"
