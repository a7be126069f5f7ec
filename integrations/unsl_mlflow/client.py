"""The connection: from a tracking URI to MLflow's store behind it."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unsl_mlflow.failures import read_only, translate, translated, unavailable
from unsl_mlflow.uris import (
    is_http,
    is_sqlite,
    opened_read_only,
    sqlite_file,
    without_credentials,
)
from unsl_tracking.errors import MissingDependency, NotFound

if TYPE_CHECKING:
    from unsl_mlflow.rest import Http

_INSTALL = "Run: pip install 'unsl-tracking[mlflow]'"
_our_own_call: ContextVar[bool] = ContextVar("unsl_mlflow_our_own_call", default=False)


def require_mlflow() -> None:
    """Raise `MissingDependency` when MLflow is not installed. Does not import it (that is slow)."""
    if importlib.util.find_spec("mlflow") is None:
        raise MissingDependency("unsl_mlflow needs the `mlflow` package", next_step=_INSTALL)


class Connection:
    """One tracking URI. Connects at the first use, once, whichever thread comes first."""

    def __init__(self, uri: str | None, *, patience: float) -> None:
        import_mlflow_quietly()
        self.uri = _resolved(uri)
        self.shown = without_credentials(self.uri)
        self.patience = patience
        self.http: Http | None = None
        self._store: Any = None
        self._lock = threading.Lock()

    @property
    def store(self) -> Any:
        """MLflow's `AbstractStore` behind the URI."""
        if self._store is None:
            with self._lock:
                if self._store is None:
                    with self.calling("open the tracking store"):
                        self._store = self._open()
        return self._store

    @contextmanager
    def calling(self, doing: str, *, writing: bool = False) -> Iterator[None]:
        """Around every call into MLflow: errors become ours, and are told once, by us."""
        token = _our_own_call.set(True)
        try:
            with translated(self.uri, doing, writing=writing):
                if writing and opened_read_only(self.uri):
                    raise read_only(self.shown, "a URI that opens the file for reading only")
                yield
        finally:
            _our_own_call.reset(token)

    def _open(self) -> Any:
        if is_http(self.uri):
            from unsl_mlflow.rest import BoundedRestStore, Http

            self.http = Http(self.uri, patience=self.patience)
            self.http.ping()
            return BoundedRestStore(self.http)
        self._look_before_opening()
        from mlflow.tracking._tracking_service.utils import _get_store

        with warnings.catch_warnings(), _without_stray_folders(self.uri):
            # What MLflow thinks of the store's kind is the owner's business, not the reader's.
            warnings.simplefilter("ignore", FutureWarning)
            return _get_store(self.uri)

    def _look_before_opening(self) -> None:
        """Find out early what MLflow would find out late, or would repair by creating a store."""
        if _is_database(self.uri) and importlib.util.find_spec("sqlalchemy") is None:
            raise MissingDependency(f"{self.shown} needs `sqlalchemy`", next_step=_INSTALL)
        file = sqlite_file(self.uri)
        if file is not None and (not file.is_file() or file.stat().st_size == 0):
            raise NotFound(
                "A sqlite tracking URI must name a database that MLflow has written",
                got=str(file),
                next_step="Check the path: sqlite:///relative.db or sqlite:////absolute.db.",
            )
        if is_sqlite(self.uri) or not _is_database(self.uri):
            return
        import sqlalchemy  # a database server: MLflow would keep trying for a minute and a half

        try:
            with sqlalchemy.create_engine(self.uri, poolclass=sqlalchemy.NullPool).connect():
                pass
        except ModuleNotFoundError as missing:
            raise MissingDependency(
                f"{self.shown} needs the database driver `{missing.name}`",
                next_step=f"Run: pip install {missing.name}",
            ) from missing
        except sqlalchemy.exc.OperationalError as failure:
            raise unavailable(self.uri, str(failure.orig)) from failure
        except sqlalchemy.exc.SQLAlchemyError as failure:
            raise translate(failure, self.uri, "open the database") from failure


def import_mlflow_quietly() -> None:
    """Import it without its telemetry and its doubled error reports."""
    require_mlflow()
    if "mlflow" not in sys.modules:
        # MLflow reports usage to its makers from the moment of its import. Where the user imported
        # it, or has said what to do, that decision stands.
        if "DO_NOT_TRACK" not in os.environ:
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        import mlflow.exceptions  # noqa: F401
    except ImportError as missing:
        raise MissingDependency(
            f"unsl_mlflow needs an `mlflow` that can be imported ({missing})", next_step=_INSTALL
        ) from missing
    logger = logging.getLogger("mlflow.store.db.utils")
    if _told_by_us not in logger.filters:
        logger.addFilter(_told_by_us)


def _told_by_us(record: logging.LogRecord) -> bool:
    """Drop the traceback that MLflow logs for an error which we are about to raise."""
    return not _our_own_call.get()


@contextmanager
def _without_stray_folders(uri: str) -> Iterator[None]:
    """MLflow takes `file:/data/m.db?mode=ro` for a relative path and makes a folder `file:`."""
    _, _, name = uri.partition(":///")
    folder = Path(name).parent
    is_stray = is_sqlite(uri) and name.startswith("file:")
    missing = [path for path in (folder, *folder.parents) if is_stray and not path.exists()]
    try:
        yield
    finally:
        with suppress(OSError):  # somebody put a file there meanwhile: then it stays
            for path in missing:
                path.rmdir()


def _resolved(uri: str | None) -> str:
    if uri:
        return uri
    from mlflow.tracking import get_tracking_uri

    return str(get_tracking_uri())


def _is_database(uri: str) -> bool:
    from mlflow.store.db.db_types import DATABASE_ENGINES

    return uri.partition(":")[0].partition("+")[0] in DATABASE_ENGINES
