"""Records of the searchable audit log: events, and what is asked about them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

AuditStage = Literal["ResponseStarted", "ResponseComplete"]

AuditOutcome = Literal["success", "refused", "limited", "error"]
"""``refused``: 401 or 403. ``limited``: 429. ``error``: any other code from 400 on."""

AnsweredBy = Literal["sekisho", "cluster"]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event. Empty texts mean that the request had none.

    ``at`` is when the stage was reached. ``user_id`` is empty for a request without a valid
    credential, and the user who signed in for a sign-in. ``impersonated`` is the user name that the
    client sent in ``Impersonate-User``. ``project_id`` is the project that the namespace was in
    when the event was stored; the store sets it unless the event is about a project itself.
    ``details`` is a JSON object: the groups, the rest of the impersonated user, the annotations.
    ``seq`` grows with each stored event; the store sets it.
    """

    at: datetime
    received_at: datetime
    request_id: str
    stage: AuditStage
    verb: str
    code: int
    outcome: AuditOutcome
    answered_by: AnsweredBy
    user_id: str = ""
    username: str = ""
    principal_id: str = ""
    token: str = ""
    impersonated: str = ""
    cluster_id: str = ""
    cluster: str = ""
    project_id: str = ""
    namespace: str = ""
    api_group: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    path: str = ""
    reason: str = ""
    sign_in: bool = False
    source: str = ""
    user_agent: str = ""
    details: str = "{}"
    seq: int = 0


@dataclass(frozen=True, slots=True)
class AuditScope:
    """The events that a caller may see. ``everything``, or the union of the others.

    ``user_id``: the user's own. ``clusters``: all events of these clusters, or of every cluster.
    ``projects``: the events of these projects. ``all_projects_of``: those of every project of these
    clusters.
    """

    everything: bool = False
    every_cluster: bool = False
    user_id: str = ""
    clusters: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    all_projects_of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Conditions that an event must all meet. None means no condition.

    ``user`` is an id, a username or a principal, ``called`` are the ids of users who have that name
    now, and ``cluster`` is an id or a name; ``user_id`` and ``cluster_id`` are faster. ``path`` is
    exact, or a prefix with ``*`` at the end. ``codes`` is a range, both ends included. ``since`` is
    included, ``until`` is not. ``token`` is the name of the token that was used.
    """

    user_id: str | None = None
    user: str | None = None
    called: tuple[str, ...] = ()
    token: str | None = None
    impersonated: str | None = None
    verbs: tuple[str, ...] = ()
    api_group: str | None = None
    resource: str | None = None
    subresource: str | None = None
    name: str | None = None
    path: str | None = None
    cluster_id: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    project_id: str | None = None
    codes: tuple[int, int] | None = None
    outcome: AuditOutcome | None = None
    answered_by: AnsweredBy | None = None
    sign_in: bool | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditCursor:
    """A position in the order of events: the newest first, by ``at`` and ``seq``."""

    at: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Events, newest first, and where the next page begins; None: there is no other page.

    A page may have fewer events than its limit, also none, and yet a next page: one page examines
    a bounded number of events.
    """

    events: tuple[AuditEvent, ...]
    next: AuditCursor | None


@dataclass(frozen=True, slots=True)
class AuditTail:
    """Events in the order in which they were stored, and the position after them."""

    events: tuple[AuditEvent, ...]
    seq: int
