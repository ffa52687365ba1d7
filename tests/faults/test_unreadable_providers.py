"""Stored settings that cannot be decrypted disable their provider, and nothing else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.conftest import FaultSekisho
from tests.support.sekisho import PASSWORD, HttpResponse
from tests.support.waiting import wait_until

LDAP = {
    "servers": ["ldaps://127.0.0.1:1"],
    "base": "dc=example,dc=test",
    "bind_dn": "cn=reader,dc=example,dc=test",
    "bind_password": "hush-hush",
}


class Database:
    """Direct access to the server's database."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "data" / "sekisho.db"

    def settings(self, name: str) -> object:
        [(value,)] = self._run("SELECT settings FROM providers WHERE name = ?", name)
        return value

    def change(self, name: str, settings: object) -> None:
        self._run("UPDATE providers SET settings = ? WHERE name = ?", settings, name)

    def _run(self, statement: str, *values: object) -> list[tuple[object]]:
        with closing(sqlite3.connect(self._file)) as connection, connection:
            return connection.execute(statement, values).fetchall()


def _ask(sekisho: FaultSekisho, method: str, path: str = "", body: object = None) -> HttpResponse:
    url = f"/v1/providers{path}"
    return sekisho.request(method, url, token=sekisho.root, body=body)


def _shown(sekisho: FaultSekisho, name: str) -> tuple[bool, str]:
    shown = _ask(sekisho, "GET", f"/{name}").json()
    return shown["up"], shown["error"] or ""


@pytest.mark.parametrize("damage", ["another place", b"", b"garbage", "text", 7])
def test_undecryptable_settings_disable_only_their_provider_at_start_and_on_changes(
    prepared: FaultSekisho, tmp_path: Path, damage: object
) -> None:
    sekisho = prepared.copy(tmp_path)
    sekisho.start()
    database = Database(tmp_path)
    try:
        for name in ("closed", "good"):
            body = {"name": name, "type": "openldap", "settings": LDAP}
            assert _ask(sekisho, "POST", body=body).status == 201
        holder = "openldap_user://11111111-1111-1111-1111-111111111111"
        sekisho.change(
            "admin", "user", "create", "ann", "--principal", holder, "--provider", "closed"
        )
        kept = database.settings("closed")
        foreign = database.settings("good") if damage == "another place" else damage

        database.change("closed", foreign)
        listening = {"enabled": True}
        assert _ask(sekisho, "PATCH", "/good", listening).status == 200
        wait_until(lambda: "cannot be decrypted" in _shown(sekisho, "closed")[1], 30)
        assert "cannot be decrypted" not in _shown(sekisho, "good")[1]

        sekisho.stop()
        sekisho.start()
        up, error = _shown(sekisho, "closed")
        assert not up
        assert 'settings of provider "closed" cannot be decrypted' in error
        assert "hush" not in error
        assert "hush" not in sekisho.log
        assert 'settings of provider \\"closed\\" cannot be decrypted' in sekisho.log
        assert "cannot be decrypted" not in _shown(sekisho, "good")[1]
        login = {"username": "root", "password": PASSWORD}
        assert sekisho.request("POST", "/v1/login/local", body=login).status == 200
        listed = sekisho.request("GET", "/v1/providers").json()["items"]
        assert {one["name"] for one in listed} == {"local", "good"}
        listed_offline = sekisho.prepare("admin", "provider", "list", "-o", "json")
        assert '"former"' not in listed_offline
        holder = "openldap_user://22222222-2222-2222-2222-222222222222"
        sekisho.change(
            "admin", "user", "create", "bob", "--principal", holder, "--provider", "closed"
        )

        tried = _ask(sekisho, "POST", "/closed/test", {}).json()
        assert tried["outcome"] == "unavailable"
        assert "cannot be decrypted" in tried["reason"]
        refused = _ask(sekisho, "PATCH", "/closed", {"settings": {"base": "dc=other"}})
        assert refused.status == 422
        assert "cannot be decrypted" in refused.json()["detail"]
        for enabled in (False, True):
            assert _ask(sekisho, "PATCH", "/closed", {"enabled": enabled}).status == 200
        assert database.settings("closed") == foreign

        database.change("closed", kept)
        assert _ask(sekisho, "PATCH", "/good", listening).status == 200
        wait_until(lambda: "cannot be decrypted" not in _shown(sekisho, "closed")[1], 30)

        database.change("closed", foreign)
        assert _ask(sekisho, "DELETE", "/closed").status == 204
        assert _ask(sekisho, "GET", "/closed").status == 404
        assert _ask(sekisho, "GET", "/good").status == 200
    finally:
        sekisho.stop()
