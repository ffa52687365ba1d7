"""Complete names in a shell: those of the server within a short time, or nothing.

While a user types, an error message or a long wait is worse than no suggestion.
"""

import os
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from proxy.cli.client.reach import Noun
    from proxy.cli.client.server_session import ServerSession

SECONDS = 2.0
"""How long the shell may wait for the server."""

MOST = 200
"""Names that are suggested at most."""

Complete = Callable[[click.Context, click.Parameter, str], list[str]]
Names = Callable[["ServerSession", click.Context, str], AsyncIterator[str]]


def names_at(path: str, field: str = "name") -> Complete:
    """Return a function that suggests a field of the items of a list."""

    async def names(
        session: "ServerSession", ctx: click.Context, incomplete: str
    ) -> AsyncIterator[str]:
        async for item in session.list(path, search=incomplete or None):
            yield str(item.get(field) or "")

    return suggesting(names)


def suggesting(names: Names) -> Complete:
    """Return a function that suggests those of ``names`` that begin with what was typed."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        import asyncio

        try:
            return asyncio.run(_within(names, ctx, incomplete))
        except Exception:  # whatever it is: nothing is suggested
            return []

    return complete


def _names_in_reach(noun: "Noun") -> Complete:
    """Return a function that suggests clusters or projects, with limited credentials, too."""

    async def names(
        session: "ServerSession", ctx: click.Context, incomplete: str
    ) -> AsyncIterator[str]:
        from proxy.cli.client.reach import in_reach

        async for item in in_reach(session, noun, search=incomplete or None):
            yield str(item.get("name") or "")

    return suggesting(names)


async def _within(names: Names, ctx: click.Context, incomplete: str) -> list[str]:
    import asyncio

    from proxy.cli.client.server_command import open_session

    found: set[str] = set()
    async with asyncio.timeout(SECONDS):
        session = open_session(ctx.params.get("server"), os.environ, renew=False)
        async for name in names(session, ctx, incomplete):
            if name.startswith(incomplete) and name.isprintable():
                found.add(name)
            if len(found) >= MOST:
                break
    return sorted(found)


CLUSTERS = _names_in_reach("clusters")
PROJECTS = _names_in_reach("projects")
NAMESPACES = names_at("/v1/namespaces")
ROLES = names_at("/v1/roles")
USERS = names_at("/v1/users", "username")
PROVIDERS = names_at("/v1/providers")
