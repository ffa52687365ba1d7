"""The request context: everything known about one request, for limits, logs and metrics."""

from dataclasses import dataclass

from impersonation.identity import Subject
from management.authentication.authenticated_token import AuthenticatedToken
from management.http.decisions import Decision
from proxy.request.request_info import RequestInfo

UNKNOWN_REQUEST = RequestInfo("none")
"""The request info of a request that was rejected before its target was parsed."""


Pieces = tuple[str, str]
"""The constant parts of a log line: before and after the numbers of one request."""


@dataclass(slots=True, eq=False)
class LogFragments:
    """Constant parts of the log lines of requests that differ in time and outcome only.

    ``searchable``: whether the rules select such requests for the searchable audit log.
    """

    log: Pieces | None = None
    audit: Pieces | None = None
    searchable: bool | None = None


@dataclass(slots=True, eq=False)
class RequestContext:
    """Facts about one request, filled in as they become known.

    ``remote`` is the client's address. ``path`` is the raw path that the client sent, without its
    query; ``target`` the request target for the cluster, with it. ``cluster`` and ``cluster_id``
    are empty unless the caller may enter it. ``impersonated`` is the subject that the client sent
    in ``Impersonate-*`` headers. ``decision`` names what refused the request. ``status`` is 0 until
    a response begins; ``rejected`` is true if Sekisho responded itself. ``received_at`` is in
    seconds since the epoch, ``duration`` in seconds; ``bytes_sent`` counts body bytes to the
    client. ``log_fragments`` is set if the logs may reuse parts of their lines. ``trace_id`` is
    empty unless the request is traced.
    """

    remote: str
    method: str
    path: str
    received_at: float
    request_id: str = ""
    user_agent: str = ""
    target: str = ""
    info: RequestInfo = UNKNOWN_REQUEST
    token: AuthenticatedToken | None = None
    cluster: str = ""
    cluster_id: str = ""
    log_fragments: LogFragments | None = None
    impersonated: Subject | None = None
    status: int = 0
    rejected: bool = False
    decision: Decision = ""
    bytes_sent: int = 0
    duration: float = 0.0
    reason: str = ""
    trace_id: str = ""

    @property
    def user(self) -> str:
        """The id of the user, or an empty string."""
        return self.token.user.id if self.token is not None else ""
