"""Link one more principal to a user, once both are proven."""

from datetime import UTC, datetime, timedelta

from management.http.problem import ApiProblem
from management.identity.identity_validation import validate_identity
from management.identity.provider_capabilities import ProviderCapabilities
from providers.base import ExternalIdentity
from store.errors import Conflict
from store.interfaces import Store
from store.records import Principal, Token

RECENT = timedelta(minutes=15)
"""Age up to which a sign-in permits a change of the user's principals."""


def signed_in_recently(token: Token) -> bool:
    """Return whether ``token`` is a session of a recent sign-in; renewing does not count."""
    since = token.signed_in_at or token.created_at
    return token.kind == "session" and datetime.now(UTC) - since <= RECENT


async def link_principal(
    store: Store,
    user_id: str,
    provider: str,
    capabilities: ProviderCapabilities,
    identity: ExternalIdentity,
) -> None:
    """Link ``identity``, which ``provider`` has just authenticated, to a user.

    Raises:
        ApiProblem: 403 if the provider's access mode does not allow it, 409 if another user has the
            principal.
        ProviderUnavailable: the provider returned an invalid identity.
        StoreError: the store cannot be written.
    """
    validate_identity(provider, capabilities.schemes, identity)
    if await capabilities.policy.refusal_of(identity) is not None:
        raise ApiProblem(403, "the provider's access mode does not allow this account")
    principal = Principal(identity.principal_id, provider, identity.username)
    try:
        await store.identities.link(user_id, principal, identity.secret)
    except Conflict:
        owner = await store.users.by_principal(principal.id)
        if owner is not None and owner.id == user_id:
            raise ApiProblem(409, "this account is linked to you already") from None
        raise ApiProblem(
            409, "another user has this principal: unlink it from that user first"
        ) from None
    await store.identities.take_name(principal.id, principal.name)
    await store.identities.seen(principal.id, datetime.now(UTC), identity.secret)
