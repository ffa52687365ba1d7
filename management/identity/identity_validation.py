"""Validate the identities that providers return, wherever one enters Sekisho."""

from collections.abc import Sequence

from config.loggers import get_logger
from impersonation.reserved_names import (
    UNSENDABLE_CHARACTERS,
    ReservedName,
    is_sendable,
    reject_reserved,
)
from providers.base import ExternalIdentity, ProviderUnavailable
from store.records import Membership

_LOG = get_logger(__name__)


def validate_identity(provider: str, schemes: Sequence[str], identity: ExternalIdentity) -> None:
    """Check that a provider returned only names and principals that it may.

    Raises:
        ProviderUnavailable: it did not. This is a fault of the provider, not a rejection of the
            user.
    """
    principals = [identity.principal_id, *(group.principal_id for group in identity.groups)]
    try:
        reject_reserved([*principals, identity.username, *(g.name for g in identity.groups)])
    except ReservedName as exc:
        raise _invalid_identity(provider, "a reserved name", exc.name) from exc
    for principal in principals:
        scheme, _, key = principal.partition("://")
        if scheme not in schemes or not key:
            raise _invalid_identity(
                provider, "a principal that the provider does not own", principal
            )
    if not is_sendable(identity.principal_id):
        raise _invalid_identity(
            provider, "a principal that no header can carry", identity.principal_id
        )
    for name in (*principals, identity.username):
        if not name.strip() or UNSENDABLE_CHARACTERS.search(name):
            raise _invalid_identity(
                provider, "a name that is empty or has control characters", name
            )


def memberships_from(provider: str, identity: ExternalIdentity) -> list[Membership]:
    """Return the memberships in an identity, each once, sorted by id.

    A group that no header can carry to a cluster (white space around its name) is left out with a
    warning: with it, its members could not enter any cluster. It is never trimmed, because the
    result would be another group.
    """
    groups: dict[str, Membership] = {}
    for one in identity.groups:
        if not is_sendable(one.principal_id):
            _LOG.warning(
                "group left out: no header can carry its name",
                provider=provider,
                group=repr(one.principal_id),
                user=identity.principal_id,
            )
            continue
        groups[one.principal_id] = Membership(one.principal_id, provider, shown_name(one.name))
    return sorted(groups.values(), key=lambda one: one.id)


def usable_username(identity: ExternalIdentity) -> str:
    """Return the username, or the principal's key if no header can carry the username."""
    if is_sendable(identity.username):
        return identity.username
    return identity.principal_id.partition("://")[2]


def shown_name(name: str) -> str:
    """Return a display name that can be stored and logged. Nothing depends on it."""
    return UNSENDABLE_CHARACTERS.sub("\ufffd", name)


def foreign_principal(provider: str, principal_id: str) -> ProviderUnavailable:
    """Return the error for a provider that returned another provider's user."""
    return _invalid_identity(provider, "another provider's user", principal_id)


def _invalid_identity(provider: str, what: str, name: str) -> ProviderUnavailable:
    _LOG.error("provider returned an invalid identity", provider=provider, what=what, name=name)
    return ProviderUnavailable("the provider returned an invalid identity; the log has more")
