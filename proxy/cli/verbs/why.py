"""``sekisho why``: why a request was refused."""

import asyncio

import click

from proxy.cli.client.problems import Refused
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.common import CommandFailed, warn
from proxy.cli.output.columns import Column, Kind, time_of
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.verbs.who_can import steps_text

ATTEMPTS = 5
"""How often a request is looked up. The server stores events a second or two after the request."""

PAUSE_SECONDS = 1.0
"""The time between two look-ups."""


def _missing(item: Item) -> str:
    return "; ".join(one["text"] for one in item["missing"])


def _roles(item: Item) -> str:
    return ", ".join(f"{one['name']} (in the {one['scope']})" for one in item["roles"])


def _granters(item: Item) -> str:
    found = item["granters"]
    if not found:
        return ""
    names = f": {', '.join(found['names'])}" if found["names"] else ""
    return f"{found['text']}{names}"


def _by_now(item: Item) -> str:
    chain = item["chain"]
    if not item["allowed_now"]:
        return ""
    return f"yes, by {steps_text(chain['steps'][1:])}" if chain else "yes"


WHY = Kind(
    "request",
    (
        Column("REQUEST", "request"),
        Column("CLUSTER", "cluster_name"),
        Column("USER", "username"),
        Column("AT", time_of("time")),
        Column("STATUS", "code"),
        Column("REFUSED BY", "refused_by"),
        Column("WHY", "text"),
        Column("MESSAGE", "message"),
        Column("MISSING", _missing),
        Column("ALLOWED BY NOW", _by_now),
        Column("ROLES WITH IT", _roles),
        Column("WHO MAY GRANT IT", _granters),
        Column("WHAT TO DO", "remedy"),
        Column("REQUEST ID", "request_id"),
    ),
    name="request_id",
)


@click.command()
@click.argument("request_id", required=False, metavar="[REQUEST-ID]")
@server_command
@printed
async def why(session: ServerSession, printer: Printer, request_id: str | None) -> None:
    """Explain why a request was refused. Without an id: your last refused one.

    A refusal's message contains the id; for kubectl, Sekisho adds a warning with it to the
    cluster's own refusals. The explanation says what refused, which rule is missing, the smallest
    role that has it, and who may grant it.
    """
    item = await _explained(session, request_id or await _last(session))
    if printer.format in {"table", "wide"}:
        filled = tuple(one for one in WHY.columns if one.cell(item))
        printer.one(Kind(WHY.noun, filled, WHY.name), item)
        for line in item["gaps"]:
            warn(line)
    else:
        printer.one(WHY, item)


async def _last(session: ServerSession) -> str:
    """Return the id of the caller's last refused request. Raises CommandFailed without one."""
    user = (await session.get("/v1/me"))["id"]
    page = await session.get("/v1/audit", user=user, outcome="refused", limit=1)
    for item in page.get("items") or ():
        return str(item["request_id"])
    raise CommandFailed("none of your requests that the server remembers was refused")


async def _explained(session: ServerSession, request_id: str) -> Item:
    path = path_of("requests", request_id, "explanation")
    for _ in range(ATTEMPTS - 1):
        try:
            return await session.get(path)
        except Refused as exc:
            if exc.status != 404:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
    return await session.get(path)
