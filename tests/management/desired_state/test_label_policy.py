"""The label policy protects labels, annotations and names of namespaces, on a real API server.

Everyone here may change every namespace by RBAC: only the guard is in their way.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from config.namespace_settings import NamespaceSettings
from management.kubernetes.manifests import PROJECT_LABEL, collection_path
from management.kubernetes.tls import tls_context
from proxy.demo.local_cluster import RequestError
from store.access_records import Project
from store.interfaces import Store
from store.records import Cluster
from tests.management.conftest import OwnCluster, user
from tests.management.controllers.conftest import cluster  # noqa: F401
from tests.management.controllers.real_cluster import managed, quick_trust
from tests.store.records import NOW, a_binding
from tests.support.kubernetes import kubectl
from tests.support.waiting import eventually

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


@pytest.fixture
async def guarded(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,  # noqa: F811
) -> AsyncIterator[Asking]:
    """A cluster with the label policy, a project, and users who may change every namespace."""
    await store.projects.create(Project("p-shop", cluster.id, "shop", NOW))
    await store.projects.create(Project("p-other", cluster.id, "other", NOW))
    for who, role, project in (
        (ALICE, "project-member", "p-shop"),
        (BOB, "project-owner", "p-shop"),
        (ALICE, "project-member", "p-other"),
    ):
        await store.bindings.create(a_binding(who, role, cluster.id, project))
    _let_change_namespaces(kubernetes)
    _let(kubernetes, "guard-owner", "cluster-admin", ("User", OWNER))
    async with (
        managed(store, cluster, quick_trust) as reconciler,
        aiohttp.ClientSession() as session,
    ):
        await eventually(reconciler.trusts_labels)
        _made(kubernetes, MINE, {PROJECT_LABEL: "p-shop"})
        asking = Asking(kubernetes, session)
        await eventually(lambda: _in_force(asking))
        await eventually(lambda: _may_place(asking))
        yield asking


async def test_guarded_keys_are_for_managers_of_all_projects(
    kubernetes: OwnCluster, guarded: Asking
) -> None:
    """Every key, in every way of setting, changing and removing it, by users with every role."""
    for kind in ("labels", "annotations"):
        set_already = _made(kubernetes, f"guarded-{kind}", {PROJECT_LABEL: "p-shop"})
        kubernetes.ask(
            "PATCH",
            f"/api/v1/namespaces/{set_already}",
            {"metadata": {kind: dict.fromkeys(KEYS, "baseline")}},
        )
        for who, headers in PEOPLE.items():
            for key in KEYS:
                for way, answer in await _in_every_way(
                    guarded, kubernetes, headers, kind, key, set_already
                ):
                    case = (who, kind, key, way, answer)
                    if who in MANAGERS:
                        assert answer.status in {200, 201}, case
                    else:
                        assert (answer.status, key in answer.message) == (403, True), case


async def test_other_keys_may_be_changed(kubernetes: OwnCluster, guarded: Asking) -> None:
    for key in ("team", "app.kubernetes.io/name", "kubectl.kubernetes.io/last-applied"):
        for kind in ("labels", "annotations"):
            change = {"metadata": {kind: {key: "x"}}}
            answer = await guarded(
                PEOPLE["member"], "PATCH", f"/api/v1/namespaces/{MINE}", change, kind=MERGE
            )
            assert answer.status == 200, (key, kind, answer)


@pytest.mark.parametrize(
    "arguments",
    [
        ("label", "ns", MINE, "pod-security.kubernetes.io/enforce=privileged"),
        ("label", "ns", MINE, "--overwrite", "istio-injection=disabled"),
        ("annotate", "ns", MINE, "scheduler.alpha.kubernetes.io/node-selector=a=b"),
        ("annotate", "ns", MINE, "openshift.io/sa.scc.uid-range=0/1"),
        ("patch", "ns", MINE, "-p", '{"metadata":{"labels":{"control-plane":"x"}}}'),
        (
            "patch",
            "ns",
            MINE,
            "--type=json",
            "-p",
            '[{"op":"add","path":"/metadata/labels/pod-security.kubernetes.io~1warn","value":"baseline"}]',
        ),
        ("patch", "ns", MINE, "-p", '{"metadata":{"finalizers":["example.com/stays"]}}'),
        ("create", "ns", "kube-mine"),
        ("create", "ns", "openshift-mine"),
        ("create", "ns", "cattle-mine"),
        ("label", "ns", "kube-system", f"{PROJECT_LABEL}=p-shop"),
        ("label", "ns", "default", f"{PROJECT_LABEL}=p-shop"),
    ],
    ids=lambda one: " ".join(one[:4]),
)
async def test_kubectl_of_a_member_is_rejected_for_guarded_keys(
    kubernetes: OwnCluster, guarded: Asking, arguments: tuple[str, ...]
) -> None:
    for who in (ALICE, BOB):
        done = await asyncio.to_thread(
            kubectl, kubernetes.admin_kubeconfig, *arguments, f"--as={who}", "--dry-run=server"
        )
        assert done.returncode != 0
        assert "sekisho-project-labels" in done.stderr
    allowed = await asyncio.to_thread(
        kubectl, kubernetes.admin_kubeconfig, *arguments, f"--as={OWNER}", "--dry-run=server"
    )
    assert allowed.returncode == 0, allowed.stderr


async def test_kubectl_apply_of_a_member_sets_no_guarded_label(
    kubernetes: OwnCluster, guarded: Asking
) -> None:
    manifest = json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": MINE,
                "labels": {
                    PROJECT_LABEL: "p-shop",
                    "pod-security.kubernetes.io/enforce": "privileged",
                },
            },
        }
    )
    for options in ((), ("--server-side", "--force-conflicts")):
        done = await asyncio.to_thread(
            kubectl,
            kubernetes.admin_kubeconfig,
            "apply",
            "-f",
            "-",
            f"--as={ALICE}",
            "--dry-run=server",
            *options,
            input=manifest,
        )
        assert "pod-security.kubernetes.io/enforce" in done.stderr
        assert done.returncode != 0


@pytest.mark.parametrize("name", ["kube-x", "openshift-x", "cattle-x", "openshift"])
@pytest.mark.parametrize("generated", [False, True])
async def test_system_names_are_for_managers_of_all_projects(
    guarded: Asking, name: str, generated: bool
) -> None:
    metadata = {"generateName" if generated else "name": f"{name}-" if generated else name}
    if generated and name == "openshift":
        metadata = {"generateName": "kube-"}
    for who, headers in PEOPLE.items():
        for labels in ({}, {PROJECT_LABEL: "p-shop"}):
            body = {"metadata": {**metadata, "labels": labels}}
            answer = await guarded(headers, "POST", "/api/v1/namespaces", body)
            assert answer.status == (201 if who in MANAGERS else 403), (who, answer)


async def test_namespace_without_a_project_is_moved_by_managers_of_all_projects(
    kubernetes: OwnCluster, guarded: Asking
) -> None:
    free = _made(kubernetes, "guarded-free", {})
    for who, headers in PEOPLE.items():
        for name in (free, "kube-system", "kube-public", "default"):
            answer = await guarded(
                headers, "PATCH", f"/api/v1/namespaces/{name}", _labels("p-shop"), kind=MERGE
            )
            assert answer.status == (200 if who in MANAGERS else 403), (who, name, answer)


async def test_system_namespace_in_a_project_is_moved_and_deleted_by_managers_only(
    kubernetes: OwnCluster, guarded: Asking
) -> None:
    name = _made(kubernetes, "cattle-placed", {PROJECT_LABEL: "p-shop"})
    path = f"/api/v1/namespaces/{name}"
    for who, headers in PEOPLE.items():
        expected = 200 if who in MANAGERS else 403
        for project in (None, "p-other"):
            answer = await guarded(headers, "PATCH", path, _labels(project), kind=MERGE)
            assert answer.status == expected, (who, project, answer)
        assert (await guarded(headers, "DELETE", path, {})).status == expected, who


async def test_members_move_namespaces_between_their_projects(guarded: Asking) -> None:
    path = f"/api/v1/namespaces/{MINE}"
    for project in ("p-other", None):
        answer = await guarded(PEOPLE["member"], "PATCH", path, _labels(project), kind=MERGE)
        assert answer.status == 200, answer
    made = {"metadata": {"name": "guarded-new", "labels": {PROJECT_LABEL: "p-shop"}}}
    assert (await guarded(PEOPLE["member"], "POST", "/api/v1/namespaces", made)).status == 201
    refused = await guarded(PEOPLE["project owner"], "PATCH", path, _labels("p-other"), kind=MERGE)
    assert refused.status == 403


@pytest.mark.parametrize("what", ["finalizers", "ownerReferences"])
async def test_finalizers_are_not_for_project_members(
    kubernetes: OwnCluster, guarded: Asking, what: str
) -> None:
    """The caller has the rights of a project member only."""
    name = _made(kubernetes, "guarded-ends", {PROJECT_LABEL: "p-shop"})
    carol = {"Impersonate-User": "u-carol-only"}
    _let(kubernetes, "guard-carol", _role_for(kubernetes, name), ("User", "u-carol-only"))
    value: Any = ["example.com/stays"]
    if what == "ownerReferences":
        value = [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1"}]
    path, change = f"/api/v1/namespaces/{name}", {"metadata": {what: value}}

    async def refused() -> bool:
        answer = await guarded(carol, "PATCH", path, change, kind=MERGE)
        return what in answer.message and "sekisho-project-labels" in answer.message

    await eventually(refused)
    free = {"metadata": {"labels": {"team": "x"}}}
    assert (await guarded(carol, "PATCH", path, free, kind=MERGE)).status == 200


async def test_label_policy_does_not_affect_the_clusters_controllers(
    kubernetes: OwnCluster, guarded: Asking
) -> None:
    """A service account that may change every namespace is a controller; a project's is not."""
    account = "system:serviceaccount:mesh-system:operator"
    _let(kubernetes, "guard-mesh", "guard-namespaces", ("User", account))
    _let(
        kubernetes,
        "guard-ci",
        _role_for(kubernetes, MINE),
        ("User", f"system:serviceaccount:{MINE}:ci"),
    )
    path, change = f"/api/v1/namespaces/{MINE}", {"metadata": {"labels": {"istio-injection": "x"}}}

    async def as_(name: str, body: object) -> int:
        who = {"Impersonate-User": name}
        return (await guarded(who, "PATCH", path, body, kind=MERGE)).status

    free = {"metadata": {"labels": {"team": "x"}}}
    await eventually(lambda: _is(as_(account, change), 200))
    await eventually(lambda: _is(as_(f"system:serviceaccount:{MINE}:ci", free), 200))
    assert await as_(f"system:serviceaccount:{MINE}:ci", change) == 403
    assert await as_(account, _labels("p-other")) == 403


MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


async def _in_every_way(
    ask: Asking,
    kubernetes: OwnCluster,
    who: Mapping[str, str],
    kind: str,
    key: str,
    set_already: str,
) -> list[tuple[str, Answer]]:
    """Set, change and remove one key in each way that the API server supports."""
    mine, other = f"/api/v1/namespaces/{MINE}", f"/api/v1/namespaces/{set_already}"
    change = {"metadata": {kind: {key: "privileged"}}}
    named = {"apiVersion": "v1", "kind": "Namespace", **change}
    whole = _whole(kubernetes, MINE)
    whole["metadata"].setdefault(kind, {})[key] = "privileged"
    without = _whole(kubernetes, set_already)
    del without["metadata"][kind][key]
    new = {"metadata": {"name": "guarded-other", "labels": {PROJECT_LABEL: "p-shop"}}}
    new["metadata"].setdefault(kind, {})
    new["metadata"][kind] = {**new["metadata"][kind], key: "restricted"}  # type: ignore[dict-item]
    escaped = key.replace("~", "~0").replace("/", "~1")
    removed = {"metadata": {kind: {key: None}}}
    json_patch = [{"op": "remove", "path": f"/metadata/{kind}/{escaped}"}]
    return [
        ("create", await ask(who, "POST", "/api/v1/namespaces", new)),
        (
            "apply new",
            await ask(
                who,
                "PATCH",
                "/api/v1/namespaces/guarded-other",
                {**named, "metadata": {**new["metadata"]}},
                kind=APPLY,
            ),
        ),
        ("set", await ask(who, "PATCH", mine, change, kind=MERGE)),
        ("change", await ask(who, "PATCH", other, change, kind=STRATEGIC)),
        ("remove", await ask(who, "PATCH", other, removed, kind=MERGE)),
        ("json patch", await ask(who, "PATCH", other, json_patch, kind=JSON_PATCH)),
        (
            "apply",
            await ask(
                who,
                "PATCH",
                mine,
                {**named, "metadata": {**change["metadata"], "name": MINE}},
                kind=APPLY,
            ),
        ),
        ("replace", await ask(who, "PUT", mine, whole)),
        ("replace without", await ask(who, "PUT", other, without)),
        ("status", await ask(who, "PATCH", f"{mine}/status", change, kind=MERGE)),
        ("replace status", await ask(who, "PUT", f"{mine}/status", whole)),
        ("finalize", await ask(who, "PUT", f"{mine}/finalize", whole)),
    ]


