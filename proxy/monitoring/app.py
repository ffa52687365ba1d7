"""Application of the metrics listener: ``/metrics`` and health probes, without TLS."""

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from proxy.monitoring.event_loop_collector import LoopCollector
from proxy.monitoring.health import Readiness
from proxy.monitoring.health import routes as health_routes


def build_metrics_app(registry: CollectorRegistry, readiness: Readiness) -> web.Application:
    """Build the application of the metrics listener."""
    registry.register(LoopCollector())

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), *health_routes(readiness)])
    return app


def create_metrics_registry() -> CollectorRegistry:
    """Return a registry with the metrics of the process, the platform and the collector."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
