"""Tracking URIs: which kind they are, and how to show them without their credentials."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_USERINFO = re.compile(r"(?<=://)[^/\s@]*(?:@[^/\s@]*)*@")
"""`user:password@`; an unescaped @ inside the password is taken along."""
_SECRET_OPTION = re.compile(r"(?i)(?<=[?&;])([\w.-]*(?:pass|pwd|token|secret|key)[\w.-]*)=[^&;\s]*")
_READ_ONLY_OPTION: Final = re.compile(r"[?&](?:mode=ro|immutable=1)(?:&|$)")


def is_http(uri: str) -> bool:
    """True for a tracking server, False for a database, a folder or Databricks."""
    return uri.lower().startswith(("http://", "https://"))


def is_sqlite(uri: str) -> bool:
    """True for `sqlite:///file` and `sqlite+driver:///file`."""
    return bool(re.match(r"sqlite(\+\w+)?:", uri, re.IGNORECASE))


def without_credentials(text: str) -> str:
    """The text with user names, passwords and tokens taken out of every URI in it."""
    return _SECRET_OPTION.sub(r"\1=***", _USERINFO.sub("", text))


def sqlite_file(uri: str) -> Path | None:
    """The file behind a sqlite URI, or None where there is none to look for (in memory)."""
    if not is_sqlite(uri):
        return None
    _, _, database = uri.partition(":///")
    name, _, options = database.partition("?")
    name = unquote(name)  # as SQLAlchemy does
    if name.startswith("file:"):  # SQLite's own URI inside SQLAlchemy's
        name = name.removeprefix("file:").removeprefix("//")
        if "mode=memory" in options:
            return None
    return None if name in {"", ":memory:"} else Path(name)


def opened_read_only(uri: str) -> bool:
    """True when the URI itself asks SQLite to open the file for reading only."""
    return is_sqlite(uri) and bool(_READ_ONLY_OPTION.search(uri))
