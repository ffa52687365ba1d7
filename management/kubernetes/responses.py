"""Read the responses of API servers, and translate failures into errors with one-line messages."""

import json
import os
import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from config.dialing import DialFailed
from management.errors import printable
from management.kubernetes.errors import (
    AggregatedApiUnavailable,
    ApiAddressRefused,
    ApiAgentUnavailable,
    ApiConflict,
    ApiForbidden,
    ApiNotFound,
    ApiRequestFailed,
    ApiResponseTooLarge,
    ApiUnreachable,
    ApiUntrusted,
    ClusterApiError,
    ResourceExpired,
)
from management.kubernetes.list_watch import Event
from management.kubernetes.manifests import Manifest
from management.kubernetes.validation import MalformedObject, checked_object, mapping, number, text
from providers.http.response_body import (
    BodyTooLarge,
    InvalidJsonBody,
    estimated_memory,
    parse_json,
)
from providers.network.checked_connections import AddressRefused

MAX_QUOTED = 300
"""Characters of a cluster's own message that Sekisho quotes in one of its messages."""

MAX_SAID = 2_000
"""Characters of a cluster's message that an error keeps: a webhook names each invalid field."""

_CLASS_NAME = re.compile(r"\w(?:Error|Exception)\b")
"""The name of a Python exception class."""

# OpenSSL's X509_V_ERR_* codes.
_HOSTNAME_MISMATCH, _IP_MISMATCH, _EXPIRED, _NOT_YET_VALID = 62, 64, 10, 9

_AGGREGATED = "/apis/metrics.k8s.io/"
"""Paths behind which the API server asks another server."""

_EVENT_KINDS = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")


@dataclass(frozen=True, slots=True)
class Received:
    """The object in a response. ``weight`` estimates the bytes that it takes in memory."""

    body: dict[str, Any]
    weight: int


def parse_response(server: str, method: str, path: str, status: int, data: bytes) -> Received:
    """Return the object in a response. Raises ClusterApiError for any other response."""
    if not 200 <= status < 300:
        raise response_error(server, method, path, status, data)
    try:
        body = parse_json(data)
        if method == "DELETE":
            # The body is the object or a Status, whose `status` is a text. Nothing reads either.
            return Received({}, 0)
        return Received(checked_object(body, named=False), estimated_memory(data))
    except BodyTooLarge as exc:
        raise ApiResponseTooLarge(f"{server}{path}: a response that is too large") from exc
    except InvalidJsonBody as exc:
        raise ApiRequestFailed(
            f"{server}{path}: the response is {exc}; is this a Kubernetes API?"
        ) from exc
    except MalformedObject as exc:
        raise ApiRequestFailed(
            f"{server}{path}: the response is not JSON of a Kubernetes API ({exc})"
        ) from exc


def parse_object(path: str, received: Received) -> Manifest:
    """Return the object received. Raises ApiRequestFailed if it has no name or no uid."""
    try:
        return checked_object(received.body, unique=True)
    except MalformedObject as exc:
        raise ApiRequestFailed(f"{path}: the cluster responded with {exc}") from exc


def response_error(
    server: str, method: str, path: str, status: int, data: bytes
) -> ClusterApiError:
    """Return the error for a response that is not a success."""
    try:
        said = text(mapping(parse_json(data)).get("message"), MAX_SAID) or ""
    except (InvalidJsonBody, BodyTooLarge):
        said = ""
    error = _response_error(server, method, path, status, quoted(said[: MAX_QUOTED * 2]))
    error.status, error.said = status, printable(said)
    return error


def _response_error(
    server: str, method: str, path: str, status: int, message: str
) -> ClusterApiError:
    if status == 401:
        return ApiForbidden(f"{server}: 401, the cluster does not accept the credential", status)
    if status == 403:
        return ApiForbidden(
            f"{server}: 403, {message or 'the credential has too few rights'}", status
        )
    if status == 404:
        return ApiNotFound(f"{server}{path}: 404, {message or 'not found'}")
    if status in (502, 503, 504) and path.startswith(_AGGREGATED):
        return AggregatedApiUnavailable(f"{server}{path}: {status}, {message or 'no response'}")
    if status in (429, 502, 503, 504):
        return ApiUnreachable(f"{server}: {status}, {message or 'the server is not ready'}")
    kind = {409: ApiConflict, 410: ResourceExpired}.get(status, ApiRequestFailed)
    return kind(f"{server}: {method} {path}: {status} {message}".rstrip())


