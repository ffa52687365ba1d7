"""Records for tests, each with sensible values for what a test doesn't care about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from store.interfaces import Cluster, CredentialSource, Principal, Token, User

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
