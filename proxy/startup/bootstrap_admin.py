"""Create the first administrator of an empty store."""

import asyncio

import click

from management.identity.local_passwords import given_password
from management.identity.users import FIRST_ADMINISTRATOR, ensure_administrator, one_time_password
from providers.local import hash_password
from store.interfaces import Store


async def bootstrap_admin(store: Store) -> None:
    """Create the first administrator, and print the password: to standard output, never a log."""
    password = one_time_password()
    if await store.users.has_any():
        return
    password_hash = await asyncio.to_thread(hash_password, password)
    if await ensure_administrator(store, given_password(FIRST_ADMINISTRATOR, password_hash)):
        click.echo(
            "Created the first administrator. This is shown once:\n"
            f"  user name: {FIRST_ADMINISTRATOR}\n  one-time password: {password}\n"
            "  Choose your own password with it within 24 hours. After that, run:\n"
            f"  sekisho admin user set-password {FIRST_ADMINISTRATOR} --password-stdin"
        )
