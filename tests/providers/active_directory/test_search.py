"""Finding people and groups in a real Active Directory, by the beginning of a name."""

import uuid

import pytest

from providers.active_directory import ActiveDirectoryProvider
from tests.parts.samba import BASE, Samba, group_record, user_record
from tests.providers.active_directory.conftest import Providing


async def test_people_and_groups_are_found_by_how_their_names_begin(
    corp: ActiveDirectoryProvider, samba: Samba
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


async def test_a_search_finds_as_many_as_asked_for_and_no_more_than_configured(
    providing: Providing, samba: Samba
) -> None:
    mark = uuid.uuid4().hex[:8]
    ou = f"OU=found-{mark},{BASE}"
    samba.add([f"dn: {ou}\nobjectClass: organizationalUnit\n"])
    samba.add([user_record(f"f{mark}{number:03d}", base=ou) for number in range(30)])
    samba.add([group_record(f"f{mark}g{number:03d}", base=ou) for number in range(30)])
    corp = await providing(user_base=ou, group_base=ou, search_limit=20)
    for limit in (1, 7, 20, 1000):
        assert len(await corp.search(f"f{mark}", limit=limit)) == min(limit, 20)
    kinds = [one.kind for one in await corp.search(f"f{mark}", limit=20)]
    assert (kinds.count("user"), kinds.count("group")) == (10, 10)
    assert await corp.search(f"f{mark}", limit=0) == []


@pytest.mark.parametrize(
    "text", ["*", "*)(objectClass=*", "a*b", "\\2a", "(", ")", "\\", "\0", "\ud800", "x" * 3000]
)
async def test_nothing_that_is_typed_is_a_wildcard_or_a_filter(
    corp: ActiveDirectoryProvider, text: str
) -> None:
    assert await corp.search(text, limit=10) == []


async def test_no_text_finds_anybody_up_to_the_limit(corp: ActiveDirectoryProvider) -> None:
    assert len(await corp.search("", limit=3)) == 3
