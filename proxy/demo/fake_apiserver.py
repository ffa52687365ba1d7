"""A fake API server, for a demo on a machine without a kube-apiserver.

It is not Kubernetes: objects are in memory, there is no admission, no RBAC and no controllers, and
every user who may enter may do everything. It serves enough of the API (discovery, objects,
watches, reviews, tokens) for an import, for kubectl get, create, delete, ``get -w`` and ``auth
whoami``. Like a cluster, it accepts ``Impersonate-*`` from the accounts to which it issued tokens.

The file is longer than 300 lines because it is one class with the tables that it reads: no other
module uses a part of it.
"""

import asyncio
import json
import secrets
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from impersonation.identity import ADMINISTRATORS_GROUP
from proxy.transport.certificates import create_authority, issue_server

VERSION = "v0.0.0-sekisho-standin"

Object = dict[str, Any]

_RESOURCES: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "v1": (
        ("namespaces", "Namespace", False),
        ("configmaps", "ConfigMap", True),
        ("secrets", "Secret", True),
        ("serviceaccounts", "ServiceAccount", True),
        ("pods", "Pod", True),
        ("nodes", "Node", False),
    ),
    "rbac.authorization.k8s.io/v1": (
        ("clusterroles", "ClusterRole", False),
        ("clusterrolebindings", "ClusterRoleBinding", False),
        ("roles", "Role", True),
        ("rolebindings", "RoleBinding", True),
    ),
    "authentication.k8s.io/v1": (("selfsubjectreviews", "SelfSubjectReview", False),),
    "authorization.k8s.io/v1": (
        ("selfsubjectaccessreviews", "SelfSubjectAccessReview", False),
        ("subjectaccessreviews", "SubjectAccessReview", False),
    ),
}


