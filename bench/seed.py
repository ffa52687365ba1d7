"""Write the benchmark's cluster, and further ones, directly into a store.

    python -m bench.seed CONFIG UPSTREAM CA [--users N] [--clusters N]

The benchmark's upstream is not Kubernetes, so ``cluster import`` rejects it. For thousands of users
and clusters, use :mod:`bench.bulk`.
"""

import argparse
import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from management.identity.users import new_user
from proxy.files.data_dir import open_keyring
from proxy.startup.configuration import load_config
from store.database import open_store
from store.interfaces import Store
from store.records import Cluster, CredentialSource, Token

NAME = "bench"


async def seed(config: str, upstream: str, ca: str, *, users: int, clusters: int) -> None:
    """Write the users and clusters of the benchmark."""
    settings = load_config(config, {}).settings
    store = await open_store(settings.store_url, open_keyring(settings))
    try:
        now = datetime.now(UTC)
        bench = Cluster(
            id="c-bench",
            name=NAME,
            servers=(upstream,),
            ca_pem=Path(ca).read_text(),
            tls_server_name=None,
            impersonator_token="the-service-accounts-token",
            controller_token=None,
            credential_source=CredentialSource.STATIC,
            tokens_expire_at=None,
            created_at=now,
            trusted_addresses=("127.0.0.1", "::1"),
        )
        await store.clusters.create(bench)
        for number in range(clusters):
            await store.clusters.create(replace(bench, id=f"c-{number}", name=f"more-{number}"))
        await _users(store, users, now)
    finally:
        await store.close()


async def _users(store: Store, count: int, now: datetime) -> None:
    for number in range(count):
        user = new_user(f"user-{number}")
        await store.users.create(user)
        name = f"token-{number}"
        digest = hashlib.sha256(f"{name}:secret".encode()).digest()
        token = Token(
            name=name,
            kind="token",
            digest=digest,
            user_id=user.id,
            principal_id=user.principals[0].id,
            description="",
            created_at=now,
            expires_at=None,
        )
        await store.tokens.create(token)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("upstream")
    parser.add_argument("ca")
    parser.add_argument("--users", type=int, default=0)
    parser.add_argument("--clusters", type=int, default=0)
    chosen = parser.parse_args()
    asyncio.run(
        seed(
            chosen.config,
            chosen.upstream,
            chosen.ca,
            users=chosen.users,
            clusters=chosen.clusters,
        )
    )


if __name__ == "__main__":
    main()
