"""Two real OpenLDAP servers with one suffix, and equal keys for different users and groups."""

import functools
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.openldap import (
    PASSWORD as DIRECTORY_PASSWORD,
)
from tests.support.openldap import OpenLdap, group_record, user_dn, user_record
from tests.support.recording_upstream import RecordingUpstream
from tests.support.sekisho import PASSWORD, HttpResponse, Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until

_SUBJECT = (
    b"Impersonate-User:",
    b"Impersonate-Group: openldap",
    b"Impersonate-Extra-Principalid:",
)


@dataclass
class TwoDirectories:
    """A Sekisho with both directories, which contain the same names with the same keys."""

    sekisho: Sekisho
    upstream: RecordingUpstream
    name: str
    group: str
    person_key: str
    group_key: str

    def token(self, provider: str) -> str:
        body = {"username": self.name, "password": DIRECTORY_PASSWORD}
        response = self.sekisho.request("POST", f"/v1/login/{provider}", body=body)
        assert response.status == 200, response.body
        return str(response.json()["token"])

    def root(self) -> str:
        body = {"username": "root", "password": PASSWORD}
        return str(self.sekisho.request("POST", "/v1/login/local", body=body).json()["token"])

    def request(self, method: str, path: str, token: str, body: object = None) -> HttpResponse:
        return self.sekisho.request(method, path, token=token, body=body)


@pytest.fixture(scope="module")
def directories(
    openldap: OpenLdap, other_openldap: OpenLdap, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoDirectories]:
    with two_directories(openldap, other_openldap, tmp_path_factory.mktemp("two")) as made:
        yield made


@pytest.fixture
def exchanged(
    openldap: OpenLdap, other_openldap: OpenLdap, tmp_path: Path
) -> Iterator[TwoDirectories]:
    """The same for a test that exchanges the directories of the providers."""
    with two_directories(openldap, other_openldap, tmp_path) as made:
        yield made


@contextmanager
def two_directories(
    openldap: OpenLdap, other_openldap: OpenLdap, folder: Path
) -> Iterator[TwoDirectories]:
    name, group = f"u{uuid.uuid4().hex[:8]}", f"g{uuid.uuid4().hex[:8]}"
    person_key, group_key = str(uuid.uuid4()), str(uuid.uuid4())
    for directory in (openldap, other_openldap):
        directory.add_with_uuids(
            [
                user_record(name, entryUUID=person_key),
                group_record(group, "groupOfNames", member=[user_dn(name)])
                + f"entryUUID: {group_key}\n",
            ]
        )
    (folder / "up").mkdir()
    sekisho = make_sekisho(folder, (free_port(), free_port()), _config(openldap, other_openldap))
    sekisho.environment["SEKISHO_CONTROLLERS__ENABLED"] = "false"
    with RecordingUpstream(folder / "up", "service-account-token") as upstream:
        sekisho.run(
            *("admin", "cluster", "add", "a", "--server", upstream.url),
            *("--ca-file", str(upstream.ca_file), "--token-file", str(upstream.token_file)),
        )
        with running(sekisho):
            sekisho.create_user("root", "--admin")
            yield TwoDirectories(sekisho, upstream, name, group, person_key, group_key)


def _config(corp: OpenLdap, lab: OpenLdap) -> str:
    providers: list[dict[str, object]] = [{"type": "local", "name": "local"}]
    for name, directory in (("corp", corp), ("lab", lab)):
        settings = directory.config(type="openldap", name=name)
        providers.append(
            {
                key: str(value) if isinstance(value, Path) else value
                for key, value in settings.items()
            }
        )
    return f"providers: {json.dumps(providers)}\n"


def test_binding_for_a_group_does_not_apply_to_the_same_key_in_another_directory(
    directories: TwoDirectories,
) -> None:
    corp, lab, root = directories.token("corp"), directories.token("lab"), directories.root()
    body = {"role": "administrator", "group": f"openldap_group://{directories.group_key}"}
    bound = directories.request("POST", "/v1/bindings", root, body)
    assert (bound.status, bound.json()["provider"]) == (201, "corp")
    assert directories.request("GET", "/v1/users", corp).status == 200
    assert directories.request("GET", "/v1/users", lab).status == 403
    again = directories.token("lab")
    assert directories.request("GET", "/v1/users", again).status == 403
    people = [directories.request("GET", "/v1/me", token).json() for token in (corp, lab)]
    assert people[0]["id"] != people[1]["id"]
    assert [one["principals"][0]["id"] for one in people] == [
        f"openldap_user://{directories.person_key}",
        f"openldap_lab_user://{directories.person_key}",
    ]


