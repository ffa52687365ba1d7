"""Agent tokens: with one, an agent opens tunnels of its cluster, and nothing else.

A token has 256 random bits. Its prefix lets secret scanners recognize it. Only its digest is
stored. At most two are valid at once, so that a successor can replace one without an interruption.
"""

import secrets
from datetime import datetime

from management.errors import AlreadyExists
from management.identity.users import random_id
from store.agent_records import MOST_AGENT_TOKENS, AgentToken, agent_token_digest
from store.errors import TooManyAgentTokens
from store.interfaces import Store

PREFIX = "sekisho-agent-"


class RotationRunning(AlreadyExists):
    """Both tokens of a cluster are in use: one of them is about to be revoked."""

    def __init__(self) -> None:
        super().__init__(
            "the cluster's agents are changing to a new token: try again in ten minutes"
        )


async def issue_agent_token(store: Store, cluster_id: str, now: datetime) -> tuple[AgentToken, str]:
    """Store a new token of a cluster. Return its record and the token.

    A token that was never used makes room for it.

    Raises:
        RotationRunning: two tokens of the cluster are in use.
        RecordNotFound: the cluster does not exist.
    """
    held = await store.agent_tokens.of_cluster(cluster_id)
    if len(held) >= MOST_AGENT_TOKENS:
        unused = [one for one in held if one.last_used_at is None]
        if not unused:
            raise RotationRunning
        await store.agent_tokens.revoke(unused[-1].id)
    text = PREFIX + secrets.token_urlsafe(32)
    token = AgentToken(random_id("at"), cluster_id, agent_token_digest(text), now)
    try:
        await store.agent_tokens.create(token)
    except TooManyAgentTokens:
        # Another request was faster.
        raise RotationRunning from None
    return token, text


async def revoke_agent_tokens(store: Store, cluster_id: str) -> None:
    """Revoke all agent tokens of a cluster: its agents can open no tunnel."""
    for token in await store.agent_tokens.of_cluster(cluster_id):
        await store.agent_tokens.revoke(token.id)
