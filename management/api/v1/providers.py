"""Providers at run time: add, change, test, disable and delete them.

Configured providers can be read and tested here, but only the configuration changes them. Secrets
are never returned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import Field, SecretStr

from config.text_patterns import described, ends_alike
from management.api import overview_models
from management.api.authentication import caller_of
from management.api.listing import Item, Listing
from management.api.openapi_metadata import openapi
from management.api.provider_tests import ProviderTester, findings_of, run_test, tester_of
from management.api.request_models import Reference, RequestModel
from management.api.services import services_of
from management.http.body import read_body
from management.http.merge_patch import merge
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note, address_of
from management.identity.provider_changes import (
    require_may_change,
    require_may_reuse,
    require_no_waiting_groups,
    require_secrets,
    requires_adoption,
)
from management.identity.provider_instance import InvalidProvider, ProviderInstance, ProviderSpec
from management.identity.provider_registry import ProviderRegistry
from providers.base import PasswordAttempt
from store.records import AccessMode, StoredProvider

_NAME = described(r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$", ends_alike(32, "and -"))


class NewProvider(RequestModel):
    """A provider to add."""

    name: str = Field(pattern=_NAME)
    type: Reference
    enabled: bool = True
    settings: dict[str, Any] = Field(default_factory=dict)
    access_mode: AccessMode = "unrestricted"
    allowed_principals: list[Reference] = Field(default_factory=list, max_length=1000)
    adopt_principals: bool = False
    """An administrator's confirmation that the users of a former provider with that name are this
    one's.
    """


class ProviderChange(RequestModel):
    """A merge patch (RFC 7396) of a provider; in ``settings``, null removes a setting."""

    enabled: bool | None = None
    settings: dict[str, Any] | None = None
    access_mode: AccessMode | None = None
    allowed_principals: list[Reference] | None = Field(default=None, max_length=1000)
    adopt_principals: bool = False
    """An administrator's confirmation that the known users are those of the new backend."""


class ProviderTest(RequestModel):
    """Credentials for a test; ``settings`` are merged in for the test only.

    Without credentials: whether the backend can be reached as configured.
    """

    username: str | None = None
    password: SecretStr | None = None
    settings: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    registry: ProviderRegistry
    running: ProviderInstance


async def collect(request: web.Request) -> Sequence[Item]:
    """List all providers with their states, disabled ones too; secrets are left out.

    A stream reports changes of settings, not of ``up``.
    """
    registry, tester = services_of(request).providers, tester_of(request)
    return [_json(one, tester) for one in (registry.everything() if registry is not None else [])]


LIST = Listing(
    collect,
    response=overview_models.ProviderDetails,
    key="name",
    filters=("type", "enabled", "up", "origin"),
    searched=("name", "type"),
    kinds=frozenset({"provider"}),
)


@openapi(watched=frozenset({"provider"}))
async def show(request: web.Request) -> web.Response:
    """Return a provider with its state; secrets are masked."""
    return web.json_response(_json(_target(request).running, tester_of(request)))


@openapi(body=NewProvider, status=201)
async def create(request: web.Request) -> web.Response:
    """Add a provider; every replica has it within a second."""
    registry = _registry(request)
    body = await read_body(request, NewProvider)
    if registry.configured(body.name):
        raise ApiProblem(
            409, f"the configuration has a provider {body.name} already: choose another name"
        )
    stored = StoredProvider(
        body.name,
        body.type,
        body.enabled,
        body.settings,
        body.access_mode,
        tuple(body.allowed_principals),
        datetime.now(UTC),
    )
    spec, store = _checked(registry, stored), services_of(request).store
    claim, administrator = await store.claims.get(body.name), _administers(request)
    require_may_reuse(claim, administrator=administrator)
    if not administrator:
        await require_no_waiting_groups(store, spec)
    adopts = requires_adoption(
        claim, spec, adopt=body.adopt_principals, administrator=administrator
    )
    if await store.providers.get(body.name) is None and adopts:
        await store.claims.adopt(spec.name, spec.backend, spec.declared)
    await store.providers.create(stored)
    add_audit_note(request, provider=body.name, **({"adopted": "principals"} if adopts else {}))
    return await _synced_response(request, registry, body.name, 201)


