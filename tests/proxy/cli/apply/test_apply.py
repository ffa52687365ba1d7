"""Tests of apply and diff at a real server when something is wrong: files, rights, races."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.apply.object_changes import deleted, patched
from proxy.cli.client.problems import Refused
from proxy.cli.client.server_command import open_session
from proxy.cli.client.server_session import Answer, ServerSession
from proxy.cli.common import CommandFailed
from tests.proxy.cli.verbs.conftest import CommandLine, World

HEAD = "apiVersion: sekisho.io/v1\nkind: "


def a_role(name: str, more: str = "", labels: str = "{}") -> str:
    metadata = f"{{name: {name}, labels: {labels}}}"
    return f"{HEAD}Role\nmetadata: {metadata}\nspec: {{scope: project{more}}}\n"


def test_all_unreadable_files_are_reported_before_anything_changes(
    root: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    (tmp_path / "role.yaml").write_text(a_role("never"))
    names = ("gone.yaml", "empty", "latin.yaml", "role.yaml")
    files = [word for name in names for word in ("-f", str(tmp_path / name))]
    lines = root.fails("apply", *files).splitlines()
    assert len(lines) == 2, lines
    assert "gone.yaml: no such file or directory" in lines[0]
    assert "latin.yaml:2: is not UTF-8" in lines[1]
    assert "empty: has no files ending in .yaml" in root.fails(
        "apply", "-f", str(tmp_path / "empty")
    )
    assert "never" not in root.run("export", "role").stdout


def test_diff_exits_with_two_after_an_error(root: CommandLine, tmp_path: Path) -> None:
    assert "no such file" in root.fails("diff", "-f", str(tmp_path / "gone.yaml"), code=2)
    assert "has no documents" in root.fails("diff", "-f", "-", stdin="# nothing\n", code=2)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--prune",), "--prune needs -l"),
        (("-l", "a=b"), "add --prune"),
        (("--prune", "-l", "a b"), "-l: 'a b' is no requirement"),
    ],
)
def test_prune_options_that_do_not_fit_are_refused(
    root: CommandLine, words: tuple[str, ...], line: str
) -> None:
    assert line in root.fails("apply", "-f", "-", *words, stdin=a_role("never"))


def test_refused_document_stops_those_that_need_it_and_no_others(root: CommandLine) -> None:
    spec = "{cluster: prod, quota: {pods: Q}}"
    project = f"{HEAD}Project\nmetadata: {{name: partly}}\nspec: {spec}\n"
    member = f"{HEAD}Member\nspec: {{cluster: prod, project: partly, role: member, user: alice}}\n"
    text = "---\n".join([project, member, a_role("lonely")])
    done = root.run("apply", "-f", "-", stdin=text.replace("Q", "many"), code=1)
    assert done.stdout.splitlines() == [
        "role/project/lonely created",
        "project/prod/partly failed",
        "member/prod/partly/alice/member skipped",
        "1 created, 1 failed, 1 skipped",
    ]
    assert "(standard input):1: quota.pods: " in done.stderr
    assert "Project partly at (standard input):1 was not applied" in done.stderr
    again = root.run("apply", "-f", "-", stdin=text.replace("Q", "5")).stdout
    assert again.splitlines()[-1] == "2 created, 1 unchanged"


def test_owner_of_a_cluster_applies_what_the_owner_may_change(alice: CommandLine) -> None:
    text = "---\n".join(
        [
            f"{HEAD}Project\nmetadata: {{name: own}}\nspec: {{cluster: prod}}\n",
            f"{HEAD}Member\nspec: {{cluster: prod, project: own, role: member, user: root}}\n",
        ]
    )
    assert alice.run("apply", "-f", "-", stdin=text).stdout.endswith("2 created\n")
    assert alice.run("apply", "-f", "-", stdin=text).stdout.endswith("2 unchanged\n")
    exported = alice.run("export", "member", "project")
    assert "you may not list users" in exported.stderr
    assert alice.run("apply", "-f", "-", stdin=exported.stdout).stdout.count("unchanged") > 2
    refused = alice.fails("apply", "-f", "-", stdin=f"{HEAD}User\nmetadata: {{name: eve}}\n")
    assert "users.manage" in refused
    assert "403" not in alice.fails(
        "apply", "-f", "-", stdin=f"{HEAD}Binding\nspec: {{role: standard-user, user: alice}}\n"
    )


def test_prune_never_removes_oneself_unasked(root: CommandLine) -> None:
    user = f"{HEAD}User\nmetadata: {{name: root, labels: {{mine: a}}}}\n"
    root.run("apply", "-f", "-", stdin=user)
    other = user.replace("root", "someone")
    words = ("apply", "-f", "-", "--prune", "-l", "mine=a", "--yes")
    refused = root.fails(*words, stdin=other)
    assert "--prune: deletes your own user/root: add --allow-own if you mean it" in refused
    done = root.run(*words, "--allow-own", stdin=other, code=1)
    assert "you cannot delete yourself" in done.stderr
    assert "user/root: with all tokens, sessions, and roles of the user (this is" in done.stderr
    root.run("apply", "-f", "-", stdin=user.replace("{mine: a}", "{}"))


def test_pipeline_with_a_token_that_only_reads_sees_differences(
    world: World, tmp_path: Path
) -> None:
    pipeline = CommandLine(
        world.server,
        tmp_path,
        {
            "SEKISHO_SERVER": world.server.url,
            "SEKISHO_TOKEN": world.server.token("root", "--read-only"),
            "SEKISHO_CA_FILE": str(world.server.folder / "data" / "tls" / "ca.crt"),
        },
    )
    drift = pipeline.run("diff", "-f", "-", stdin=a_role("drifted"), code=1).stdout
    assert "+++ role/project/drifted ((standard input):1)" in drift
    refused = pipeline.run("apply", "-f", "-", stdin=a_role("drifted"), code=1)
    assert "role/project/drifted failed" in refused.stdout
    assert "read" in refused.stderr
    assert pipeline.run("diff", "-f", "-", stdin=a_role("drifted"), code=1).stdout == drift


@dataclass
class Interfering:
    """A session, and another client that changes each object after it was read."""

    session: ServerSession
    description: list[str]
    labels: Mapping[str, str] = field(default_factory=dict)

    async def read(self, path: str) -> Answer:
        found = await self.session.read(path)
        if self.description:
            body = {"description": self.description.pop(0), "labels": dict(self.labels)}
            await self.session.send("PATCH", path, body)
        return found

    async def send(self, *words: Any, **options: Any) -> Answer:
        return await self.session.send(*words, **options)


async def a_session(root: CommandLine, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str]:
    """Return a session of an administrator, and the path of a new role."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(root.home))
    for name in ("SEKISHO_SERVER", "SEKISHO_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    session = open_session(None, {})
    body = {"name": f"raced-{secrets.token_hex(4)}", "scope": "project"}
    made = await session.send("POST", "/v1/roles", body)
    return session, f"/v1/roles/{made.data['id']}"


async def test_object_that_changes_meanwhile_is_read_again_once(
    root: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, path = await a_session(root, monkeypatch)
    once: Any = Interfering(session, ["other"])
    await patched(once, path, {"description": "mine", "labels": {"a": "b"}})
    assert (await session.get(path))["description"] == "mine"
    twice: Any = Interfering(session, ["x", "y"])
    with pytest.raises(Refused, match="changed by another client meanwhile"):
        await patched(twice, path, {"description": "new"})
    assert (await session.get(path))["description"] == "y"


async def test_object_whose_labels_change_meanwhile_is_not_deleted(
    root: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, path = await a_session(root, monkeypatch)
    with pytest.raises(CommandFailed, match="labels were changed meanwhile"):
        await deleted(session, path, {"a": "b"})
    racing: Any = Interfering(session, ["x"], {"a": "b"})
    with pytest.raises(Refused, match="changed by another client meanwhile"):
        await deleted(racing, path, {})
    await deleted(session, path, {"a": "b"})
    await deleted(session, path, {"a": "b"})
