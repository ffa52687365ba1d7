"""What is known of one request, for those who tell of it afterwards: logs and metrics."""

from dataclasses import dataclass

from impersonation.identity import Subject
from management.resolver import Resolved
from proxy.request_info import RequestInfo

NOTHING = RequestInfo("none")
"""Of a request that was refused before it could be read."""


Pieces = tuple[str, str]
"""What a log says of every such request: before the numbers of this one, and behind them."""


@dataclass(slots=True, eq=False)
class Told:
    """What logs say again and again of requests that differ in nothing but time and outcome."""

    log: Pieces | None = None
    audit: Pieces | None = None


@dataclass(slots=True, eq=False)
class Access:
    """Filled in as it becomes known.

    ``remote`` is the client's address. ``path`` is the raw path as the client sent it, without its
    query; ``target`` what the cluster is asked, with it. ``cluster`` and ``cluster_id`` are empty
    unless the caller may enter it. ``acting_as`` is whom the caller asked to be. ``code`` is 0
    until an answer has begun; ``refused`` is whether it was the gate's own. ``received`` is in
    seconds since the epoch, ``seconds`` how long it took; ``sent`` counts body bytes to the client.
    ``told`` is there where logs have said, or may say, most of it before.
    """

    remote: str
    method: str
    path: str
    received: float
    request_id: str = ""
    user_agent: str = ""
    target: str = ""
    info: RequestInfo = NOTHING
    resolved: Resolved | None = None
    cluster: str = ""
    cluster_id: str = ""
    told: Told | None = None
    acting_as: Subject | None = None
    code: int = 0
    refused: bool = False
    sent: int = 0
    seconds: float = 0.0
    note: str = ""

    @property
    def user(self) -> str:
        """The user's id, or nothing."""
        return self.resolved.user.id if self.resolved is not None else ""