@openapi(body=ProviderChange)
async def change(request: web.Request) -> web.Response:
    """Change a provider. Users whom it no longer admits lose access immediately."""
    target = _target(request)
    body = await read_body(request, ProviderChange)
    stored = await _changeable(request, target.running)
    if (
        target.running.unusable
        and body.enabled is not None
        and body.model_fields_set == {"enabled"}
    ):
        return await _switch(request, target.registry, replace(stored, enabled=body.enabled))
    before = _checked(target.registry, stored)
    given = body.model_dump(
        exclude_none=True, exclude={"settings", "allowed_principals", "adopt_principals"}
    )
    if body.settings is not None:
        given["settings"] = merge(stored.settings, body.settings)
    if body.allowed_principals is not None:
        given["allowed_principals"] = tuple(body.allowed_principals)
    wanted = replace(stored, **given)
    spec, store = _checked(target.registry, wanted), services_of(request).store
    administrator = _administers(request)
    require_may_change(before, spec, administrator=administrator)
    require_secrets(before, spec, wanted.settings, body.settings or {})
    adopts = requires_adoption(
        await store.claims.get(stored.name),
        spec,
        adopt=body.adopt_principals,
        administrator=administrator,
    )
    if adopts:
        await store.claims.adopt(spec.name, spec.backend, spec.declared)
        given["adopt_principals"] = True
    await store.providers.replace(wanted)
    add_audit_note(request, provider=stored.name, changed=" ".join(sorted(given)))
    return await _synced_response(request, target.registry, stored.name, 200)


async def _switch(
    request: web.Request, registry: ProviderRegistry, wanted: StoredProvider
) -> web.Response:
    """Enable or disable a provider whose settings cannot be used; they stay unchanged."""
    await services_of(request).store.providers.replace(wanted)
    add_audit_note(request, provider=wanted.name, changed="enabled")
    return await _synced_response(request, registry, wanted.name, 200)


@openapi(status=204)
async def delete(request: web.Request) -> web.Response:
    """Delete a provider. Its users' tokens are revoked; the users stay."""
    registry, name = _registry(request), request.match_info["name"]
    running = registry.running(name)
    if running is not None:
        await _changeable(request, running)
    await services_of(request).store.providers.delete(name)
    await registry.sync()
    add_audit_note(request, provider=name)
    return web.Response(status=204)


@openapi(body=ProviderTest)
async def test(request: web.Request) -> web.Response:
    """Test a provider: a sign-in, or whether its backend responds. No session is issued."""
    target = _target(request)
    body = await read_body(request, ProviderTest)
    spec = target.running.spec
    if body.settings is not None:
        stored = await _changeable(request, target.running)
        before = _checked(target.registry, stored)
        wanted = replace(stored, settings=merge(stored.settings, body.settings))
        spec = _checked(target.registry, wanted)
        require_secrets(before, spec, wanted.settings, body.settings)
    add_audit_note(request, provider=spec.name)
    attempt = None
    if body.username is not None and body.password is not None:
        attempt = PasswordAttempt(
            body.username, body.password.get_secret_value(), address_of(request)
        )
    result = await run_test(tester_of(request), target.registry, target.running, spec, attempt)
    return web.json_response(result)


def _administers(request: web.Request) -> bool:
    return caller_of(request).access.administrator


def _registry(request: web.Request) -> ProviderRegistry:
    registry = services_of(request).providers
    if registry is None:
        raise ApiProblem(404, "this server has no providers to manage")
    return registry


def _target(request: web.Request) -> _Target:
    registry = _registry(request)
    running = registry.running(request.match_info["name"])
    if running is None:
        raise ApiProblem(404, "provider not found; see /v1/providers")
    return _Target(registry, running)


async def _changeable(request: web.Request, running: ProviderInstance) -> StoredProvider:
    """Return the provider as it is stored now: another replica may have just changed it."""
    if running.spec.source is None:
        raise ApiProblem(409, "the provider is defined by the configuration: change it there")
    stored = await services_of(request).store.providers.get(running.name)
    if stored is None:
        raise ApiProblem(404, "provider not found; see /v1/providers")
    return stored


def _checked(registry: ProviderRegistry, stored: StoredProvider) -> ProviderSpec:
    try:
        return registry.spec_of(stored)
    except InvalidProvider as exc:
        raise ApiProblem(422, str(exc)) from None


async def _synced_response(
    request: web.Request, registry: ProviderRegistry, name: str, status: int
) -> web.Response:
    await registry.sync()
    running = registry.running(name)
    if running is None:
        raise ApiProblem(404, "provider not found; see /v1/providers")
    return web.json_response(_json(running, tester_of(request)), status=status)


def _masked(value: Any) -> Any:
    """Return settings without the account in a URL (of an HTTP proxy)."""
    if isinstance(value, Mapping):
        return {key: _masked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_masked(one) for one in value]
    if isinstance(value, str) and "://" in value and "@" in value:
        scheme, _, rest = value.partition("://")
        authority, slash, path = rest.partition("/")
        account, at, host = authority.rpartition("@")
        return f"{scheme}://{'***' if account else ''}{at}{host}{slash}{path}"
    return value


def _json(running: ProviderInstance, tester: ProviderTester) -> dict[str, object]:
    spec = running.spec
    return {
        "name": spec.name,
        "type": spec.type_name,
        "origin": spec.origin,
        "enabled": spec.enabled,
        "settings": _masked(spec.settings.model_dump(mode="json")),
        "access_mode": spec.access.mode,
        "allowed_principals": sorted(spec.access.allowed),
        "up": spec.enabled and running.error is None,
        "error": tester.shown_error(running),
        "warnings": findings_of(running),
    }
