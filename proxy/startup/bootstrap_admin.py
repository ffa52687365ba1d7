"""The administrator of a store in which there is nobody yet."""

import asyncio

import click

from management.users import ensure_administrator, one_time_password
from providers.local import hash_password
from store.interfaces import Store


async def first_administrator(store: Store) -> None:
    """Make the first administrator, and print the password on standard output: never in a log."""
    password = one_time_password()
    if await store.users.anybody():
        return
    password_hash = await asyncio.to_thread(hash_password, password)
    if await ensure_administrator(store, password, password_hash) is not None:
        click.echo(
            "Made the first administrator. This is shown once:\n"
            f"  user name: admin\n  one-time password: {password}"
        )
