"""Check the database: reach, schema, encryption keys, sealed records, and its clock."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.errors import UserError
from config.settings import Settings
from proxy.doctor.findings import Finding, error, ok, skipped, warning
from proxy.files.data_dir import KEY_FILE, open_keyring, open_store_with_key
from store.database import SqlStore, database_exists
from store.encrypted_file import holds_secrets
from store.errors import KeyMismatch, SchemaTooNew, SchemaTooOld
from store.locations import Location, locate
from store.order_records import ManagementCluster
from store.records import Cluster, StoredProvider
from store.schema import HEAD

SKEW = timedelta(seconds=2)
"""A difference of clocks that delays nothing. Tokens and leases last much longer."""

SEVERE_SKEW = timedelta(seconds=30)
"""Half of what replicas accept of each other."""

MAX_SHOWN = 5
"""Principals that are named in one finding."""

KEYS = "put the missing key back into store.encryption_keys_file"


_OTHER_REMEDIES = {
    "cluster": "import the cluster again",
    "provider": "add it again",
    "management cluster": "wait: the leader of the cluster requests another token",
}


async def open_for_reading(
    stack: AsyncExitStack, settings: Settings, findings: list[Finding]
) -> SqlStore | None:
    """Open the store until ``stack`` closes, and add findings. None if it cannot be opened.

    The schema is not upgraded, and neither a database nor a key is created.
    """
    location = locate(settings.store_url)
    subject = location.kind
    try:
        if not await database_exists(settings.store_url):
            remedy = "start Sekisho, or run: sekisho admin db upgrade"
            findings.append(warning("store", subject, f"{location.shown} does not exist", remedy))
            return None
        if settings.store.encryption_keys is None and not (settings.data_dir / KEY_FILE).exists():
            findings.append(_without_key(settings.data_dir / KEY_FILE, location))
            return None
        store = await open_store_with_key(settings, open_keyring(settings), upgrade=False)
    except (SchemaTooOld, SchemaTooNew) as exc:
        findings.append(error("schema", subject, str(exc), "see the message"))
        return None
    except KeyMismatch as exc:
        findings.append(error("keys", subject, str(exc), KEYS))
        return None
    except UserError as exc:
        remedy = "see the message, and docs/store.md"
        findings.append(error("store", subject, "; ".join(exc.lines), remedy))
        return None
    stack.push_async_callback(store.close)
    findings.append(ok("store", subject, "responds"))
    findings.append(ok("schema", subject, f"is {HEAD}, the one of this version"))
    return store


def _without_key(key_file: Path, location: Location) -> Finding:
    if location.file is not None and not holds_secrets(location.file):
        return skipped("keys", location.kind, "the first start of Sekisho makes one")
    return error("keys", location.kind, f"{key_file} is missing", f"restore it, or {KEYS}")


async def check_clock(store: SqlStore, kind: str) -> AsyncIterator[Finding]:
    """Yield the difference of this machine's clock and the database's."""
    if kind != "postgresql":
        yield skipped("clock", "database", "has the clock of this machine")
        return
    before = datetime.now(UTC)
    theirs = await store.time()
    after = datetime.now(UTC)
    yield clock_finding("database", max(before - theirs, theirs - after, timedelta()))


def clock_finding(subject: str, difference: timedelta) -> Finding:
    """Return the finding for a difference of clocks, beyond the time of the request."""
    message = f"differs by {difference.total_seconds():.1f} s"
    if difference <= SKEW:
        return ok("clock", subject, "agrees with this machine's")
    level = error if difference > SEVERE_SKEW else warning
    return level("clock", subject, message, "synchronize both clocks, for example by chrony")


def check_sealed_identities(count: int, broken: Sequence[str]) -> Iterator[Finding]:
    """Yield the secrets of users' sign-ins that no key opens, or that all can be opened.

    ``count`` is the number of all. Without its secret, a sign-in is not refreshed at its provider.
    """
    if broken:
        shown = ", ".join(broken[:MAX_SHOWN]) + (", …" if len(broken) > MAX_SHOWN else "")
        message = f"{len(broken)} of {count} secrets of sign-ins cannot be decrypted: {shown}"
        remedy = f"{KEYS}; or let these users sign in again"
        yield warning("keys", "identities", message, remedy)
    else:
        yield ok("keys", "identities", f"open all {count} secrets of sign-ins")


def check_sealed(
    clusters: Sequence[Cluster],
    providers: Sequence[StoredProvider],
    managements: Sequence[ManagementCluster] = (),
) -> Iterator[Finding]:
    """Yield records that no key opens, or that all can be opened."""
    names = {one.id: one.name for one in clusters}
    sealed = [("cluster", one.name, one.unreadable) for one in clusters]
    sealed += [("provider", one.name, one.unreadable) for one in providers]
    sealed += [
        ("management cluster", names.get(one.cluster_id, one.cluster_id), one.unreadable)
        for one in managements
    ]
    broken = [one for one in sealed if one[2]]
    for kind, name, why in broken:
        remedy = f"{KEYS}; or {_OTHER_REMEDIES[kind]}"
        yield error("keys", f"{kind} {name}", f"cannot be decrypted ({why})", remedy)
    if not broken:
        yield ok("keys", "records", f"open all {len(sealed)} sealed records")
