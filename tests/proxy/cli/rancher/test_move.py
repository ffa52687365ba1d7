"""From Rancher's objects to documents, without a server."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.yaml_documents import read_documents
from proxy.cli.apply.documents import Source, parse
from proxy.cli.rancher import objects
from proxy.cli.rancher.move import Move, RancherState, move
from proxy.cli.rancher.principals import InvalidTranslations, Translations
from proxy.cli.rancher.report import report_text

TEAM = "activedirectory_group://CN=Shop,OU=Groups,DC=corp,DC=example"
MOVED_TEAM = "activedirectory_group://5f0c1b7e-0000-4000-8000-000000000000"


def named(name: str, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **fields}


def template(name: str, **fields: Any) -> objects.RoleTemplate:
    return objects.role_template_of(named(name, **{"context": "project", **fields}))


def project_grant(role: str, **subject: str) -> objects.Grant:
    fields = {"projectName": "c-1:p-1", "roleTemplateName": role, **subject}
    return objects.project_grant_of(named("prtb-1", **fields))


def state(*grants: objects.Grant, templates: tuple[objects.RoleTemplate, ...] = ()) -> RancherState:
    """Return one cluster with one project, its owner's role, and a user of GitHub."""
    made = RancherState(grants=list(grants), namespaces={"c-1": []})
    made.clusters["c-1"] = objects.cluster_of(named("c-1", spec={"displayName": "prod"}))
    spec = {"clusterName": "c-1", "displayName": "shop"}
    made.projects.append(objects.project_of(named("p-1", spec=spec)))
    owner = template("project-owner", builtin=True)
    made.templates = {one.id: one for one in (owner, *templates)}
    zoe = named("u-zoe", displayName="Zoe", principalIds=["github_user://7", "local://u-zoe"])
    made.users["u-zoe"] = objects.user_of(zoe)
    return made


def documents(moved: Move, kind: str) -> list[dict[str, Any]]:
    """Return the specs of a kind, with the name if there is one."""
    found = []
    for text in moved.files.values():
        for one in read_documents(text, max_nodes=100_000):
            value: Any = one.value
            if value["kind"] == kind:
                found.append({**value["metadata"], **value["spec"]})
    return found


def findings(moved: Move) -> str:
    return report_text(moved)


def test_group_of_a_directory_gets_access_by_the_operators_translation() -> None:
    grant = project_grant("project-owner", groupPrincipalName=TEAM)
    moved = move(state(grant), Translations())
    assert documents(moved, "Member") == []
    assert moved.wanted == [TEAM]
    assert f"**Left out.** `{TEAM}`: `owner` in `prod/shop`" in findings(moved)
    moved = move(state(grant), Translations({TEAM: MOVED_TEAM}))
    [member] = documents(moved, "Member")
    assert (member["group"], member["role"], member["project"]) == (MOVED_TEAM, "owner", "shop")
    assert not moved.wanted


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ({"userName": "u-zoe"}, {"user": "github_user://7"}),
        ({"userPrincipalName": "github_user://7"}, {"user": "github_user://7"}),
        ({"userPrincipalName": "github_user://8"}, {"user": "github_user://8"}),
        ({"groupPrincipalName": "github_team://42"}, {"group": "github_team://42"}),
    ],
)
def test_subject_of_github_keeps_its_principal(
    subject: dict[str, str], expected: dict[str, str]
) -> None:
    [member] = documents(
        move(state(project_grant("project-owner", **subject)), Translations()), "Member"
    )
    assert expected.items() <= member.items()


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ({"userName": "u-gone"}, "the user does not exist"),
        ({"serviceAccount": "a:b"}, "neither a user nor a group"),
        ({"groupPrincipalName": "okta_group://x"}, "principals.yaml"),
        ({"groupPrincipalName": "github_team://4\n2"}, "characters that no principal"),
        ({}, "the user does not exist"),
    ],
)
def test_subject_without_an_equivalent_gets_nothing(subject: dict[str, str], reason: str) -> None:
    moved = move(state(project_grant("project-owner", **subject)), Translations())
    assert documents(moved, "Member") == []
    assert reason in findings(moved)
    assert moved.findings.lost == 1


