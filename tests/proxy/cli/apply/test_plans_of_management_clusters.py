"""Plans of documents of management clusters. Pure."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.cli.apply.bodies import fields_of
from proxy.cli.apply.diff import diff_text
from proxy.cli.apply.documents import InvalidDocuments, Source, parse
from proxy.cli.apply.export import export_text, exported
from tests.proxy.cli.apply.plans import BUILT_IN, HEAD, STATE, a_role, lines, planned, problems

BUYER = a_role("r-1", "global", "buyer")
ITEM: dict[str, Any] = {
    "id": "c-1",
    "namespace": "machines",
    "classes": [
        {"name": "rke2", "roles": [], "clusters": None},
        {"name": "gke", "roles": ["r-1", "standard-user"], "clusters": 5},
    ],
    "limits": {"clusters_per_user": 3, "workers_per_cluster": None, "workers": None},
    "token_expires_at": "2030-01-01T00:00:00+00:00",
    "unreadable": None,
}
MANAGED = replace(STATE, roles=(*BUILT_IN, BUYER), managements=(ITEM,))

DOCUMENT = f"""{HEAD}ManagementCluster
metadata: {{name: prod}}
spec:
  namespace: machines
  classes:
    - {{name: gke, roles: [standard-user, buyer], clusters: 5}}
    - {{name: rke2}}
  limits: {{clustersPerUser: 3}}
"""


def test_exported_settings_are_unchanged() -> None:
    text = export_text(exported(MANAGED, {"ManagementCluster"}))
    assert "clustersPerUser: 3" in text
    assert "null" not in text
    assert lines(planned(text, MANAGED)) == ["keep managementcluster/prod"]
    assert lines(planned(DOCUMENT, MANAGED)) == ["keep managementcluster/prod"]


def test_cluster_becomes_a_management_cluster() -> None:
    plan = planned(DOCUMENT, replace(MANAGED, managements=()))
    assert lines(plan) == ["create managementcluster/prod"]
    [change] = plan.changes
    assert change.document is not None
    body = fields_of(change.document.kind, change.content or {}, {}, {})
    assert body == {
        "namespace": "machines",
        "classes": [
            {"name": "gke", "roles": ["buyer", "standard-user"], "clusters": 5},
            {"name": "rke2"},
        ],
        "limits": {"clusters_per_user": 3, "workers_per_cluster": None, "workers": None},
    }


def test_settings_that_a_document_leaves_out_get_their_defaults() -> None:
    text = f"{HEAD}ManagementCluster\nmetadata: {{name: prod}}\nspec: {{namespace: machines}}\n"
    plan = planned(text, MANAGED)
    assert lines(plan) == ["change managementcluster/prod"]
    shown = diff_text(plan.changes)
    assert "-  clustersPerUser: 3" in shown
    assert "-  - name: gke" in shown


def test_roles_of_the_run_can_be_referred_to() -> None:
    role = f"{HEAD}Role\nmetadata: {{name: buyer}}\nspec: {{scope: global}}\n"
    state = replace(MANAGED, managements=(), roles=BUILT_IN)
    plan = planned(f"{DOCUMENT}---\n{role}", state)
    assert lines(plan) == ["create role/global/buyer", "create managementcluster/prod"]
    assert [one.name for one in plan.changes[1].needs] == ["buyer"]
    [problem] = problems(planned(DOCUMENT, state))
    assert 'spec.classes: global role "buyer" not found' in problem


def test_unknown_or_hidden_cluster_is_a_problem() -> None:
    other = DOCUMENT.replace("name: prod", "name: prot")
    [problem] = problems(planned(other, MANAGED))
    assert "did you mean prod?" in problem
    hidden = replace(MANAGED, managements=(), unreadable_managements={"c-1": "no cluster.read"})
    [problem] = problems(planned(DOCUMENT, hidden))
    assert "its settings can't be read: no cluster.read" in problem


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("{name: prod}", "{name: prod, labels: {a: b}}", "metadata.labels: is not a field"),
        ("namespace: machines", "namespace: A", "must be a namespace's name"),
        ("clusters: 5", "clusters: -1", "must be a whole number from 0 to 100000"),
        ("clustersPerUser: 3", "clustersPerUser: yes", "must be a whole number"),
        ("clustersPerUser", "clusterPerUser", "did you mean clustersPerUser?"),
        ("{name: rke2}", "{name: gke}", "spec.classes[1].name: occurs twice"),
    ],
)
def test_wrong_settings_are_refused(old: str, new: str, sentence: str) -> None:
    with pytest.raises(InvalidDocuments) as raised:
        parse([Source("a.yaml", DOCUMENT.replace(old, new))])
    assert sentence in str(raised.value)
