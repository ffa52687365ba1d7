"""The agent of a stored cluster: its manifest and its token."""

from datetime import UTC, datetime

from aiohttp import web

from management.api.access_requirements import cluster_of
from management.api.agent_fields import AgentFields
from management.api.agent_responses import AgentTokenResponse
from management.api.cluster_failures import AGENT_CHANGE, cluster_problems
from management.api.openapi_metadata import openapi
from management.api.services import services_of
from management.api.v1.cluster_registrations import (
    agent_manifests,
    known_image,
    manifest_response,
)
from management.clusters.agent_token_rotation import rotate_agent_token
from management.clusters.agent_tokens import issue_agent_token
from management.clusters.operation_errors import cluster_operation
from management.http.body import read_body
from management.http.problem import ApiProblem
from management.http.request_notes import add_audit_note


@openapi(body=AgentFields, status=201)
async def create_manifest(request: web.Request) -> web.Response:
    """Create the manifest of an agent for a cluster that Sekisho knows, as YAML.

    It has a new agent token. Apply it, wait until the agent is connected, and then change ``reach``
    of the cluster to ``agent``. For a cluster with an agent, it replaces the agent's options; the
    former token is revoked when the new one has been used for some minutes.
    """
    services, cluster = services_of(request), cluster_of(request)
    body = await read_body(request, AgentFields)
    if cluster.is_pending:
        raise ApiProblem(
            409,
            "the cluster's registration is not complete: apply its manifest, or remove the "
            "cluster and register it again",
        )
    if cluster.controller_token is None:
        raise ApiProblem(409, "Sekisho has no controller token for the cluster: import it again")
    known_image(services, body)  # before a token is made
    async with cluster_problems(request, AGENT_CHANGE):
        token, text = await issue_agent_token(services.store, cluster.id, datetime.now(UTC))
    add_audit_note(request, changed=cluster.id, agent_token=token.id)
    return manifest_response(agent_manifests(services, text, body))


@openapi(response=AgentTokenResponse, status=201)
async def rotate_token(request: web.Request) -> web.Response:
    """Give the cluster's agents a new token, and restart their pods one by one.

    The former token is revoked when the new one has been used for some minutes.
    """
    services, cluster = services_of(request), cluster_of(request)
    if cluster.reach != "agent" or cluster.is_pending:
        raise ApiProblem(409, "the cluster is not reached by an agent")
    async with cluster_problems(request, AGENT_CHANGE), cluster_operation():
        token = await rotate_agent_token(services.store, cluster, datetime.now(UTC))
    add_audit_note(request, changed=cluster.id, agent_token=token.id)
    return web.json_response(
        {"id": token.id, "created_at": token.created_at.isoformat()}, status=201
    )
