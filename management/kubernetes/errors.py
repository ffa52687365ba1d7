"""Errors of requests to a cluster's API.

Each message is one line that an operator can act on: it names the URL or the object, and the
remedy.
"""

from config.errors import UserError


class ClusterApiError(UserError):
    """Base class of the errors that :mod:`management.kubernetes` raises.

    ``status`` is that of the response, and ``said`` the cluster's own message in it, on one line;
    0 and empty without a response.
    """

    status: int = 0
    said: str = ""


class ApiUnreachable(ClusterApiError):
    """No usable response: a network or TLS failure, a timeout, or a server that is not ready."""


class AggregatedApiUnavailable(ClusterApiError):
    """The API server responds; the server of an API behind it, such as metrics-server, does not.

    That says nothing about the cluster's other APIs.
    """


class ApiUntrusted(ApiUnreachable):
    """The server's certificate is not valid. A retry does not help."""


class ApiAddressRefused(ApiUnreachable):
    """Sekisho may not connect to the server's address."""


class ApiAgentUnavailable(ApiUnreachable):
    """The cluster's agent is not connected, or cannot reach the API server.

    ``kind`` is that of :class:`config.dialing.DialFailed`.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind

    @property
    def reason(self) -> str:
        """Return the reason for the condition ``Reachable``."""
        return "NoAgent" if self.kind == "no_agent" else "AgentCannotReachApiServer"


class ApiForbidden(ClusterApiError):
    """401 or 403, in ``status``: the credential is not valid, or has too few rights."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ApiNotFound(ClusterApiError):
    """404: the object or the API does not exist."""


class ApiRequestFailed(ClusterApiError):
    """The cluster rejected the request, or its response is malformed."""


class ApiConflict(ApiRequestFailed):
    """409: the object exists already, or has changed since it was read."""


class ClusterHeld(ApiRequestFailed):
    """The cluster may not be changed: the database was restored, and not accepted yet."""

    def __init__(self) -> None:
        super().__init__(
            "held since the database was restored: Sekisho changes nothing in the cluster until "
            "`sekisho admin restore --accept`"
        )


class ResourceExpired(ApiRequestFailed):
    """410: the resource version or ``continue`` token is too old. Start with a new list."""


class ApiResponseTooLarge(ApiRequestFailed):
    """A response, or a whole list, exceeds Sekisho's memory limits."""


class MemoryExhausted(ApiRequestFailed):
    """Objects of all clusters use up the memory for them, and this cluster wants the most."""


def refused_by_policy(error: BaseException | None) -> str | None:
    """Return the message of an admission policy or webhook that denied a change, or None.

    Such messages are meant for the caller. Other messages of a cluster may contain addresses.
    """
    if not isinstance(error, ApiForbidden | ApiRequestFailed):
        return None
    for source in ("ValidatingAdmissionPolicy", "admission webhook"):
        _, found, rest = str(error).partition(source)
        if found and (" denied request" in rest or " denied the request" in rest):
            return f"{found}{rest}"
    return None


class NotManagedError(ClusterApiError):
    """An object with a name that Sekisho uses exists, and Sekisho does not manage it."""
