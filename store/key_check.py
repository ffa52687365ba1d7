"""Detect wrong encryption keys at the start, before any request."""

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from config.loggers import get_logger
from store.encryption import Keyring, Undecryptable
from store.errors import KeyMismatch
from store.sealed_values import sealing_context
from store.tables import clusters, management_clusters, orders, providers, secrets

_LOG = get_logger(__name__)
_NAME = "keyring-check"
_CONTEXT = sealing_context(secrets.c.value, _NAME)
_CHECK = secrets.c.name == _NAME

_BY_RECORD = (
    ("provider", "settings of provider", providers.c.name, providers.c.settings),
    (
        "management cluster",
        "token of management cluster",
        management_clusters.c.cluster_id,
        management_clusters.c.token,
    ),
    ("order", "variables of order", orders.c.name, orders.c.variables),
)
"""Encrypted values that only their own record needs."""


async def check_keys(connection: AsyncConnection, keyring: Keyring, shown: str) -> None:
    """Decrypt the check value with the keys, or create it.

    Writes in both cases, to detect a read-only database as well. Raises KeyMismatch.
    """
    value = await refuse_other_keys(connection, keyring, shown)
    if value is None:
        await connection.execute(insert(secrets).values(name=_NAME, value=_sealed(keyring)))
        return
    await connection.execute(update(secrets).where(_CHECK).values(value=value))


async def refuse_other_keys(
    connection: AsyncConnection, keyring: Keyring, shown: str
) -> bytes | None:
    """Decrypt the check value with the keys, and return its envelope; None if there is none.

    Writes nothing. Raises KeyMismatch.
    """
    value: bytes | None = (
        await connection.execute(select(secrets.c.value).where(_CHECK))
    ).scalar_one_or_none()
    if value is None:
        return None
    try:
        keyring.decrypt(value, _CONTEXT)
    except Undecryptable:
        raise KeyMismatch(
            f"none of the encryption keys opens {shown}: "
            "configure the key it was made with (store.encryption_keys_file)"
        ) from None
    await _check_credentials(connection, keyring, shown)
    return value


async def _check_credentials(connection: AsyncConnection, keyring: Keyring, shown: str) -> None:
    """Check that no value still needs a key that was removed."""
    columns = (clusters.c.name, clusters.c.impersonator_token, clusters.c.controller_token)
    rows = (await connection.execute(select(*columns))).all()
    closed = [
        name
        for name, *envelopes in rows
        if not all(keyring.knows(envelope) for envelope in envelopes if envelope is not None)
    ]
    if closed and len(closed) == len(rows):
        raise KeyMismatch(_missing(f"credentials of cluster {closed[0]}", shown))
    for name in closed:  # The others can be used without it.
        _LOG.error(
            "cluster can't be used",
            cluster=name,
            error=_missing(f"credentials of cluster {name}", shown),
        )
    # The next sign-in replaces a principal's undecryptable secret. Other undecryptable values make
    # only their own record unavailable, without effect on others.
    for kind, of_record, name_column, value_column in _BY_RECORD:
        for name, envelope in await connection.execute(select(name_column, value_column)):
            if not keyring.knows(envelope):
                missing = _missing(f"{of_record} {name}", shown)
                _LOG.error(f"{kind} can't be used", **{kind.replace(" ", "_"): name}, error=missing)


def _missing(what: str, shown: str) -> str:
    return (
        f"no encryption key opens the {what} in {shown}: put the key that is missing back "
        "(store.encryption_keys_file), then rotate"
    )


def _sealed(keyring: Keyring) -> bytes:
    return keyring.encrypt("sekisho", _CONTEXT)
