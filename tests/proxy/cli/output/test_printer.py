"""Formats of objects, lists and changes."""

import json
from collections.abc import AsyncIterator

import pytest
import yaml

from proxy.cli.client.server_session import Change
from proxy.cli.output.columns import Column, Item, Kind, time_of
from proxy.cli.output.printer import BATCH, Format, Printer

THING = Kind("thing", (Column("NAME", "name"), Column("ON", "on"), Column("MORE", "x", wide=True)))


async def items(*made: Item) -> AsyncIterator[Item]:
    for one in made:
        yield one


async def printed(capsys: pytest.CaptureFixture[str], printer: Printer, *made: Item) -> str:
    await printer.rows(THING, items(*made))
    return capsys.readouterr().out


@pytest.mark.parametrize("count", [0, 1, 2, BATCH, BATCH + 1])
async def test_list_is_valid_in_every_format(
    capsys: pytest.CaptureFixture[str], count: int
) -> None:
    made = [{"name": f"n{number}", "on": True, "x": "ü\x1b"} for number in range(count)]
    assert json.loads(await printed(capsys, Printer("json"), *made)) == made
    assert yaml.safe_load(await printed(capsys, Printer("yaml"), *made)) == made
    names = (await printed(capsys, Printer("name"), *made)).split()
    assert names == [f"thing/{one['name']}" for one in made]
    lines = (await printed(capsys, Printer("table"), *made)).splitlines()
    assert lines[0].split() == ["NAME", "ON"]
    assert len(lines) == count + 1
    assert "MORE" in await printed(capsys, Printer("wide"), *made)


@pytest.mark.parametrize("form", ["table", "wide", "json", "yaml", "name"])
async def test_control_characters_of_others_are_not_printed(
    capsys: pytest.CaptureFixture[str], form: Format
) -> None:
    text = await printed(capsys, Printer(form), {"name": "a\x1b[2J\x9b\u202eb\x7f", "x": "\x07"})
    assert not {"\x1b", "\x9b", "\u202e", "\x7f", "\x07"} & set(text)


async def test_table_is_cut_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    long = {"name": "n" * 200, "on": False}
    assert "…" in await printed(capsys, Printer("table", 40), long)
    assert "n" * 200 in await printed(capsys, Printer("wide", 40), long)
    assert "n" * 200 in await printed(capsys, Printer("table"), long)


async def test_changes_are_printed_as_they_arrive(capsys: pytest.CaptureFixture[str]) -> None:
    async def changes() -> AsyncIterator[Change]:
        yield Change("added", {"name": "a", "on": True})
        yield Change("synced", {})
        assert capsys.readouterr().out.splitlines()[-1].split() == ["added", "a", "yes"]
        yield Change("deleted", {"name": "a", "on": True})

    await Printer("table").changes(THING, changes())
    assert capsys.readouterr().out.split() == ["deleted", "a", "yes"]


async def test_names_and_times_are_cut_after_texts(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (Column("NAME", "name"), Column("ENDS", time_of("ends")), Column("TEXT", "text"))
    item = {"name": "session-4faev6gjba", "ends": "2026-12-01T09:20:46+00:00", "text": "x " * 50}
    await Printer("table", 60).rows(Kind("token", columns), [item])
    shown = capsys.readouterr().out.splitlines()[1]
    assert shown.startswith("session-4faev6gjba  2026-12-01 ")
    assert columns[1].cell(item) in shown
    assert shown.endswith("…")
    assert len(shown) <= 60