@dataclass(frozen=True, slots=True)
class Who:
    """The user that a request acts as."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, list[str]] = field(default_factory=dict)


class FakeAPIServer:
    """A fake API server, inside ``async with``. ``admin_kubeconfig`` is for its administrator."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.version = VERSION
        self.admin_kubeconfig = directory / "admin.kubeconfig"
        self._accounts = {secrets.token_urlsafe(16): "system:admin"}
        self._objects: dict[str, Object] = {}
        self._changed: set[asyncio.Queue[tuple[str, str, Object]]] = set()
        self._revision = 1
        self._runner: web.AppRunner | None = None
        for name in ("default", "kube-system"):
            path = f"/api/v1/namespaces/{name}"
            self._put(path, {"kind": "Namespace", "metadata": {"name": name}})

    async def __aenter__(self) -> "FakeAPIServer":
        """Listen on a free port, and write the kubeconfig."""
        now = datetime.now(UTC)
        authority = create_authority("stand-in", lifetime=timedelta(days=1), now=now)
        pair = issue_server(
            authority,
            common_name="stand-in",
            names=["127.0.0.1"],
            lifetime=timedelta(days=1),
            now=now,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(dir=self.directory) as both:
            both.write(pair.certificate_pem + pair.key_pem)
            both.flush()
            context.load_cert_chain(both.name)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        port = self._runner.addresses[0][1]
        self._write_kubeconfig(f"https://127.0.0.1:{port}", authority.certificate_pem)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _write_kubeconfig(self, server: str, ca_pem: bytes) -> None:
        (self.directory / "ca.crt").write_bytes(ca_pem)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "stand-in",
            "clusters": [
                {
                    "name": "stand-in",
                    "cluster": {"server": server, "certificate-authority": "ca.crt"},
                }
            ],
            "users": [{"name": "admin", "user": {"token": next(iter(self._accounts))}}],
            "contexts": [{"name": "stand-in", "context": {"cluster": "stand-in", "user": "admin"}}],
        }
        self.admin_kubeconfig.touch(mode=0o600)
        self.admin_kubeconfig.write_text(yaml.safe_dump(config))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        who = self._who(request)
        if who is None:
            return _status(401, "Unauthorized", "unknown token")
        path = "/" + request.match_info["path"].strip("/")
        known = self._discovery(path)
        if known is not None:
            return web.json_response(known)
        body = await _body(request)
        if body is None and request.body_exists:
            if not path.endswith("reviews"):
                return _status(415, "UnsupportedMediaType", "the stand-in reads JSON: use apply -f")
            # kubectl sends reviews in protobuf. Their content has no influence here.
            body = {}
        if request.method == "POST" and body is not None:
            return self._post(path, body, who)
        if request.method == "PATCH" and body is not None:
            return self._patch(path, body, dry_run="dryRun" in request.query)
        if request.method == "DELETE":
            return self._delete(path)
        if request.method != "GET":
            return _status(405, "MethodNotAllowed", "the stand-in doesn't know this method")
        if request.query.get("watch") in {"1", "true"}:
            return await self._watch(request, path)
        return self._get(path)

    def _who(self, request: web.Request) -> Who | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        account = self._accounts.get(token)
        if account is None:
            return None
        impersonated = request.headers.get("Impersonate-User")
        if impersonated is None:
            return Who(account, groups=("system:authenticated", "system:masters"))
        prefix = "impersonate-extra-"
        extra: dict[str, list[str]] = {}
        for name, value in request.headers.items():
            if name.lower().startswith(prefix):
                extra.setdefault(name.lower()[len(prefix) :], []).append(value)
        groups = request.headers.getall("Impersonate-Group", [])
        return Who(impersonated, request.headers.get("Impersonate-Uid", ""), tuple(groups), extra)

    def _discovery(self, path: str) -> Object | None:
        """Return a discovery document, which kubectl requests first."""
        if path == "/version":
            return {"major": "0", "minor": "0", "gitVersion": VERSION}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups()}
        version = path.removeprefix("/apis/") if path.startswith("/apis/") else path[5:]
        if version in _RESOURCES and path in {"/api/v1", f"/apis/{version}"}:
            return _resource_list(version)
        return None

    def _post(self, path: str, body: Object, who: Who) -> web.Response:
        kind = path.rsplit("/", 1)[-1]
        if kind.endswith("reviews"):
            listed = _list_of(path)
            if listed is None:
                return _status(404, "NotFound", "the stand-in has no such review")
            body = {"apiVersion": listed[0], "kind": listed[1], **body}
        if kind == "selfsubjectreviews":
            info = {
                "username": who.name,
                "uid": who.uid,
                "groups": list(who.groups),
                "extra": dict(who.extra),
            }
            return web.json_response(body | {"status": {"userInfo": info}}, status=201)
        if kind.endswith("subjectaccessreviews"):
            allowed = _allowed(body, who, about_self=kind.startswith("self"))
            return web.json_response(body | {"status": {"allowed": allowed}}, status=201)
        if kind == "token":
            return self._issue(path, body)
        name = body.get("metadata", {}).get("name", "")
        if f"{path}/{name}" in self._objects:
            return _status(409, "AlreadyExists", f'"{name}" already exists')
        return web.json_response(self._put(f"{path}/{name}", body), status=201)

    def _issue(self, path: str, body: Object) -> web.Response:
        token = secrets.token_urlsafe(24)
        self._accounts[token] = path
        seconds = body.get("spec", {}).get("expirationSeconds", 3600)
        ends = datetime.now(UTC) + timedelta(seconds=seconds)
        status = {"token": token, "expirationTimestamp": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return web.json_response(body | {"status": status}, status=201)

    def _patch(self, path: str, body: Object, *, dry_run: bool) -> web.Response:
        current = self._objects.get(path, {})
        merged = (
            current | body | {"metadata": current.get("metadata", {}) | body.get("metadata", {})}
        )
        return web.json_response(self._made(merged) if dry_run else self._put(path, merged))

    def _put(self, path: str, value: Object) -> Object:
        self._revision += 1
        new = path not in self._objects
        stored = self._objects[path] = self._made(value)
        self._notify("ADDED" if new else "MODIFIED", path, stored)
        return stored

    def _made(self, value: Object) -> Object:
        """Return an object with the metadata that an API server adds."""
        metadata = {
            "uid": secrets.token_hex(8),
            "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **value.get("metadata", {}),
            "resourceVersion": str(self._revision),
        }
        return value | {"metadata": metadata}

    def _delete(self, path: str) -> web.Response:
        gone = self._objects.pop(path, None)
        if gone is None:
            return _status(404, "NotFound", "not found")
        self._notify("DELETED", path, gone)
        return web.json_response(gone)

    def _get(self, path: str) -> web.Response:
        if path in self._objects:
            return web.json_response(self._objects[path])
        listed = _list_of(path)
        if listed is None:
            return _status(404, "NotFound", "the stand-in has no such object")
        version, kind, resource = listed
        items = [one for at, one in self._objects.items() if _belongs(at, path, resource)]
        return web.json_response(
            {
                "kind": f"{kind}List",
                "apiVersion": version,
                "metadata": {"resourceVersion": str(self._revision)},
                "items": [{"apiVersion": version, "kind": kind, **one} for one in items],
            }
        )

    async def _watch(self, request: web.Request, path: str) -> web.StreamResponse:
        listed = _list_of(path)
        if listed is None:
            return _status(404, "NotFound", "the stand-in has no such resource")
        version, kind, resource = listed
        queue: asyncio.Queue[tuple[str, str, Object]] = asyncio.Queue()
        self._changed.add(queue)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        try:
            while True:
                what, at, value = await queue.get()
                if _belongs(at, path, resource):
                    shown = {"apiVersion": version, "kind": kind, **value}
                    event = json.dumps({"type": what, "object": shown})
                    await response.write(event.encode() + b"\n")
        finally:
            self._changed.discard(queue)

    def _notify(self, what: str, path: str, value: Object) -> None:
        for queue in self._changed:
            queue.put_nowait((what, path, value))


def _groups() -> list[Object]:
    groups = []
    for version in _RESOURCES:
        group, slash, number = version.partition("/")
        if slash:
            named = {"groupVersion": version, "version": number}
            groups.append({"name": group, "versions": [named], "preferredVersion": named})
    return groups


def _resource_list(version: str) -> Object:
    verbs = ["create", "delete", "get", "list", "patch", "watch"]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": [
            {
                "name": name,
                "singularName": kind.lower(),
                "kind": kind,
                "namespaced": namespaced,
                "verbs": ["create"] if name.endswith("reviews") else verbs,
            }
            for name, kind, namespaced in _RESOURCES[version]
        ],
    }


