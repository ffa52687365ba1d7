"""Stamping an identity."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impersonation.identity import Group, Identity, Subject
from impersonation.outbound import Inexpressible, header_block, request_id_line, subject_of

ALICE = Identity(
    user_id="u-abcdefghij",
    username="alice",
    provider="local",
    principal_id="local://u-abcdefghij",
    groups=(Group("github_team://42", "acme/ops"),),
)


def test_the_block_says_who_and_nothing_else() -> None:
    assert header_block(subject_of(ALICE, "u-abcdefghij")) == (
        b"Impersonate-User: u-abcdefghij\r\n"
        b"Impersonate-Uid: u-abcdefghij\r\n"
        b"Impersonate-Group: github_team://42\r\n"
        b"Impersonate-Group: system:authenticated\r\n"
        b"Impersonate-Group: sekisho:authenticated\r\n"
        b"Impersonate-Extra-Username: alice\r\n"
        b"Impersonate-Extra-Principalid: local://u-abcdefghij\r\n"
    )


def test_only_an_administrator_is_in_the_administrators_group() -> None:
    import dataclasses

    admin = dataclasses.replace(ALICE, administrator=True)
    assert "sekisho:administrators" in subject_of(admin, "u").groups
    assert "sekisho:administrators" not in subject_of(ALICE, "u").groups


def test_extra_keys_are_percent_encoded() -> None:
    block = header_block(Subject("a", extra={"acme.com/project": ("x",)}))
    assert b"Impersonate-Extra-Acme.com%2fproject: x\r\n" in block


@pytest.mark.parametrize(
    "value", ["", " a", "a ", "a\r\nImpersonate-Group: system:masters", "a\0b"]
)
def test_a_value_that_would_not_arrive_as_it_is_refuses_the_identity(value: str) -> None:
    for subject in (
        Subject(value),
        Subject("a", uid=value),
        Subject("a", groups=(value,)),
        Subject("a", extra={"k": (value,)}),
    ):
        with pytest.raises(Inexpressible):
            header_block(subject)


@given(user=st.text(), group=st.text(), extra=st.text())
def test_no_name_makes_a_header_line_of_its_own(user: str, group: str, extra: str) -> None:
    try:
        block = header_block(Subject(user, groups=(group,), extra={"k": (extra,)}))
    except Inexpressible:
        return
    names = [line.split(b": ", 1)[0] for line in block.split(b"\r\n")[:-1]]
    assert names == [b"Impersonate-User", b"Impersonate-Group", b"Impersonate-Extra-K"]
    values = [line.split(b": ", 1)[1].decode() for line in block.split(b"\r\n")[:-1]]
    assert values == [user, group, extra]


@st.composite
def subjects(draw: st.DrawFn) -> bytes:
    """The blocks of subjects that can be expressed."""
    names = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20).filter(
        lambda name: name == name.strip()
    )
    return header_block(
        Subject(
            draw(names),
            uid=draw(st.none() | names),
            groups=tuple(draw(st.lists(names, max_size=4))),
            extra=draw(
                st.dictionaries(
                    names.filter(lambda key: key == key.lower()), st.tuples(names), max_size=3
                )
            ),
        )
    )


@given(subjects())
def test_a_block_is_lines_of_the_family_one_user_first_and_nothing_else(block: bytes) -> None:
    lines = block.split(b"\r\n")
    assert lines.pop() == b""
    names = [line.partition(b": ")[0] for line in lines]
    assert names[0] == b"Impersonate-User"
    assert names.count(b"Impersonate-User") == 1
    assert names.count(b"Impersonate-Uid") <= 1
    for name in names:
        assert name in {b"Impersonate-User", b"Impersonate-Uid", b"Impersonate-Group"} or (
            name.startswith(b"Impersonate-Extra-")
        )
        assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name), "not a token of RFC 9110"
    assert not re.search(rb"[\x00\r\n]", block.replace(b"\r\n", b""))


def test_the_request_id_goes_along_as_an_extra() -> None:
    assert request_id_line("abc-1") == b"Impersonate-Extra-Requestid: abc-1\r\n"
