"""Tests of plans: names, order, and problems."""

from dataclasses import replace

import pytest

from proxy.cli.apply.diff import diff_text
from tests.proxy.cli.apply.plans import (
    ALICE,
    GITOPS,
    HEAD,
    OTHER_ALICE,
    STATE,
    a_grant,
    a_member,
    a_project,
    a_user,
    lines,
    planned,
    problems,
)


def test_documents_of_one_run_refer_to_each_other_in_any_order() -> None:
    text = "---\n".join(
        [
            f"{HEAD}Member\nspec: {{cluster: prod, project: web, role: heir, user: anna}}\n",
            f"{HEAD}Binding\nspec: {{role: standard-user, user: anna}}\n",
            f"{HEAD}Project\nmetadata: {{name: web}}\nspec: {{cluster: c-1}}\n",
            f"{HEAD}Role\nmetadata: {{name: heir}}\nspec: {{scope: project, inherits: [see]}}\n",
            f"{HEAD}Role\nmetadata: {{name: see}}\nspec: {{scope: project}}\n",
            f"{HEAD}User\nmetadata: {{name: anna}}\n",
        ]
    )
    plan = planned(text)
    assert lines(plan) == [
        "create user/anna",
        "create role/project/see",
        "create role/project/heir",
        "create project/c-1/web",
        "create binding/anna/standard-user",
        "create member/prod/web/anna/heir",
    ]
    needs = [sorted(one.kind.name for one in change.needs) for change in plan.changes]
    assert needs == [[], [], ["Role"], [], ["User"], ["Project", "Role", "User"]]


def test_all_unknown_names_are_reported_with_their_lines() -> None:
    text = "---\n".join(
        [
            a_member("alicia"),
            f"{HEAD}Member\nspec: {{cluster: prd, role: member, user: alice}}\n",
            f"{HEAD}Member\nspec: {{cluster: prod, project: shp, role: member, user: alice}}\n",
            f"{HEAD}Binding\nspec: {{role: standart-user, user: alice}}\n",
            f"{HEAD}Role\nmetadata: {{name: x}}\nspec: {{scope: cluster, inherits: [y]}}\n",
            f"{HEAD}Cluster\nmetadata: {{name: test}}\n",
            f"{HEAD}Role\nmetadata: {{name: member}}\nspec: {{scope: cluster, description: x}}\n",
            f"{HEAD}User\nmetadata: {{name: bob}}\nspec: {{provider: github}}\n",
        ]
    )
    found = "\n".join(problems(planned(text)))
    for expected in (
        'a.yaml:4: spec.user: user "alicia" not found, nor is it in this run; did you mean alice?',
        'a.yaml:8: spec.cluster: cluster "prd" not found, or you may not enter it; did you mean p',
        'spec.project: project "shp" not found, nor is it in this run; did you mean shop?',
        "did you mean standard-user?",
        'spec.inherits: cluster role "y" not found, nor is it in this run; the cluster roles are m',
        'metadata.name: cluster "test" not found',
        "metadata.name: built-in roles cannot be changed",
        'metadata.name: user "bob" not found at github',
    ):
        assert expected in found, (expected, found)


def test_ambiguous_user_is_refused_with_candidates_and_named_by_provider() -> None:
    state = replace(STATE, users=(ALICE, OTHER_ALICE))
    (problem,) = problems(planned(a_member(), state))
    assert "u-1 (alice at local), u-2 (alice at github)" in problem
    (change,) = planned(a_member(more=", provider: github"), state).changes
    assert change.key == ("Member", ("c-1", "member", "u-2"))
    (change,) = planned(a_member("github://u-2"), state).changes
    assert change.key == ("Member", ("c-1", "member", "u-2"))


