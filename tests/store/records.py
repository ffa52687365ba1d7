"""Records for tests, with default values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from store.access_records import Binding
from store.interfaces import Store
from store.records import Cluster, CredentialSource, Principal, Token, User

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def a_user(name: str = "alice", **values: Any) -> User:
    user_id = f"u-{name}"
    principal = Principal(f"local://{user_id}", "local", name)
    return replace(User(user_id, name, name.title(), True, False, NOW, (principal,)), **values)


def a_token(name: str = "token-a", user: str = "u-alice", **values: Any) -> Token:
    token = Token(
        name=name,
        kind="token",
        digest=b"d" * 32,
        user_id=user,
        principal_id=f"local://{user}",
        description="for tests",
        created_at=NOW,
        expires_at=NOW + timedelta(hours=8),
    )
    return replace(token, **values)


def a_cluster(name: str = "prod", **values: Any) -> Cluster:
    cluster = Cluster(
        id=f"c-{name}",
        name=name,
        servers=("https://10.0.0.1:6443", "https://10.0.0.2:6443"),
        ca_pem="-----BEGIN CERTIFICATE-----",
        tls_server_name=None,
        impersonator_token="impersonator-secret",
        controller_token="controller-secret",
        credential_source=CredentialSource.TOKEN_REQUEST,
        tokens_expire_at=NOW + timedelta(days=30),
        created_at=NOW,
    )
    return replace(cluster, **values)


def a_binding(
    subject: str = "u-alice",
    role: str = "cluster-member",
    cluster: str | None = "c-prod",
    project: str | None = None,
    **values: Any,
) -> Binding:
    """Return a binding of a user, or of a group if ``subject`` contains ``://``."""
    group = "://" in subject
    binding = Binding(
        id=f"b-{role}-{subject}-{project or cluster}",
        role_id=role,
        user_id=None if group else subject,
        group_id=subject if group else None,
        name=subject,
        created_at=NOW,
        cluster_id=cluster,
        project_id=project,
    )
    return replace(binding, **values)


async def let_in(
    store: Store, cluster_id: str, user_id: str, role: str = "cluster-member"
) -> Binding:
    """Bind a user to one role in a cluster, instead of other roles."""
    binding = a_binding(user_id, role, cluster_id)
    return await store.bindings.create(binding, instead=True)
