"""Giving a user one more principal, once both proofs are there."""

from datetime import UTC, datetime, timedelta

from management.door import Door
from management.problems import Problem
from management.vouched import check_vouched
from providers.base import ExternalIdentity
from store.interfaces import Conflict, Principal, Store, Token

RECENT = timedelta(minutes=15)
"""How long ago the sign-in may be with which somebody changes who they are."""


def signed_in_recently(token: Token) -> bool:
    """Whether ``token`` is that of a recent sign-in. Renewing a session doesn't make it one."""
    since = token.signed_in_at or token.created_at
    return token.kind == "session" and datetime.now(UTC) - since <= RECENT


async def link_principal(
    store: Store, user_id: str, provider: str, door: Door, identity: ExternalIdentity
) -> None:
    """Link ``identity``, which ``provider`` has just vouched for, to a user.

    Raises Problem where somebody is known by it already, or the provider's access mode says no;
    ProviderUnavailable for what a provider must not say; StoreError.
    """
    check_vouched(provider, door.schemes, identity)
    if await door.admission.refusal_of(identity) is not None:
        raise Problem(403, "the provider's access mode doesn't let this account in")
    principal = Principal(identity.principal_id, provider, identity.username)
    try:
        await store.identities.link(user_id, principal, identity.secret)
    except Conflict:
        raise Problem(409, "somebody is known by that already: unlink it there first") from None
    await store.identities.seen(principal.id, datetime.now(UTC), identity.secret)
