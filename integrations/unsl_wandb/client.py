"""The connection: which server, which key, and GraphQL through both."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from unsl_tracking import __version__
from unsl_tracking.errors import MissingDependency, NotFound
from unsl_wandb.failures import no_key, not_wandb, of_errors
from unsl_wandb.uris import Place, RunPath, read_address

_INSTALL: Final = "Run: pip install 'unsl-tracking[wandb]'"


def require_wandb() -> None:
    """Raise `MissingDependency` when wandb is not installed. Does not import it (that is slow)."""
    if importlib.util.find_spec("wandb") is None:
        raise MissingDependency("unsl_wandb needs the `wandb` package", next_step=_INSTALL)


class Connection:
    """One server and entity. Nothing is sent before the first call."""

    def __init__(self, address: str | None, *, patience: float) -> None:
        require_wandb()
        self.place: Place = read_address(address)
        self.patience = patience
        self.records: dict[RunPath, tuple[bytes, float]] = {}
        """What we last wrote into runs, and when (monotonic seconds)."""
        self._lock = threading.Lock()
        self._server: str | None = None
        self._login: _Login | None = None
        self._entity = self.place.entity
        self._features: frozenset[str] | None = None
        self._sdk_api: Any = None

    @property
    def server(self) -> str:
        """The base address of the API, without a slash at its end."""
        if self._server is None:
            from wandb.sdk import wandb_setup

            server = self.place.server or _api_of_settings(wandb_setup.singleton())
            self._server = server.rstrip("/")
        return self._server

    @property
    def shown(self) -> str:
        """The address without credentials."""
        path = "/".join(part for part in (self.place.entity, self.place.project) if part)
        if self.place.server:
            return f"{self.place.server.rstrip('/')}/{path}"
        return f"wandb://{path}"

    @property
    def entity(self) -> str:
        """The entity of the address, of WANDB_ENTITY, or the user's default one."""
        if self._entity is None:
            self._entity = _entity_of_settings() or self._default_entity()
        return self._entity

    def query(
        self,
        text: str,
        variables: Mapping[str, Any],
        doing: str,
        *,
        writing: bool = False,
    ) -> dict[str, Any]:
        """The `data` of the answer. `doing` ends the sentence "W&B must be able to …"."""
        login = self._logged_in()
        answer = login.http.request(
            "POST",
            f"{self.server}/graphql",
            doing,
            auth=("api", login.key),
            writing=writing,
            json={"query": text, "variables": dict(variables)},
        )
        try:
            content = answer.json()
            errors, data = content.get("errors"), content.get("data")
        except (ValueError, AttributeError) as failure:
            raise not_wandb(self.server, doing, f"no JSON: {answer.text[:80]}") from failure
        if errors:
            raise of_errors(self.server, doing, errors)
        if not isinstance(data, dict):
            raise not_wandb(self.server, doing, "an answer without data")
        return data

    def download(self, url: str, doing: str) -> bytes:
        """The content behind a link to a file."""
        return self._transfer("GET", url, doing, writing=False)

    def upload(self, url: str, data: bytes, headers: Mapping[str, str], doing: str) -> None:
        """Put content behind a link that the server gave for it."""
        self._transfer("PUT", url, doing, writing=True, data=data, headers=dict(headers))

    def has_feature(self, name: str) -> bool:
        """True when the server says that it has it."""
        if self._features is None:
            data = self.query(
                "query { serverInfo { features { name isEnabled } } }", {}, "say what it is"
            )
            found = (data.get("serverInfo") or {}).get("features") or []
            self._features = frozenset(each["name"] for each in found if each.get("isEnabled"))
        return name in self._features

    def page_of(self, entity: str, project: str, name: str) -> str:
        """The address of a run's page."""
        return f"{self.app}/{quote(entity)}/{quote(project)}/runs/{quote(name)}"

    @property
    def key(self) -> str:
        """The key, for the SDK's own runs. Raises `TrackerError` where none is found."""
        return self._logged_in().key

    @property
    def app(self) -> str:
        """The address of W&B's pages, without a slash at its end."""
        from wandb.util import api_to_app_url

        return str(api_to_app_url(self.server)).rstrip("/")

    def sdk_api(self) -> Any:
        """The SDK's own client with the same server and key."""
        import wandb

        if self._sdk_api is None:
            overrides = {"base_url": self.server, "entity": self.entity}
            self._sdk_api = wandb.Api(overrides=overrides, api_key=self.key)
        self._sdk_api.flush()  # it keeps what it has read
        return self._sdk_api

    def _transfer(
        self, method: str, url: str, doing: str, *, writing: bool, **content: Any
    ) -> bytes:
        login = self._logged_in()
        auth = None
        if url.startswith("/"):
            url = self.server + url
        if url.startswith(self.server + "/"):  # elsewhere the link itself is the permission
            auth = ("api", login.key)
        answer = login.http.request(method, url, doing, auth=auth, writing=writing, **content)
        return answer.content

    def _logged_in(self) -> _Login:
        with self._lock:
            if self._login is None:
                self._login = _Login(self.server, self.patience)
            return self._login

    def _default_entity(self) -> str:
        data = self.query(
            "query { viewer { entity defaultEntity { name } } }", {}, "name your default entity"
        )
        viewer = data.get("viewer") or {}
        name = (viewer.get("defaultEntity") or {}).get("name") or viewer.get("entity")
        if not name:
            raise NotFound(
                f"An address at {self.server} must name an entity",
                got=self.shown,
                next_step="Write wandb://entity/project, or set WANDB_ENTITY.",
            )
        return str(name)


class _Login:
    """The key, found as the SDK finds it: session, environment, netrc, settings."""

    def __init__(self, server: str, patience: float) -> None:
        import wandb
        from wandb.errors import AuthenticationError, UsageError
        from wandb.sdk.lib import wbauth

        from unsl_wandb.http import Http

        try:
            auth = wbauth.authenticate_session(
                host=server, source="unsl_tracking", prompt=False, update_session=False
            )
        except (AuthenticationError, UsageError, ValueError) as failure:
            raise no_key(server, failure) from failure
        if auth is not None and not isinstance(auth, wbauth.AuthApiKey):
            raise no_key(server, "an identity token, which unsl_tracking does not know to use")
        if auth is None:
            raise no_key(server)
        self.key = auth.api_key
        agent = f"W&B Public Client {wandb.__version__} unsl_tracking {__version__}"
        self.http = Http(server, {"User-Agent": agent}, patience=patience)


def _api_of_settings(setup: Any) -> str:
    from wandb import env

    return str(env.get_base_url(setup.settings.base_url))


def _entity_of_settings() -> str | None:
    from wandb import env
    from wandb.sdk import wandb_setup

    found = env.get_entity(wandb_setup.singleton().settings.entity)
    return str(found) if found else None


def project_of_settings() -> str | None:
    """The project of WANDB_PROJECT or of W&B's settings file."""
    from wandb import env
    from wandb.sdk import wandb_setup

    found = env.get_project(wandb_setup.singleton().settings.project)
    return str(found) if found else None
