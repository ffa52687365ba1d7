"""Tests of ``store.url``."""

import inspect
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from asyncpg import connect_utils
from hypothesis import given
from hypothesis import strategies as st

from store.errors import StoreError
from store.locations import Host, Location, locate

SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=8, max_size=20)
NAMES = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=7)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://u:pw@h/x", "mysql:// is not supported"),
        ("nonsense", "not a database URL"),
        ("sqlite://", "must name a file"),
        ("sqlite:///x.db?mode=ro", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite://var/x.db", "four slashes"),
        ("postgresql://u:pw@h:port/x", "not a database URL"),
        ("postgresql://u:pw@h/x?sslmode=yes", "sslmode must be one of disable"),
        ("postgresql+psycopg://u:pw@h/x", r"postgresql\+psycopg:// is not supported"),
        ("", "not a database URL"),
        ("postgresql://u:pw@h/x?wat=1", "'wat' is not supported"),
        ("postgresql://u:pw@h/x?host=a&host=b", "'host' is there twice"),
        ("postgresql://u:pw@a:1,b:x/y", "a host must be a name, name:port"),
        ("postgresql://u:pw@a,,b/y", "a host must be a name, name:port"),
        ("postgresql://u:pw@a:70000,b/y", "a host must be a name, name:port"),
        ("postgresql://u:pw@/x?host=a,b,c&port=1,2", "3 hosts have 2 ports"),
    ],
)
def test_unusable_url_is_reported_without_its_password(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        locate(url)
    assert "pw" not in str(caught.value)


def test_libpq_parameters_reach_driver() -> None:
    location = locate("postgres://u:p%40w@h:5433/x?sslmode=require")
    assert location.dsn == "postgresql://u:p%40w@h:5433/x?sslmode=require"
    assert location.shown == "the database u@h:5433/x"


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///x.db", "x.db"),
        ("sqlite:///sub/x.db", "sub/x.db"),
        ("sqlite:////var/lib/x.db", "/var/lib/x.db"),
    ],
)
def test_three_slashes_are_relative_and_four_are_absolute(url: str, file: str) -> None:
    assert locate(url).file == Path(file)


def test_required_files_are_listed() -> None:
    location = locate("postgresql://h/x?sslmode=verify-ca&sslrootcert=/etc/ca.pem&sslkey=k")
    assert location.needed == (Path("/etc/ca.pem"), Path("k"))


def test_socket_is_shown_by_its_folder() -> None:
    assert locate("postgresql:///x?host=/run/pg").shown == "the database /x at /run/pg"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u:p@a:1,b/x", (Host("a", 1), Host("b", 5432))),
        ("postgresql://u:p@[::1]:7,b:8/x", (Host("::1", 7), Host("b", 8))),
        ("postgres://u:p@/x?host=a,b&port=1,2", (Host("a", 1), Host("b", 2))),
        ("postgresql://u:p@/x?host=/run/a,b&port=6543", (Host("/run/a", 6543), Host("b", 6543))),
    ],
)
def test_several_hosts_are_listed_and_must_accept_writes(url: str, hosts: tuple[Host, ...]) -> None:
    location = locate(url)
    assert location.hosts == hosts
    assert location.dsn == "postgresql://u:p@/x?target_session_attrs=read-write"
    assert all(f"{host.name}:{host.port}" in location.shown for host in hosts)


def test_session_attributes_of_several_hosts_can_be_chosen() -> None:
    dsn = locate("postgresql://u:p@a,b/x?target_session_attrs=any").dsn
    assert dsn == "postgresql://u:p@/x?target_session_attrs=any"


@given(user=NAMES, password=SECRETS, database=NAMES)
def test_any_password_reaches_driver_unchanged(user: str, password: str, database: str) -> None:
    location = locate(f"postgresql://{user}:{quote(password, safe='')}@db:5433/{database}")
    assert _driver_options(location) == (user, password, database)
    assert password not in location.shown
    assert password not in location.url.render_as_string(hide_password=False)
    assert quote(password) not in location.shown


@given(st.text(max_size=60))
def test_any_text_is_location_or_store_error(text: str) -> None:
    for url in (
        *(text, f"sqlite:///{text}", f"postgresql://{text}", f"postgresql://h/x?{text}"),
        *(f"postgresql://a,{text}/x", f"postgresql:///x?host=a,{text}"),
    ):
        try:
            locate(url)
        except StoreError:
            pass


@given(password=SECRETS, rest=st.sampled_from(["h:port/x", "h/x?wat=1", "h/x?sslmode=x", "h,:p/x"]))
def test_errors_show_no_password(password: str, rest: str) -> None:
    for scheme in ("postgresql", "mysql"):
        with pytest.raises(StoreError) as caught:
            locate(f"{scheme}://u:{quote(password, safe='')}@{rest}")
        with pytest.raises(StoreError) as other:
            locate(f"{scheme}://u:another@{rest}")
        assert str(caught.value) == str(other.value)
        assert "another" not in str(other.value)


@pytest.mark.parametrize("host", ["h:5433", "h"])
def test_password_with_unescaped_at_sign_is_refused_without_showing_it(host: str) -> None:
    with pytest.raises(StoreError, match="write that as %40") as caught:
        locate(f"postgresql://u:first@second@{host}/x")
    assert "second" not in str(caught.value)


def _driver_options(location: Location) -> tuple[str, str, str]:
    """Return user, password and database that asyncpg reads from the URL."""
    read = getattr(connect_utils, "_parse_connect_dsn_and_args")  # noqa: B009 - not in the stubs
    nothing: dict[str, Any] = dict.fromkeys(inspect.signature(read).parameters)
    _, parameters = read(**nothing | {"dsn": location.dsn})
    return parameters.user, parameters.password, parameters.database
