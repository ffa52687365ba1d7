"""Text that a server sends as it arrives, such as a log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxy.cli.client.problems import refused
from proxy.cli.client.server_client import StreamedReply
from proxy.cli.client.server_session import ServerSession, with_query


@asynccontextmanager
async def open_text(
    session: ServerSession, path: str, **params: object
) -> AsyncIterator[StreamedReply]:
    """Send GET and yield a successful response, whose ``pieces`` may take any time.

    Parameters that are None are left out. Raises Refused, and Unreachable also from ``pieces``.
    """
    url = with_query(path, params)
    async with session.client.stream(url, token=session.token) as stream:
        if stream.refused is not None:
            raise refused(stream.refused, session.server, from_variable=session.from_variable)
        yield stream