def _whole(kubernetes: OwnCluster, name: str) -> dict[str, Any]:
    found = kubernetes.ask("GET", f"/api/v1/namespaces/{name}")
    del found["metadata"]["resourceVersion"]
    return found


def _labels(project: str | None) -> dict[str, Any]:
    return {"metadata": {"labels": {PROJECT_LABEL: project}}}


async def _is(asked: Any, status: int) -> bool:
    return bool(await asked == status)


async def _in_force(ask: Asking) -> bool:
    """Return whether the API server enforces the policy, and knows the rights of alice."""
    change = {"metadata": {"labels": {"control-plane": "x"}}}
    answer = await ask(PEOPLE["member"], "PATCH", f"/api/v1/namespaces/{MINE}", change, kind=MERGE)
    return "sekisho-project-labels" in answer.message


async def _may_place(ask: Asking) -> bool:
    path = f"/api/v1/namespaces/{MINE}"
    for who in ("member", "project owner", "cluster owner"):
        change = {"metadata": {"labels": {PROJECT_LABEL: None, "team": "x"}}}
        if (await ask(PEOPLE[who], "PATCH", path, change, kind=MERGE)).status != 200:
            return False
    answer = await ask(PEOPLE["member"], "PATCH", path, _labels("p-other"), kind=MERGE)
    return answer.status == 200


