"""Find the user or group that a name refers to.

Users choose their names at issuers that may allow any. So an exact id wins, then a principal, then
a username, and a username only if exactly one user has it. A name that has the form of an id or of
a principal is never a username (``config.exact_names``). A new user's name therefore makes
no other user hard to name, and no grant goes to a new user by mistake: responses show the provider
beside the name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from config.exact_names import is_exact
from impersonation.reserved_names import ReservedName, reject_reserved
from management.errors import InvalidRequest, UserNotFound
from store.claim_records import ProviderClaim
from store.interfaces import Store
from store.records import User

_MOST_CANDIDATES = 10
"""How many candidates an error lists."""


@dataclass(frozen=True, slots=True)
class RoleSubject:
    """A holder of roles: a user, or a group principal (``user`` is None)."""

    id: str
    name: str
    user: User | None = None


async def find_user(store: Store, name: str, provider: str | None = None) -> User:
    """Return the user with that id, otherwise that principal, otherwise that username.

    ``provider``: consider only users with a principal at that provider.

    Raises:
        UserNotFound: no user matches, or several do.
    """
    found = [
        one
        for one in await store.users.find(name)
        if provider is None or provider in {principal.provider for principal in one.principals}
    ]
    for exact in (_with_id, _with_principal):
        for one in found:
            if exact(one, name):
                return one
    if not found or is_exact(name):
        at = f" at {provider}" if provider is not None else ""
        raise UserNotFound(f'user "{name}" not found{at}')
    if len(found) > 1:
        candidates = ", ".join(described_user(one) for one in found[:_MOST_CANDIDATES])
        more = "" if len(found) <= _MOST_CANDIDATES else ", and more"
        raise UserNotFound(
            f'several users are called "{name}": use one of the ids {candidates}{more}'
        )
    return found[0]


def described_user(user: User) -> str:
    """Return a user's id, username and providers as text."""
    return f"{user.id} ({user.username}{at_providers(user)})"


def at_providers(user: User) -> str:
    """Return the user's providers as text: `` at github``; empty if there are none."""
    providers = ", ".join(sorted({one.provider for one in user.principals}))
    return f" at {providers}" if providers else ""


async def find_role_subject(store: Store, name: str) -> RoleSubject:
    """Return the user or the known group that ``name`` refers to.

    Raises:
        UserNotFound: neither is found.
    """
    try:
        user = await find_user(store, name)
    except UserNotFound as exc:
        if "://" not in name:
            raise
        if await store.bindings.is_known_group(name):
            return RoleSubject(name, name)
        raise UserNotFound(f"{exc}, and no user is in a group with that id") from exc
    return RoleSubject(user.id, user.username, user)


async def find_group(
    store: Store, group_id: str, name: str, provider: str | None = None, *, trusted: Sequence[str]
) -> RoleSubject:
    """Return a group principal, whether or not one of its members has ever signed in.

    ``provider`` names the group's provider if ``group_id`` has the scheme that the provider's type
    declares. ``trusted`` are the configured providers: an unknown id belongs to them by its scheme;
    for another provider, ``provider`` must be given.

    Raises:
        InvalidRequest: the id is malformed, reserved or ambiguous.
    """
    scheme, separator, key = group_id.partition("://")
    if not (separator and scheme and key) or len(group_id) > 512:
        raise InvalidRequest(
            f"{group_id!r} is not a group's principal id, such as github_team://42"
        )
    try:
        reject_reserved([group_id])
    except ReservedName as exc:
        raise InvalidRequest(str(exc)) from exc
    claims = await store.claims.list_all()
    if provider is not None:
        return RoleSubject(*_at_provider(claims, provider, scheme, key, name))
    candidates = {
        one.provider: f"{one.schemes[scheme]}://{key}" for one in claims if scheme in one.schemes
    }
    owner = next((one.provider for one in claims if scheme in one.schemes.values()), None)
    if len(candidates) > 1 and not await store.bindings.is_known_group(group_id):
        known = [one for one in candidates.values() if await store.bindings.is_known_group(one)]
        if known or owner not in trusted:
            listed = ", ".join(f"{one} at {where}" for where, one in sorted(candidates.items()))
            raise InvalidRequest(
                f"{group_id} is ambiguous: several providers have such groups; use {listed}"
            )
    return RoleSubject(group_id, name or group_id)


def _at_provider(
    claims: Sequence[ProviderClaim], provider: str, scheme: str, key: str, name: str
) -> tuple[str, str]:
    claim = next((one for one in claims if one.provider == provider), None)
    schemes = claim.schemes if claim is not None else {}
    owned = scheme if scheme in schemes.values() else schemes.get(scheme)
    if owned is None:
        raise InvalidRequest(f"provider {provider} has no principals {scheme}://…")
    return f"{owned}://{key}", name or f"{owned}://{key}"


def _with_id(user: User, name: str) -> bool:
    return user.id == name


def _with_principal(user: User, name: str) -> bool:
    return any(one.id == name for one in user.principals)
