"""What the controllers read in a cluster: events, usage, and deprecated APIs in use."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from management.api import observation_models
from management.api.access_requirements import cluster_of
from management.api.listing import Item, Listing
from management.api.openapi_metadata import openapi
from management.api.services import services_of
from management.controllers.deprecated_apis import is_removed_next
from store.records import ReportKind

_KINDS = frozenset({"report", "cluster", "user", "group", "role"})
_USAGE = frozenset({"UsageRead", "NamespaceUsageRead"})


async def collect_events(request: web.Request) -> Sequence[Item]:
    """List the newest events of a cluster: 200 warnings, and 200 others if Sekisho reads them."""
    return list((await _report(request, "events")).get("events") or [])


EVENTS = Listing(
    collect_events,
    response=observation_models.EventResponse,
    sorts=("-last_at", "reason", "namespace"),
    filters=("type", "reason", "kind", "namespace", "name"),
    searched=("reason", "message", "name"),
    kinds=_KINDS,
)


async def collect_deprecations(request: web.Request) -> Sequence[Item]:
    """List the deprecated APIs that clients of a cluster used, as its API servers count them."""
    status = await services_of(request).store.fleet.status(cluster_of(request).id)
    version = str(status.data.get("version") or "") if status is not None else ""
    return [
        {**one, "id": _name(one), "removed_next": is_removed_next(one, version)}
        for one in (await _report(request, "deprecations")).get("apis") or []
    ]


DEPRECATIONS = Listing(
    collect_deprecations,
    response=observation_models.DeprecatedApiResponse,
    sorts=("id", "removed_release", "seen_at"),
    filters=("group", "version", "resource", "removed_release", "removed_next"),
    searched=("id",),
    kinds=_KINDS | {"status"},
)


@openapi(response=observation_models.ClusterUsageResponse, watched=_KINDS | {"status"})
async def usage(request: web.Request) -> web.Response:
    """Return what the nodes and namespaces of a cluster use, by its metrics-server.

    Sekisho reads it once a minute.
    """
    fleet, cluster = services_of(request).store.fleet, cluster_of(request)
    report, status = await fleet.report(cluster.id, "usage"), await fleet.status(cluster.id)
    data: Mapping[str, Any] = report.data if report is not None else {}
    conditions = (status.data.get("reports") or []) if status is not None else []
    return web.json_response(
        {
            "read_at": data.get("read_at"),
            "nodes": data.get("nodes"),
            "namespaces": data.get("namespaces"),
            "problems": [
                one for one in conditions if one["status"] == "False" and one["type"] in _USAGE
            ],
        }
    )


async def _report(request: web.Request, kind: ReportKind) -> Mapping[str, Any]:
    """Return the data of a report; empty if there is none yet."""
    found = await services_of(request).store.fleet.report(cluster_of(request).id, kind)
    return found.data if found is not None else {}


def _name(api: Item) -> str:
    """Return the name of an API, as ``ingresses.v1beta1.extensions/status``."""
    parts = [one for one in (api["resource"], api["version"], api["group"]) if one]
    return ".".join(parts) + (f"/{api['subresource']}" if api["subresource"] else "")
