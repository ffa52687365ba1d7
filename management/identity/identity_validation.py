"""What a provider may say of somebody, checked wherever an identity enters Sekisho."""

import re
from collections.abc import Sequence

import structlog

from impersonation.policy import ReservedName, refuse_reserved
from providers.base import ExternalIdentity, ProviderUnavailable
from store.interfaces import Membership

_LOG = structlog.get_logger("sekisho.identities")
_UNTELLABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What no header and no database can hold."""


def check_vouched(provider: str, schemes: Sequence[str], identity: ExternalIdentity) -> None:
    """Raise ProviderUnavailable for what a provider must not say: its fault, nobody's refusal."""
    principals = [identity.principal_id, *(group.principal_id for group in identity.groups)]
    try:
        refuse_reserved([*principals, identity.username, *(g.name for g in identity.groups)])
    except ReservedName as exc:
        raise _not_theirs(provider, "a reserved name", exc.name) from exc
    for principal in principals:
        scheme, _, key = principal.partition("://")
        if scheme not in schemes or not key:
            raise _not_theirs(provider, "a principal that isn't its own", principal)
    for name in (*principals, identity.username):
        if not name.strip() or _UNTELLABLE.search(name):
            raise _not_theirs(provider, "a name that is empty or has control characters", name)


def memberships_said(provider: str, identity: ExternalIdentity) -> list[Membership]:
    """The groups that the provider says somebody is in, by id, each once."""
    groups = {
        one.principal_id: Membership(one.principal_id, provider, shown_name(one.name))
        for one in identity.groups
    }
    return sorted(groups.values(), key=lambda one: one.id)


def shown_name(name: str) -> str:
    """A display name that can be stored and told. Nothing depends on it."""
    return _UNTELLABLE.sub("\ufffd", name)


def foreign_principal(provider: str, principal_id: str) -> ProviderUnavailable:
    """The error of a provider that has vouched for another provider's user."""
    return _not_theirs(provider, "another provider's user", principal_id)


def _not_theirs(provider: str, what: str, name: str) -> ProviderUnavailable:
    _LOG.error("a provider handed out what it may not", provider=provider, what=what, name=name)
    return ProviderUnavailable("the provider named somebody it may not")
