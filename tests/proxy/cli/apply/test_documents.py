"""Tests of the documents of ``sekisho apply``: valid ones, and every problem with its line."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.apply.documents import Document, InvalidDocuments, Source, parse
from proxy.cli.apply.yaml_text import yaml_text

ROLE = """apiVersion: sekisho.io/v1
kind: Role
metadata:
  name: deployer
  labels: {team: shop}
spec:
  scope: project
  permissions: [project.read, project.read]
  rules:
    - verbs: [get]
      apiGroups: [apps]
      resources: [deployments]
"""


def read(text: str) -> list[Document]:
    return parse([Source("a.yaml", text)])


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidDocuments) as caught:
        read(text)
    return list(caught.value.lines)


def test_document_has_canonical_fields_without_defaults() -> None:
    (role,) = read(ROLE)
    assert (role.kind.name, role.name, role.labels) == ("Role", "deployer", {"team": "shop"})
    assert role.spec == {
        "scope": "project",
        "permissions": ["project.read"],
        "rules": [
            {
                "verbs": ["get"],
                "apiGroups": ["apps"],
                "resources": ["deployments"],
                "resourceNames": [],
                "nonResourceURLs": [],
            }
        ],
    }
    assert (role.place, role.place_of("spec", "rules")) == ("a.yaml:1", "a.yaml:9")


def test_numbers_are_quantities() -> None:
    (project,) = read(
        "apiVersion: sekisho.io/v1\nkind: Project\nmetadata: {name: shop}\n"
        "spec: {cluster: prod, quota: {pods: 10, limits.cpu: 1.5, memory: 4Gi}}"
    )
    assert project.spec["quota"] == {"limits.cpu": "1.5", "memory": "4Gi", "pods": "10"}


def test_all_problems_of_all_files_are_reported_with_their_lines() -> None:
    second = """apiVersion: sekisho.io/v1
kind: Project
metadata: {name: 12, labels: {a b: c, team: 1}}
spec:
  isolatd: yes
  container_limits: {}
  quota: {pods: [1]}
---
kind: Projekt
apiVersion: sekisho.io/v1
"""
    with pytest.raises(InvalidDocuments) as caught:
        parse([Source("a.yaml", ROLE + "  inherit: [x]\n"), Source("b.yaml", second)])
    assert list(caught.value.lines) == [
        "a.yaml:13: spec.inherit: is not a field; did you mean inherits?",
        "b.yaml:3: metadata.name: must be text; put it in quotes",
        "b.yaml:3: metadata.labels.a b: is no label's key: use letters, digits, -, _, ., and optionally domain/",  # noqa: E501
        "b.yaml:3: metadata.labels.team: must be text; put it in quotes",
        "b.yaml:5: spec.isolatd: is not a field; did you mean isolated?",
        "b.yaml:6: spec.container_limits: is not a field; did you mean containerLimits?",
        "b.yaml:4: spec: cluster is missing",
        "b.yaml:7: spec.quota.pods: must be a quantity, such as 10, 500m, or 4Gi",
        "b.yaml:9: kind: must be one of User, Cluster, Role, ManagementCluster, Project, Binding, Member; did you mean Project?",  # noqa: E501
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a", "must be a document with apiVersion"),
        ("a: 1", "apiVersion: must be sekisho.io/v1"),
        ("apiVersion: v1\nkind: Secret", "apiVersion: must be sekisho.io/v1"),
        (ROLE.replace("  name: deployer\n", ""), "metadata: name is missing"),
        (ROLE.replace("project\n", "everywhere\n"), "must be global, cluster, or project"),
        (ROLE.replace("[get]", "get"), "a.yaml:10: spec.rules[0].verbs: must be a list"),
        (ROLE.replace("[get]", '["", get]'), "spec.rules[0].verbs[0]: must not be empty"),
        (ROLE.replace("{team: shop}", "[team]"), "metadata.labels: must be labels"),
        (ROLE + "  scope: cluster\n", "a.yaml:13: spec.scope: occurs twice; remove one"),
        (ROLE + "x: &a 1", "a.yaml:13: has an anchor or alias"),
        (ROLE + "x: !secret y", "spec"),
        (ROLE + "---\n" + ROLE, "a.yaml:14: the same Role is at a.yaml:1; remove one"),
        (ROLE + "\t", "a.yaml:13: is not valid YAML"),
    ],
)
def test_invalid_document_is_refused_with_its_place(text: str, problem: str) -> None:
    if "!secret" in text:
        problem = "a.yaml:13"
    assert any(problem in line for line in problems(text)), problems(text)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("{cluster: prod, role: member}", "spec: must have either user or group"),
        ("{cluster: prod, role: member, user: a, group: x://1}", "must have either user or group"),
        ("{cluster: prod, role: member, group: devs}", "spec.group: must be a group's id"),
        ("{cluster: prod, role: member, group: x://1, provider: y}", "spec.provider: is for users"),
        ("{cluster: prod, role: member, user: a, groupName: y}", "spec.groupName: is for groups"),
        ("{role: member, user: a}", "spec: cluster is missing"),
    ],
)
def test_member_with_an_unclear_holder_is_refused(spec: str, problem: str) -> None:
    text = f"apiVersion: sekisho.io/v1\nkind: Member\nspec: {spec}\n"
    assert any(problem in line for line in problems(text)), problems(text)


def test_member_has_no_name() -> None:
    text = "apiVersion: sekisho.io/v1\nkind: Member\nmetadata: {name: x}\nspec: {}\n"
    assert problems(text) == [
        "a.yaml:3: metadata.name: a Member has no name: its spec identifies it"
    ]


def test_namespace_twice_in_a_project_is_refused() -> None:
    text = (
        "apiVersion: sekisho.io/v1\nkind: Project\nmetadata: {name: shop}\n"
        "spec: {cluster: prod, namespaces: [{name: a}, {name: b}, {name: a}]}"
    )
    assert problems(text) == ["a.yaml:4: spec.namespaces[2].name: occurs twice"]


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "labels", "scope", "role", "user", "cluster", "namespaces", "quota", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(["User", "Role", "Cluster", "Project", "Binding", "Member"]), VALUES, VALUES)
def test_any_values_are_a_document_or_refused(kind: str, metadata: Any, spec: Any) -> None:
    document = {
        "apiVersion": "sekisho.io/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
    }
    with suppress(InvalidDocuments):
        read(yaml_text([document]))


@given(st.text(alphabet="ab:-[]{}&*?!|>'\"#,%\n\t 1", max_size=60))
def test_any_text_is_documents_or_refused(text: str) -> None:
    with suppress(InvalidDocuments):
        read(text)
