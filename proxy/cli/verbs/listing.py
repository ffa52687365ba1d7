"""Build the ``list`` command of a noun from its declaration."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import click

from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Change, Item, ServerSession
from proxy.cli.common import warn
from proxy.cli.output.columns import Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer

Path = str | Callable[..., Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Filter:
    """An option that is a filter of the API: only items whose field is equal are listed."""

    option: str
    help: str
    parameter: str = ""
    """The API's name. Default: that of the option."""
    choices: tuple[str, ...] = ()

    @property
    def argument(self) -> str:
        """The name of the function's argument."""
        return self.option.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of the API. ``path`` may be a coroutine function of the session and own options."""

    kind: Kind
    path: Path
    sorts: tuple[str, ...] = ("name",)
    filters: tuple[Filter, ...] = ()
    empty: str = ""
    """What to say if nothing is found."""
    options: tuple[click.Parameter, ...] = ()
    """Options and arguments for ``path``."""
    watchable: bool = True
    plain: bool = False
    """The API's list has no pages, sorting and search."""
    notes: Callable[[Item], Iterable[str]] | None = None
    """What a page says about the whole list, as warnings. The first page counts."""

    def at(self, path: Path, options: tuple[click.Parameter, ...]) -> "Listing":
        """Return the same list at another path."""
        return replace(self, path=path, options=options)


def list_command(listing: Listing, summary: str, name: str = "list") -> click.Command:
    """Return the command that prints a list, or watches it."""

    async def run(
        session: ServerSession,
        printer: Printer,
        sort: str | None = None,
        search: str | None = None,
        limit: int | None = None,
        watch: bool = False,
        **options: Any,
    ) -> None:
        filters = {
            one.parameter or one.option: options.pop(one.argument) for one in listing.filters
        }
        path = listing.path
        if not isinstance(path, str):
            path = await path(session, **options)
        params = {"sort": sort, "search": search, **filters}
        if watch and limit is not None:
            raise click.UsageError("--limit is for a list; a watched one has no end")
        noted = Notes(listing)
        if watch:
            changes = noted.synced(session.watch(path, key=listing.kind.key, **params))
            await printer.changes(listing.kind, changes)
        else:
            plain = {"limit": None} if listing.plain else {}
            items = session.list(path, on_page=noted.page, **params, **plain)
            narrowed = search is not None or any(one is not None for one in filters.values())
            empty = "Nothing matches." if narrowed else listing.empty
            await printer.rows(listing.kind, first(items, limit), empty=empty)
            noted.print()

    command = click.Command(name, callback=server_command(printed(run)), help=summary)
    command.params = [*listing.options, *_options(listing), *_parameters_of(command.callback)]
    return command


class Notes:
    """What the server says about a whole list, printed once as warnings."""

    def __init__(self, listing: Listing) -> None:
        self._of = listing.notes
        self._lines: tuple[str, ...] | None = None

    def page(self, page: Item) -> None:
        """Take a page, or the facts of a complete stream. Only the first counts."""
        if self._of is not None and self._lines is None:
            self._lines = tuple(self._of(page))

    async def synced(self, changes: AsyncIterator[Change]) -> AsyncIterator[Change]:
        """Yield the changes of a watched list, and print the notes when it is complete."""
        async for change in changes:
            yield change
            if change.kind == "synced":
                self.page(change.item)
                self.print()

    def print(self) -> None:
        """Print the notes."""
        for line in self._lines or ():
            warn(line)


async def first(items: AsyncIterator[Item], limit: int | None) -> AsyncIterator[Item]:
    """Yield at most ``limit`` items; None: all."""
    count = 0
    async for item in items:
        yield item
        count += 1
        if count == limit:
            return


def _options(listing: Listing) -> list[click.Parameter]:
    sorts = ", ".join(one.removeprefix("-") for one in listing.sorts)
    made: list[click.Parameter] = [
        click.Option(
            [f"--{one.option}"],
            help=one.help,
            type=click.Choice(one.choices) if one.choices else None,
        )
        for one in listing.filters
    ]
    if listing.plain:
        return made
    made += [
        click.Option(["--search"], metavar="TEXT", help="List only what contains this text."),
        click.Option(
            ["--sort"], metavar="FIELD", help=f"Order by {sorts}; -FIELD for descending order."
        ),
        click.Option(["--limit"], type=click.IntRange(min=1), help="List at most so many."),
    ]
    if listing.watchable:
        made.append(
            click.Option(["--watch", "-w"], is_flag=True, help="Show changes until Ctrl-C.")
        )
    return made


def _parameters_of(callback: object) -> list[click.Parameter]:
    """Return the parameters that decorators have added to a function, in order."""
    return list(reversed(getattr(callback, "__click_params__", [])))
