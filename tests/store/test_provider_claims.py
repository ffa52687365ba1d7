"""Tests of provider claims, over both databases."""

import asyncio

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from store.changes import ChangeHub
from store.claim_records import BackendChanged, same_backend, scheme_names
from store.connections import Database
from store.database import SqlStore, open_store
from store.encryption import Keyring
from store.engine import make_engines
from store.errors import Conflict, RecordNotFound
from store.locations import locate
from store.records import Membership, Principal
from tests.store.direct_access import rows
from tests.store.records import NOW, a_binding, a_user

CORP = {"type": "openldap", "base": "dc=corp", "servers": ["ldaps://a", "ldaps://b"]}
DECLARED = ["openldap_user", "openldap_group"]


async def test_first_provider_keeps_scheme_and_second_gets_another(
    store: SqlStore,
) -> None:
    corp = await store.claims.claim("corp", CORP, DECLARED)
    lab = await store.claims.claim("lab", {"type": "openldap"}, DECLARED)
    assert dict(corp.schemes) == {one: one for one in DECLARED}
    assert dict(lab.schemes) == {
        "openldap_user": "openldap_lab_user",
        "openldap_group": "openldap_lab_group",
    }
    assert await store.claims.claim("corp", CORP, DECLARED) == await store.claims.get("corp")
    assert [one.provider for one in await store.claims.list_all()] == ["corp", "lab"]


async def test_concurrent_claims_of_replicas_agree(store: SqlStore) -> None:
    names = [f"p{number}" for number in range(6)] * 2
    claims = await asyncio.gather(
        *(store.claims.claim(one, {"type": "x"}, DECLARED) for one in names)
    )
    owned = [scheme for one in await store.claims.list_all() for scheme in one.schemes.values()]
    assert len(set(owned)) == len(owned) == 12
    for one in claims:
        assert await store.claims.get(one.provider) == one


async def test_scheme_of_another_provider_is_not_claimed(store: SqlStore) -> None:
    await store.claims.claim("a", {}, ["github_x_user"])
    await store.claims.claim("b", {}, ["github_user"])
    third = await store.claims.claim("x", {}, ["github_user"])
    assert dict(third.schemes) == {"github_user": "github_user.x"}
    both = await store.claims.claim("x", {}, ["github_user", "github_x_user"])
    assert len(set(both.schemes.values())) == 2


async def test_scheme_of_local_accounts_is_never_claimed(store: SqlStore) -> None:
    claim = await store.claims.claim("plug-in", {}, ["local"])
    assert dict(claim.schemes) == {"local": "local_plug-in"}


async def test_changed_backend_of_provider_with_users_is_refused(store: SqlStore) -> None:
    await store.claims.claim("corp", CORP, DECLARED)
    other = CORP | {"base": "dc=evil"}
    # No user has signed in yet, so a typing error is corrected without confirmation.
    await store.claims.claim("corp", other, DECLARED)
    await store.claims.claim("corp", CORP, DECLARED)
    principal = Principal("openldap_user://1", "corp", "ann")
    await store.users.create(a_user("ann", principals=(principal,)))
    await store.identities.seen(principal.id, NOW, "a refresh token")
    with pytest.raises(BackendChanged, match=r"base dc=corp, not to base dc=evil"):
        await store.claims.claim("corp", other, DECLARED)
    known = await store.identities.get(principal.id)
    assert known is not None
    assert known.secret == "a refresh token"
    await store.claims.adopt("corp", other, DECLARED)
    await store.claims.claim("corp", other, DECLARED)
    known = await store.identities.get(principal.id)
    assert known is not None
    assert known.secret is None, "what the former backend issued is not sent to the new one"


async def test_changed_backend_of_provider_with_bound_group_is_refused(store: SqlStore) -> None:
    await store.claims.claim("corp", CORP, DECLARED)
    await store.bindings.create(a_binding("openldap_group://1", "administrator", None))
    with pytest.raises(BackendChanged):
        await store.claims.claim("corp", CORP | {"base": "dc=evil"}, DECLARED)


def test_backend_servers_may_change_one_by_one() -> None:
    assert same_backend(CORP, CORP | {"servers": ["ldaps://b", "ldaps://c"]})
    assert not same_backend(CORP, CORP | {"servers": ["ldaps://c"]})
    assert not same_backend(CORP, {"type": "openldap", "base": "dc=corp"})


