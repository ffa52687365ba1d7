"""Two providers that share their schemes, checked at every place that uses principals.

``corp`` and ``lab`` are of one type, and their backends have equal keys for different users and
groups. A grant of one provider's user never applies to the other's, whether or not the other
provider runs."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from impersonation.impersonate_headers import impersonation_headers, subject_of
from impersonation.username_mapping import username_for_cluster
from management.authorization.access import access_of
from management.authorization.role_catalog import RoleCatalog
from management.desired_state.snapshot import take_snapshot
from management.identity.identity_refresh import IdentityRefresher
from management.identity.local_passwords import StoredAccounts
from management.identity.provider_instance import ProviderSpec
from management.identity.provider_registry import ProviderRegistry
from management.identity.sign_in import SignInResult, SignInService
from management.identity.sign_in_policy import AccessRule
from management.identity.tokens import TokenIssuer
from providers.base import (
    ExternalGroup,
    ExternalIdentity,
    ProviderContext,
    ProviderUnavailable,
    Rejected,
)
from providers.throttle import Limits
from proxy.audit.event import _user as audit_user
from tests.management.identity.scripted import ScriptedSettings, person
from tests.management.identity.two_directories import ANN, HOURS, TwoDirectories
from tests.store.records import a_cluster

OTHER_STATES = ("runs", "disabled", "failed", "deleted")


async def test_equal_keys_of_two_directories_are_two_users_in_two_groups(
    two: TwoDirectories,
) -> None:
    corp, lab = await two.signed_in("corp"), await two.signed_in("lab")
    assert corp.user.id != lab.user.id
    assert [one.id for one in corp.user.principals] == ["scripted_user://ann"]
    assert [one.id for one in lab.user.principals] == ["scripted_lab_user://ann"]
    assert await two.groups_of("corp") == ["scripted_group://ops"]
    assert await two.groups_of("lab") == ["scripted_lab_group://ops"]


@pytest.mark.parametrize("state", OTHER_STATES)
@pytest.mark.parametrize("owner", ["corp", "lab"])
async def test_group_binding_does_not_apply_to_the_other_directory(
    two: TwoDirectories, owner: str, state: str
) -> None:
    other = {"corp": "lab", "lab": "corp"}[owner]
    (group,) = await two.groups_of(owner)
    await two.bind(group)
    await two.bring(owner, state)
    stranger = await two.signed_in(other)
    memberships = await two.store.users.memberships(stranger.user.id)
    held = await two.store.tokens.holdings(stranger.user.id, [one.id for one in memberships])
    assert not access_of(held.bindings, RoleCatalog(held.roles)).administrator


@pytest.mark.parametrize("state", OTHER_STATES)
@pytest.mark.parametrize("owner", ["corp", "lab"])
async def test_impersonation_headers_and_audit_log_name_the_directory(
    two: TwoDirectories, owner: str, state: str
) -> None:
    other = {"corp": "lab", "lab": "corp"}[owner]
    (group,) = await two.groups_of(owner)
    user = await two.signed_in(owner)
    owned = {group, *(one.id for one in user.user.principals)}
    await two.bring(owner, state)
    issued = await two.signed_in(other)
    resolved = await two.authenticator.resolve(issued.issued.bearer.encode())
    assert resolved is not None
    for kind in ("id", "principal", "username"):
        name = username_for_cluster(
            kind,
            user_id=resolved.user.id,
            principal_id=resolved.identity.principal_id,
            provider=resolved.identity.provider,
            username=resolved.identity.username,
        )
        block = impersonation_headers(subject_of(resolved.identity, name)).decode()
        lines = {line.partition(": ")[2] for line in block.splitlines()}
        assert not owned & lines
        assert f"{owner}:ann" not in lines
    said = audit_user(resolved)
    assert not [one for one in owned if f'"{one}"' in said]


@pytest.mark.parametrize("owner", ["corp", "lab"])
async def test_cluster_rbac_names_the_directory(two: TwoDirectories, owner: str) -> None:
    cluster = a_cluster()
    await two.store.clusters.create(cluster)
    (group,) = await two.groups_of(owner)
    await two.bind(group, "cluster-owner", cluster_id=cluster.id)
    snapshot = await take_snapshot(two.store, cluster)
    assert snapshot.subjects_of(snapshot.bindings) == {("Group", group)}
    other = {"corp": "lab", "lab": "corp"}[owner]
    assert await two.groups_of(other) != [group]


@pytest.mark.parametrize("spelling", ["as_declared", "as_shown"])
@pytest.mark.parametrize("name", ["corp", "lab"])
async def test_allowed_principals_accept_declared_and_owned_schemes(
    two: TwoDirectories, name: str, spelling: str
) -> None:
    (group,) = await two.groups_of(name)
    known = await two.store.providers.get(name)
    assert known is not None
    allowed = "scripted_group://ops" if spelling == "as_declared" else group
    only = replace(known, access_mode="required", allowed_principals=(allowed,))
    await two.store.providers.replace(only)
    await two.registry.sync()
    assert isinstance(await two.sign_in.with_password(name, ANN), SignInResult)
    other = {"corp": "lab", "lab": "corp"}[name]
    (others,) = await two.groups_of(other)
    await two.store.providers.replace(replace(only, allowed_principals=(others,)))
    await two.registry.sync()
    if name == "lab":
        # The declared scheme in lab's settings means lab's group.
        assert isinstance(await two.sign_in.with_password(name, ANN), SignInResult)
    else:
        assert isinstance(await two.sign_in.with_password(name, ANN), Rejected)


async def test_restricted_mode_ignores_roles_of_the_other_directorys_group(
    two: TwoDirectories,
) -> None:
    cluster = a_cluster()
    await two.store.clusters.create(cluster)
    (group,) = await two.groups_of("corp")
    await two.bind(group, "cluster-member", cluster_id=cluster.id)
    known = await two.store.providers.get("lab")
    assert known is not None
    await two.store.providers.replace(replace(known, access_mode="restricted"))
    await two.registry.sync()
    assert isinstance(await two.sign_in.with_password("lab", ANN), Rejected)


async def test_refresh_uses_each_directorys_own_keys_and_keeps_its_groups(
    two: TwoDirectories,
) -> None:
    users = {name: (await two.signed_in(name)).user for name in ("corp", "lab")}
    two.provider("lab").people["ann"] = person("ann", "ops", "new")
    refresh = IdentityRefresher(
        two.store, two.registry.everything, interval=timedelta(hours=1), chance=lambda: 0.0
    )
    assert await refresh.user(users["lab"].id) == [("scripted_lab_user://ann", "refreshed")]
    assert two.provider("lab").asked == ["scripted_user://ann"]
    groups = [one.id for one in await two.store.users.memberships(users["lab"].id)]
    assert groups == ["scripted_lab_group://new", "scripted_lab_group://ops"]
    two.provider("corp").people["ann"] = Rejected("gone")
    assert await refresh.user(users["corp"].id) == [("scripted_user://ann", "refused")]
    assert await two.store.users.memberships(users["lab"].id) != []


async def test_provider_returning_another_providers_principals_is_rejected(
    two: TwoDirectories,
) -> None:
    await two.signed_in("lab")
    two.provider("corp").people["ann"] = ExternalIdentity("scripted_lab_user://ann", "ann", "Ann")
    with pytest.raises(ProviderUnavailable):
        await two.sign_in.with_password("corp", ANN)
    two.provider("corp").people["ann"] = replace(
        person("ann"), groups=(ExternalGroup("scripted_lab_group://ops", "ops"),)
    )
    with pytest.raises(ProviderUnavailable):
        await two.sign_in.with_password("corp", ANN)


async def test_scheme_keeps_its_owner_after_the_provider_is_deleted(two: TwoDirectories) -> None:
    await two.signed_in("corp")
    await two.bring("corp", "deleted")
    await two.add("later")
    later = await two.signed_in("later")
    assert [one.id for one in later.user.principals] == ["scripted_later_user://ann"]


async def test_groups_end_when_their_provider_is_disabled_or_deleted(
    two: TwoDirectories,
) -> None:
    for name, state in (("corp", "disabled"), ("lab", "deleted")):
        user = (await two.signed_in(name)).user
        assert await two.store.users.memberships(user.id) != []
        await two.bring(name, state)
        assert await two.store.users.memberships(user.id) == []


async def test_provider_with_another_backend_does_not_start_until_confirmed(
    two: TwoDirectories,
) -> None:
    user = (await two.signed_in("corp")).user
    known = await two.store.providers.get("corp")
    assert known is not None
    await two.store.providers.replace(replace(known, settings={"server": "evil"}))
    await two.registry.sync()
    running = two.registry.running("corp")
    assert running is not None
    assert "corp" not in two.registry
    assert "sekisho admin provider adopt corp" in (running.error or "")
    assert "server corp" in (running.error or "")
    await two.store.claims.adopt("corp", running.spec.backend, running.spec.declared)
    await two.registry.sync()
    assert (await two.signed_in("corp")).user.id == user.id


async def test_provider_added_again_with_another_backend_adopts_no_users(
    two: TwoDirectories,
) -> None:
    await two.signed_in("corp")
    await two.bring("corp", "deleted")
    await two.add("corp", settings={"server": "evil"})
    assert "corp" not in two.registry
    await two.bring("corp", "deleted")
    await two.add("corp", settings={"server": "corp"})
    assert "corp" in two.registry


async def test_configured_provider_with_another_backend_does_not_stop_the_others(
    two: TwoDirectories,
) -> None:
    allowed = AccessRule("required", frozenset({"scripted_group://ops"}))

    def registry(server: str) -> ProviderRegistry:
        settings = ScriptedSettings(server=server)
        return ProviderRegistry(
            two.store,
            [ProviderSpec("home", "scripted", two.type, settings, access=allowed)],
            ProviderContext(StoredAccounts(two.store), time.monotonic),
            Limits(),
            {"scripted": two.type},
        )

    first = registry("home")
    await first.start()
    sign_in = SignInService(two.store, TokenIssuer(two.store.tokens, HOURS), first)
    signed_in = await sign_in.with_password("home", ANN)
    assert isinstance(signed_in, SignInResult)
    await first.close()
    changed = registry("elsewhere")
    await changed.start()
    assert sorted(changed) == ["corp", "lab"]
    assert "adopt home" in (changed.health()["home"] or "")
    # An operator's typing error revokes no tokens.
    assert await two.store.tokens.get(signed_in.issued.token.name) is not None
    running = changed.running("home")
    assert running is not None
    await two.store.claims.adopt("home", running.spec.backend, running.spec.declared)
    await changed.sync()
    assert "home" in changed
    await changed.close()
