"""Names that are never usernames."""

from hypothesis import given
from hypothesis import strategies as st

from config.exact_names import is_exact
from management.identity.users import checked_username, random_id


def test_ids_and_principals_are_exact_names() -> None:
    assert is_exact(random_id("u"))
    assert is_exact("github_user://42")
    assert not is_exact("u-turn")
    assert not is_exact("repo:acme/app")


@given(st.one_of(st.text(), st.from_regex(r"u-[a-z2-7]{9,11}", fullmatch=True)))
def test_name_of_a_local_user_is_never_exact(name: str) -> None:
    try:
        given = checked_username(name)
    except ValueError:
        return
    assert not is_exact(given)
