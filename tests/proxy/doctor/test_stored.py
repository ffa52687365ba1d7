"""Findings about clocks and sealed records."""

from datetime import timedelta

import pytest

from proxy.doctor.findings import Status
from proxy.doctor.stored import (
    check_clock,
    check_sealed,
    check_sealed_identities,
    clock_finding,
)
from store.database import SqlStore
from tests.store import conftest
from tests.store.direct_access import execute
from tests.store.order_records import a_management
from tests.store.principals import LOCAL
from tests.store.records import NOW, a_cluster, a_user

keyring = conftest.keyring
url = conftest.url
store = conftest.store


@pytest.mark.parametrize(
    ("seconds", "status"), [(0, Status.OK), (2, Status.OK), (5, Status.WARNING), (60, Status.ERROR)]
)
def test_difference_of_clocks_is_judged_by_what_it_breaks(seconds: int, status: Status) -> None:
    assert clock_finding("database", timedelta(seconds=seconds)).status is status


async def test_clock_of_the_database_of_this_machine_agrees(store: SqlStore, url: str) -> None:
    kind = url.partition(":")[0]
    found = [one async for one in check_clock(store, kind)]
    expected = Status.SKIPPED if kind == "sqlite" else Status.OK
    assert [one.status for one in found] == [expected]


def test_record_that_no_key_opens_is_an_error_of_its_own() -> None:
    clusters = [a_cluster(), a_cluster("broken", unreadable="no key opens it")]
    managements = [a_management("broken", unreadable="no key opens it"), a_management("prod")]
    found = list(check_sealed(clusters, [], managements))
    assert {one.status for one in found} == {Status.ERROR}
    assert [one.subject for one in found] == ["cluster broken", "management cluster broken"]


async def test_secret_of_a_sign_in_that_no_key_opens_is_a_warning(
    store: SqlStore, url: str
) -> None:
    for name in ("alice", "bob"):
        await store.users.create(a_user(name))
        await store.identities.seen(f"local://u-{name}", NOW, "refresh-me")
    [found] = check_sealed_identities(*await store.identities.sealed())
    assert (found.status, found.message) == (Status.OK, "open all 2 secrets of sign-ins")
    await execute(
        url,
        "UPDATE principals SET secret = (SELECT secret FROM principals WHERE id = 'local://u-bob') "
        f"WHERE id = '{LOCAL}'",
    )
    [found] = check_sealed_identities(*await store.identities.sealed())
    assert found.status is Status.WARNING
    assert f"1 of 2 secrets of sign-ins cannot be decrypted: {LOCAL}" in found.message