def test_impersonation_headers_differ_for_the_same_key_of_two_directories(
    directories: TwoDirectories,
) -> None:
    root = directories.root()
    seen: dict[str, list[set[bytes]]] = {"corp": [], "lab": []}
    for provider, lines in seen.items():
        token = directories.token(provider)
        user = directories.request("GET", "/v1/me", token).json()["id"]
        member = {"role": "member"}
        assert (
            directories.request("PUT", f"/v1/clusters/a/members/{user}", root, member).status == 200
        )
        for kind in ("id", "principal", "username"):
            changed = directories.request(
                "PATCH", "/v1/clusters/a", root, {"username_mapping": kind}
            )
            assert changed.status == 200, changed.body
            directories.upstream.reset()
            assert directories.request("GET", "/k8s/clusters/a/api", token).status == 200
            (request,) = directories.upstream.requests()
            head = request.raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
            lines.append({line for line in head if line.startswith(_SUBJECT)})
    for corp, lab in zip(seen["corp"], seen["lab"], strict=True):
        assert len(corp) == len(lab) == 3
        assert not corp & lab


def test_principal_search_returns_the_ids_of_each_directory(directories: TwoDirectories) -> None:
    found = directories.request(
        "GET", f"/v1/principals?search={directories.group}", directories.root()
    ).json()
    assert {(one["provider"], one["id"]) for one in found["items"]} == {
        ("corp", f"openldap_group://{directories.group_key}"),
        ("lab", f"openldap_lab_group://{directories.group_key}"),
    }


def test_binding_with_a_provider_applies_to_the_group_of_that_provider(
    directories: TwoDirectories,
) -> None:
    body = {
        "role": "administrator",
        "group": f"openldap_group://{directories.group_key}",
        "provider": "lab",
    }
    bound = directories.request("POST", "/v1/bindings", directories.root(), body).json()
    assert bound["group"] == f"openldap_lab_group://{directories.group_key}"
    lab = directories.token("lab")
    assert directories.request("GET", "/v1/users", lab).status == 200
    assert (
        directories.request("DELETE", f"/v1/bindings/{bound['id']}", directories.root()).status
        == 204
    )


def test_refresh_returns_the_groups_of_the_users_directory(directories: TwoDirectories) -> None:
    for provider, scheme in (("corp", "openldap_group"), ("lab", "openldap_lab_group")):
        token = directories.token(provider)
        refreshed = directories.request("POST", "/v1/me/refresh", token).json()["items"]
        assert [one["result"] for one in refreshed] == ["refreshed"]
        groups = [one["id"] for one in directories.request("GET", "/v1/me", token).json()["groups"]]
        assert groups == [f"{scheme}://{directories.group_key}"]


def test_provider_with_another_directory_is_disabled_until_it_is_adopted(
    exchanged: TwoDirectories, openldap: OpenLdap, other_openldap: OpenLdap
) -> None:
    directories = exchanged
    token = directories.token("corp")
    directories.token("lab")  # A provider without users has none to lose.
    user = directories.request("GET", "/v1/me", token).json()["id"]
    directories.sekisho.stop()
    text = directories.sekisho.config.read_text()
    before = _config(openldap, other_openldap)
    assert before in text
    directories.sekisho.config.write_text(text.replace(before, _config(other_openldap, openldap)))
    directories.sekisho.start()
    body = {"username": directories.name, "password": DIRECTORY_PASSWORD}
    for provider in ("corp", "lab"):
        assert directories.sekisho.request("POST", f"/v1/login/{provider}", body=body).status == 404
        shown = directories.request("GET", f"/v1/providers/{provider}", directories.root()).json()
        assert f"sekisho admin provider adopt {provider}" in shown["error"]
    done = directories.sekisho.run("admin", "provider", "adopt", "corp")
    assert "corp" in done.stdout
    listed = json.loads(directories.sekisho.run("admin", "provider", "list", "-o", "json").stdout)
    assert {one["name"] for one in listed} == {"local", "corp", "lab"}
    sign_in = functools.partial(directories.sekisho.request, "POST", "/v1/login/corp", body=body)
    wait_until(lambda: sign_in().status == 200, what="the provider's start")
    assert sign_in().json()["user"]["id"] == user