def parse_event(server: str, path: str, event: Any) -> Event | None:
    """Return an event of a watch; None for a malformed one.

    Raises:
        ClusterApiError: the event is an error.
    """
    if not isinstance(event, dict):
        return None
    kind, item = event.get("type"), event.get("object")
    if kind == "ERROR":
        status = mapping(item)
        code = number(status.get("code"), 500, 599)
        raise response_error(server, "WATCH", path, code, json.dumps(status).encode())
    if kind not in _EVENT_KINDS:
        return None
    try:
        return Event(kind, checked_object(item, named=kind != "BOOKMARK"))
    except MalformedObject:
        return None


def quoted(text: object) -> str:
    """Return a cluster's message on one line, at most MAX_QUOTED printable characters."""
    line = printable(str(text or ""))
    return line if len(line) <= MAX_QUOTED else line[: MAX_QUOTED - 1] + "…"


def connection_error(server: str, exc: Exception, name: str | None = None) -> ApiUnreachable:
    """Return the error for a failed connection to ``server``; its message names the remedy.

    ``name`` is the name expected in the server's certificate, if it is not the URL's host.
    """
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return _certificate_error(server, exc.certificate_error, name)
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _certificate_error(server, exc, name)
    if isinstance(exc, aiohttp.ClientSSLError | ssl.SSLError):
        return ApiUntrusted(f"{server}: no TLS with this server ({_tls_reason(exc)})")
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return ApiUnreachable(f"{server}: the host name can't be resolved; check the URL")
    if isinstance(exc, TimeoutError):
        return ApiUnreachable(f"{server}: no response in time; check the address and any firewall")
    if isinstance(exc, aiohttp.ClientConnectorError) and isinstance(exc.os_error, AddressRefused):
        return ApiAddressRefused(f"{server}: {exc.os_error.reason} (clusters.allow_networks)")
    if isinstance(exc, aiohttp.ClientConnectorError) and isinstance(exc.os_error, DialFailed):
        return _dial_error(server, exc.os_error)
    if isinstance(exc, aiohttp.ClientConnectorError):
        return ApiUnreachable(
            f"{server}: can't connect ({_os_reason(exc.os_error)}); check the address"
        )
    return ApiUnreachable(f"{server}: {_other_reason(exc)}")


def _dial_error(server: str, exc: DialFailed) -> ApiAgentUnavailable:
    """Return the error for a cluster whose agent made no connection."""
    if exc.kind == "no_agent":
        message = "the cluster's agent is not connected; check its pods and their logs"
    else:
        message = f"the cluster's agent can't connect to the API server ({quoted(exc)})"
    return ApiAgentUnavailable(f"{server}: {message}", exc.kind)


def _tls_reason(exc: Exception) -> str:
    """Return OpenSSL's reason. The text of aiohttp's error shows Python objects."""
    inner = getattr(exc, "os_error", exc)
    reason = getattr(inner, "reason", None)
    return quoted(reason).replace("_", " ").lower() if reason else "the handshake failed"


def _os_reason(exc: OSError) -> str:
    if exc.errno is not None and exc.errno > 0:
        return os.strerror(exc.errno).lower()
    return quoted(exc.strerror) or "the connection failed"


def _other_reason(exc: Exception) -> str:
    """Return the text of an error, unless it shows Python objects or class names."""
    if isinstance(exc, aiohttp.ClientOSError) and exc.errno:
        return _os_reason(exc)
    message = quoted(exc)
    shows_objects = "<" in message or _CLASS_NAME.search(message)
    return message if message and not shows_objects else "the connection broke off; try again"


def _certificate_error(server: str, exc: Exception, name: str | None) -> ApiUntrusted:
    code = getattr(exc, "verify_code", None)
    if code in (_HOSTNAME_MISMATCH, _IP_MISMATCH):
        return ApiUntrusted(
            f"{server}: the certificate is not for {name or urlsplit(server).hostname}; "
            "give a name it is for with --tls-server-name"
        )
    if code in (_EXPIRED, _NOT_YET_VALID):
        return ApiUntrusted(f"{server}: the certificate is expired or not valid yet; renew it")
    return ApiUntrusted(
        f"{server}: the certificate is not signed by the given CA; "
        "give the CA that signed it (certificate-authority, --ca-file)"
    )
