"""Tests of searches in a real Active Directory."""

import uuid

import pytest

from providers.base import ProviderUnavailable
from providers.ldap.directory_provider import DirectoryProvider
from tests.providers.active_directory.conftest import MakeProvider
from tests.support.samba import BASE, Samba, dn_of, group_record, user_record


async def test_search_finds_users_and_groups_by_prefix(
    corp: DirectoryProvider, samba: Samba
) -> None:
    mark = uuid.uuid4().hex[:8]
    samba.add(
        [
            user_record(f"anna{mark}", displayName=f"Zed {mark}"),
            user_record(f"zed{mark}", displayName=f"anna{mark} Zed"),
            user_record(f"other{mark}", sn=f"Anna{mark}"),
            group_record(f"anna{mark}-team"),
        ]
    )
    found = await corp.search(f"anna{mark}", limit=10)
    assert [(one.kind, one.name) for one in found] == [
        ("user", f"anna{mark}"),
        ("user", f"other{mark}"),
        ("user", f"zed{mark}"),
        ("group", f"anna{mark}-team"),
    ]
    assert found[0].display_name == f"Zed {mark}"
    assert found[0].principal_id.startswith("activedirectory_user://")
    assert found[3].principal_id.startswith("activedirectory_group://")
    assert await corp.search(f"nna{mark}", limit=10) == []


async def test_search_result_is_bounded_by_request_and_setting(
    make_provider: MakeProvider, samba: Samba
) -> None:
    mark = uuid.uuid4().hex[:8]
    ou = f"OU=found-{mark},{BASE}"
    samba.add([f"dn: {ou}\nobjectClass: organizationalUnit\n"])
    samba.add([user_record(f"f{mark}{number:03d}", base=ou) for number in range(30)])
    samba.add([group_record(f"f{mark}g{number:03d}", base=ou) for number in range(30)])
    corp = await make_provider(user_base=ou, group_base=ou, search_limit=20)
    for limit in (1, 7, 20, 1000):
        assert len(await corp.search(f"f{mark}", limit=limit)) == min(limit, 20)
    kinds = [one.kind for one in await corp.search(f"f{mark}", limit=20)]
    assert (kinds.count("user"), kinds.count("group")) == (10, 10)
    assert await corp.search(f"f{mark}", limit=0) == []


@pytest.mark.parametrize(
    "text", ["*", "*)(objectClass=*", "a*b", "\\2a", "(", ")", "\\", "\0", "\ud800", "x" * 3000]
)
async def test_search_text_is_no_wildcard_or_filter(corp: DirectoryProvider, text: str) -> None:
    assert await corp.search(text, limit=10) == []


async def test_search_without_text_returns_limit_results(corp: DirectoryProvider) -> None:
    assert len(await corp.search("", limit=3)) == 3


async def test_entry_is_found_by_its_distinguished_name(
    corp: DirectoryProvider, samba: Samba
) -> None:
    user, group = samba.create_user(), samba.create_group()
    for name, kind in ((user, "user"), (group, "group")):
        found = await corp.named(dn_of(name).lower())
        assert found is not None
        assert (found.name, found.kind) == (name, kind)
        [searched] = await corp.search(name, limit=2)
        assert found.principal_id == searched.principal_id
    for other in (BASE, dn_of("absent")):
        assert await corp.named(other) is None
    with pytest.raises(ProviderUnavailable, match="invalidDNSyntax"):
        await corp.named("no distinguished name")
