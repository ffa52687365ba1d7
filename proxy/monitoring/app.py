"""The metrics listener: ``/metrics`` for Prometheus, and health for probes without TLS."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from proxy.health import Readiness
from proxy.health import routes as health_routes
from proxy.loop_metrics import LoopCollector


def build_metrics_app(registry: CollectorRegistry, readiness: Readiness) -> web.Application:
    """The application of the metrics listener."""
    registry.register(LoopCollector())

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), *health_routes(readiness)])
    return app
