"""What a project uses of its quota."""

from aiohttp import web

from config.loggers import get_logger
from management.api import overview_models
from management.api.access_requirements import cluster_of, project_of
from management.api.listing import Item
from management.api.openapi_metadata import openapi
from management.api.services import services_of
from management.clusters.quota_usage import Usage, total
from management.desired_state.namespace_objects import namespace_quotas
from management.errors import ClusterOperationFailed
from management.http.problem import ApiProblem
from management.kubernetes.quantity import format_quantity

_LOG = get_logger(__name__)


@openapi(response=overview_models.UsageResponse)
async def project_usage(request: web.Request) -> web.Response:
    """Return what the namespaces of a project use of their quotas, as their cluster counts it.

    502 if the cluster does not respond.
    """
    services, project = services_of(request), project_of(request)
    inside = await services.store.projects.namespaces(project_ids=[project.id])
    planned = namespace_quotas(project, inside)
    found = {}
    if any(planned.values()):
        try:
            found = dict(await services.usage.of_cluster(cluster_of(request)))
        except ClusterOperationFailed as exc:
            _LOG.warning("usage not read", path=request.path, error=str(exc))
            raise ApiProblem(502, "the cluster does not respond: try again later") from exc
    namespaces: list[Item] = []
    for one in inside:
        counted = found.get(one.namespace, Usage())
        namespaces.append(
            {
                "name": one.namespace,
                "hard": counted.hard or dict(planned.get(one.namespace, {})),
                "used": counted.used,
                "counted": bool(counted.hard),
            }
        )
    used = total(one["used"] for one in namespaces)
    return web.json_response(
        {
            "hard": dict(project.quota),
            "used": {key: format_quantity(value) for key, value in used.items()},
            "namespaces": namespaces,
        }
    )
