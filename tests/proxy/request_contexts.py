"""Authenticated tokens and request contexts for tests of logs, audit and authorization."""

import time
from datetime import UTC, datetime
from typing import Any

from impersonation.identity import Group, Identity
from management.authentication.authenticated_token import AuthenticatedToken
from management.authorization.access import access_of
from management.authorization.role_catalog import RoleCatalog
from proxy.request.context import RequestContext
from proxy.request.request_info import request_info
from store.records import Principal, Token, User
from tests.store.records import a_binding

DIGEST = b"\x01" * 32


def authenticated_token(
    *groups: str, username: str = "alice", roles: dict[str, Any] | None = None, **token: Any
) -> AuthenticatedToken:
    """Return the token ``token-1`` of the user ``u-1``, with groups and roles."""
    principal = Principal("local://u-1", "local", username)
    user = User("u-1", username, username, True, False, datetime.now(UTC), (principal,))
    fields: dict[str, Any] = {
        "name": "token-1",
        "digest": DIGEST,
        "user_id": "u-1",
        "kind": "token",
        "principal_id": principal.id,
        "description": "",
        "created_at": datetime.now(UTC),
        "expires_at": None,
    }
    identity = Identity(
        "u-1", username, "local", principal.id, tuple(Group(one, one) for one in groups)
    )
    return AuthenticatedToken(
        Token(**(fields | token)),
        user,
        identity,
        access_of(
            [a_binding("u-1", role, cluster) for cluster, role in (roles or {}).items()],
            RoleCatalog(),
        ),
        float("inf"),
        time.monotonic() + 30,
    )


def request_context(
    method: str = "GET", target: str = "/api/v1/pods", **known: Any
) -> RequestContext:
    """Return the context of a request to the cluster ``prod`` with status 200."""
    fields: dict[str, Any] = {
        "request_id": "request-1",
        "user_agent": "kubectl/v1.36.3",
        "target": target,
        "info": request_info(method, target),
        "token": authenticated_token("github_team://42"),
        "cluster": "prod",
        "cluster_id": "c-1",
        "status": 200,
        "duration": 0.25,
    }
    path = f"/k8s/clusters/prod{target}".partition("?")[0]
    return RequestContext("192.0.2.7", method, path, 1_700_000_000.5, **(fields | known))