def test_disabled_user_gets_nothing() -> None:
    made = state(project_grant("project-owner", userName="u-zoe"))
    gone = named("u-zoe", enabled=False, principalIds=["github_user://7"])
    made.users["u-zoe"] = objects.user_of(gone)
    moved = move(made, Translations())
    assert (documents(moved, "Member"), list(moved.users)) == ([], [])
    assert "disabled at Rancher" in findings(moved)


def test_local_user_is_not_another_user_of_that_name() -> None:
    made = state(project_grant("project-owner", userName="u-bob"))
    bob = named("u-bob", username="bob", displayName="Bob", password="$2a$hash")
    made.users["u-bob"] = objects.user_of(bob)
    moved = move(made, Translations())
    [member], [user] = documents(moved, "Member"), documents(moved, "User")
    assert (member["user"], member["provider"]) == ("bob", "local")
    assert (user["name"], user["provider"], user["displayName"]) == ("bob", "local", "Bob")
    assert "hash" not in json.dumps(dict(moved.files)) + findings(moved)


def test_template_keeps_its_rules_and_what_it_inherits() -> None:
    deployer = template(
        "rt-1",
        displayName="Deployer",
        rules=[
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"]},
            {"apiGroups": ["management.cattle.io"], "resources": ["catalogs"], "verbs": ["get"]},
            {
                "apiGroups": ["management.cattle.io"],
                "resources": ["projectroletemplatebindings"],
                "verbs": ["*"],
            },
        ],
        roleTemplateNames=["view", "rt-2", "create-ns", "gone"],
        locked=True,
    )
    others = (
        template("view", external=True, builtin=True),
        template("rt-2", displayName="Maps", roleTemplateNames=["rt-1"]),
        template(
            "create-ns",
            displayName="Create Namespaces",
            rules=[{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create"]}],
        ),
    )
    grant = project_grant("rt-1", userName="u-zoe")
    moved = move(state(grant, templates=(deployer, *others)), Translations())
    roles = {one["name"]: one for one in documents(moved, "Role")}
    assert roles["Deployer"]["permissions"] == ["project.members", "project.read"]
    assert roles["Deployer"]["clusterRoles"] == ["view"]
    assert roles["Deployer"]["inherits"] == ["Create Namespaces"], "a circle is no inheritance"
    [rule] = roles["Deployer"]["rules"]
    assert rule == {"verbs": ["create"], "apiGroups": ["apps"], "resources": ["deployments"]}
    assert "project.namespaces" in roles["Create Namespaces"]["permissions"]
    for expected in ("`catalogs` are objects of Rancher", "is locked", "`gone`, which does not"):
        assert expected in findings(moved)


def test_rule_without_a_namespace_in_a_project_is_reported_as_lost() -> None:
    rule = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}
    made = state(
        project_grant("rt-1", userName="u-zoe"), templates=(template("rt-1", rules=[rule]),)
    )
    assert "**Left out.** `rt-1`: `nodes` have no namespace" in findings(move(made, Translations()))


def test_global_role_grants_its_templates_in_every_cluster_but_the_local_one() -> None:
    nodes = template("rt-nodes", displayName="Nodes", context="cluster")
    binding = named("grb-1", globalRoleName="gr-1", userName="u-zoe")
    made = state(objects.global_grant_of(binding), templates=(nodes,))
    made.clusters["local"] = objects.cluster_of(named("local", spec={"displayName": "local"}))
    role = named("gr-1", displayName="Watchers", inheritedClusterRoles=["rt-nodes"])
    made.global_roles["gr-1"] = objects.global_role_of(role)
    moved = move(made, Translations())
    [member] = documents(moved, "Member")
    assert (member["cluster"], member["role"], member["user"]) == (
        "prod",
        "Nodes",
        "github_user://7",
    )
    assert "in every cluster" in findings(moved)


@pytest.mark.parametrize(
    ("role", "expected"),
    [("admin", ["administrator"]), ("user", ["standard-user"]), ("user-base", [])],
)
def test_global_roles_of_rancher_become_built_in_ones(role: str, expected: list[str]) -> None:
    binding = named("grb-1", globalRoleName=role, userName="u-zoe")
    moved = move(state(objects.global_grant_of(binding)), Translations())
    assert [one["role"] for one in documents(moved, "Binding")] == expected


def test_projects_of_one_name_get_names_of_their_own() -> None:
    made = state()
    spec = {"clusterName": "c-1", "displayName": "Shop"}
    made.projects.append(objects.project_of(named("p-2", spec=spec)))
    assert [one["name"] for one in documents(move(made, Translations()), "Project")] == [
        "Shop (p-2)",
        "shop",
    ]


def test_quotas_and_namespaces_are_those_of_the_project() -> None:
    made = state()
    spec = {
        "clusterName": "c-1",
        "displayName": "shop",
        "resourceQuota": {"limit": {"pods": "40", "requestsCpu": "4", "gpus": "1"}},
        "namespaceDefaultResourceQuota": {"limit": {"pods": "10", "requestsCpu": "1"}},
        "containerDefaultResourceLimit": {"limitsCpu": "500m", "requestsMemory": "64Mi"},
    }
    made.projects = [objects.project_of(named("p-1", spec=spec))]
    annotations = {
        objects.PROJECT_ID: "c-1:p-1",
        objects.NAMESPACE_QUOTA: '{"limit":{"pods":"20"}}',
    }
    namespace = objects.namespace_of({"metadata": {"name": "web", "annotations": annotations}})
    assert namespace is not None
    made.namespaces["c-1"] = [namespace]
    moved = move(made, Translations())
    [project] = documents(moved, "Project")
    assert project["quota"] == {"pods": "40", "requests.cpu": "4"}
    assert project["namespaceQuota"] == {"pods": "10", "requests.cpu": "1"}
    assert project["containerLimits"] == {
        "default": {"cpu": "500m"},
        "defaultRequest": {"memory": "64Mi"},
    }
    assert project["namespaces"] == [{"name": "web", "quota": {"pods": "20"}}]
    assert "the quota of `gpus` is left out" in findings(moved)


def test_namespaces_that_were_not_read_are_kept() -> None:
    made = state()
    made.namespaces.clear()
    moved = move(made, Translations())
    assert "namespaces" not in documents(moved, "Project")[0]
    assert "its namespaces were not read" in findings(moved)


@given(text=st.text(max_size=80))
def test_no_name_of_rancher_adds_a_document_or_a_line_of_the_report(text: str) -> None:
    breaking = f"{text}\n---\nkind: Binding\n`"
    deployer = template(
        "rt-1", displayName=breaking, description=breaking, rules=[{"verbs": [breaking]}]
    )
    made = state(project_grant("rt-1", userName="u-bob"), templates=(deployer,))
    made.users["u-bob"] = objects.user_of(named("u-bob", username=text, displayName=breaking))
    spec = {
        "clusterName": "c-1",
        "displayName": breaking,
        "description": breaking,
        "resourceQuota": {"limit": {breaking: breaking, "pods": breaking}},
    }
    made.projects = [objects.project_of(named("p-1", spec=spec))]
    made.clusters["c-1"] = objects.cluster_of(named("c-1", spec={"displayName": breaking}))
    moved = move(made, Translations({}, {}))
    parsed = parse([Source(name, one) for name, one in moved.files.items()])
    kinds = [one.kind.name for one in parsed]
    assert kinds.count("Project") == kinds.count("Role") == 1
    assert "Binding" not in kinds
    assert all(
        not line or line.startswith(("#", "- ", "No access", "Rancher. ")) or "lines leave" in line
        for line in report_text(moved).splitlines()
    )


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"principal": {}},
        {"principals": []},
        {"principals": {"a://b": 7}},
        {"principals": {"a://b": "no principal"}},
        {"schemes": {"okta_user": "UPPER CASE"}},
        {"principals": {"a://b": "a://b\u202ec"}},
    ],
)
def test_translations_of_another_form_are_refused(value: Any) -> None:
    with pytest.raises(InvalidTranslations):
        Translations.parse(value)


def test_translations_without_a_value_are_still_wanted() -> None:
    translations = Translations.parse(
        {"principals": {TEAM: ""}, "schemes": {"okta_user": "oidc_x_user"}}
    )
    assert translations.principals == {}
    assert translations.translated("okta_user://7") == "oidc_x_user://7"
