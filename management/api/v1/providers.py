"""Providers at run time, for administrators: added, changed, tried, disabled, deleted.

Those of the configuration can be seen and tried here, but only the configuration changes them.
Secrets go in and never come out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from management.api.described import described
from management.problems import Problem, read_body
from management.provider_registry import BadProvider, ProviderRegistry, ProviderSpec, Running
from management.services import services_of
from management.telling import address_of, note
from providers.base import (
    Attempt,
    ExternalIdentity,
    PasswordAuthenticator,
    ProviderUnavailable,
    Throttled,
)
from store.interfaces import AccessMode, StoredProvider

_NAME = r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class NewProvider(_Body):
    """A provider to add."""

    name: str = Field(pattern=_NAME)
    type: str
    enabled: bool = True
    settings: dict[str, Any] = Field(default_factory=dict)
    access_mode: AccessMode = "unrestricted"
    allowed_principals: list[str] = Field(default_factory=list, max_length=1000)


class ProviderChange(_Body):
    """A merge patch (RFC 7396) of one; in ``settings``, null takes a setting away."""

    enabled: bool | None = None
    settings: dict[str, Any] | None = None
    access_mode: AccessMode | None = None
    allowed_principals: list[str] | None = Field(default=None, max_length=1000)


class Trial(_Body):
    """Somebody to try a configuration with; ``settings`` are merged in for the trial only.

    Without anybody: whether its backend can be reached as configured.
    """

    username: str | None = None
    password: SecretStr | None = None
    settings: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    registry: ProviderRegistry
    running: Running


async def show(request: web.Request) -> web.Response:
    """GET /v1/providers/{name}: one, with its state; secrets are stars."""
    return web.json_response(_json(_asked(request).running))


@described(body=NewProvider, status=201)
async def create(request: web.Request) -> web.Response:
    """POST /v1/providers: add one; it is there on every replica within a second."""
    registry = _registry(request)
    body = await read_body(request, NewProvider)
    if registry.configured(body.name):
        raise Problem(409, f"the configuration has a provider {body.name} already")
    stored = StoredProvider(
        body.name,
        body.type,
        body.enabled,
        body.settings,
        body.access_mode,
        tuple(body.allowed_principals),
        datetime.now(UTC),
    )
    _checked(registry, stored)
    await services_of(request).store.providers.create(stored)
    note(request, provider=body.name)
    return await _told(request, registry, body.name, 201)


@described(body=ProviderChange)
async def change(request: web.Request) -> web.Response:
    """PATCH /v1/providers/{name}: change it. Whom that shuts out is cut off at once."""
    asked = _asked(request)
    stored = _changeable(asked.running)
    body = await read_body(request, ProviderChange)
    given = body.model_dump(exclude_none=True, exclude={"settings", "allowed_principals"})
    if body.settings is not None:
        given["settings"] = _merged(stored.settings, body.settings)
    if body.allowed_principals is not None:
        given["allowed_principals"] = tuple(body.allowed_principals)
    wanted = replace(stored, **given)
    _checked(asked.registry, wanted)
    await services_of(request).store.providers.replace(wanted)
    note(request, provider=stored.name, changed=" ".join(sorted(given)))
    return await _told(request, asked.registry, stored.name, 200)


@described(status=204)
async def delete(request: web.Request) -> web.Response:
    """DELETE /v1/providers/{name}: its people's tokens are revoked; the people stay."""
    asked = _asked(request)
    stored = _changeable(asked.running)
    await services_of(request).store.providers.delete(stored.name)
    await asked.registry.synchronise()
    note(request, provider=stored.name)
    return web.Response(status=204)


@described(body=Trial)
async def test(request: web.Request) -> web.Response:
    """POST /v1/providers/{name}/test: what it says of somebody. Nobody is signed in by it."""
    asked = _asked(request)
    body = await read_body(request, Trial)
    spec = asked.running.spec
    if body.settings is not None:
        stored = _changeable(asked.running)
        wanted = replace(stored, settings=_merged(stored.settings, body.settings))
        spec = _checked(asked.registry, wanted)
    note(request, provider=spec.name)
    attempt = None
    if body.username is not None and body.password is not None:
        attempt = Attempt(body.username, body.password.get_secret_value(), address_of(request))
    return web.json_response(await _tried(asked, spec, attempt))


async def _tried(asked: _Asked, spec: ProviderSpec, attempt: Attempt | None) -> dict[str, object]:
    try:
        provider = await asked.registry.trial(spec)
    except Exception as exc:  # a start that fails is what the administrator wants to know of
        return {"outcome": "unavailable", "reason": str(exc) or type(exc).__name__}
    try:
        if attempt is None:
            await provider.check()
            return {"outcome": "reachable", "reason": ""}
        if not isinstance(provider, PasswordAuthenticator):
            raise Problem(422, "people don't sign in to this provider with a password")
        outcome = await provider.authenticate(attempt)
    except (ProviderUnavailable, Throttled) as exc:
        return {"outcome": "unavailable", "reason": str(exc)}
    finally:
        await provider.close()
    if not isinstance(outcome, ExternalIdentity):
        reason, detail = (outcome.reason, outcome.detail) if outcome else ("refused", "")
        return {"outcome": "refused", "reason": reason, "detail": detail}
    groups = [group.principal_id for group in outcome.groups]
    refusal = await asked.running.admission.refusal(outcome.principal_id, groups)
    return {
        "outcome": "refused" if refusal else "accepted",
        "reason": refusal.reason if refusal else "",
        "principal": outcome.principal_id,
        "username": outcome.username,
        "display_name": outcome.display_name,
        "groups": [{"id": one.principal_id, "display_name": one.name} for one in outcome.groups],
    }


def _registry(request: web.Request) -> ProviderRegistry:
    registry = services_of(request).providers
    if registry is None:
        raise Problem(404, "there are no providers to manage here")
    return registry


def _asked(request: web.Request) -> _Asked:
    registry = _registry(request)
    running = registry.running(request.match_info["name"])
    if running is None:
        raise Problem(404, "there is no such provider")
    return _Asked(registry, running)


def _changeable(running: Running) -> StoredProvider:
    if running.spec.source is None:
        raise Problem(409, "the provider is defined by the configuration: change it there")
    return running.spec.source


def _checked(registry: ProviderRegistry, stored: StoredProvider) -> ProviderSpec:
    try:
        return registry.spec_of(stored)
    except BadProvider as exc:
        raise Problem(422, str(exc)) from None


async def _told(
    request: web.Request, registry: ProviderRegistry, name: str, status: int
) -> web.Response:
    await registry.synchronise()
    running = registry.running(name)
    if running is None:
        raise Problem(404, "there is no such provider")
    return web.json_response(_json(running), status=status)


def _merged(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON merge patch, RFC 7396 §2."""
    merged = dict(old)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            before = merged.get(name)
            merged[name] = _merged(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def _json(running: Running) -> dict[str, object]:
    spec = running.spec
    return {
        "name": spec.name,
        "type": spec.type_name,
        "origin": spec.origin,
        "enabled": spec.enabled,
        "settings": spec.settings.model_dump(mode="json"),
        "access_mode": spec.access.mode,
        "allowed_principals": sorted(spec.access.allowed),
        "up": spec.enabled and running.error is None,
        "error": running.error,
    }
