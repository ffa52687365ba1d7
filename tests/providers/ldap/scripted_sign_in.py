"""Sign-in at a scripted directory, for tests."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from providers.active_directory.provider import active_directory_provider
from providers.active_directory.settings import ActiveDirectorySettings
from providers.base import Outcome, PasswordAttempt
from providers.ldap.directory_provider import DirectoryProvider
from tests.support.scripted_directory import (
    BIND,
    Request,
    Script,
    scripted,
)

GUID = bytes(range(16))


SID = b"\x01\x01\0\0\0\0\0\x05\x20\0\0\0"


ALICE = b"CN=alice,DC=corp,DC=example,DC=test"


ATTRIBUTES: dict[str, list[bytes]] = {
    "objectGUID": [GUID],
    "objectSid": [SID],
    "sAMAccountName": [b"alice"],
    "userAccountControl": [b"512"],
    "accountExpires": [b"0"],
    "cn": [b"alice"],
}


@asynccontextmanager
async def connected(
    script: Script, **changes: Any
) -> AsyncIterator[tuple[DirectoryProvider, list[Request]]]:
    """Yield a provider of a scripted directory, and the requests that the directory receives."""
    with scripted(script) as directory:
        provider = make(directory.url, **changes)
        await provider.start()
        try:
            yield provider, directory.requests
        finally:
            await provider.close()


def make(*servers: str, **changes: Any) -> DirectoryProvider:
    values = {
        "servers": servers,
        "allow_plain": True,
        "domain": "corp.example.test",
        "bind_dn": "CN=service",
        "bind_password": "service",
        "nested_groups": "none",
    }
    settings = ActiveDirectorySettings.model_validate(values | changes)
    return active_directory_provider("corp", settings, time.monotonic)


def respond_normally(request: Request, **attributes: list[bytes]) -> bytes:
    """Respond like a small directory that contains alice and no groups."""
    if request.operation == BIND:
        return request.bind_response()
    if b"sAMAccountName" in request.raw and b"userAccountControl" in request.raw:
        return request.raw_entry(ALICE, ATTRIBUTES | attributes) + request.search_done()
    return request.search_done()


def is_user_bind(request: Request) -> bool:
    """Return whether the request is alice's bind. The service account binds before."""
    return request.operation == BIND and b"CN=alice" in request.raw


async def sign_in(provider: DirectoryProvider) -> Outcome:
    return await provider.authenticate(PasswordAttempt("alice", "right"))