@pytest.mark.parametrize("name", ["github_user://42", "u-7hx2kqm3va"])
@pytest.mark.parametrize("count", [1, 2])
def test_username_with_the_text_of_an_unknown_principal_or_id_gets_no_grant(
    name: str, count: int
) -> None:
    squatters = tuple(a_user(f"u-{n}", name, "wild") for n in range(count))
    state = replace(STATE, users=(ALICE, *squatters))
    for more in ("", ", provider: wild"):
        (problem,) = problems(planned(a_member(name, more), state))
        assert f'user "{name}" not found' in problem
    created = f"{HEAD}User\nmetadata: {{name: {name}}}\n---\n{a_member(name)}"
    assert len(problems(planned(created, state))) == 2
    unlisted = replace(state, users=None, members=(a_grant("b-1", "member", squatters[0]),))
    (change,) = planned(a_member(name), unlisted).changes
    assert change.key == ("Member", ("c-1", "member", f"?{name}"))


def test_two_names_of_one_object_are_refused() -> None:
    found = problems(planned(a_member() + "---\n" + a_member("u-1")))
    assert found == ["a.yaml:6: is the same Member as the one at a.yaml:1"]


def test_roles_that_inherit_each_other_are_refused() -> None:
    text = "---\n".join(
        f"{HEAD}Role\nmetadata: {{name: {a}}}\nspec: {{scope: cluster, inherits: [{b}]}}\n"
        for a, b in (("a", "b"), ("b", "c"), ("c", "b"))
    )
    assert problems(planned(text)) == ["a.yaml:9: spec.inherits: a circle: b inherits c inherits b"]


def test_namespace_of_two_projects_is_refused() -> None:
    text = "---\n".join(
        f"{HEAD}Project\nmetadata: {{name: {name}}}\n"
        "spec: {cluster: prod, namespaces: [{name: web}]}\n"
        for name in ("a", "b")
    )
    assert problems(planned(text)) == [
        "a.yaml:9: spec.namespaces: web is in the project at a.yaml:1, too"
    ]


def test_fields_left_out_reset_projects_and_keep_users_and_clusters() -> None:
    project = a_project("p-1", "shop", quota={"pods": "5"}, isolated=True)
    inside = ({"name": "web", "cluster": "c-1", "project": "p-1", "quota": {}},)
    state = replace(
        STATE,
        users=(a_user("u-1", "alice", enabled=False),),
        projects=(project,),
        namespaces=inside,
    )
    text = "---\n".join(
        [
            f"{HEAD}User\nmetadata: {{name: alice}}\n",
            f"{HEAD}Cluster\nmetadata: {{name: prod}}\n",
            f"{HEAD}Project\nmetadata: {{name: shop}}\nspec: {{cluster: prod}}\n",
        ]
    )
    plan = planned(text, state)
    assert lines(plan) == ["keep user/alice", "keep cluster/prod", "change project/prod/shop"]
    assert "namespaces" not in (plan.changes[2].content or {})
    assert [line for line in diff_text(plan.changes).splitlines() if line[0] == "-"] == [
        "--- project/prod/shop",
        "-isolated: true",
        "-quota:",
        "-  pods: '5'",
    ]


def test_role_beside_one_that_no_document_names_is_noted() -> None:
    held = a_grant("b-1", "read-only", ALICE, cluster="c-1")
    state = replace(STATE, members=(held,))
    note = "member/prod/alice/member: keeps read-only, too, which no document names"
    assert planned(a_member(), state).notes == [note]
    pruned = replace(STATE, members=({**held, "labels": {"by": "gitops"}},))
    assert planned(a_member(labels="{by: gitops}"), pruned, GITOPS, allow_own=True).notes == []


def test_diff_of_members_shows_who_gets_and_loses_which_role() -> None:
    held = a_grant("b-1", "read-only", ALICE, cluster="c-1", labels={"by": "gitops"})
    state = replace(STATE, members=(held,))
    plan = planned(a_member(labels="{by: gitops}"), state, GITOPS, allow_own=True)
    assert diff_text(plan.changes).splitlines() == [
        "--- /dev/null",
        "+++ member/prod/alice/member (a.yaml:1)",
        "@@ -0,0 +1,5 @@",
        "+labels:",
        "+  by: gitops",
        "+cluster: prod",
        "+role: member",
        "+user: alice",
        "--- member/prod/alice/read-only",
        "+++ /dev/null",
        "@@ -1,4 +0,0 @@",
        "-labels:",
        "-  by: gitops",
        "-role: read-only",
        "-user: alice",
    ]
