"""Wrong encryption keys are found out at the start, not in the middle of a request."""

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.encryption import Keyring, Undecryptable
from store.interfaces import KeyMismatch
from store.tables import clusters, providers, secrets

_NAME = "keyring-check"
_CONTEXT = f"secrets.value/{_NAME}"
_CHECK = secrets.c.name == _NAME


async def check_keys(connection: AsyncConnection, keyring: Keyring, shown: str) -> None:
    """Open the check value with the keys we have; make it where there is none yet.

    Writes in either case: a database that can't be written to is found out now, too. Raises
    KeyMismatch.
    """
    value = (await connection.execute(select(secrets.c.value).where(_CHECK))).scalar_one_or_none()
    if value is None:
        await connection.execute(insert(secrets).values(name=_NAME, value=_sealed(keyring)))
        return
    try:
        keyring.decrypt(value, _CONTEXT)
    except Undecryptable:
        raise KeyMismatch(
            f"none of the encryption keys opens {shown}: "
            "configure the key it was made with (store.encryption_keys_file)"
        ) from None
    await _check_credentials(connection, keyring, shown)
    await connection.execute(update(secrets).where(_CHECK).values(value=value))


async def renew_check(connection: AsyncConnection, keyring: Keyring) -> None:
    """Encrypt the check value with the first key."""
    await connection.execute(update(secrets).where(_CHECK).values(value=_sealed(keyring)))


async def _check_credentials(connection: AsyncConnection, keyring: Keyring, shown: str) -> None:
    """A key may have been taken away before everything that it encrypted was rotated."""
    columns = (clusters.c.name, clusters.c.impersonator_token, clusters.c.controller_token)
    for name, *envelopes in await connection.execute(select(*columns)):
        if not all(keyring.knows(envelope) for envelope in envelopes if envelope is not None):
            raise KeyMismatch(
                f"no encryption key opens the credentials of cluster {name} in {shown}: put the "
                "key that is missing back (store.encryption_keys_file), then rotate"
            )
    # A principal's secret that doesn't open is had again at the next sign-in, so it may be missing
    # from the keyring; a provider's settings may not.
    columns_of_provider = (providers.c.name, providers.c.settings)
    for name, envelope in await connection.execute(select(*columns_of_provider)):
        if not keyring.knows(envelope):
            raise KeyMismatch(
                f"no encryption key opens the settings of provider {name} in {shown}: put the "
                "key that is missing back (store.encryption_keys_file), then rotate"
            )


def _sealed(keyring: Keyring) -> bytes:
    return keyring.encrypt("sekisho", _CONTEXT)
