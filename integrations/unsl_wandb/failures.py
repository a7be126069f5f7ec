"""What went wrong between us and W&B, as the errors of unsl_tracking.

An outage must not read like a bad key, nor a bad key like an outage: the SDK itself reports a
server that answers 503 for too long as an `AuthenticationError`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from unsl_tracking.errors import NotFound, TrackerError, TrackerReadOnly, TrackerUnavailable
from unsl_wandb.uris import without_user

_LONGEST: Final = 300
"""Characters of the server's words that we repeat."""
_LOG_IN: Final = (
    "Run `wandb login --relogin` (with --host for another server), or set WANDB_API_KEY."
)
_SERVER: Final = (
    "Check that the server runs, WANDB_BASE_URL (or the address) and the proxy settings. "
    "The API key was not the trouble."
)


class NotUnderstood(TrackerError):
    """The server took the request for a wrong one."""


def short(text: object) -> str:
    """Somebody else's words, on one line and not too many."""
    words = without_user(" ".join(str(text).split()))
    return words if len(words) <= _LONGEST else words[:_LONGEST] + "…"


def no_key(server: str, why: object = "none was found") -> TrackerError:
    """Nothing to log in with. Not said by the server: it was not asked."""
    return TrackerError(f"W&B at {server} needs an API key", got=short(why), next_step=_LOG_IN)


def refused(server: str, doing: str, status: int, text: str, *, writing: bool) -> TrackerError:
    """The server knows what we want and does not want it (401, 403)."""
    if status == 401:
        rule = f"W&B at {server} must accept the API key"
        return TrackerError(rule, got=f"HTTP 401: {short(text)}", next_step=_LOG_IN)
    rule = f"W&B at {server} must allow to {doing}"
    next_step = "Use the key of an account that may do this."
    kind = TrackerReadOnly if writing else TrackerError
    return kind(rule, got=f"HTTP {status}: {short(text)}", next_step=next_step)


def unavailable(server: str, why: object, seconds: float) -> TrackerUnavailable:
    """No answer in all the time that we had."""
    return TrackerUnavailable(
        f"W&B at {server} must answer",
        got=f"{short(why)} (tried for {seconds:.0f} s)",
        next_step=_SERVER,
    )


def not_wandb(server: str, doing: str, why: object) -> TrackerError:
    """Something answers, but it does not speak W&B's language."""
    return TrackerError(
        f"W&B at {server} must be able to {doing}",
        got=short(why),
        next_step="Is this a W&B server, and the address that of its API? See WANDB_BASE_URL.",
    )


def of_errors(server: str, doing: str, errors: Sequence[Any]) -> TrackerError:
    """What the errors in a GraphQL answer mean."""
    texts = [str(each.get("message") if isinstance(each, dict) else each) for each in errors]
    text = "; ".join(texts)
    rule = f"W&B at {server} must be able to {doing}"
    lower = text.lower()
    if "not found" in lower or "could not find" in lower or "no such" in lower:
        return NotFound(rule, got=short(text), next_step="Check entity, project and run.")
    if "permission denied" in lower or "read-only" in lower:
        return TrackerReadOnly(rule, got=short(text), next_step="Use a key that may write there.")
    return NotUnderstood(rule, got=short(text))


def message_of(body: bytes) -> str:
    """The words in the body of an answer that is an error."""
    text = body.decode(errors="replace")
    try:
        content = json.loads(text)
    except ValueError:
        return text
    if isinstance(content, dict):
        for key in ("errors", "error", "message"):
            if key in content:
                return str(content[key])
    return text
