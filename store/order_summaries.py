"""Read orders without the values of their variables."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.order_records import OrderSummary
from store.order_rows import SUMMARY_COLUMNS, summary_of
from store.tables import orders


async def find_summary(
    connection: AsyncConnection, order_id: str, *, lock: bool = False
) -> OrderSummary | None:
    """Return the order with that id. Nothing is decrypted."""
    wanted = select(*SUMMARY_COLUMNS).where(orders.c.id == order_id)
    if lock:
        wanted = wanted.with_for_update()
    row = (await connection.execute(wanted)).one_or_none()
    return None if row is None else summary_of(row)
