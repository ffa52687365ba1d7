"""Every endpoint of the main listener, read from its route tables."""

import re

from aiohttp import web

from management.api.v1.routes import routes
from management.web import pages
from proxy.monitoring.health import Readiness
from proxy.monitoring.health import routes as health_routes

PROBES = frozenset({"/healthz", "/readyz"})


def every_endpoint() -> list[tuple[str, str]]:
    """Return method and path of each endpoint, of proxied requests, and of one unknown path."""
    registered: list[web.AbstractRouteDef] = [*routes(), *pages.routes]
    registered += health_routes(Readiness({}), public=True)
    found = []
    for one in registered:
        assert isinstance(one, web.RouteDef)
        path = one.path.replace("{provider}", "local").replace("{file:.+}", "page.css")
        path = re.sub(r"\{section:[^}]*\}", "me", path)
        found.append((one.method, re.sub(r"\{[^}]*\}", "x", path)))
    proxied = [
        ("GET", "/k8s/clusters/a/api"),
        ("POST", "/k8s/clusters/a/api"),
        ("POST", "/nowhere"),
    ]
    return [*found, *proxied]


ENDPOINTS = every_endpoint()
