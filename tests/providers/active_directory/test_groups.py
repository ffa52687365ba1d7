"""The groups of somebody in a real Active Directory."""

import time
import uuid
from collections.abc import Iterator

import pytest

from providers.active_directory import ActiveDirectoryProvider
from providers.base import Attempt, ExternalIdentity
from providers.ldap_directory import Directory
from tests.parts.samba import (
    BASE,
    PASSWORD,
    Samba,
    dn_of,
    group_record,
    user_record,
)
from tests.providers.active_directory.conftest import Providing

WAYS = pytest.mark.parametrize("way", ["in_chain", "token_groups"])
EVERYBODYS = {"Domain Users", "Users"}
"""The primary group, and the group of the machine's that it is in."""


async def groups_of(corp: ActiveDirectoryProvider, name: str) -> set[str]:
    identity = await corp.authenticate(Attempt(name, PASSWORD))
    assert isinstance(identity, ExternalIdentity), identity
    assert all(one.principal_id.startswith("activedirectory_group://") for one in identity.groups)
    assert len({one.principal_id for one in identity.groups}) == len(identity.groups)
    return {one.name for one in identity.groups}


@WAYS
async def test_groups_in_groups_count_and_the_primary_group_does(
    providing: Providing, samba: Samba, way: str
) -> None:
    user = samba.user()
    direct = samba.group(dn_of(user))
    above = samba.group(dn_of(direct))
    top = samba.group(dn_of(above))
    samba.group()  # which nobody is in
    corp = await providing(nested_groups=way)
    assert await groups_of(corp, user) == {direct, above, top} | EVERYBODYS


async def test_only_direct_groups_where_that_is_configured(
    providing: Providing, samba: Samba
) -> None:
    user = samba.user()
    direct = samba.group(dn_of(user))
    samba.group(dn_of(direct))
    corp = await providing(nested_groups="none")
    assert await groups_of(corp, user) == {direct, "Domain Users"}


@WAYS
async def test_groups_that_go_in_circles_have_an_end(
    providing: Providing, samba: Samba, way: str
) -> None:
    user = samba.user()
    first = samba.group(dn_of(user))
    second = samba.group(dn_of(first))
    samba.change(f"dn: {dn_of(first)}\nchangetype: modify\nadd: member\nmember: {dn_of(second)}\n")
    corp = await providing(nested_groups=way)
    assert {first, second} <= await groups_of(corp, user)


@WAYS
async def test_another_primary_group_leads_to_the_groups_it_is_in(
    providing: Providing, samba: Samba, way: str
) -> None:
    user = samba.user()
    primary = samba.group(dn_of(user))
    above = samba.group(dn_of(primary))
    samba.make_primary(user, primary)
    corp = await providing(nested_groups=way)
    assert {primary, above} <= await groups_of(corp, user)


@WAYS
async def test_names_that_look_like_filters_and_dns_are_only_names(
    providing: Providing, samba: Samba, way: str
) -> None:
    odd = f"odd (one) *) {uuid.uuid4().hex[:8]} \\, é=ü"
    escaped = odd.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
    account = f"u{uuid.uuid4().hex[:12]}"
    samba.add([user_record(escaped, sAMAccountName=account, userPrincipalName=account)])
    direct = samba.group(dn_of(escaped))
    corp = await providing(nested_groups=way)
    assert await groups_of(corp, account) == {direct} | EVERYBODYS


async def test_a_filter_says_which_groups_count_and_others_still_lead_to_them(
    providing: Providing, samba: Samba
) -> None:
    user = samba.user()
    ignored = samba.group(dn_of(user))
    counted = samba.group(dn_of(ignored), description="for clusters")
    corp = await providing(group_filter="(&(objectClass=group)(description=for clusters))")
    assert await groups_of(corp, user) == {counted}


async def test_a_group_with_a_reserved_name_is_left_out(samba: Samba, providing: Providing) -> None:
    user, suffix = samba.user(), uuid.uuid4().hex[:8]
    samba.group(dn_of(user), sAMAccountName=f"g{suffix}", description=f"system:masters{suffix}")
    corp = await providing(group_name_attribute="description")
    assert not any("system:" in one for one in await groups_of(corp, user))


