"""Import a cluster with ``kubectl apply``: a manifest that registers the cluster with Sekisho.

The state of the registration is encrypted in the manifest's code, so any replica can complete it,
once, within an hour. The code grants no access: it only lets the cluster be added for the user who
requested the manifest. See docs/decisions/0014-browser-sign-in.md.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from aiohttp import web

from config.loggers import get_logger
from config.server_settings import LOOPBACK
from management.api.agent_fields import AgentFields
from management.api.authentication import caller_of
from management.api.cluster_failures import REGISTRATION, cluster_problems
from management.api.openapi_metadata import openapi
from management.api.registration_models import NewRegistration, Registration, RegistrationState
from management.api.services import Services, services_of
from management.authorization.permissions import CREATE_CLUSTERS
from management.clusters.agent_manifest import agent
from management.clusters.agent_registration import AGENT_SERVERS, LIFETIME, complete, reserve
from management.clusters.cluster_identity import NameTaken
from management.clusters.members import MemberService
from management.clusters.ownership import grant_ownership
from management.clusters.registrar_removal import remove_registrar
from management.clusters.registration_manifest import as_yaml, registration
from management.clusters.service import ClusterService
from management.clusters.service_account_tokens import AccountTokens, claimed_lifetime
from management.errors import InvalidRequest
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note
from management.identity.holdings import access_of_user
from management.identity.sealed_state import DecryptedState
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.endpoint import ClusterEndpoint, checked_servers
from management.kubernetes.errors import ClusterApiError
from management.kubernetes.manifests import Manifest
from store.errors import Conflict, RecordNotFound, StaleRevision
from store.records import Cluster, User

RESERVED = (
    "the name is reserved by a registration that is not complete: choose another name, remove that "
    "registration with `sekisho cluster remove`, or wait until it ends, an hour after its begin"
)

MOST_PENDING = 10
"""Names that a user who is no administrator may reserve at a time."""

REMOVAL_SECONDS = 10.0
"""How long the registering Job waits for the removal of its own account."""

_LOG = get_logger(__name__)


@openapi(body=NewRegistration, status=201)
async def create_registration(request: web.Request) -> web.Response:
    """Create a manifest for ``kubectl apply -f -``, as YAML. It is valid for an hour and works
    once.

    With ``reach: agent``, the name is reserved for that hour, and the manifest has the agent.
    """
    services = services_of(request)
    body = await read_body(request, NewRegistration)
    if (named := await services.store.clusters.get(body.name)) is not None:
        raise ApiProblem(409, RESERVED if named.is_pending else NameTaken.hidden)
    if await services.store.orders.by_name(body.name) is not None:
        raise ApiProblem(409, NameTaken.hidden)
    if body.reach == "agent":
        return await _agent_manifest(request, body)
    try:
        servers = checked_servers(body.servers or ())
    except InvalidRequest as exc:
        raise ApiProblem(422, f"servers: {exc}") from None
    add_audit_note(request, registration=body.name)
    return manifest_response(_registration(request, body, servers))


async def _agent_manifest(request: web.Request, body: NewRegistration) -> web.Response:
    """Reserve a cluster that an agent will connect. Return its manifest."""
    services, access = services_of(request), caller_of(request).access
    known_image(services, body)  # before anything is reserved
    if not access.owns_clusters:
        stored = await services.store.clusters.list_all()
        pending = [one for one in stored if one.is_pending and access.can_enter(one.id)]
        if len(pending) >= MOST_PENDING:
            raise ApiProblem(
                409,
                f"{len(pending)} of your registrations are not complete: apply their manifests, "
                "or remove them with `sekisho cluster remove`",
            )
    try:
        cluster, token = await reserve(
            services.store, body.name, body.username_mapping, datetime.now(UTC)
        )
    except Conflict:
        raise ApiProblem(409, RESERVED) from None
    try:
        await grant_ownership(services.store, cluster, caller_of(request).user)
    except BaseException:
        await services.store.clusters.delete(cluster.id)
        raise
    add_audit_note(request, registration=body.name, created=cluster.id)
    registrar = _registration(request, body, AGENT_SERVERS, cluster.id)
    return manifest_response([*registrar, *agent_manifests(services, token, body)])


def agent_manifests(services: Services, token: str, fields: AgentFields) -> list[Manifest]:
    """Return the manifests of an agent that connects to this server with ``token``."""
    return agent(
        external_url=services.external_url,
        ca_pem=services.ca_pem,
        token=token,
        options=fields.options(known_image(services, fields)),
    )


def known_image(services: Services, fields: AgentFields) -> str:
    """Return the image of a manifest. Raises ApiProblem if none is known."""
    image = fields.image or services.agent_image
    if not image:
        raise ApiProblem(
            422,
            "image: the server does not know from where clusters pull its image: give one, or set "
            f"images.registry in sekisho.yaml{_unreachable(services.external_url)}",
        )
    return image


def _unreachable(external_url: str) -> str:
    """Return what else is missing at a server that only its own machine reaches, as the demo."""
    if urlsplit(external_url).hostname not in LOOPBACK:
        return ""
    return (
        f". No pod reaches this server at {external_url}: set server.external_url, too. `sekisho "
        "demo --agent` shows an agent without both"
    )


def _registration(
    request: web.Request,
    body: NewRegistration,
    servers: tuple[str, ...],
    cluster: str | None = None,
) -> list[Manifest]:
    """Return the manifests of the accounts and of the Job that sends their tokens."""
    services, caller = services_of(request), caller_of(request)
    image = known_image(services, body)
    used = caller.authenticated.token
    state = RegistrationState(
        name=body.name,
        servers=servers,
        tls_server_name=body.tls_server_name,
        username_mapping=body.username_mapping,
        user=caller.user.id,
        # A code made with a token ends with the token.
        token=used.name if used.kind == "token" else None,
        cluster=cluster,
    )
    return registration(
        external_url=services.external_url,
        ca_pem=services.ca_pem,
        code=services.cipher.encrypt(state, LIFETIME),
        image=image,
        options=body.options(image) if cluster is not None else None,
    )


def manifest_response(manifests: Sequence[Manifest]) -> web.Response:
    """Return manifests as YAML. They contain secrets."""
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
    if state.cluster is None:
        cluster = await _complete_direct(request, body, decrypted)
        await grant_ownership(services.store, cluster, user)
    else:
        cluster = await _complete_agent(request, body, state.cluster)
    await _remove_registrar(cluster)
    add_audit_note(request, created=cluster.id, user=user.id)
    return web.Response(status=204)


async def _complete_direct(
    request: web.Request, body: Registration, decrypted: DecryptedState[RegistrationState]
) -> Cluster:
    services, state = services_of(request), decrypted.data
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
    return added.cluster


async def _complete_agent(request: web.Request, body: Registration, cluster_id: str) -> Cluster:
    """Verify the cluster through its agent's tunnel and store its tokens."""
    store = services_of(request).store
    cluster = await store.clusters.get(cluster_id)
    if cluster is None:
        raise ApiProblem(403, "the registration has ended or was removed: create another manifest")
    if not cluster.is_pending:
        raise ApiProblem(403, "the code was used already: create another manifest")
    tokens = _tokens(body)
    try:
        async with cluster_problems(request, REGISTRATION):
            registered = await complete(store, cluster, body.ca_pem, tokens, body.api_server)
    except (StaleRevision, RecordNotFound):
        raise ApiProblem(
            503, "the cluster was changed at the same time: retry", headers={"Retry-After": "2"}
        ) from None
    await MemberService(store).reconcile_all(registered)
    return registered


async def _remove_registrar(cluster: Cluster) -> None:
    """Remove the account that registered the cluster. The controllers retry a failure."""
    try:
        async with asyncio.timeout(REMOVAL_SECONDS), controller_client(cluster) as client:
            await remove_registrar(client, cluster.name)
    except (ClusterApiError, TimeoutError) as exc:
        _LOG.warning("registrar not removed yet", cluster=cluster.name, error=str(exc))


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
