"""Settings of the audit log. Pure."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import ByteSize, Field, field_validator

from config.section import Duration, Section


class AuditRule(Section):
    """A rule with the level of matching requests. Empty lists match everything.

    The fields have the names and the meaning of those in a rule of Kubernetes' audit policy.
    """

    level: Literal["None", "Metadata"]
    """``None``: no event. ``Metadata``: an event without bodies."""

    users: tuple[str, ...] = ()
    """User ids (``u-…``), principals, ``<provider>:<name>``, or names of local accounts."""

    user_groups: tuple[str, ...] = ()
    """Group principals; a user in any of them matches."""

    verbs: tuple[str, ...] = ()
    """get, list, watch, create, update, patch, delete, deletecollection, connect."""

    clusters: tuple[str, ...] = ()
    """Names or ids of clusters."""

    resources: tuple[str, ...] = ()
    """``pods``, ``pods/log``, ``deployments.apps``, ``*.apps``, ``*/status`` or ``*``."""

    namespaces: tuple[str, ...] = ()
    """Namespaces; ``""`` matches requests without one."""

    non_resource_urls: tuple[str, ...] = ()
    """Paths, such as ``/healthz*`` or ``/v1/*``; ``*`` only at the end."""

    @field_validator("non_resource_urls")
    @classmethod
    def _paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for path in value:
            if not path.startswith("/") and path != "*":
                raise ValueError(f"{path!r} must begin with / (or be *)")
            if "*" in path[:-1]:
                raise ValueError(f"{path!r} has a * that is not its last character")
        return value


_READS = ("get", "list", "watch", "head", "options")

SEARCHED: tuple[AuditRule, ...] = (
    AuditRule(level="Metadata", resources=("secrets",)),
    AuditRule(level="None", verbs=_READS),
    AuditRule(
        level="None",
        resources=(
            *("leases.coordination.k8s.io", "events", "events.events.k8s.io"),
            *("*.authorization.k8s.io", "*.authentication.k8s.io"),
        ),
    ),
)
"""Everything that changes something, and requests for secrets. Controllers renew their leases and
write events all the time, and reviews are questions that change nothing."""


class AuditSearchSettings(Section):
    """The searchable part of the audit log, in the database, for ``GET /v1/audit``."""

    enabled: bool = True
    """Whether it is kept. Without an audit log (``audit.output: none``) it is not."""

    max_age: Duration = timedelta(days=30)
    """How long events are kept."""

    max_events: int = Field(default=200_000, ge=1000, le=10_000_000)
    """Events that are kept, of all replicas together, about 1 KiB each. Beyond that, the oldest
    are deleted, those of the users with the most events first."""

    max_per_minute: int = Field(default=6000, ge=10)
    """Events that one replica stores in a minute: of one user at most half, and of requests without
    a valid credential an eighth. Others are dropped here and counted; the log has them."""

    rules: tuple[AuditRule, ...] = SEARCHED
    """Rules as in ``audit.rules`` for the events of the log. Refused requests and sign-ins are
    always searchable."""


class AuditSettings(Section):
    """The audit log: one audit.k8s.io/v1 Event per line, as JSON."""

    output: Literal["file", "stdout", "none"] = "file"
    """Where events are written."""

    file: Path | None = None
    """The file. Default: ``audit.log`` in data_dir."""

    max_size: ByteSize = Field(default=ByteSize(100 * 1024**2), ge=1024)
    """The size at which the file is rotated. Files have the mode 0600."""

    max_backups: int = Field(default=10, ge=0, le=1000)
    """Rotated files that are kept beside the current one."""

    anonymous_per_day: ByteSize = Field(default=ByteSize(8 * 1024**2), ge=0)
    """Bytes per day for events without an authenticated user; 0: no limit. With a file, the other
    events go to a second file beside it. Otherwise they are dropped and counted."""

    commands: bool = False
    """Whether events contain the commands of exec, which may have secrets in them."""

    rules: tuple[AuditRule, ...] = ()
    """The first rule that matches gives the level. Without one, the level is Metadata."""

    search: AuditSearchSettings = AuditSearchSettings()
    """What is kept in the database too, for searches."""
