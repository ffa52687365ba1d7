"""A manifest is read completely, or all its problems are reported with their lines."""

import pytest

from management.workload_changes.manifest import (
    MAX_OBJECTS,
    InvalidManifest,
    read_manifest,
)
from management.workload_changes.manifest_kinds import MANIFEST_KINDS
from tests.management.workload_changes.manifests import (
    CONFIG_MAP,
    DEPLOYMENT,
    SERVICE,
    a_manifest,
)


def problems(text: str, namespace: str | None = None) -> str:
    with pytest.raises(InvalidManifest) as caught:
        read_manifest(text, namespace)
    return str(caught.value)


def test_objects_that_others_need_come_first_and_keep_their_order() -> None:
    text = "---\n".join(
        [
            a_manifest(DEPLOYMENT, SERVICE, name="b"),
            a_manifest(CONFIG_MAP, DEPLOYMENT, name="a"),
        ]
    )
    assert [one.title for one in read_manifest(text)] == [
        "ConfigMap shop/a",
        "Service shop/b",
        "Deployment shop/b",
        "Deployment shop/a",
    ]


def test_object_without_namespace_gets_that_of_the_request() -> None:
    text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"
    (one,) = read_manifest(text, "shop")
    assert one.path == "/api/v1/namespaces/shop/configmaps/a"
    assert one.content["metadata"] == {"name": "a", "namespace": "shop"}
    assert "has no namespace" in problems(text)


def test_path_of_a_group_begins_with_apis() -> None:
    (one,) = read_manifest(a_manifest(DEPLOYMENT))
    assert one.path == "/apis/apps/v1/namespaces/shop/deployments/web"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no object"),
        ("--- \n---\n", "has no object"),
        ("a: &b {c: *b}", "anchor or alias"),
        ("- 1", "must be an object"),
        ("kind: [Secret", "not valid YAML"),
        ("kind: Secret", "kind is 'Secret'; a manifest may contain ConfigMap, "),
        ("kind: 3", "kind is not text"),
        ("{kind: Deployment, apiVersion: v1}", "apiVersion is 'v1'; write apps/v1"),
        ("{kind: Pod, apiVersion: v1}", "metadata is missing"),
        ("{kind: Pod, apiVersion: v1, metadata: {generateName: a-}}", "generateName has no state"),
        ("{kind: Pod, apiVersion: v1, metadata: {name: a, namespace: a/b}}", "DNS label"),
        ("{kind: Pod, apiVersion: v1, metadata: {name: a, namespace: [a]}}", "DNS label"),
        ("{kind: Pod, apiVersion: v1, metadata: {name: a, managedFields: []}}", "managedFields"),
        ("{kind: Pod, kind: Pod}", "occurs twice"),
        ("{kind: Pod, metadata: {name: a, labels: {day: 2026-01-02}}}", "put it in quotes"),
        ("{kind: Pod, spec: {a: !!binary aGk=}}", "put it in quotes"),
        ("{kind: Pod, spec: {a: .nan}}", "not a finite number"),
        ("{kind: Pod, spec: {a: 9223372036854775808}}", "a number that Kubernetes cannot hold"),
        (
            "{kind: Deployment, spec: {replicas: 4294967301}}",
            "a number that Kubernetes cannot hold",
        ),
        ("{kind: Pod, spec: {a: -1.0e+19}}", "a number that Kubernetes cannot hold"),
    ],
)
def test_invalid_manifest_is_rejected_with_cause_and_remedy(text: str, words: str) -> None:
    assert words in problems(text)


def test_all_problems_are_reported_with_their_lines() -> None:
    text = (
        a_manifest(CONFIG_MAP, DEPLOYMENT).replace("apps/v1", "apps/v2").replace("name: web,", "")
    )
    found = problems(text)
    assert "line 3: metadata.name" in found
    assert "line 6: apiVersion is 'apps/v2'" in found


def test_object_that_occurs_twice_is_rejected() -> None:
    assert "ConfigMap shop/web occurs twice" in problems(a_manifest(CONFIG_MAP, CONFIG_MAP))


def test_number_of_objects_is_limited() -> None:
    text = "---\n".join(a_manifest(CONFIG_MAP, name=f"a{n}") for n in range(MAX_OBJECTS + 1))
    assert f"more than {MAX_OBJECTS} objects" in problems(text)


def test_port_mapping_is_text_as_in_kubernetes() -> None:
    text = a_manifest(CONFIG_MAP).replace('"80"', "22:22")
    assert read_manifest(text)[0].content["data"] == {"port": "22:22"}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2Fb", "A", "a..b", "a-", "a" * 254])
def test_name_that_is_no_path_segment_is_rejected(name: str) -> None:
    assert "metadata.name must be" in problems(a_manifest(CONFIG_MAP, name=f'"{name}"'))


def test_kinds_are_namespaced_and_grant_no_access() -> None:
    refused = {"Secret", "Namespace", "Role", "RoleBinding", "ResourceQuota", "LimitRange"}
    assert not refused & set(MANIFEST_KINDS)
