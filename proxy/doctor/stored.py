"""Check the database: reach, schema, encryption keys, sealed records, and its clock."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
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
from store.schema import HEAD
from store.sealed_values import SealedTable

SKEW = timedelta(seconds=2)
"""A difference of clocks that delays nothing. Tokens and leases last much longer."""

SEVERE_SKEW = timedelta(seconds=30)
"""Half of what replicas accept of each other."""

MAX_SHOWN = 5
"""Principals that are named in one finding."""

KEYS = "put the missing key back into store.encryption_keys_file"


@dataclass(frozen=True, slots=True)
class SealedKind:
    """Records with encrypted values. ``remedy`` is what helps if their key is lost.

    ``summarized``: there are many, and each is replaced in use, so that one finding is a warning
    about all of them.
    """

    name: str
    remedy: str
    summarized: str = ""


SEALED = {
    "answers": SealedKind(
        "stored response", "wait for a day, after which they are deleted", "stored responses"
    ),
    "clusters": SealedKind("cluster", "import the cluster again"),
    "management_clusters": SealedKind(
        "management cluster", "wait: the leader of the cluster requests another token"
    ),
    "orders": SealedKind(
        "order", "remove it with --infrastructure keep, and adopt its Cluster, which has the values"
    ),
    # Without its secret, a sign-in is not refreshed at its provider.
    "principals": SealedKind("sign-in", "let these users sign in again", "secrets of sign-ins"),
    "providers": SealedKind("provider", "add it again"),
    "secrets": SealedKind("secret", "restore a backup"),
}
"""What to do about the records of each table with encrypted values."""


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


def check_sealed(tables: Sequence[SealedTable], names: Mapping[str, str]) -> Iterator[Finding]:
    """Yield records with values that no key opens, or that all can be opened.

    ``names`` are those of clusters, by id.
    """
    for table in tables:
        kind = SEALED[table.table]
        remedy = f"{KEYS}; or {kind.remedy}"
        if kind.summarized and table.closed:
            shown = ", ".join(name for name, _ in table.closed[:MAX_SHOWN])
            more = ", …" if table.closed_count > MAX_SHOWN else ""
            message = f"{table.closed_count} of {table.count} {kind.summarized} cannot be decrypted"
            yield warning("keys", table.table, f"{message}: {shown}{more}", remedy)
            continue
        for name, why in table.closed:
            subject = f"{kind.name} {names.get(name, name)}"
            yield error("keys", subject, f"cannot be decrypted ({why})", remedy)
        if table.closed_count > len(table.closed):
            others = f"{table.closed_count - len(table.closed)} others cannot be decrypted"
            yield error("keys", table.table, others, remedy)
    if not any(one.closed for one in tables):
        count = sum(one.count for one in tables)
        yield ok("keys", "records", f"open all {count} sealed records")
