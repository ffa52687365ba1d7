"""Check changes of a provider: which need an administrator, which need secrets again.

A manager of providers must not be able to become another user. A provider that points to another
server, or that reads names from another claim, can present any identity as any user. A stored
secret is sent only to the destination that it was given for.
"""

from collections.abc import Mapping
from typing import Any

from management.http.problem import ApiProblem
from management.identity.provider_instance import ProviderSpec
from providers.settings.effects import Effect, changed_effects, effects_of, missing_secrets
from store.claim_records import BackendChanged, ProviderClaim, same_backend, scheme_names
from store.interfaces import Store

_OTHERS = Effect.DESTINATION | Effect.MEANING | Effect.BACKEND
_ADMINISTRATORS = (
    "only administrators may change where a provider is, or which users its responses name: its "
    "users could be taken for others; ask an administrator"
)


def require_secrets(
    before: ProviderSpec,
    after: ProviderSpec,
    merged: Mapping[str, Any],
    given: Mapping[str, Any],
) -> None:
    """Check that no stored secret would go to another destination than it was given for.

    Raises:
        ApiProblem: 422 naming the secret to send again.
    """
    effects = changed_effects(type(after.settings), before.settings, after.settings)
    if not effects & Effect.DESTINATION:
        return
    missing = missing_secrets(type(after.settings), merged, given)
    if missing:
        fields = effects_of(type(after.settings))
        changed = sorted(
            name
            for name, effect in fields.items()
            if effect & Effect.DESTINATION
            and getattr(before.settings, name) != getattr(after.settings, name)
        )
        raise ApiProblem(
            422,
            f"{', '.join(changed)} decides where secrets are sent: send settings.{missing[0]} "
            "again, or remove it (null)",
        )


def require_may_change(before: ProviderSpec, after: ProviderSpec, *, administrator: bool) -> None:
    """Check that the caller may change these settings.

    Raises:
        ApiProblem: 403 if the change needs an administrator.
    """
    effects = changed_effects(type(after.settings), before.settings, after.settings)
    if effects & _OTHERS and not administrator:
        raise ApiProblem(403, _ADMINISTRATORS)


def requires_adoption(
    claim: ProviderClaim | None, after: ProviderSpec, *, adopt: bool, administrator: bool
) -> bool:
    """Return whether ``after`` adopts the principals of another issuer or directory.

    ``claim`` is the existing claim on the provider's name.

    Raises:
        ApiProblem: 409 if adoption was not requested, 403 if the caller is no administrator.
    """
    if claim is None or not claim.in_use:
        return False
    if claim.backend is not None and same_backend(claim.backend, after.backend):
        return False
    if not adopt:
        raise ApiProblem(409, str(BackendChanged(after.name, claim.backend or {}, after.backend)))
    if not administrator:
        raise ApiProblem(403, "only administrators may set adopt_principals")
    return True


def require_may_reuse(claim: ProviderClaim | None, *, administrator: bool) -> None:
    """Check that the caller may use the name of a former provider again.

    Raises:
        ApiProblem: 403 if that needs an administrator.
    """
    if claim is not None and claim.in_use and not administrator:
        raise ApiProblem(
            403,
            f"a former provider {claim.provider} still has users: choose another name, or ask an "
            "administrator",
        )


async def require_no_waiting_groups(store: Store, after: ProviderSpec) -> None:
    """Check that the provider would not own groups that hold roles already.

    A role may be bound to a group before its provider exists: the user who adds that provider
    decides who is in the group.

    Raises:
        ApiProblem: 403 if such a group exists.
    """
    names = {name for one in after.declared for name in scheme_names(one, after.name)}
    unowned = names - set(await store.claims.owners())
    for binding in await store.bindings.everywhere():
        scheme = (binding.group_id or "").partition("://")[0]
        if scheme in unowned:
            raise ApiProblem(
                403,
                f"groups {scheme}://… hold roles and belong to no provider yet: ask an "
                "administrator to add this provider",
            )
