"""Tests of plans: names, order, problems, and that exported state needs no change."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from config.labels import Selector
from proxy.cli.apply.changes import Plan, Prune
from proxy.cli.apply.diff import diff_text
from proxy.cli.apply.documents import Source, parse
from proxy.cli.apply.export import export_text, exported
from proxy.cli.apply.observed import Observed
from proxy.cli.apply.plan import make_plan

HEAD = "apiVersion: sekisho.io/v1\nkind: "
GITOPS = Prune(Selector.parse("by=gitops"))


def a_user(user_id: str, username: str, *providers: str, **values: Any) -> dict[str, Any]:
    principals = [{"id": f"{one}://{user_id}", "provider": one} for one in providers or ("local",)]
    item = {"id": user_id, "username": username, "display_name": username, "enabled": True}
    return {**item, "labels": {}, "principals": principals, **values}


def a_role(role_id: str, scope: str, name: str, **values: Any) -> dict[str, Any]:
    lists: dict[str, Any] = {"permissions": [], "rules": [], "cluster_roles": [], "inherits": []}
    head = {"id": role_id, "scope": scope, "name": name, "description": "", "built_in": False}
    return {**head, **lists, "labels": {}, **values}


def a_project(project_id: str, name: str, **values: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"quota": {}, "namespace_quota": {}, "container_limits": {}}
    head = {"id": project_id, "cluster": "c-1", "name": name, "description": ""}
    return {**head, **settings, "isolated": False, "labels": {}, **values}


def a_grant(
    grant_id: str, role: str, user: dict[str, Any] | None = None, **values: Any
) -> dict[str, Any]:
    holder: dict[str, Any] = {"user": None, "group": "x://1", "name": "x", "username": None}
    if user is not None:
        holder = {"user": user["id"], "group": None, "name": user["username"]}
        holder |= {"username": user["username"], "provider": user["principals"][0]["provider"]}
    ends: dict[str, Any] = {"cluster": None, "project": None, "labels": {}}
    return {"id": grant_id, "role": role, "role_id": f"id-{role}", **holder, **ends, **values}


ALICE, OTHER_ALICE = a_user("u-1", "alice"), a_user("u-2", "alice", "github")
BUILT_IN = (
    a_role("standard-user", "global", "standard-user", built_in=True),
    a_role("cluster-member", "cluster", "member", built_in=True),
    a_role("project-member", "project", "member", built_in=True),
)
STATE = Observed(
    me={"id": "u-1", "groups": [{"id": "x://mine"}]},
    users=(ALICE,),
    roles=BUILT_IN,
    clusters=(
        {
            "id": "c-1",
            "name": "prod",
            "labels": {},
            "username_mapping": "id",
            "impersonator": "shared",
        },
    ),
    projects=(a_project("p-1", "shop"),),
)


def planned(text: str, state: Observed = STATE, prune: Prune | None = None, **options: Any) -> Plan:
    return make_plan(parse([Source("a.yaml", text)]), state, prune, **options)


def lines(plan: Plan) -> list[str]:
    assert plan.problems == [], plan.problems
    return [f"{one.action} {one.shown}" for one in plan.changes]


def problems(plan: Plan) -> list[str]:
    return [str(one) for one in plan.problems]


def a_member(user: str = "alice", more: str = "", labels: str = "{}") -> str:
    spec = f"{{cluster: prod, role: member, user: {user}{more}}}"
    return f"{HEAD}Member\nmetadata: {{labels: {labels}}}\nspec: {spec}\n"


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


def test_prune_deletes_only_labelled_objects_of_the_kinds_in_the_run() -> None:
    labels = {"by": "gitops"}
    state = replace(
        STATE,
        users=(ALICE, a_user("u-3", "carl", labels=labels)),
        members=(
            a_grant("b-1", "member", ALICE, cluster="c-1", labels=labels),
            a_grant("b-2", "member", a_user("u-3", "carl"), cluster="c-1", labels=labels),
            a_grant("b-3", "member", a_user("u-4", "dora"), cluster="c-1"),
        ),
    )
    text = a_member(labels="{by: gitops}")
    assert lines(planned(text, state, GITOPS)) == [
        "keep member/prod/alice/member",
        "delete member/prod/carl/member",
    ]
    more = replace(GITOPS, kinds=frozenset({"User"}))
    assert lines(planned(text, state, more))[1:] == [
        "delete member/prod/carl/member",
        "delete user/carl",
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


def test_prune_deletes_heirs_before_the_roles_that_they_inherit() -> None:
    labels = {"by": "gitops"}
    roles = (
        a_role("r-1", "cluster", "a", labels=labels),
        a_role("r-2", "cluster", "b", labels=labels, inherits=["r-1"]),
        a_role("r-3", "cluster", "c", labels=labels, inherits=["r-2"]),
    )
    state = replace(STATE, roles=(*BUILT_IN, *roles))
    text = f"{HEAD}Role\nmetadata: {{name: z, labels: {{by: gitops}}}}\nspec: {{scope: cluster}}\n"
    assert lines(planned(text, state, GITOPS)) == [
        "create role/cluster/z",
        "delete role/cluster/c",
        "delete role/cluster/b",
        "delete role/cluster/a",
    ]


def test_prune_refuses_documents_without_its_label() -> None:
    assert problems(planned(a_member(), STATE, GITOPS)) == [
        "a.yaml:3: metadata.labels: does not satisfy the selector of --prune; add the label"
    ]


def test_changes_that_concern_the_caller_need_consent() -> None:
    labels = {"by": "gitops"}
    mine = (
        a_grant("b-1", "member", ALICE, cluster="c-1", labels=labels),
        a_grant("b-2", "member", None, cluster="c-1", labels=labels, group="x://mine"),
    )
    state = replace(STATE, users=(ALICE, OTHER_ALICE), members=mine)
    text = a_member("u-2", labels="{by: gitops}")
    metadata = "{name: u-1, labels: {by: gitops}}"
    text += f"---\n{HEAD}User\nmetadata: {metadata}\nspec: {{enabled: false}}\n"
    found = problems(planned(text, state, GITOPS))
    assert len(found) == 3
    assert all("--allow-own" in one for one in found)
    assert len(lines(planned(text, state, GITOPS, allow_own=True))) == 4


def test_prune_without_the_list_of_users_refuses_holders_that_cannot_be_matched() -> None:
    state = replace(STATE, users=None, members=(a_grant("b-1", "member", ALICE, cluster="c-1"),))
    assert lines(planned(a_member(), state)) == ["keep member/prod/alice/member"]
    assert lines(planned(a_member("bob"), state)) == ["create member/prod/bob/member"]
    found = problems(planned(a_member("bob", labels="{by: gitops}"), state, GITOPS))
    assert "you may not list users" in found[0]


WORDS = st.text("abcx-.", min_size=1, max_size=4).filter(lambda one: one.strip() == one)
TEXTS = st.text(max_size=6).filter(str.isprintable)
LABELS = st.dictionaries(st.sampled_from(["a", "b/c"]), st.sampled_from(["", "x"]), max_size=2)
QUOTAS = st.dictionaries(
    st.sampled_from(["pods", "limits.cpu"]), st.sampled_from(["1", "1.5", "4Gi"]), max_size=2
)
RULES = st.fixed_dictionaries(
    {
        "verbs": st.lists(WORDS, min_size=1, max_size=2),
        "api_groups": st.lists(st.sampled_from(["", "apps"]), max_size=2),
        "resources": st.lists(WORDS, max_size=2),
        "resource_names": st.lists(WORDS, max_size=1),
        "non_resource_urls": st.just([]),
    }
)


@st.composite
def states(draw: st.DrawFn) -> Observed:
    """Return any state of a server."""
    users = [
        a_user(f"u-{n}", name, *providers, labels=draw(LABELS), display_name=draw(TEXTS))
        for n, (name, providers) in enumerate(
            draw(
                st.lists(
                    st.tuples(
                        st.sampled_from(["alice", "bob", "u-0", "123", "true"]),
                        st.lists(st.sampled_from(["local", "github"]), min_size=1, unique=True),
                    ),
                    max_size=5,
                )
            )
        )
    ]
    roles = [*BUILT_IN]
    for n, name in enumerate(draw(st.lists(WORDS, max_size=4, unique=True))):
        parents = draw(st.lists(st.sampled_from(["cluster-member", *(f"r-{m}" for m in range(n))])))
        rules = draw(st.lists(RULES, max_size=2))
        more = {"labels": draw(LABELS), "permissions": draw(st.lists(WORDS, max_size=3))}
        roles.append(a_role(f"r-{n}", "cluster", f"x{name}", inherits=parents, rules=rules, **more))
    projects = [
        a_project(
            f"p-{n}",
            name,
            quota=draw(QUOTAS),
            container_limits={"default": limit} if (limit := draw(QUOTAS)) else {},
            isolated=draw(st.booleans()),
            description=draw(TEXTS),
            labels=draw(LABELS),
        )
        for n, name in enumerate(draw(st.lists(WORDS, max_size=3, unique=True)))
    ]
    namespaces = [
        {"name": f"ns-{n}", "cluster": "c-1", "project": one["id"], "quota": draw(QUOTAS)}
        for n, one in enumerate(projects)
    ]
    members = [
        a_grant(f"b-{n}", "member", user, cluster="c-1", project=project, labels=draw(LABELS))
        for n, (user, project) in enumerate(
            (user, project)
            for user in [*users, None]
            for project in [None, *(str(one["id"]) for one in projects)]
            if draw(st.booleans())
        )
    ]
    bindings = [a_grant(f"g-{n}", "standard-user", one) for n, one in enumerate(users)]
    return replace(
        STATE,
        users=users,
        roles=roles,
        projects=projects,
        namespaces=namespaces,
        members=members,
        bindings=bindings,
    )


@settings(deadline=None)
@given(states())
def test_plan_of_exported_state_changes_nothing(state: Observed) -> None:
    documents = exported(state)
    plan = planned(export_text(documents), state) if documents else Plan([], [])
    assert plan.problems == []
    assert {one.action for one in plan.changes} <= {"keep"}
    assert len(plan.changes) == len(documents)
    assert diff_text(plan.changes) == ""
