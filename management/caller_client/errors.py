"""Failures of requests in a caller's name. Each message is one line for the caller."""

from collections.abc import Mapping
from typing import Any

from config.errors import UserError
from management.kubernetes.errors import refused_by_policy as refused_by_policy
from management.kubernetes.responses import quoted
from management.kubernetes.validation import mapping, number, text
from providers.http.response_body import BodyTooLarge, InvalidJsonBody, parse_json

MAX_RETRY_SECONDS = 600


class CallerRequestError(UserError):
    """Base class of the errors of :mod:`management.caller_client`."""


class RequestRefused(CallerRequestError):
    """The gate or the cluster refused a request.

    ``status`` is the HTTP status, ``reason`` Kubernetes' word for it (such as ``AlreadyExists``),
    ``details`` those of the Kubernetes ``Status``, and ``retry_after`` is in seconds, 0 if unknown.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str = "",
        details: Mapping[str, Any] | None = None,
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.details = details or {}
        self.retry_after = retry_after

    @property
    def is_over_limit(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self.status == 429

    @property
    def ends_access(self) -> bool:
        """Whether the caller's credential is no longer valid."""
        return self.status == 401


class ResponseBroken(CallerRequestError):
    """The response ended early, or is not that of a Kubernetes API. A retry may help."""


class TooMuch(CallerRequestError):
    """A response, or a whole list, is over a limit of Sekisho."""


def unknown_to_gate() -> RequestRefused:
    """Return the error for a cluster that the gate does not know.

    The API has found it before: the gate has not read it yet, or the caller's access just ended.
    """
    return RequestRefused(
        503,
        "this server has not read the cluster yet, or your access to it has ended",
        reason="ServiceUnavailable",
        retry_after=1,
    )


def refusal(status: int, data: bytes, retry_after: str | None) -> RequestRefused:
    """Return the error for a response that is not a success. ``data`` is its body."""
    try:
        sent = mapping(parse_json(data))
    except (InvalidJsonBody, BodyTooLarge):
        sent = {}
    message = quoted(text(sent.get("message"), 2_000)) or f"the cluster responded with {status}"
    wait = int(retry_after[:9]) if retry_after and retry_after.isdecimal() else 0
    return RequestRefused(
        status,
        message,
        reason=text(sent.get("reason"), 100) or "",
        details=mapping(sent.get("details")),
        retry_after=min(wait, MAX_RETRY_SECONDS),
    )


def refusal_in_stream(event: Mapping[str, Any]) -> RequestRefused:
    """Return the error for an event ``ERROR`` of a watch, whose object is a ``Status``."""
    status = mapping(event.get("object"))
    return RequestRefused(
        number(status.get("code"), 500, 599),
        quoted(text(status.get("message"), 2_000)) or "the watch failed",
        reason=text(status.get("reason"), 100) or "",
    )
