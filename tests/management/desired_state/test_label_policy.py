"""The label policy protects labels, annotations and names of namespaces, on a real API server.

Everyone here may change every namespace by RBAC: only the guard is in their way.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from management.kubernetes.manifests import PROJECT_LABEL
from tests.management.conftest import OwnCluster
from tests.management.desired_state.guarded_cluster import (
    ALICE,
    BOB,
    KEYS,
    MANAGERS,
    MERGE,
    MINE,
    OWNER,
    PEOPLE,
    Answer,
    Asking,
    make_namespace,
)
from tests.support.kubernetes import kubectl


async def test_guarded_keys_are_for_managers_of_all_projects(
    kubernetes: OwnCluster, guarded: Asking
) -> None:
    """Every key, in every way of setting, changing and removing it, by users with every role."""
    for kind in ("labels", "annotations"):
        set_already = make_namespace(kubernetes, f"guarded-{kind}", {PROJECT_LABEL: "p-shop"})
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
