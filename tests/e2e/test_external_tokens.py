"""Tokens of other issuers, with real kubectl: a pipeline's, exchanged; a person's, as it is."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from tests.management.signing_in.conftest import pipelines_issuer
from tests.parts.kubernetes import kubectl, start_kubectl
from tests.parts.scripted_issuer import ScriptedIssuer
from tests.parts.sekisho import Answer, Gate
from tests.parts.waiting import until

AUDIENCE = "https://sekisho.example.test"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Others:
    """The session's gate, an issuer that it trusts, and an administrator's token."""

    gate: Gate
    issuer: ScriptedIssuer
    root: str
    provider: str

    def principal(self, subject: str) -> str:
        """The principal of a subject."""
        return f"oidc_{self.provider}_user://{subject}"

    def let_in(self, name: str, subject: str, role: str = "member") -> str:
        """Make a user of theirs, who may enter the cluster; the id."""
        done = self.gate.run(
            "user", "create", name, "--principal", self.principal(subject), "-o", "json"
        )
        user = str(json.loads(done.stdout)["id"])
        self.gate.run("cluster", "grant", "test", "--user", user, "--role", role)
        return user

    def exchange(self, token: str, **more: str) -> Answer:
        """Ask for a token of the gate's own."""
        form = urlencode(
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": token,
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                **more,
            }
        )
        return self.gate.send("POST", "/v1/token", form.encode(), FORM)

    def kubeconfig(self, folder: Path, token: str) -> Path:
        """A kubeconfig with that token."""
        config = yaml.safe_load(self.gate.configs["alice"].read_text())
        config["users"][0]["user"] = {"token": token}
        file = folder / f"{uuid.uuid4().hex}.kubeconfig"
        file.write_text(yaml.safe_dump(config))
        return file


@pytest.fixture(scope="module")
def others(gate: Gate) -> Iterator[Others]:
    name = f"ci-{uuid.uuid4().hex[:6]}"
    gate.create_user(f"root-{name}", "--admin")
    root = gate.token(f"root-{name}")
    with pipelines_issuer() as issuer:
        rules: list[dict[str, Any]] = [
            {"name": "main", "match": {"ref": "refs/heads/main"}, "clusters": ["test"]},
            {"name": "else", "match": {"ref": "refs/**"}, "clusters": ["test"], "read_only": True},
            {"name": "people", "match": {"person": True}},
        ]
        body = {
            "name": name,
            "type": "oidc",
            "settings": {
                "issuer": issuer.url,
                "groups_claim": "groups",
                "bearer": {"audiences": [AUDIENCE], "direct": True, "rules": rules},
            },
        }
        added = gate.ask("POST", "/v1/providers", token=root, body=body)
        assert added.status == 201, added.body
        yield Others(gate, issuer, root, name)
        gate.ask("DELETE", f"/v1/providers/{name}", token=root)


def test_a_pipeline_exchanges_its_token_and_deploys(others: Others, tmp_path: Path) -> None:
    others.let_in("acme/app", "repo-1")
    token = others.issuer.token(aud=AUDIENCE, sub="repo-1", ref="refs/heads/main")
    said = others.exchange(token, audience="test").json()
    config = others.kubeconfig(tmp_path, said["access_token"])
    name = f"cm-{uuid.uuid4().hex[:8]}"
    made = kubectl(config, "create", "configmap", name, "--namespace=default")
    assert made.returncode == 0, made.stderr
    assert kubectl(config, "delete", "configmap", name, "--namespace=default").returncode == 0


def test_a_branch_only_reads(others: Others, tmp_path: Path) -> None:
    others.let_in("acme/branch", "repo-2")
    token = others.issuer.token(aud=AUDIENCE, sub="repo-2", ref="refs/heads/x")
    config = others.kubeconfig(tmp_path, others.exchange(token).json()["access_token"])
    assert kubectl(config, "get", "pods", "--namespace=default").returncode == 0
    refused = kubectl(config, "create", "configmap", "x", "--namespace=default")
    assert "is read-only" in refused.stderr


def test_a_pipeline_that_nobody_let_in_is_told_so_at_once(others: Others) -> None:
    token = others.issuer.token(aud=AUDIENCE, sub="repo-3", ref="refs/heads/main")
    answer = others.exchange(token)
    assert answer.status == 400
    assert answer.json()["error"] == "invalid_target"
    assert "sekisho cluster grant" in answer.json()["error_description"]


def test_a_persons_own_token_works_as_it_is_with_its_own_groups(
    others: Others, tmp_path: Path
) -> None:
    user = others.let_in("zoe", "zoe-1")
    claims: dict[str, Any] = {"aud": AUDIENCE, "sub": "zoe-1", "person": True}
    for groups in (["ops"], ["dev", "qa"]):
        config = others.kubeconfig(tmp_path, others.issuer.token(**claims, groups=groups))
        who = kubectl(config, "auth", "whoami", "-o", "json")
        info = json.loads(who.stdout)["status"]["userInfo"]
        assert info["username"] == user
        theirs = [one for one in info["groups"] if one.startswith("oidc_")]
        assert theirs == [f"oidc_{others.provider}_group://{group}" for group in groups]


def test_one_that_is_refused_says_why_in_the_audit_log_alone(
    others: Others, tmp_path: Path
) -> None:
    config = others.kubeconfig(tmp_path, others.issuer.token(aud=AUDIENCE, person=False))
    refused = kubectl(config, "get", "pods")
    assert refused.returncode == 1
    assert "people" not in refused.stderr
    log = others.gate.folder / "data" / "audit.log"
    until(
        lambda: "no_rule (main: ref is not there; else: ref is not there; people" in log.read_text()
    )


def test_a_watch_ends_when_its_owner_or_the_provider_is_disabled(
    others: Others, tmp_path: Path
) -> None:
    path = "/k8s/clusters/test/api/v1/namespaces?watch=1&resourceVersion=0&timeoutSeconds=600"
    users = [others.let_in(name, name) for name in ("amy", "ben")]
    configs = [
        others.kubeconfig(tmp_path, others.issuer.token(aud=AUDIENCE, sub=name, person=True))
        for name in ("amy", "ben")
    ]
    disable = {"enabled": False}
    provider = f"/v1/providers/{others.provider}"
    with (
        start_kubectl(configs[0], "get", "--raw", path) as amy,
        start_kubectl(configs[1], "get", "--raw", path) as ben,
    ):
        for watch in (amy, ben):
            assert watch.stdout is not None
            assert watch.stdout.readline().startswith('{"type":"ADDED"')
        others.gate.run("user", "disable", users[0])
        assert amy.wait(30) == 0
        assert ben.poll() is None
        assert others.gate.ask("PATCH", provider, token=others.root, body=disable).status == 200
        assert ben.wait(30) == 0
    assert kubectl(configs[1], "get", "pods").returncode == 1
    others.gate.ask("PATCH", provider, token=others.root, body={"enabled": True})
