"""Tokens of external issuers with real kubectl: exchanged, or used directly."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from tests.management.oauth.conftest import pipelines_issuer
from tests.support.kubernetes import kubectl, start_kubectl
from tests.support.scripted_issuer import ScriptedIssuer
from tests.support.sekisho import HttpResponse, SekishoWithUsers
from tests.support.waiting import wait_until

AUDIENCE = "https://sekisho.example.test"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class ExternalIssuer:
    """The session's proxy, an issuer that it trusts, and an administrator's token."""

    proxy: SekishoWithUsers
    issuer: ScriptedIssuer
    root: str
    provider: str

    def principal(self, subject: str) -> str:
        """Return the principal of a subject."""
        return f"oidc_{self.provider}_user://{subject}"

    def token(self, **claims: Any) -> str:
        """Return a token of the issuer; its username is no user's of other tests."""
        name = f"{self.provider}-{claims.get('sub', 'unknown')}"
        return self.issuer.token(**{"preferred_username": name, **claims})

    def create_user(self, name: str, subject: str, role: str = "member") -> str:
        """Create a user for a subject, grant a role in the cluster, and return the user's ID."""
        done = self.proxy.run(
            "admin", "user", "create", name, "--principal", self.principal(subject), "-o", "json"
        )
        user = str(json.loads(done.stdout)["id"])
        self.proxy.change("admin", "cluster", "grant", "test", "--user", user, "--role", role)
        return user

    def exchange(self, token: str, **more: str) -> HttpResponse:
        """Exchange an external token for a token of Sekisho."""
        form = urlencode(
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": token,
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                **more,
            }
        )
        return self.proxy.request_raw("POST", "/v1/token", form.encode(), FORM)

    def kubeconfig(self, folder: Path, token: str) -> Path:
        """Write a kubeconfig with ``token`` and return its path."""
        config = yaml.safe_load(self.proxy.configs["alice"].read_text())
        config["users"][0]["user"] = {"token": token}
        file = folder / f"{uuid.uuid4().hex}.kubeconfig"
        file.write_text(yaml.safe_dump(config))
        return file


@pytest.fixture(scope="module")
def external(proxy: SekishoWithUsers) -> Iterator[ExternalIssuer]:
    name = f"ci-{uuid.uuid4().hex[:6]}"
    proxy.create_user(f"root-{name}", "--admin")
    root = proxy.token(f"root-{name}")
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
        added = proxy.request("POST", "/v1/providers", token=root, body=body)
        assert added.status == 201, added.body
        yield ExternalIssuer(proxy, issuer, root, name)
        proxy.request("DELETE", f"/v1/providers/{name}", token=root)


def test_exchanged_pipeline_token_creates_and_deletes_objects(
    external: ExternalIssuer, tmp_path: Path
) -> None:
    external.create_user("acme/app", "repo-1")
    token = external.token(aud=AUDIENCE, sub="repo-1", ref="refs/heads/main")
    exchanged = external.exchange(token, audience="test").json()
    config = external.kubeconfig(tmp_path, exchanged["access_token"])
    name = f"cm-{uuid.uuid4().hex[:8]}"
    made = kubectl(config, "create", "configmap", name, "--namespace=default")
    assert made.returncode == 0, made.stderr
    assert kubectl(config, "delete", "configmap", name, "--namespace=default").returncode == 0


def test_token_of_a_branch_with_a_read_only_rule_is_read_only(
    external: ExternalIssuer, tmp_path: Path
) -> None:
    external.create_user("acme/branch", "repo-2")
    token = external.token(aud=AUDIENCE, sub="repo-2", ref="refs/heads/x")
    config = external.kubeconfig(tmp_path, external.exchange(token).json()["access_token"])
    assert kubectl(config, "get", "pods", "--namespace=default").returncode == 0
    refused = kubectl(config, "create", "configmap", "x", "--namespace=default")
    assert "is read-only" in refused.stderr


def test_exchange_for_a_pipeline_without_a_grant_fails_and_names_the_remedy(
    external: ExternalIssuer,
) -> None:
    token = external.token(aud=AUDIENCE, sub="repo-3", ref="refs/heads/main")
    response = external.exchange(token)
    assert response.status == 400
    assert response.json()["error"] == "invalid_target"
    assert "sekisho member add" in response.json()["error_description"]


def test_external_token_used_directly_has_the_groups_of_its_claims(
    external: ExternalIssuer, tmp_path: Path
) -> None:
    user = external.create_user("zoe", "zoe-1")
    claims: dict[str, Any] = {"aud": AUDIENCE, "sub": "zoe-1", "person": True}
    for groups in (["ops"], ["dev", "qa"]):
        config = external.kubeconfig(tmp_path, external.token(**claims, groups=groups))
        shown = kubectl(config, "auth", "whoami", "-o", "json")
        info = json.loads(shown.stdout)["status"]["userInfo"]
        assert info["username"] == user
        external_groups = [one for one in info["groups"] if one.startswith("oidc_")]
        assert external_groups == [f"oidc_{external.provider}_group://{group}" for group in groups]


def test_rejected_external_token_has_its_reason_in_the_audit_log_only(
    external: ExternalIssuer, tmp_path: Path
) -> None:
    config = external.kubeconfig(tmp_path, external.token(aud=AUDIENCE, person=False))
    refused = kubectl(config, "get", "pods")
    assert refused.returncode == 1
    assert "people" not in refused.stderr
    log = external.proxy.folder / "data" / "audit.log"
    wait_until(
        lambda: "no_rule (main: ref is missing; else: ref is missing; people" in log.read_text()
    )


def test_watch_by_external_token_ends_when_user_or_provider_is_disabled(
    external: ExternalIssuer, tmp_path: Path
) -> None:
    path = "/api/v1/namespaces?watch=1&resourceVersion=0&timeoutSeconds=600"
    users = [external.create_user(name, name) for name in ("amy", "ben")]
    configs = [
        external.kubeconfig(tmp_path, external.token(aud=AUDIENCE, sub=name, person=True))
        for name in ("amy", "ben")
    ]
    disable = {"enabled": False}
    provider = f"/v1/providers/{external.provider}"
    with (
        start_kubectl(configs[0], "get", "--raw", path) as amy,
        start_kubectl(configs[1], "get", "--raw", path) as ben,
    ):
        for watch in (amy, ben):
            assert watch.stdout is not None
            assert watch.stdout.readline().startswith('{"type":"ADDED"')
        external.proxy.change("admin", "user", "disable", users[0])
        assert amy.wait(120) == 0
        assert ben.poll() is None
        assert (
            external.proxy.request("PATCH", provider, token=external.root, body=disable).status
            == 200
        )
        assert ben.wait(120) == 0
    assert kubectl(configs[1], "get", "pods").returncode == 1
    external.proxy.request("PATCH", provider, token=external.root, body={"enabled": True})
