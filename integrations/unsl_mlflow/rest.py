"""HTTP to a tracking server, with waits that end.

MLflow's own client repeats a failed request 7 times over about four minutes, set by environment
variables that the user's training code shares with us. Here a request is repeated until `patience`
seconds are over, and nothing outside this adapter changes its behaviour. Every request that we send
may be sent twice: MLflow drops identical metric rows, and tags and files are replaced.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

import requests
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT
from mlflow.exceptions import InvalidUrlException, MlflowException
from mlflow.protos.service_pb2 import MlflowService
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.proto_json_utils import parse_dict
from mlflow.utils.rest_utils import (
    extract_api_info_for_service,
    http_request,
    verify_rest_response,
)

from unsl_mlflow.failures import says_read_only, unavailable

_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 3.0  # seconds; doubled in between
_CONNECT_TIMEOUT: Final = 3.0  # seconds; a host that swallows packets
_ENDPOINTS: Final = extract_api_info_for_service(MlflowService, "/api/2.0")
_NO_ANSWER = (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)


class Http:
    """Requests to one base URL, with MLflow's own ways of logging in.

    Safe to use from several threads: sessions come from MLflow's pool, and each has its own
    connections.
    """

    def __init__(self, uri: str, *, patience: float) -> None:
        self.uri = uri
        self.patience = patience
        self.credentials = partial(get_default_host_creds, uri.rstrip("/"))

    def ping(self) -> None:
        """Any answer at all will do. Raises `TrackerUnavailable` when none comes in `patience`."""
        self.request("/health", "GET", read_timeout=self.patience)

    def request(
        self, endpoint: str, method: str, *, read_timeout: float | None = None, **content: Any
    ) -> requests.Response:
        """Send, and send again while the server is away or asks to wait; then its answer."""
        deadline = time.monotonic() + self.patience
        wait = _FIRST_WAIT
        while True:
            answer, trouble = self._try(endpoint, method, read_timeout, content)
            if answer is not None and not _worth_repeating(answer):
                return answer
            pause = max(wait * random.uniform(0.75, 1.25), _retry_after(answer))
            if time.monotonic() + pause > deadline:
                if answer is not None and answer.status_code == 500:
                    return answer  # not away, but failing: the caller tells its message
                raise unavailable(self.uri, trouble)
            time.sleep(pause)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _try(
        self, endpoint: str, method: str, read_timeout: float | None, content: Mapping[str, Any]
    ) -> tuple[requests.Response | None, str]:
        """One attempt: the answer if there was one, and words for what is wrong with it."""
        try:
            answer = http_request(
                self.credentials(),
                endpoint,
                method,
                max_retries=0,
                retry_codes=frozenset(),
                raise_on_status=False,
                timeout=(_CONNECT_TIMEOUT, read_timeout or MLFLOW_HTTP_REQUEST_TIMEOUT.get()),
                **content,
            )
        except InvalidUrlException:
            raise
        except MlflowException as failure:
            cause = failure.__cause__ or failure.__context__
            if isinstance(cause, requests.exceptions.ReadTimeout):
                # Not repeated: a server that was silent for this long would be so again.
                raise unavailable(self.uri, f"no answer in time ({cause})") from failure
            if isinstance(cause, _NO_ANSWER):
                return None, _root(cause)
            raise
        return answer, f"HTTP {answer.status_code} {answer.reason}"


class BoundedRestStore(RestStore):
    """MLflow's client for tracking servers, sending through `Http`."""

    def __init__(self, http: Http) -> None:
        super().__init__(http.credentials)  # type: ignore[no-untyped-call]
        self.http = http

    def _call_endpoint(  # type: ignore[override]  # its options differ between versions
        self, api: Any, json_body: str | None = None, endpoint: str | None = None, **options: Any
    ) -> Any:
        if api not in _ENDPOINTS:  # of another part of the API, not used by this adapter
            parent: Any = super()
            return parent._call_endpoint(api, json_body, endpoint, **options)
        path, method = _ENDPOINTS[api]
        path = endpoint or path
        body = json.loads(json_body) if json_body is not None else None
        where = "params" if method == "GET" else "json"
        answer = verify_rest_response(self.http.request(path, method, **{where: body}), path)
        message = options.get("response_proto") or api.Response()
        parse_dict(js_dict=json.loads(answer.text), message=message)
        return message


def _worth_repeating(answer: requests.Response) -> bool:
    # A server on a read-only database says 503, but waiting will not make it writable.
    return answer.status_code in _TRANSIENT and not says_read_only(answer.text)


def _retry_after(answer: requests.Response | None) -> float:
    """Seconds that the server asks us to wait, 0 when it does not say."""
    header = answer.headers.get("Retry-After", "") if answer is not None else ""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _root(failure: BaseException) -> str:
    """The innermost reason (`Connection refused`) without the layers of urllib3 around it."""
    reason: Any = failure
    while isinstance(getattr(reason, "reason", None), BaseException) or (
        reason.args and isinstance(reason.args[0], BaseException)
    ):
        inner = getattr(reason, "reason", None)
        reason = inner if isinstance(inner, BaseException) else reason.args[0]
    return f"{type(reason).__name__}: {str(reason).rpartition(': ')[2]}"