@pytest.fixture(scope="module")
def thousand(samba: Samba) -> Iterator[str]:
    """Somebody in 1,000 groups: 200 chains of five."""
    user = samba.user()
    ou = samba.chains(user, 200, 5)
    yield user
    samba.remove(ou)


@WAYS
async def test_somebody_in_1000_groups_five_levels_deep_signs_in_quickly(
    providing: Providing, samba: Samba, thousand: str, way: str
) -> None:
    corp = await providing(nested_groups=way)
    names = await groups_of(corp, thousand)
    assert len(names - EVERYBODYS) == 1000
    before, own, began = samba.cpu_seconds(), time.process_time(), time.monotonic()
    assert len(await groups_of(corp, thousand)) == 1002
    took = time.monotonic() - began
    theirs, ours = samba.cpu_seconds() - before, time.process_time() - own
    print(f"{way}: {took:.2f} s; CPU {ours:.2f} s here, {theirs:.2f} s in the directory")
    # What it costs, not how long it took: other tests may be keeping the processors busy.
    assert ours + theirs < 2.0


@pytest.mark.parametrize(("way", "most"), [("in_chain", 8), ("token_groups", 16), ("none", 4)])
async def test_a_sign_in_asks_few_questions(
    providing: Providing,
    thousand: str,
    way: str,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    give_back = Directory._do

    def counting(self: Directory, session, work):  # type: ignore[no-untyped-def]
        try:
            return give_back(self, session, work)
        finally:
            asked.append(session.round_trips)

    monkeypatch.setattr(Directory, "_do", counting)
    corp = await providing(nested_groups=way)
    await groups_of(corp, thousand)
    print(f"{way}: {asked[0]} questions")
    assert asked[0] <= most


@pytest.fixture(scope="module")
def crowd(samba: Samba) -> Iterator[tuple[str, str]]:
    """An OU with 1,600 contacts, and a group that they are all in; its members' OU and its name."""
    mark = uuid.uuid4().hex[:8]
    ou, name = f"OU=crowd-{mark},{BASE}", f"crowd-{mark}"
    members = [dn_of(f"c{mark}-{number:04d}", ou) for number in range(1600)]
    samba.add([f"dn: {ou}\nobjectClass: organizationalUnit\n"])
    samba.add([f"dn: {dn}\nobjectClass: contact\n" for dn in members])
    samba.add([group_record(name, members)])
    yield ou, name
    samba.change(f"dn: {dn_of(name)}\nchangetype: delete\n")


@pytest.mark.parametrize("wanted", ["member", "member;range=0-99", "member;range=0-1499"])
async def test_a_group_with_1600_members_is_read_whole(
    corp: ActiveDirectoryProvider, crowd: tuple[str, str], wanted: str
) -> None:
    found = await corp._directory.run(
        lambda session: session.search(dn_of(crowd[1]), "(objectClass=*)", [wanted], "BASE")
    )
    assert len(set(found[0].raw("member"))) == 1600


async def test_a_search_with_1600_results_finds_them_all_in_pages_and_without(
    corp: ActiveDirectoryProvider, crowd: tuple[str, str]
) -> None:
    everybody, in_pages = await corp._directory.run(
        lambda session: (
            session.search(crowd[0], "(objectClass=contact)", ["cn"]),
            session._twice(lambda wire: wire.pages(crowd[0], "(objectClass=contact)", ["cn"])),
        )
    )
    assert len({one.dn for one in everybody}) == 1600
    assert sorted(one.dn for one in in_pages) == sorted(one.dn for one in everybody)


async def test_somebody_in_a_group_with_1600_members_is_in_it(
    corp: ActiveDirectoryProvider, samba: Samba, crowd: tuple[str, str]
) -> None:
    user = samba.user()
    samba.change(f"dn: {dn_of(crowd[1])}\nchangetype: modify\nadd: member\nmember: {dn_of(user)}\n")
    assert crowd[1] in await groups_of(corp, user)
    samba.change(f"dn: {dn_of(user)}\nchangetype: delete\n")
