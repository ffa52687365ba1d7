"""``sekisho account``: linking and unlinking an account of a real directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.support.openldap import PASSWORD as DIRECTORY_PASSWORD
from tests.support.openldap import OpenLdap


@pytest.fixture
def directory(world: World, openldap: OpenLdap) -> Iterator[OpenLdap]:
    """The provider corp at the server."""
    root = world.server.token("root")
    settings = openldap.config()
    settings["ca_pem"] = Path(settings.pop("ca_file")).read_text()
    body = {"name": "corp", "type": "openldap", "settings": settings}
    made = world.server.request("POST", "/v1/providers", token=root, body=body)
    assert made.status == 201, made.body
    yield openldap
    assert world.server.request("DELETE", "/v1/providers/corp", token=root).status == 204


def test_account_of_a_directory_is_linked_listed_and_unlinked(
    world: World, directory: OpenLdap, tmp_path: Path
) -> None:
    world.server.create_user("lena")
    lena = CommandLine(world.server, tmp_path)
    lena.login("lena")
    name = directory.create_user()
    link = ("account", "link", "corp", "--username", name, "--password-stdin")
    assert "wrong" in lena.fails(*link, stdin="no such password\n")
    done = lena.run(*link, stdin=f"{DIRECTORY_PASSWORD}\n")
    assert f"linked {name} at corp" in done.stdout
    assert "linked to you already" in lena.fails(*link, stdin=f"{DIRECTORY_PASSWORD}\n")
    local, other = sorted(
        lena.json("account", "list"), key=lambda one: str(one["provider"] != "local")
    )
    assert (local["provider"], other["provider"]) == ("local", "corp")
    assert "current" in lena.run("account", "list").stdout
    assert "add --yes" in lena.fails("account", "unlink", other["id"], code=2)
    lena.run("account", "unlink", other["id"], "--yes")
    assert [one["id"] for one in lena.json("account", "list")] == [local["id"]]
    assert "signed in with this principal" in lena.fails("account", "unlink", local["id"], "--yes")


def test_link_names_the_providers_and_where_a_browser_is_needed(bob: CommandLine) -> None:
    refused = bob.fails(
        "account", "link", "none", "--username", "x", "--password-stdin", stdin="x\n"
    )
    assert 'provider "none" not found: use one of local' in refused
