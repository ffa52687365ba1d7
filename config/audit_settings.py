"""What is audited, where to, and at which level."""

from pathlib import Path
from typing import Literal

from pydantic import ByteSize, Field, field_validator

from config.section import Section


class AuditRule(Section):
    """One rule: what it matches, and the level then. Empty lists match everything.

    The fields are those of a rule of Kubernetes' audit policy, and match as those do.
    """

    level: Literal["None", "Metadata"]
    """``None``: no event. ``Metadata``: an event without bodies."""

    users: tuple[str, ...] = ()
    """User ids (``u-…``) or user names."""

    user_groups: tuple[str, ...] = ()
    """Group principals; a user in any of them matches."""

    verbs: tuple[str, ...] = ()
    """get, list, watch, create, update, patch, delete, deletecollection, connect."""

    clusters: tuple[str, ...] = ()
    """Names or ids of clusters."""

    resources: tuple[str, ...] = ()
    """``pods``, ``pods/log``, ``deployments.apps``, ``*.apps``, ``*/status`` or ``*``."""

    namespaces: tuple[str, ...] = ()
    """Namespaces; ``""`` is what has none."""

    non_resource_urls: tuple[str, ...] = ()
    """Paths, such as ``/healthz*`` or ``/v1/*``; ``*`` only at the end."""

    @field_validator("non_resource_urls")
    @classmethod
    def _paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for path in value:
            if not path.startswith("/") and path != "*":
                raise ValueError(f"{path!r} must begin with / (or be *)")
            if "*" in path[:-1]:
                raise ValueError(f"{path!r} has a * that isn't its last character")
        return value


class AuditSettings(Section):
    """The audit log: one audit.k8s.io/v1 Event a line, as JSON."""

    to: Literal["file", "stdout", "none"] = "file"
    """Where to."""

    file: Path | None = None
    """The file. Default: ``audit.log`` in data_dir."""

    max_size: ByteSize = Field(default=ByteSize(100 * 1024**2), ge=1024)
    """The size at which a file is set aside; 0600, like its successors."""

    backups: int = Field(default=10, ge=0, le=1000)
    """Files that are kept beside the newest."""

    commands: bool = False
    """Whether the commands of exec are in events; people put secrets there."""

    rules: tuple[AuditRule, ...] = ()
    """The first that matches says the level; where none does, it is Metadata."""
