"""Tests of the ``Impersonate-*`` header block."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impersonation.identity import Group, Identity, Subject
from impersonation.impersonate_headers import (
    UnrepresentableIdentity,
    impersonation_headers,
    request_id_line,
    subject_of,
)

ALICE = Identity(
    user_id="u-abcdefghij",
    username="alice",
    provider="local",
    principal_id="local://u-abcdefghij",
    groups=(Group("github_team://42", "acme/ops"),),
)


def test_impersonation_headers_contain_the_subject_only() -> None:
    assert impersonation_headers(subject_of(ALICE, "u-abcdefghij")) == (
        b"Impersonate-User: u-abcdefghij\r\n"
        b"Impersonate-Uid: u-abcdefghij\r\n"
        b"Impersonate-Group: github_team://42\r\n"
        b"Impersonate-Group: system:authenticated\r\n"
        b"Impersonate-Group: sekisho:authenticated\r\n"
        b"Impersonate-Extra-Username: alice\r\n"
        b"Impersonate-Extra-Principalid: local://u-abcdefghij\r\n"
    )


def test_subject_of_an_administrator_only_has_the_administrators_group() -> None:
    import dataclasses

    admin = dataclasses.replace(ALICE, administrator=True)
    assert "sekisho:administrators" in subject_of(admin, "u").groups
    assert "sekisho:administrators" not in subject_of(ALICE, "u").groups


def test_extra_keys_are_percent_encoded() -> None:
    block = impersonation_headers(Subject("a", extra={"acme.com/project": ("x",)}))
    assert b"Impersonate-Extra-Acme.com%2fproject: x\r\n" in block


@pytest.mark.parametrize(
    "value", ["", " a", "a ", "a\r\nImpersonate-Group: system:masters", "a\0b"]
)
def test_impersonation_headers_with_a_value_that_would_change_raise(value: str) -> None:
    for subject in (
        Subject(value),
        Subject("a", uid=value),
        Subject("a", groups=(value,)),
        Subject("a", extra={"k": (value,)}),
    ):
        with pytest.raises(UnrepresentableIdentity):
            impersonation_headers(subject)


@given(user=st.text(), group=st.text(), extra=st.text())
def test_impersonation_headers_of_any_names_have_no_extra_line(
    user: str, group: str, extra: str
) -> None:
    try:
        block = impersonation_headers(Subject(user, groups=(group,), extra={"k": (extra,)}))
    except UnrepresentableIdentity:
        return
    names = [line.split(b": ", 1)[0] for line in block.split(b"\r\n")[:-1]]
    assert names == [b"Impersonate-User", b"Impersonate-Group", b"Impersonate-Extra-K"]
    values = [line.split(b": ", 1)[1].decode() for line in block.split(b"\r\n")[:-1]]
    assert values == [user, group, extra]


@st.composite
def subjects(draw: st.DrawFn) -> bytes:
    """Generate header blocks of subjects that can be represented."""
    names = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20).filter(
        lambda name: name == name.strip()
    )
    return impersonation_headers(
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
def test_impersonation_headers_are_lines_of_the_family_with_one_user_first(block: bytes) -> None:
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


def test_request_id_line_is_an_extra() -> None:
    assert request_id_line("abc-1") == b"Impersonate-Extra-Requestid: abc-1\r\n"
