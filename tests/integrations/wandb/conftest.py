"""W&B as a user runs it: the real SDK, against our small server on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.offline_user import OfflineUser
from tests.integrations.wandb.server import WandbServer
from tests.integrations.wandb.user import User, end_sdk


@pytest.fixture
def server() -> Iterator[WandbServer]:
    """A server of this test's own, without projects."""
    server = WandbServer()
    yield server
    end_sdk()  # before the server: it may have something left to send
    server.kill()


@pytest.fixture
def environment(
    server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The variables for a process that logs to the server; they are set in this process too."""
    variables = server.environment(tmp_path)
    del variables["HOME"]
    variables["NETRC"] = str(tmp_path / "netrc")
    monkeypatch.delenv("WANDB_SERVICE", raising=False)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def user(server: WandbServer, environment: dict[str, str], tmp_path: Path) -> Iterator[User]:
    user = User(server, tmp_path)
    yield user
    user.close()


@pytest.fixture
def offline_user(environment: dict[str, str], tmp_path: Path) -> Iterator[OfflineUser]:
    user = OfflineUser(tmp_path)
    yield user
    user.close()


@pytest.fixture
def tracker(server: WandbServer, environment: dict[str, str]) -> Any:
    from unsl_wandb import WandbTracker

    return WandbTracker(f"{server.uri}/team", patience=2.0)
