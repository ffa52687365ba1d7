"""Importing a cluster by ``kubectl apply``: a manifest that registers the cluster with us.

What must be known when it does is sealed into the manifest's code: any replica can finish it, once,
within an hour. The code lets nobody in: it lets a cluster be added, for whoever asked for it. See
docs/decisions/0014-sign-ins-that-go-away-and-come-back.md.
"""

import importlib.metadata
from datetime import UTC, datetime, timedelta
from typing import Annotated

import structlog
from aiohttp import web
from pydantic import Field, SecretStr

from management.api.bodies import Body
from management.api.described import described
from management.api.users import access_of_user
from management.authentication import caller_of
from management.authorization.permissions import CREATE_CLUSTERS
from management.cluster_errors import AlreadyThere, BadRequest, DownstreamFailed
from management.clusters import NAME, ClusterService
from management.downstream.accounts import AccountTokens, claimed_lifetime
from management.downstream.endpoint import Endpoint, checked_servers
from management.downstream.registration import as_yaml, registration
from management.members import MemberService
from management.problems import Problem, read_body
from management.services import Services, services_of
from management.telling import note
from store.interfaces import Cluster, SubjectName, User

PURPOSE = "cluster-registration"
LIFETIME = timedelta(hours=1)

_LOG = structlog.get_logger("sekisho.clusters")


class NewRegistration(Body):
    """A cluster that shall register itself; ``servers`` are its API servers as we reach them.

    ``image`` is Sekisho's, as the cluster can pull it.
    """

    name: Annotated[str, Field(pattern=NAME.pattern)]
    servers: Annotated[list[str], Field(min_length=1, max_length=16)]
    tls_server_name: Annotated[str, Field(max_length=253)] | None = None
    image: Annotated[str, Field(max_length=512, pattern=r"^[!-~]+$")] | None = None
    user_name: SubjectName = "id"


class Registration(Body):
    """What the cluster tells: its CA, and tokens of both accounts."""

    code: Annotated[str, Field(max_length=16384)]
    ca_pem: Annotated[str, Field(max_length=65536)]
    impersonator_token: SecretStr
    controller_token: SecretStr


@described(body=NewRegistration, status=201)
async def create_registration(request: web.Request) -> web.Response:
    """A manifest for ``kubectl apply -f -``: as YAML. It is good for an hour, and once."""
    services, caller = services_of(request), caller_of(request)
    body = await read_body(request, NewRegistration)
    if await services.store.clusters.get(body.name) is not None:
        raise Problem(409, f'there is a cluster "{body.name}" already')
    try:
        servers = checked_servers(body.servers)
    except BadRequest as exc:
        raise Problem(422, f"servers: {exc}") from None
    told = {
        "name": body.name,
        "servers": servers,
        "tls_server_name": body.tls_server_name,
        "user_name": body.user_name,
        "user": caller.user.id,
    }
    manifests = registration(
        external_url=services.external_url,
        ca_pem=services.ca_pem,
        code=services.sealer.seal(PURPOSE, told, LIFETIME),
        image=body.image or f"sekisho:{importlib.metadata.version('sekisho')}",
    )
    note(request, registration=body.name)
    return web.Response(
        status=201,
        text=as_yaml(manifests),
        content_type="application/yaml",
        headers={"Cache-Control": "no-store"},
    )


@described(body=Registration, status=204)
async def complete_registration(request: web.Request) -> web.Response:
    """The cluster registers itself, by the code of its manifest."""
    services = services_of(request)
    body = await read_body(request, Registration)
    opened = services.sealer.open(PURPOSE, body.code)
    if opened is None:
        raise Problem(403, "the code is not one of ours, or has ended: make another manifest")
    told = opened.data
    user = await _still_may(services, str(told["user"]))
    endpoint = Endpoint(tuple(told["servers"]), body.ca_pem, told["tls_server_name"])
    if not await services.store.one_time.spend(opened.id, opened.expires_at):
        raise Problem(403, "the code was used already: make another manifest")
    tokens = _tokens(body)
    try:
        added = await ClusterService(services.store).add(
            told["name"],
            endpoint,
            tokens.impersonator,
            controller_token=tokens.controller,
            user_name=told["user_name"],
            expire_at=tokens.expire_at,
        )
    except AlreadyThere as exc:
        raise Problem(409, str(exc)) from None
    except BadRequest as exc:
        raise Problem(422, str(exc)) from None
    except DownstreamFailed as exc:
        _LOG.warning("registration failed", cluster=told["name"], error=str(exc))
        raise Problem(502, "Sekisho can't enter the cluster at the address it was given") from None
    await own(services, added.cluster, user)
    note(request, made=added.cluster.id, user=user.id)
    return web.Response(status=204)


async def own(services: Services, cluster: Cluster, user: User) -> None:
    """Let whoever imported a cluster own it, unless they own all of them."""
    access = await access_of_user(services, user)
    if not access.owns_clusters:
        await MemberService(services.store).grant(cluster.id, user.id, "owner")


async def _still_may(services: Services, user_id: str) -> User:
    """Who asked for the manifest, if they may still import clusters. Raises Problem."""
    user = await services.store.users.get(user_id)
    if user is None or not user.enabled:
        raise Problem(403, "whoever asked for the manifest is not there any more")
    if CREATE_CLUSTERS not in (await access_of_user(services, user)).overall:
        raise Problem(403, "whoever asked for the manifest may not import clusters any more")
    return user


def _tokens(body: Registration) -> AccountTokens:
    impersonator = body.impersonator_token.get_secret_value()
    controller = body.controller_token.get_secret_value()
    ends = [life[1] for one in (impersonator, controller) if (life := claimed_lifetime(one))]
    if any(end <= datetime.now(UTC) for end in ends):
        raise Problem(422, "the tokens have ended")
    return AccountTokens(impersonator, controller, min(ends) if ends else None)
