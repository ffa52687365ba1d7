"""A cluster with the label policy, and requests of its users, who may change every namespace."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from config.namespace_settings import NamespaceSettings
from management.kubernetes.manifests import PROJECT_LABEL, collection_path
from management.kubernetes.tls import tls_context
from proxy.demo.local_cluster import RequestError
from tests.management.conftest import OwnCluster, user

ALICE, BOB = user("alice").id, user("bob").id
OWNER = "u-clusterown"
SETTINGS = NamespaceSettings()
MINE = "guarded-mine"
"""A namespace of the project in which alice is a member and bob is the owner."""

MANAGERS = frozenset({"cluster owner", "administrator"})
PEOPLE: Mapping[str, Mapping[str, str]] = {
    "member": {"Impersonate-User": ALICE},
    "project owner": {"Impersonate-User": BOB},
    "cluster owner": {"Impersonate-User": OWNER},
    "administrator": {
        "Impersonate-User": "u-root",
        "Impersonate-Group": "sekisho:administrators",
    },
}
KEYS = sorted(
    one.replace("*", "enforce")
    for one in (*SETTINGS.guarded_keys, "sekisho.io/*", "other.example.com/*")
)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    message: str


class Asking:
    """Sends requests to the API server as any user: dry runs, unless ``really``."""

    def __init__(self, kubernetes: OwnCluster, session: aiohttp.ClientSession) -> None:
        self._server = kubernetes.endpoint.servers[0]
        self._session = session
        self._context = tls_context(kubernetes.endpoint, kubernetes.administrator)

    async def __call__(
        self,
        who: Mapping[str, str],
        method: str,
        path: str,
        body: object = None,
        *,
        kind: str = "application/json",
        really: bool = False,
    ) -> Answer:
        query = {"fieldManager": "test", **({} if really else {"dryRun": "All"})}
        if "apply" in kind:
            query["force"] = "true"
        async with self._session.request(
            method,
            self._server + path,
            params=query,
            data=json.dumps(body),
            headers={"Content-Type": kind, **who},
            ssl=self._context,
        ) as answer:
            data = await answer.json(content_type=None)
            return Answer(answer.status, str(data.get("message", "")))


MERGE = "application/merge-patch+json"


def label_change(project: str | None) -> dict[str, Any]:
    return {"metadata": {"labels": {PROJECT_LABEL: project}}}


async def policy_in_force(ask: Asking) -> bool:
    """Return whether the API server enforces the policy, and knows the rights of alice."""
    change = {"metadata": {"labels": {"control-plane": "x"}}}
    answer = await ask(PEOPLE["member"], "PATCH", f"/api/v1/namespaces/{MINE}", change, kind=MERGE)
    return "sekisho-project-labels" in answer.message


async def members_may_place(ask: Asking) -> bool:
    path = f"/api/v1/namespaces/{MINE}"
    for who in ("member", "project owner", "cluster owner"):
        change = {"metadata": {"labels": {PROJECT_LABEL: None, "team": "x"}}}
        if (await ask(PEOPLE[who], "PATCH", path, change, kind=MERGE)).status != 200:
            return False
    answer = await ask(PEOPLE["member"], "PATCH", path, label_change("p-other"), kind=MERGE)
    return answer.status == 200


def make_namespace(kubernetes: OwnCluster, name: str, labels: dict[str, str]) -> str:
    with suppress(RequestError):
        kubernetes.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    kubernetes.ask("PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": labels}})
    return name


def let_change_namespaces(kubernetes: OwnCluster) -> None:
    resources = ["namespaces", "namespaces/status", "namespaces/finalize"]
    rule = {"apiGroups": [""], "resources": resources, "verbs": ["*"]}
    role = {"metadata": {"name": "guard-namespaces"}, "rules": [rule]}
    with suppress(RequestError):
        kubernetes.ask("POST", collection_path("ClusterRole"), role)
    bind_cluster_role(
        kubernetes, "guard-namespaces", "guard-namespaces", ("User", ALICE), ("User", BOB)
    )


def bind_cluster_role(
    kubernetes: OwnCluster, name: str, role: str, *subjects: tuple[str, str]
) -> None:
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": kind, "apiGroup": rbac, "name": one} for kind, one in subjects],
    }
    with suppress(RequestError):
        kubernetes.ask("POST", collection_path("ClusterRoleBinding"), binding)