def test_scheme_names_contain_provider_name() -> None:
    assert list(scheme_names("github_team", "ghe")) == [
        "github_team",
        "github_ghe_team",
        "github_team.ghe",
    ]


_BEFORE = (
    (
        "INSERT INTO users (id, username, display_name, enabled, created_at) VALUES "
        "('u-ann', 'ann', 'Ann', true, '2026-01-20 00:00:00'), "
        "('u-bob', 'bob', 'Bob', true, '2026-01-21 00:00:00')"
    ),
    (
        "INSERT INTO principals (id, user_id, provider, name) VALUES "
        "('openldap_user://ann', 'u-ann', 'corp', 'ann'), "
        "('openldap_user://bob', 'u-bob', 'lab', 'bob')"
    ),
    (
        "INSERT INTO memberships (user_id, provider, id, name) VALUES "
        "('u-ann', 'corp', 'openldap_group://ops', 'ops'), "
        "('u-bob', 'lab', 'openldap_group://ops', 'ops')"
    ),
    (
        "INSERT INTO bindings (id, role_id, group_id, name, subject, target, created_at) VALUES "
        "('b-1', 'administrator', 'openldap_group://ops', 'ops', 'openldap_group://ops', '', "
        "'2026-01-22 00:00:00')"
    ),
)
"""Two directories with the same schemes, and a role for a group id that both could mean."""


async def _database_of_0004(url: str) -> None:
    def old(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", "store:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for statement in _BEFORE:
            connection.execute(text(statement))

    location = locate(url)
    connections = Database(make_engines(location), location.shown, ChangeHub())
    async with connections.write() as connection:
        await connection.run_sync(old)
    await connections.engines.dispose()


async def test_migration_separates_users_of_two_providers(url: str, keyring: Keyring) -> None:
    await _database_of_0004(url)
    store = await open_store(url, keyring)
    bob = await store.users.get("u-bob")
    assert bob is not None
    assert [one.id for one in bob.principals] == ["openldap_lab_user://bob"]
    groups = {
        user: [one.id for one in await store.users.memberships(user)] for user in ("u-ann", "u-bob")
    }
    assert groups == {"u-ann": ["openldap_group://ops"], "u-bob": ["openldap_lab_group://ops"]}
    assert await store.bindings.of_subjects("u-bob", groups["u-bob"]) == []
    assert len(await store.bindings.of_subjects("u-ann", groups["u-ann"])) == 1
    claim = await store.claims.claim("corp", CORP, DECLARED)
    assert claim.backend == CORP
    await store.close()


async def test_claims_are_stored_in_tables(url: str, keyring: Keyring) -> None:
    store = await open_store(url, keyring)
    await store.claims.claim("corp", CORP, DECLARED)
    await store.close()
    assert sorted(await rows(url, "SELECT scheme, provider FROM provider_schemes")) == [
        ("openldap_group", "corp"),
        ("openldap_user", "corp"),
    ]


async def test_users_of_former_provider_move_to_its_new_name(store: SqlStore) -> None:
    await store.claims.claim("corp", CORP, DECLARED)
    principal = Principal("openldap_user://1", "corp", "ann")
    await store.users.create(a_user("ann", principals=(principal,)))
    await store.users.set_memberships(
        "u-ann", "corp", [Membership("openldap_group://ops", "corp", "ops")]
    )
    await store.claims.claim("people", CORP, DECLARED)
    with pytest.raises(RecordNotFound):
        await store.claims.adopt("people", CORP, DECLARED, former="nothing")
    claim = await store.claims.adopt("people", CORP, DECLARED, former="corp")
    assert dict(claim.schemes) == {one: one for one in DECLARED}
    assert await store.claims.get("corp") is None
    ann = await store.users.get("u-ann")
    assert ann is not None
    assert [(one.id, one.provider) for one in ann.principals] == [("openldap_user://1", "people")]
    assert [one.provider for one in await store.users.memberships("u-ann")] == ["people"]
    await store.claims.claim("corp", CORP, DECLARED)
    with pytest.raises(Conflict):
        await store.claims.adopt("people", CORP, DECLARED, former="corp")
