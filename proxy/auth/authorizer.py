"""The checks of a request: cluster access, token scope, body size. Pure.

Both request paths apply :func:`authorize_cluster`, then :func:`authorize_request`. The result of
the first depends on token and cluster only and may be cached for these two objects; the second
runs for each request.
"""

import re
from urllib.parse import unquote

from management.authentication.authenticated_token import MUST_CHANGE, AuthenticatedToken
from management.errors import no_cluster
from management.kubernetes.cluster_client import unreadable
from proxy.request.request_info import CONNECT, request_info
from proxy.request.request_line import RequestLine
from proxy.response.status import (
    ClusterNotFoundStatus,
    ContentTooLarge,
    Forbidden,
    MethodNotAllowed,
    ServiceUnavailable,
)
from proxy.upstream.ordered_clusters import OrderedCluster
from store.records import Cluster

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _READS | {"POST", "PUT", "PATCH", "DELETE"}
_INTERACTIVE = re.compile(
    r"/api/v1/(?:namespaces/[^/]+/pods/[^/]+/(?:exec|attach|portforward|proxy)"
    r"|namespaces/[^/]+/services/[^/]+/proxy|nodes/[^/]+/proxy)(?:/|\Z)"
)
_PAGE = re.compile(r"/api/v1/namespaces/[^/]+/(?:services|pods)/[^/]+/proxy(?:/|\Z)")
_NODE_METRICS = re.compile(
    r"/api/v1/nodes/[^/]+/proxy/metrics(?:/(?:cadvisor|probes|resource|slis))?\Z"
)
"""What a kubelet reports. Other paths of a kubelet show logs and run commands."""

_SELF_REVIEW = re.compile(
    r"/apis/(?:authorization\.k8s\.io/v1/selfsubject(?:access|rules)reviews"
    r"|authentication\.k8s\.io/v1(?:beta1|alpha1)?/selfsubjectreviews)\Z"
)

_DISCOVERY = re.compile(
    r"/(?:version|openapi/.*|api(?:/v1)?|apis(?:/[^/]+){0,2}|healthz|livez|readyz)/?\Z"
)


def no_such_cluster(name: str) -> ClusterNotFoundStatus:
    """Return the response for a cluster that does not exist or that the caller may not enter."""
    return ClusterNotFoundStatus(no_cluster(name), decision="cluster_entry")


def authorize_cluster(token: AuthenticatedToken, cluster_id: str | None, name: str) -> None:
    """Check that the caller may enter the cluster. ``cluster_id`` is None if none has the name.

    Raises:
        ClusterNotFoundStatus: the cluster does not exist for this caller.
        Forbidden: the caller may enter it, but not with this token or before a password change.

    """
    if token.token.confined:
        raise Forbidden(MUST_CHANGE, decision="password_change")
    if cluster_id is None or not token.access.can_enter(cluster_id):
        raise no_such_cluster(name)
    scope = token.token.clusters
    if scope and cluster_id not in scope:
        raise Forbidden(
            f'the token "{token.token.name}" is not for cluster "{name}"', decision="token_cluster"
        )


def refuse_order(token: AuthenticatedToken, order: OrderedCluster | None) -> None:
    """Raise ServiceUnavailable with the state of an order, if the caller may see it.

    Otherwise the caller gets the same response as for a cluster that does not exist.
    """
    if order is None or token.token.confined:
        return
    scope = token.token.clusters
    owns = order.owner_id == token.user.id
    if (scope and order.id not in scope) or not (owns or token.access.sees_cluster(order.id)):
        return
    message = f": {order.message}" if owns and order.message else ""
    raise ServiceUnavailable(
        f'cluster "{order.name}" is on order ({order.state}) and cannot be entered yet{message}',
        note=f"the cluster is on order ({order.state})",
    )


def authorize_request(
    token: AuthenticatedToken, cluster: Cluster, line: RequestLine, length: int, max_body: int
) -> None:
    """Check a request to a cluster that the caller may enter. ``length`` is its Content-Length.

    Raises:
        Forbidden, MethodNotAllowed: the request is outside the token's scope.
        ServiceUnavailable: Sekisho cannot decrypt its credential for the cluster.
        ContentTooLarge: the body has more than ``max_body`` bytes.

    """
    upgrade = line.info.verb == CONNECT
    authorize_token_scope(token, cluster.id, line.method, line.target, upgrade=upgrade)
    if cluster.unreadable:
        raise ServiceUnavailable(
            f'cluster "{cluster.name}": '
            "Sekisho's credential for it cannot be decrypted; ask an administrator",
            note=unreadable(cluster),
        )
    if length > max_body:
        raise ContentTooLarge(f"the request's body is over {max_body} bytes")


def authorize_token_scope(
    token: AuthenticatedToken, cluster_id: str, method: str, target: str, *, upgrade: bool
) -> None:
    """Check a request against its token's scope: projects, and read-only.

    A WebSocket exec is a GET, and so is anything that a ``proxy`` subresource does, so those count
    as writes; ``proxy_read`` allows GET and HEAD on those of services and pods, and on a node's
    metrics (other paths of a node run commands by GET). A review of the caller's own rights is a
    POST and counts as a read. The path is matched decoded, as the API server does: ``%70roxy`` is
    ``proxy``.

    Raises:
        Forbidden: the request is outside the scope.
        MethodNotAllowed: no API server implements the method. CONNECT would ask a proxy on the way
            for a tunnel, and TRACE would return the cluster's credential.

    """
    if method not in _METHODS:
        raise MethodNotAllowed(f"{method} is not a method of the Kubernetes API")
    if token.token.projects:
        _authorize_projects(token, cluster_id, method, target)
    if not token.token.read_only:
        return
    path = unquote(target.partition("?")[0])
    if upgrade or _INTERACTIVE.match(path):
        if _is_page(token, method, path, upgrade=upgrade):
            return
        raise Forbidden(
            f'the token "{token.token.name}" is read-only: no exec, no proxying',
            decision="token_read_only",
        )
    if method in _READS or (method == "POST" and _SELF_REVIEW.match(path)):
        return
    raise Forbidden(
        f'the token "{token.token.name}" is read-only: {method} is refused',
        decision="token_read_only",
    )


def _is_page(token: AuthenticatedToken, method: str, path: str, *, upgrade: bool) -> bool:
    """Return whether ``proxy_read`` allows a read-only token's request to a server in a cluster."""
    if upgrade or not token.token.proxy_read or method not in {"GET", "HEAD"}:
        return False
    return _PAGE.match(path) is not None or _NODE_METRICS.match(path) is not None


def _authorize_projects(
    token: AuthenticatedToken, cluster_id: str, method: str, target: str
) -> None:
    """Check that a request stays inside the projects of its token.

    Discovery and reviews of the caller's own rights are always allowed.

    Raises:
        Forbidden: the request is outside the projects.

    """
    info = request_info(method, target)
    path = unquote(target.partition("?")[0])
    if info.namespace:
        if info.namespace in token.namespaces.get(cluster_id, ()):
            return
    elif _SELF_REVIEW.match(path) or (method in _READS and _DISCOVERY.match(path)):
        return
    raise Forbidden(
        f'the token "{token.token.name}" is for the namespaces of its projects only',
        decision="token_project",
    )
