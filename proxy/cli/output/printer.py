"""Print objects, lists and changes in the format that the user chose."""

import json
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import click

from proxy.cli.client.server_session import Change
from proxy.cli.output.columns import Column, Item, Kind, ranks_of
from proxy.cli.output.table import fitted, line_of, measured, width_of

Format = Literal["table", "wide", "json", "yaml", "name"]
FORMATS: tuple[Format, ...] = ("table", "wide", "json", "yaml", "name")

BATCH = 500
"""Rows that are measured and printed together: memory doesn't grow with the list."""


@dataclass(frozen=True, slots=True)
class Printer:
    """Print in one format. ``width`` is that of the terminal; None: not a terminal."""

    format: Format = "table"
    width: int | None = None

    @property
    def _cuts(self) -> bool:
        """Whether cells are cut so that lines fit the terminal."""
        return self.format == "table" and self.width is not None

    async def rows(
        self, kind: Kind, items: AsyncIterator[Item] | Iterable[Item], *, empty: str = ""
    ) -> None:
        """Print a list as it arrives. ``empty`` goes to standard error if there is nothing."""
        if not isinstance(items, AsyncIterator):
            items = _arriving(items)
        if self.format in {"table", "wide"}:
            await self._table(kind, items, empty)
            return
        started = False
        async for item in items:
            if self.format == "json":
                _write([("," if started else "[") + "\n" + _indented(_json(item))], end="")
            elif self.format == "yaml":
                _write([_yaml([dict(item)])], end="")
            else:
                _write([kind.name_of(item)])
            started = True
        if self.format == "json":
            _write(["\n]" if started else "[]"])
        elif self.format == "yaml" and not started:
            _write(["[]"])

    def one(self, kind: Kind, item: Item) -> None:
        """Print one object, with all its columns."""
        if self.format in {"table", "wide"}:
            pairs = [(one.heading, one.cell(item)) for one in kind.shown(wide=True)]
            longest = max(len(heading) for heading, _ in pairs)
            _write(f"{heading + ':':<{longest + 3}}{text}".rstrip() for heading, text in pairs)
        else:
            self._document(kind, item)

    def done(self, message: str, kind: Kind | None = None, item: Item | None = None) -> None:
        """Print what was done: a sentence, or the object in the formats for programs."""
        if self.format in {"table", "wide"} or item is None:
            _write([message])
        elif kind is not None:
            self._document(kind, item)

    async def changes(self, kind: Kind, changes: AsyncIterator[Change]) -> None:
        """Print a list and then its changes, until the stream ends."""
        columns = (Column("EVENT", "event"), *kind.shown(wide=self.format == "wide"))
        widths: list[int] = []
        waiting: list[Item] = []
        async for change in changes:
            if self.format not in {"table", "wide"}:
                if change.kind != "synced":
                    self._change(kind, change)
                continue
            if change.kind != "synced":
                waiting.append({**change.item, "event": change.kind})
            # The first rows are laid out together, when the server has sent all that exist.
            if widths or change.kind == "synced" or len(waiting) >= BATCH:
                widths = self._lines(kind, columns, waiting, widths)
                waiting = []

    async def stream(self, kind: Kind, items: AsyncIterator[Item]) -> None:
        """Print each item when it arrives, until the stream ends."""
        columns = kind.shown(wide=self.format == "wide")
        widths = [width_of(one.heading) for one in columns]
        if self.format in {"table", "wide"}:
            _write([line_of([one.heading for one in columns], widths, cut=False)])
        async for item in items:
            if self.format == "json":
                _write([_json(item, None)])
            elif self.format == "yaml":
                _write(["---\n" + _yaml(dict(item))], end="")
            elif self.format == "name":
                _write([kind.name_of(item)])
            else:
                row = [one.cell(item) for one in columns]
                widths = fitted(measured([row], widths), self.width, ranks_of(kind, columns, [row]))
                _write([line_of(row, widths, cut=self._cuts)])

    async def _table(self, kind: Kind, items: AsyncIterator[Item], empty: str) -> None:
        columns = kind.shown(wide=self.format == "wide")
        widths: list[int] = []
        batch: list[Item] = []
        async for item in items:
            batch.append(item)
            if len(batch) >= BATCH:
                widths, batch = self._lines(kind, columns, batch, widths), []
        if batch or widths or not empty:
            self._lines(kind, columns, batch, widths)
        else:
            click.echo(empty, err=True)

    def _lines(
        self, kind: Kind, columns: tuple[Column, ...], items: list[Item], widths: list[int]
    ) -> list[int]:
        """Print rows; before the first ones, the headings. Return the columns' widths."""
        rows = [[one.cell(item) for one in columns] for item in items]
        headings = [] if widths else [[one.heading for one in columns]]
        cut = self.width if self._cuts else None
        if not widths or cut is None:
            least = widths or [width_of(one.heading) for one in columns]
            widths = fitted(measured(rows, least), cut, ranks_of(kind, columns, rows))
        _write(line_of(row, widths, cut=cut is not None) for row in [*headings, *rows])
        return widths

    def _document(self, kind: Kind, item: Item) -> None:
        if self.format == "json":
            _write([_json(item)])
        elif self.format == "yaml":
            _write([_yaml(dict(item))], end="")
        else:
            _write([kind.name_of(item)])

    def _change(self, kind: Kind, change: Change) -> None:
        if self.format == "name":
            _write([f"{kind.name_of(change.item)} {change.kind}"])
            return
        value = {"event": change.kind, "object": dict(change.item)}
        if self.format == "json":
            _write([_json(value, None)])
        else:
            _write(["---\n" + _yaml(value)], end="")


async def _arriving(items: Iterable[Item]) -> AsyncIterator[Item]:
    for item in items:
        yield item


def terminal_width() -> int | None:
    """Return the width of the terminal. None if standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _write(lines: Iterable[str], end: str = "\n") -> None:
    text = "\n".join(lines)
    if text:
        click.echo(text + end, nl=False)


def _json(value: Item, indent: int | None = 2) -> str:
    """Return JSON in which control characters, which a terminal would obey, are escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _UNUSUAL.sub(lambda found: _escaped(found[0]), text)


_UNUSUAL = re.compile(r"[^\n\x20-\x7e]")


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else json.dumps(letter)[1:-1]


def _indented(text: str) -> str:
    return "  " + text.replace("\n", "\n  ")


def _yaml(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, default_flow_style=False)
    return text