def _made(kubernetes: OwnCluster, name: str, labels: dict[str, str]) -> str:
    with suppress(RequestError):
        kubernetes.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    kubernetes.ask("PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": labels}})
    return name


def _let_change_namespaces(kubernetes: OwnCluster) -> None:
    resources = ["namespaces", "namespaces/status", "namespaces/finalize"]
    rule = {"apiGroups": [""], "resources": resources, "verbs": ["*"]}
    role = {"metadata": {"name": "guard-namespaces"}, "rules": [rule]}
    with suppress(RequestError):
        kubernetes.ask("POST", collection_path("ClusterRole"), role)
    _let(kubernetes, "guard-namespaces", "guard-namespaces", ("User", ALICE), ("User", BOB))


def _role_for(kubernetes: OwnCluster, name: str) -> str:
    """Return the rights of project members on one of the namespaces."""
    rule = {
        "apiGroups": [""],
        "resources": ["namespaces"],
        "verbs": ["get", "update", "patch", "delete"],
        "resourceNames": [name],
    }
    role = {"metadata": {"name": f"guard-{name}"}, "rules": [rule]}
    with suppress(RequestError):
        kubernetes.ask("POST", collection_path("ClusterRole"), role)
    return f"guard-{name}"


def _let(kubernetes: OwnCluster, name: str, role: str, *subjects: tuple[str, str]) -> None:
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": kind, "apiGroup": rbac, "name": one} for kind, one in subjects],
    }
    with suppress(RequestError):
        kubernetes.ask("POST", collection_path("ClusterRoleBinding"), binding)
