"""A small KMS client that says exactly what became of a request: answered, never sent, or unanswered."""

from __future__ import annotations

import http.client
import json
import math
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

Access = dict[str, Any]


class Refused(Exception):
    """The service answered with an error."""

    def __init__(self, status: int, code: str, message: str, request_id: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id


class NotSentError(Exception):
    """Nobody listened, so the service has not seen the request."""


class UnansweredError(Exception):
    """The connection ended without an answer: the request was carried out, or was not."""


class Client:
    """Signs with botocore's signer, and keeps one connection, which is made anew when it is lost.

    `access` gives the content of the ready file as it is now: a service that was killed comes back elsewhere.
    """

    def __init__(self, access: Callable[[], Access], timeout: float = 60.0) -> None:
        self._access = access
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._url = ""
        self.request_id = ""
        """The id of the last request that was answered with success."""
        self.sent_at = math.inf
        """When the last request had been sent in full, by the monotonic clock, if it ever was."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """One operation, once. Blobs are base64 text, as on the wire. Raises the errors above."""
        access = self._access()
        headers, body = sign(access, operation, parameters)
        self.sent_at = math.inf
        connection = self._connected(access["endpoint_url"])
        try:
            connection.request("POST", "/", body, headers)
            self.sent_at = time.monotonic()
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise UnansweredError(f"{operation}: {error!r}") from error
        if response.will_close:
            self.close()
        request_id = response.headers["x-amzn-RequestId"] or ""
        content: dict[str, Any] = json.loads(answer) if answer else {}
        if response.status != 200:
            code = str(content.get("__type", "")).rpartition("#")[2]
            message = str(content.get("message") or content.get("Message") or "")
            raise Refused(response.status, code, message, request_id)
        self.request_id = request_id
        return content

    def close(self) -> None:
        """End the connection; the next call makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, url: str) -> http.client.HTTPConnection:
        if self._connection is None or url != self._url:
            self.close()
            self._url = url
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=self._timeout)
            try:
                connection.connect()
            except OSError as error:
                raise NotSentError(str(error)) from error
            self._connection = connection
        return self._connection


def sign(access: Access, operation: str, parameters: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """The header lines and the body of a signed request."""
    body = json.dumps(parameters).encode()
    request = AWSRequest(
        "POST",
        access["endpoint_url"] + "/",
        {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{operation}"},
        body,
    )
    credentials = Credentials(access["access_key_id"], access["secret_access_key"])
    SigV4Auth(credentials, "kms", access["region"]).add_auth(request)
    return dict(request.headers), body
