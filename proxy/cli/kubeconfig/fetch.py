"""Ask a server for kubeconfigs: of the chosen clusters, with sign-ins or with tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from proxy.cli.client.problems import Refused, not_sekisho
from proxy.cli.client.server_session import Answer, ServerSession, path_of
from proxy.cli.common import CommandFailed, warn
from proxy.cli.kubeconfig.entries import Entry, InvalidKubeconfig, entries_of, token_names

EVERY = "/v1/kubeconfig"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The entries of the chosen clusters, and the ids of all that the user may enter."""

    entries: Sequence[Entry]
    accessible: frozenset[str]


async def fetch(session: ServerSession, clusters: Sequence[str]) -> Fetched:
    """Return entries without secrets; no ``clusters`` means all.

    Raises:
        CommandFailed: a cluster doesn't exist, or the user may not enter it.
    """
    every = await _accessible(session)
    ids = frozenset(one.cluster_id for one in every)
    if not clusters:
        return Fetched(every, ids)
    chosen = []
    for name in clusters:
        answer = await session.read(path_of("clusters", name, "kubeconfig"))
        chosen += _entries(session, answer)
    return Fetched(_each_once(chosen), ids)


async def with_tokens(
    session: ServerSession, clusters: Sequence[str], body: dict[str, Any]
) -> list[Entry]:
    """Return entries with new tokens: one for each of ``clusters``, or one for all.

    If a request fails, the tokens that exist by then are revoked.
    """
    made: list[Entry] = []
    paths = [path_of("clusters", one, "kubeconfig") for one in clusters] or [EVERY]
    try:
        for path in paths:
            made += _entries(session, await session.send("POST", path, body))
    except CommandFailed:
        await revoke(session, token_names(made))
        raise
    return _each_once(made)


async def revoke(session: ServerSession, tokens: Sequence[str]) -> None:
    """Revoke tokens that could not be written to a file. Warns if that fails."""
    for name in tokens:
        try:
            await session.send("DELETE", path_of("tokens", name))
        except CommandFailed as exc:
            warn(f"the unused token {name} could not be revoked: {exc}")


async def _accessible(session: ServerSession) -> list[Entry]:
    try:
        return _entries(session, await session.read(EVERY))
    except Refused as exc:
        if exc.status != 404:
            raise
        return []


def _entries(session: ServerSession, answer: Answer) -> list[Entry]:
    try:
        return entries_of(answer.body.decode("utf-8"))
    except (InvalidKubeconfig, UnicodeDecodeError):
        raise not_sekisho(session.server) from None


def _each_once(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries without those of clusters that were named twice."""
    return list({one.cluster_id: one for one in entries}.values())
