"""Tests of agents' tokens, over both databases."""

import asyncio
from datetime import timedelta

import pytest

from store.agent_records import AgentToken, agent_token_digest
from store.database import SqlStore
from store.errors import Conflict, RecordNotFound, TooManyAgentTokens
from store.records import Change
from tests.store.direct_access import rows
from tests.store.records import NOW, a_cluster

SECRET = "agent-token-that-is-not-stored"


def an_agent_token(token_id: str = "at-1", cluster: str = "c-prod") -> AgentToken:
    digest = agent_token_digest(f"{SECRET}{token_id}")
    return AgentToken(token_id, cluster, digest, NOW + timedelta(seconds=int(token_id[-1])))


async def test_token_is_found_by_digest_only_and_noted_as_used(store: SqlStore, url: str) -> None:
    await store.clusters.create(a_cluster())
    token = an_agent_token()
    await store.agent_tokens.create(token)
    assert await store.agent_tokens.find(token.digest) == token
    assert await store.agent_tokens.find(agent_token_digest("another")) is None
    await store.agent_tokens.note_used(NOW, "at-1")
    (found,) = await store.agent_tokens.of_cluster("c-prod")
    assert found.last_used_at == NOW
    assert SECRET not in str(await rows(url, "SELECT * FROM agent_tokens"))
    assert await store.agent_tokens.of_cluster("c-\0") == []


async def test_third_token_of_a_cluster_is_refused(store: SqlStore) -> None:
    await store.clusters.create(a_cluster())
    await store.clusters.create(a_cluster("dev"))
    for name in ("at-1", "at-2"):
        await store.agent_tokens.create(an_agent_token(name))
    with pytest.raises(TooManyAgentTokens, match="2 valid agent tokens already: revoke one first"):
        await store.agent_tokens.create(an_agent_token("at-3"))
    await store.agent_tokens.create(an_agent_token("at-4", "c-dev"))
    assert await store.agent_tokens.ids() == {"at-1", "at-2", "at-4"}
    assert await store.agent_tokens.existing(["at-1", "at-4", "at-9"]) == {"at-1", "at-4"}
    assert await store.agent_tokens.revoke("at-1")
    assert not await store.agent_tokens.revoke("at-1")
    await store.agent_tokens.create(an_agent_token("at-3"))
    assert [one.id for one in await store.agent_tokens.of_cluster("c-prod")] == ["at-2", "at-3"]
    with pytest.raises(Conflict):
        await store.agent_tokens.create(an_agent_token("at-4", "c-dev"))


async def test_tokens_created_at_once_are_two_at_most(store: SqlStore) -> None:
    await store.clusters.create(a_cluster())
    made = await asyncio.gather(
        *(store.agent_tokens.create(an_agent_token(f"at-{n}")) for n in range(6)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, TooManyAgentTokens) for one in made) == 4
    assert len(await store.agent_tokens.of_cluster("c-prod")) == 2


async def test_token_of_unknown_cluster_is_refused_and_goes_with_its_cluster(
    store: SqlStore,
) -> None:
    for unknown in ("c-prod", "c-\0"):
        with pytest.raises(RecordNotFound, match="there is no cluster"):
            await store.agent_tokens.create(an_agent_token(cluster=unknown))
    await store.clusters.create(a_cluster())
    await store.agent_tokens.create(an_agent_token())
    await store.clusters.delete("c-prod")
    assert await store.agent_tokens.find(an_agent_token().digest) is None


async def test_new_and_revoked_tokens_are_announced(store: SqlStore) -> None:
    await store.clusters.create(a_cluster())
    async with store.changes.subscribe() as changes:
        await store.agent_tokens.create(an_agent_token())
        await store.agent_tokens.revoke("at-1")
        seen = [await anext(changes)]
        while len([one for one in seen if one == Change("agent-token", "c-prod")]) < 2:
            seen.append(await anext(changes))
