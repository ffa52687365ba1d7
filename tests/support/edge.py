"""A Sekisho with a cluster that is reached by agents, and its store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from agent.dial import Target
from store.agent_records import AgentToken, agent_token_digest
from store.database import SqlStore, open_store
from store.encryption import Keyring
from tests.store.records import NOW, a_cluster
from tests.support.sekisho import Sekisho, free_port

TOKEN = "agent-token-of-edge-that-is-in-no-log"
OTHER_TOKEN = "agent-token-of-edge-its-successor"


@asynccontextmanager
async def store_of(sekisho: Sekisho) -> AsyncIterator[SqlStore]:
    """Open the store of a running Sekisho, as another of its processes does."""
    data = sekisho.folder / "data"
    keyring = Keyring.parse((data / "encryption.key").read_text().strip())
    store = await open_store(f"sqlite:///{data / 'sekisho.db'}", keyring)
    try:
        yield store
    finally:
        await store.close()


async def add_cluster(sekisho: Sekisho) -> None:
    """Add the cluster ``edge`` with two agent tokens."""
    async with store_of(sekisho) as store:
        await store.clusters.create(a_cluster("edge", reach="agent", ca_pem=None))
        for number, token in enumerate((TOKEN, OTHER_TOKEN), 1):
            digest = agent_token_digest(token)
            await store.agent_tokens.create(AgentToken(f"at-{number}", "c-edge", digest, NOW))


async def reach_by_agent(sekisho: Sekisho) -> None:
    """Change the cluster ``edge``, which was imported directly, to its agent, with a token."""
    async with store_of(sekisho) as store:
        cluster = await store.clusters.get("edge")
        assert cluster is not None
        # Nothing listens there: only the agent knows the API server's address.
        servers = tuple(f"https://127.0.0.1:{free_port()}" for _ in cluster.servers)
        await store.clusters.replace(replace(cluster, reach="agent", servers=servers))
        digest = agent_token_digest(TOKEN)
        await store.agent_tokens.create(AgentToken("at-1", cluster.id, digest, NOW))


def target(sekisho: Sekisho, token: str = TOKEN) -> Target:
    """Return what an agent is configured with."""
    ca = (sekisho.folder / "data" / "tls" / "ca.crt").read_text()
    return Target(sekisho.url, token, ca)