def _list_of(path: str) -> tuple[str, str, str] | None:
    """Return version, kind and name of the resource that a path lists."""
    resource = path.rsplit("/", 1)[-1]
    for version, resources in _RESOURCES.items():
        if path.startswith(f"/apis/{version}/" if "/" in version else f"/api/{version}/"):
            for name, kind, _ in resources:
                if name == resource:
                    return version, kind, name
    return None


def _belongs(at: str, path: str, resource: str) -> bool:
    """Return whether the object at ``at`` is in the list at ``path``."""
    collection = at.rsplit("/", 1)[0]
    if collection == path:
        return True
    return (
        "/namespaces/" not in path
        and collection.endswith(f"/{resource}")
        and (collection.startswith(path.rsplit("/", 1)[0] + "/namespaces/"))
    )


def _allowed(review: Object, who: Who, *, about_self: bool) -> bool:
    """Allow everything. Impersonation is for administrators only."""
    spec = review.get("spec", {})
    groups = set(who.groups if about_self else spec.get("groups", []))
    if spec.get("resourceAttributes", {}).get("verb") != "impersonate":
        return True
    return bool(groups & {ADMINISTRATORS_GROUP, "system:masters"})


async def _body(request: web.Request) -> Object | None:
    raw = await request.read()
    try:
        parsed = yaml.safe_load(raw) if raw else None
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _status(code: int, reason: str, message: str) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code,
    }
    return web.json_response(body, status=code)
