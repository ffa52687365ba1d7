"""Which audit events a caller may see, and how much of each."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from management.authorization.access import Access
from management.authorization.permissions import (
    ALL_PROJECTS,
    AUDIT,
    CLUSTER_AUDIT,
    PROJECT_AUDIT,
)
from store.audit_records import AuditEvent, AuditScope

Item = dict[str, Any]


def audit_scope(user_id: str, access: Access) -> AuditScope:
    """Return the scope of a user: their own events, and those where a role permits it."""
    if AUDIT in access.global_permissions:
        return AuditScope(everything=True)
    held = {one: access.in_cluster(one).permissions for one in access.in_clusters}
    clusters = frozenset(one for one, granted in held.items() if CLUSTER_AUDIT in granted)
    return AuditScope(
        every_cluster=access.owns_clusters,
        user_id=user_id,
        clusters=clusters,
        projects=frozenset(
            one
            for one in access.in_projects
            if PROJECT_AUDIT in access.in_project(one, access.project_clusters[one]).permissions
        ),
        all_projects_of=frozenset(one for one, granted in held.items() if ALL_PROJECTS in granted)
        - clusters,
    )


def with_tokens(scope: AuditScope) -> AuditScope:
    """Return the part of a scope in which :func:`visible_part` shows the name of the token.

    A search by token must not find events whose token is hidden: it would tell it.
    """
    return replace(scope, projects=frozenset(), all_projects_of=frozenset())


def visible_part(event: AuditEvent, scope: AuditScope) -> AuditEvent:
    """Return an event without what the log has and the caller may not see.

    The reason of a failure may contain addresses of a cluster or of the database, and annotations
    what a response leaves out on purpose: both are for those who see all events, or all of the
    cluster. In projects, others' addresses, programs, tokens and groups are not shown either.
    """
    if scope.everything:
        return event
    manages = event.cluster_id in scope.clusters or (scope.every_cluster and event.cluster_id != "")
    of_cluster = manages and not event.path.startswith("/v1/")
    if not (400 <= event.code < 500 or of_cluster):
        event = replace(event, reason="")
    if manages:
        return event
    details = json.loads(event.details)
    details.pop("annotations", None)
    if event.user_id == scope.user_id:
        return replace(event, details=json.dumps(details))
    return replace(event, details="{}", source="", user_agent="", token="")


def event_json(event: AuditEvent, usernames: Mapping[str, str]) -> Item:
    """Return an event, of which the caller sees this part, as the API shows it.

    ``usernames`` are those of sign-ins by user id, which have no username of their own.
    """
    return {
        "time": event.at.isoformat(),
        "received_at": event.received_at.isoformat(),
        "request_id": event.request_id,
        "stage": event.stage,
        "verb": event.verb,
        "code": event.code,
        "outcome": event.outcome,
        "answered_by": event.answered_by,
        "reason": event.reason,
        "sign_in": event.sign_in,
        "user": event.user_id,
        "username": event.username or usernames.get(event.user_id, ""),
        "principal": event.principal_id,
        "token": event.token,
        "impersonated": event.impersonated,
        "cluster": event.cluster_id,
        "cluster_name": event.cluster,
        "project": event.project_id,
        "namespace": event.namespace,
        "api_group": event.api_group,
        "resource": event.resource,
        "subresource": event.subresource,
        "name": event.name,
        "path": event.path,
        "source": event.source,
        "user_agent": event.user_agent,
        "details": json.loads(event.details),
    }
