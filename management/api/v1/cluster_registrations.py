"""Import a cluster with ``kubectl apply``: a manifest that registers the cluster with Sekisho.

The state of the registration is encrypted in the manifest's code, so any replica can complete it,
once, within an hour. The code grants no access: it only lets the cluster be added for the user who
requested the manifest. See docs/decisions/0014-browser-sign-in.md.
"""

import asyncio
import importlib.metadata
from datetime import UTC, datetime, timedelta
from typing import Annotated

from aiohttp import web
from pydantic import Field, SecretStr

from config.loggers import get_logger
from management.api.authentication import caller_of
from management.api.cluster_failures import REGISTRATION, cluster_problems
from management.api.openapi_metadata import openapi
from management.api.request_models import Reference, RequestModel
from management.api.services import Services, services_of
from management.api.user_management import access_of_user
from management.authorization.permissions import CREATE_CLUSTERS
from management.clusters.cluster_identity import NAME, NameTaken
from management.clusters.members import MemberService
from management.clusters.registrar_removal import remove_registrar
from management.clusters.registration_manifest import as_yaml, registration
from management.clusters.service import ClusterService
from management.clusters.service_account_tokens import AccountTokens, claimed_lifetime
from management.errors import InvalidRequest
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.identity.sealed_state import SealedState
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.endpoint import ClusterEndpoint, checked_servers
from management.kubernetes.errors import ClusterApiError
from store.records import Cluster, User, UsernameMapping

LIFETIME = timedelta(hours=1)

REMOVAL_SECONDS = 10.0
"""How long the registering Job waits for the removal of its own account."""

_LOG = get_logger(__name__)


class NewRegistration(RequestModel):
    """A cluster that will register itself. ``servers`` are its API servers as Sekisho reaches them.

    ``image`` is Sekisho's image, as the cluster can pull it.
    """

    name: Annotated[str, Field(pattern=NAME.pattern)]
    servers: Annotated[list[Reference], Field(min_length=1, max_length=16)]
    tls_server_name: Reference | None = None
    image: Annotated[str, Field(max_length=512, pattern=r"^[!-~]+$")] | None = None
    username_mapping: UsernameMapping = "id"


class RegistrationState(SealedState):
    """The state of a registration. ``user`` requested it, with the token named ``token``.

    ``token`` is None for a session: it may end before the code is used.
    """

    purpose_name = "cluster-registration"

    name: str
    servers: Annotated[tuple[str, ...], Field(min_length=1)]
    tls_server_name: str | None
    username_mapping: UsernameMapping
    user: str
    token: str | None


class Registration(RequestModel):
    """What the cluster sends: its CA, and tokens of both accounts."""

    code: Annotated[str, Field(max_length=16384)]
    ca_pem: Annotated[str, Field(max_length=65536)]
    impersonator_token: SecretStr
    controller_token: SecretStr


@openapi(body=NewRegistration, status=201)
async def create_registration(request: web.Request) -> web.Response:
    """Create a manifest for ``kubectl apply -f -``, as YAML. It is valid for an hour and works
    once.
    """
    services, caller = services_of(request), caller_of(request)
    body = await read_body(request, NewRegistration)
    if await services.store.clusters.get(body.name) is not None:
        raise ApiProblem(409, NameTaken.hidden)
    try:
        servers = checked_servers(body.servers)
    except InvalidRequest as exc:
        raise ApiProblem(422, f"servers: {exc}") from None
    used = caller.authenticated.token
    state = RegistrationState(
        name=body.name,
        servers=servers,
        tls_server_name=body.tls_server_name,
        username_mapping=body.username_mapping,
        user=caller.user.id,
        # A code made with a token ends with the token.
        token=used.name if used.kind == "token" else None,
    )
    manifests = registration(
        external_url=services.external_url,
        ca_pem=services.ca_pem,
        code=services.cipher.encrypt(state, LIFETIME),
        image=body.image or f"sekisho:{importlib.metadata.version('sekisho')}",
    )
    add_audit_note(request, registration=body.name)
    return web.Response(
        status=201,
        text=as_yaml(manifests),
        content_type="application/yaml",
        headers={"Cache-Control": "no-store"},
    )


@openapi(body=Registration, status=204)
async def complete_registration(request: web.Request) -> web.Response:
    """Register a cluster: called by the cluster itself, with the code of its manifest."""
    services = services_of(request)
    body = await read_body(request, Registration)
    decrypted = services.cipher.decrypt(RegistrationState, body.code)
    if decrypted is None:
        raise ApiProblem(403, "the code is invalid or expired: create another manifest")
    state = decrypted.data
    if state.token is not None and await services.store.tokens.get(state.token) is None:
        raise ApiProblem(
            403, "the token that created the manifest was revoked: create another manifest"
        )
    user = await _requester(services, state.user)
    endpoint = ClusterEndpoint(
        state.servers, body.ca_pem, state.tls_server_name, services.cluster_addresses
    )
    if not await services.store.nonces.spend(decrypted.id, decrypted.expires_at):
        raise ApiProblem(403, "the code was used already: create another manifest")
    tokens = _tokens(body)
    async with cluster_problems(request, REGISTRATION):
        added = await ClusterService(services.store).add(
            state.name,
            endpoint,
            tokens.impersonator,
            controller_token=tokens.controller,
            username_mapping=state.username_mapping,
            expire_at=tokens.expire_at,
        )
    await grant_ownership(services, added.cluster, user)
    await _remove_registrar(added.cluster)
    add_audit_note(request, created=added.cluster.id, user=user.id)
    return web.Response(status=204)


async def _remove_registrar(cluster: Cluster) -> None:
    """Remove the account that registered the cluster. The controllers retry a failure."""
    try:
        async with asyncio.timeout(REMOVAL_SECONDS), controller_client(cluster) as client:
            await remove_registrar(client)
    except (ClusterApiError, TimeoutError) as exc:
        _LOG.warning("registrar not removed yet", cluster=cluster.name, error=str(exc))


async def grant_ownership(services: Services, cluster: Cluster, user: User) -> None:
    """Make the user who imported a cluster its owner, unless they own all clusters."""
    access = await access_of_user(services.store, user)
    if not access.owns_clusters:
        await MemberService(services.store).grant(cluster.id, user.id, "owner")


async def _requester(services: Services, user_id: str) -> User:
    """Return the user who requested the manifest, if they may still import clusters.

    Raises:
        ApiProblem: 403 if they may not.
    """
    user = await services.store.users.get(user_id)
    if user is None or not user.enabled:
        raise ApiProblem(403, "the user who requested the manifest is deleted or disabled")
    if CREATE_CLUSTERS not in (await access_of_user(services.store, user)).global_permissions:
        raise ApiProblem(403, "the user who requested the manifest may no longer import clusters")
    return user


def _tokens(body: Registration) -> AccountTokens:
    impersonator = body.impersonator_token.get_secret_value()
    controller = body.controller_token.get_secret_value()
    ends = [life[1] for one in (impersonator, controller) if (life := claimed_lifetime(one))]
    if any(end <= datetime.now(UTC) for end in ends):
        raise ApiProblem(422, "the tokens are expired: create another manifest")
    return AccountTokens(impersonator, controller, min(ends) if ends else None)
