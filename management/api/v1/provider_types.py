"""Provider types: their settings as JSON schemas, and trials of settings before they are stored."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import Field, SecretStr

from management.api import overview_models
from management.api.authentication import caller_of
from management.api.listing import Item, Listing
from management.api.openapi_metadata import openapi
from management.api.provider_tests import NOT_AVAILABLE, run_trial, tester_of
from management.api.request_models import Reference, RequestModel
from management.api.services import services_of
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note, address_of
from management.identity.provider_instance import InvalidProvider
from providers.base import PasswordAttempt, ProviderType
from providers.discovery import BrokenProviderType, ProviderEntryPoint
from providers.settings.schema import settings_schema
from store.records import AccessMode, StoredProvider

_TRIAL = "trial"
"""The name of a provider that exists for a trial only."""


class ProviderTrial(RequestModel):
    """Settings to try, and optionally the credentials of a user to sign in with."""

    settings: dict[str, Any] = Field(default_factory=dict)
    access_mode: AccessMode = "unrestricted"
    allowed_principals: list[Reference] = Field(default_factory=list, max_length=1000)
    username: str | None = None
    password: SecretStr | None = None


async def collect(request: web.Request) -> Sequence[Item]:
    """List the installed provider types, plug-ins too, with JSON schemas of their settings.

    A schema's ``secrets`` names the settings that no response contains.
    """
    registry = services_of(request).providers
    administrator = caller_of(request).access.administrator
    types = registry.types if registry is not None else {}
    # In a thread: loading a type imports its package.
    described = await asyncio.to_thread(lambda: [_type_json(n, one) for n, one in types.items()])
    if not administrator:
        for one in described:
            one["error"] = one["error"] and NOT_AVAILABLE
    return described


LIST = Listing(
    collect,
    response=overview_models.ProviderTypeResponse,
    key="type",
    sorts=("type",),
    filters=("type",),
    searched=("type",),
)


@openapi(body=ProviderTrial)
async def try_settings(request: web.Request) -> web.Response:
    """Try settings of a type that are not stored: a sign-in, or whether the backend responds.

    No session is issued, and no user is created. Principals have the schemes that the type
    declares; a stored provider may get others.
    """
    services, name = services_of(request), request.match_info["type"]
    registry = services.providers
    if registry is None or name not in registry.types:
        raise ApiProblem(404, "provider type not found; see /v1/provider-types")
    body = await read_body(request, ProviderTrial)
    wanted = StoredProvider(
        _TRIAL,
        name,
        True,
        body.settings,
        body.access_mode,
        tuple(body.allowed_principals),
        datetime.now(UTC),
    )
    try:
        spec = registry.spec_of(wanted)
    except InvalidProvider as exc:
        raise ApiProblem(422, str(exc)) from None
    if getattr(spec.type, "accounts_of_the_store", False):
        raise ApiProblem(422, "this type has no backend: add the provider, and test it by its name")
    attempt = None
    if body.username is not None and body.password is not None:
        attempt = PasswordAttempt(
            body.username, body.password.get_secret_value(), address_of(request)
        )
    add_audit_note(request, provider_type=name)
    return web.json_response(
        await run_trial(tester_of(request), registry, services.store, spec, attempt)
    )


def _type_json(name: str, found: ProviderEntryPoint | ProviderType) -> Item:
    schema: dict[str, Any] | None = None
    error = None
    try:
        kind = found.load() if isinstance(found, ProviderEntryPoint) else found
        schema = settings_schema(kind.settings_model)
    except BrokenProviderType as exc:
        error = str(exc)
    except Exception as exc:  # a plug-in's model may raise anything
        error = f"its settings cannot be described: {type(exc).__name__}"
    return {
        "type": name,
        "distribution": found.distribution if isinstance(found, ProviderEntryPoint) else "",
        "settings": schema,
        "error": error,
    }
