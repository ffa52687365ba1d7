"""Tests of plans that delete: by label and kind, in order, and not the caller unasked."""

from dataclasses import replace

from tests.proxy.cli.apply.plans import (
    ALICE,
    BUILT_IN,
    GITOPS,
    HEAD,
    OTHER_ALICE,
    STATE,
    a_grant,
    a_member,
    a_role,
    a_user,
    lines,
    planned,
    problems,
)


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
