"""Change and delete one object, without overwriting what another client changed meanwhile."""

from collections.abc import Awaitable, Callable

from proxy.cli.apply.bodies import patch_of
from proxy.cli.client.problems import Refused
from proxy.cli.client.server_session import Answer, Item, ServerSession
from proxy.cli.common import CommandFailed

ATTEMPTS = 2
"""How often an object is read and changed, if it changes in between."""


async def patched(session: ServerSession, path: str, desired: Item) -> None:
    """Give an object its desired fields. It is read again if it was changed in between.

    Raises CommandFailed, also if it was changed in between each time.
    """

    async def change() -> None:
        found = await session.read(path)
        patch = patch_of(found.data, desired)
        if patch:
            await session.send("PATCH", path, patch, if_match=found.etag)

    await _until_unchanged(change)


async def replaced(session: ServerSession, path: str, desired: Item) -> None:
    """Replace an object, or create it. It is read again if it was changed in between.

    Limits that this version does not know keep their values. Raises CommandFailed.
    """

    async def change() -> None:
        found = await present(session, path)
        limits = {} if found is None else dict(found.data["limits"])
        body = {**desired, "limits": limits | desired["limits"]}
        await session.send("PUT", path, body, if_match=found.etag if found else None)

    await _until_unchanged(change)


async def _until_unchanged(change: Callable[[], Awaitable[None]]) -> None:
    """Read and change an object, again if it was changed in between."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await change()
            return
        except Refused as exc:
            if exc.status != 412 or attempt == ATTEMPTS:
                raise


async def deleted(session: ServerSession, path: str, labels: Item) -> None:
    """Delete an object that still has these labels. One that is gone already is fine.

    Raises CommandFailed, also if its labels were changed meanwhile: it may not be the run's to
    delete any longer.
    """
    found = await present(session, path)
    if found is None:
        return
    if dict(found.data.get("labels") or {}) != dict(labels):
        raise CommandFailed("its labels were changed meanwhile; nothing was deleted")
    await removed(session, path, if_match=found.etag)


async def removed(
    session: ServerSession, path: str, *, if_match: str | None = None, **params: object
) -> None:
    """Send a DELETE. An object that is gone already is fine."""
    try:
        await session.send("DELETE", path, if_match=if_match, **params)
    except Refused as exc:
        if exc.status != 404:
            raise


async def present(session: ServerSession, path: str) -> Answer | None:
    """Return an object; None if it does not exist."""
    try:
        return await session.read(path)
    except Refused as exc:
        if exc.status == 404:
            return None
        raise
