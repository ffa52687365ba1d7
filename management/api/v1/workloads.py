"""Workloads of a cluster, read in the caller's name."""

from collections.abc import Sequence

from aiohttp import web

from management.api.access_requirements import cluster_of
from management.api.caller_requests import caller_client, while_client_stays
from management.api.listing import Item, Listing
from management.api.openapi_metadata import FLAG, NUMBER, TEXT, openapi
from management.api.watch import new_stream
from management.api.workload_logs import LogQuery, log_query
from management.api.workload_models import Gap, WorkloadDetailResponse, WorkloadResponse
from management.api.workload_requests import Target, known_projects, scope_of, target_of
from management.api.workload_streams import stream_workloads
from management.caller_client.client import CallerClient
from management.caller_client.errors import ResponseBroken
from management.http.problem import ApiProblem
from management.workloads.detail import PartsReader, detail_of
from management.workloads.kinds import POD, is_object_name
from management.workloads.places import gaps_json
from management.workloads.pods import container_for_logs, pod_for_logs
from management.workloads.reader import collect as collect_rows

_GAPS: web.RequestKey[list[Item]] = web.RequestKey("workload_gaps")


async def collect(request: web.Request) -> Sequence[Item]:
    """List Deployments, StatefulSets, DaemonSets, Jobs, CronJobs, and pods that stand alone.

    The cluster decides what the caller sees, as for kubectl. A caller who may not read the whole
    cluster sees the namespaces of their projects. What cannot be read is in ``incomplete``.
    """
    projects = await known_projects(request)
    scope = scope_of(request, projects)
    async with caller_client(request, cluster_of(request).name) as client:
        found = await while_client_stays(request, collect_rows(client, scope))
    request[_GAPS] = gaps_json(found.gaps)
    return projects.named(found.rows)


def _incomplete(request: web.Request) -> Item:
    return {"incomplete": request[_GAPS]}


LIST = Listing(
    collect,
    response=WorkloadResponse,
    key="uid",
    sorts=("name", "namespace", "kind", "state", "created_at", "project_name"),
    filters=("kind", "namespace", "project", "state"),
    searched=("name", "namespace", "images"),
    labelled=True,
    notes=_incomplete,
    noted={"incomplete": {"type": "array", "items": Gap.model_json_schema()}},
    stream=stream_workloads,
)


@openapi(response=WorkloadDetailResponse)
async def show(request: web.Request) -> web.Response:
    """Return a workload with its pods, revisions, jobs, and events.

    Parts that the caller may not read are in ``incomplete``.
    """
    target = target_of(request)
    projects = await known_projects(request)
    async with caller_client(request, cluster_of(request).name) as client:
        detail = await while_client_stays(request, _detail(client, target))
    named = {**projects.named([detail])[0], "jobs": projects.named(detail["jobs"])}
    return web.json_response(named)


async def _detail(client: CallerClient, target: Target) -> Item:
    workload = await client.get(target.path)
    parts = await PartsReader(client, target.kind, workload).all()
    return detail_of(target.kind, workload, parts)


@openapi(
    query={
        "pod": TEXT,
        "container": TEXT,
        "follow": FLAG,
        "previous": FLAG,
        "timestamps": FLAG,
        "tail": NUMBER,
        "since": NUMBER,
    }
)
async def logs(request: web.Request) -> web.StreamResponse:
    """Return the log of a container as plain text, as it arrives.

    ``follow=true`` continues until the client leaves. ``tail`` is a number of lines, and ``since``
    of seconds. ``previous=true``: of the container's last run. Without ``pod``, a ready pod of the
    workload is chosen; the headers ``Sekisho-Pod`` and ``Sekisho-Container`` name what was chosen.
    """
    target, query = target_of(request), log_query(request)
    return await while_client_stays(request, _logs(request, target, query))


async def _logs(request: web.Request, target: Target, query: LogQuery) -> web.StreamResponse:
    async with caller_client(request, cluster_of(request).name) as client:
        pod, container = await _chosen(client, target, query)
        path = f"{POD.path(target.namespace, pod)}/log"
        async with client.stream(path, query.parameters(container)) as pieces:
            response = new_stream(request)
            response.content_type, response.charset = "text/plain", "utf-8"
            response.headers["Sekisho-Pod"], response.headers["Sekisho-Container"] = pod, container
            await response.prepare(request)
            try:
                async for piece in pieces:
                    await response.write(piece)
            except ResponseBroken:
                # So that the client does not take a part of the log for all of it.
                if request.transport is not None:
                    request.transport.abort()
            return response


async def _chosen(client: CallerClient, target: Target, query: LogQuery) -> tuple[str, str]:
    """Return the names of the pod and the container whose log is read."""
    workload = await client.get(target.path)
    pods = await PartsReader(client, target.kind, workload).pods()
    if query.pod is not None:
        pods = [one for one in pods if one["metadata"]["name"] == query.pod]
    pod = pod_for_logs(pods)
    if pod is None:
        which = f'no pod "{query.pod}"' if query.pod is not None else "no pod"
        raise ApiProblem(404, f"the workload has {which} that you may read")
    container = query.container or container_for_logs(pod)
    if container is None:
        raise ApiProblem(404, "the pod has no container")
    name = str(pod["metadata"]["name"])
    if not (is_object_name(name) and is_object_name(container)):
        raise ApiProblem(502, "the cluster responded with a pod that has no valid name")
    return name, container
