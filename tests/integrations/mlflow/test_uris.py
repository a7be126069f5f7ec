"""What a tracking URI says, and what must not be shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("mlflow")

from unsl_mlflow.uris import opened_read_only, sqlite_file, without_credentials


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:s3cret@host:5000/ml", "https://host:5000/ml"),
        ("postgresql+psycopg2://me:p@ss@db/mlflow", "postgresql+psycopg2://db/mlflow"),
        ("mysql://db/mlflow?user=me&password=s3cret", "mysql://db/mlflow?user=me&password=***"),
        ("http://host/?api_token=s3cret;x=1", "http://host/?api_token=***;x=1"),
        ("no answer from http://me:s3cret@host, sorry", "no answer from http://host, sorry"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("metric_key=loss", "metric_key=loss"),
    ],
)
def test_credentials_are_not_shown(uri: str, shown: str) -> None:
    assert without_credentials(uri) == shown


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:///mlflow.db", Path("mlflow.db")),
        ("sqlite:////data/my%20runs.db?timeout=3", Path("/data/my runs.db")),
        ("sqlite+pysqlite:///file:/data/m.db?mode=ro&uri=true", Path("/data/m.db")),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("sqlite:///file:shared?mode=memory&uri=true", None),
        ("http://host:5000", None),
    ],
)
def test_the_file_of_a_sqlite_uri(uri: str, file: Path | None) -> None:
    assert sqlite_file(uri) == file


def test_a_uri_may_ask_for_reading_only() -> None:
    assert opened_read_only("sqlite:///file:/data/m.db?uri=true&mode=ro")
    assert not opened_read_only("sqlite:////data/m.db")
    assert not opened_read_only("http://host/?mode=ro")
