"""May this token enter this cluster, with this request? Pure."""

import re
from urllib.parse import unquote

from management.resolver import Resolved
from proxy.request_info import request_info
from proxy.status import Forbidden, MethodNotAllowed, NotFound

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _READS | {"POST", "PUT", "PATCH", "DELETE"}
_INTERACTIVE = re.compile(
    r"/api/v1/(?:namespaces/[^/]+/pods/[^/]+/(?:exec|attach|portforward|proxy)"
    r"|namespaces/[^/]+/services/[^/]+/proxy|nodes/[^/]+/proxy)(?:/|\Z)"
)
_ASKS_ABOUT_SELF = re.compile(
    r"/apis/(?:authorization\.k8s\.io/v1/selfsubject(?:access|rules)reviews"
    r"|authentication\.k8s\.io/v1(?:beta1|alpha1)?/selfsubjectreviews)\Z"
)

_DISCOVERY = re.compile(
    r"/(?:version|openapi/.*|api(?:/v1)?|apis(?:/[^/]+){0,2}|healthz|livez|readyz)/?\Z"
)


def no_such_cluster(name: str) -> NotFound:
    """The same answer for a cluster that isn't there and for one that the caller may not enter."""
    return NotFound(f'cluster "{name}" not found, or you have no access to it')


def admit(resolved: Resolved, cluster_id: str | None, name: str) -> None:
    """Let the caller enter the cluster. ``cluster_id`` is None where no cluster has the name.

    Raises NotFound where there is none for this caller, and Forbidden where the caller could enter
    but not with this token.
    """
    if cluster_id is None or not resolved.access.enters(cluster_id):
        raise no_such_cluster(name)
    scope = resolved.token.clusters
    if scope and cluster_id not in scope:
        raise Forbidden(f'the token "{resolved.token.name}" is not for cluster "{name}"')


def allow_by_scope(
    resolved: Resolved, cluster_id: str, method: str, target: str, *, upgrade: bool
) -> None:
    """Raise Forbidden where a token is used for more than it is for: projects, or reading.

    A WebSocket exec is a GET, and so is anything that a ``proxy`` subresource does, so those count
    as more. Asking what oneself may do is a POST, and counts as reading. The path is looked at
    decoded, as the API server does: ``%70roxy`` is ``proxy``.

    Raises MethodNotAllowed for what no API server does, whatever the token: CONNECT asks a proxy on
    the way for a tunnel, and TRACE would show the cluster's credential.
    """
    if method not in _METHODS:
        raise MethodNotAllowed(f"{method} is not a method of the Kubernetes API")
    if resolved.token.projects:
        _allow_in_projects(resolved, cluster_id, method, target)
    if not resolved.token.read_only:
        return
    target = unquote(target.partition("?")[0])
    if upgrade or _INTERACTIVE.match(target):
        raise Forbidden(f'the token "{resolved.token.name}" is read-only: no exec, no proxying')
    if method in _READS or (method == "POST" and _ASKS_ABOUT_SELF.match(target)):
        return
    raise Forbidden(f'the token "{resolved.token.name}" is read-only: {method} is refused')


def _allow_in_projects(resolved: Resolved, cluster_id: str, method: str, target: str) -> None:
    """Raise Forbidden for what is outside the projects that the token is for.

    What the API is, and what oneself may do in it, may be asked by everybody.
    """
    info = request_info(method, target)
    path = unquote(target.partition("?")[0])
    if info.namespace:
        if info.namespace in resolved.namespaces.get(cluster_id, ()):
            return
    elif _ASKS_ABOUT_SELF.match(path) or (method in _READS and _DISCOVERY.match(path)):
        return
    raise Forbidden(f'the token "{resolved.token.name}" is for the namespaces of its projects only')
