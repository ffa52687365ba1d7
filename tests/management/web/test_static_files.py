"""The static files: their size, what scripts may not do, and how browsers keep them."""

import gzip
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from management.web.pages import SECTIONS
from management.web.static_files import FOLDER, compact, static_files
from tests.support.sekisho import Sekisho


def name_of(script: Path) -> str:
    return script.relative_to(FOLDER).as_posix()


SCRIPTS = sorted(FOLDER.rglob("*.js"))
FRAME = {name_of(one) for one in SCRIPTS if one.parent.name == "frame"}
STATIC = re.compile(r"""^(?:import|export) .*?from "(\.[^"]+)";$""", re.MULTILINE)
DYNAMIC = re.compile(r"""import\("(\.[^"]+)"\)""")

MOST_OF_FRAME = 18_000, 45_000
"""Bytes of what every page needs, as browsers receive them, and as they parse them."""

MOST_OF_VIEW = 32_000, 80_000
"""The same for all that one view of a page loads, the frame included."""

MOST_SCRIPT = 100_000
"""Bytes of all scripts together, as browsers receive them."""


def imported(name: str, pattern: re.Pattern[str]) -> set[str]:
    """Return the modules that a module imports: with it, or when they are needed."""
    script = FOLDER / name
    found = pattern.findall(script.read_text())
    return {name_of((script.parent / one).resolve()) for one in found}


def loaded_with(name: str) -> set[str]:
    """Return a module and all modules that browsers load before it runs."""
    found, left = set[str](), [name]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += imported(one, STATIC)
    return found


def views() -> dict[str, set[str]]:
    """Return the modules of each view: a page, or a page with a part that it loads for a tab."""
    found = {}
    for page in sorted(imported("frame/routes.js", DYNAMIC)):
        modules = FRAME | loaded_with(page)
        found[page] = modules
        for part in sorted(set().union(*(imported(one, DYNAMIC) for one in modules - FRAME))):
            found[f"{page} with {part}"] = modules | loaded_with(part)
    return found


def size(modules: Iterable[str]) -> tuple[int, int]:
    """Return the bytes of modules, as browsers receive them, and as they parse them."""
    found = [static_files().responses[one] for one in modules]
    return sum(len(one.compressed) for one in found), sum(len(one.body) for one in found)


def test_scripts_are_small() -> None:
    sent, parsed = size(FRAME)
    assert sent < MOST_OF_FRAME[0]
    assert parsed < MOST_OF_FRAME[1]
    assert size(map(name_of, SCRIPTS))[0] < MOST_SCRIPT


@pytest.mark.parametrize(("view", "modules"), views().items())
def test_view_of_a_page_loads_little(view: str, modules: set[str]) -> None:
    sent, parsed = size(modules)
    assert sent < MOST_OF_VIEW[0], view
    assert parsed < MOST_OF_VIEW[1], view


def test_every_script_belongs_to_a_view() -> None:
    assert set().union(*views().values()) == set(map(name_of, SCRIPTS))


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_script_never_parses_markup_or_evaluates_text(script: Path) -> None:
    text = script.read_text()
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
        r"|setHTML|srcdoc|\beval\b|new Function|https?://(?!www\.w3\.org/2000/svg|10\.0\.0\.1)",
        text,
    )
    assert found == []


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_compact_script_has_the_lines_of_its_source(script: Path) -> None:
    text = script.read_text()
    assert not re.search(r"^[^`\n]*(?:`[^`\n]*`[^`\n]*)*`[^`\n]*$", text, re.MULTILINE)
    served = compact(text.encode(), ".js").decode().split("\n")
    assert len(served) == len(text.split("\n"))
    assert [one for one in served if one.startswith((" ", "//"))] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_pattern_of_a_field_is_valid_in_browsers(script: Path) -> None:
    # Browsers read it as a regular expression with the flag v, which needs each "-" escaped that
    # is no range, and ignore a pattern that is not valid.
    for pattern in re.findall(r'pattern: "([^"]+)"', script.read_text()):
        assert not re.search(r"(?:(?<!\\)-\])|(?:\[-)", pattern), pattern


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_script_imports_only_files_that_exist(script: Path) -> None:
    for name in re.findall(r"""(?:from|import)[ (]"(\.[^"]+)\"""", script.read_text()):
        assert (script.parent / name).is_file(), name


def test_page_names_files_by_a_digest_and_browsers_keep_them(server: Sekisho) -> None:
    page = server.request("GET", "/").body.decode()
    for path in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page)):
        found = server.request("GET", path)
        assert (found.status, "immutable" in found.headers["Cache-Control"]) == (200, True), path


def test_file_of_another_version_is_the_present_one_and_not_kept(server: Sekisho) -> None:
    present = server.request("GET", f"/static/{static_files().digest}/frame/api.js")
    other = server.request("GET", "/static/0123456789abcdef/frame/api.js")
    assert other.body == present.body
    assert other.headers["Cache-Control"] == "no-cache"
    for path in ("frame", "../pages.py", "frame/../api.js", "%2e%2e/pages.py", "x/y/frame/api.js"):
        assert server.request("GET", f"/static/{path}").status == 404, path


def test_file_is_compressed_for_clients_that_accept_it(server: Sekisho) -> None:
    plain = server.request("GET", "/static/page.css")
    small = server.request("GET", "/static/page.css", headers={"Accept-Encoding": "br, gzip"})
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.body) == plain.body
    assert small.headers["ETag"] != plain.headers["ETag"]
    assert len(small.body) < len(plain.body) / 2
    refused = server.request("GET", "/static/page.css", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


@pytest.mark.parametrize("section", SECTIONS)
def test_addresses_of_pages_have_the_one_page(server: Sekisho, section: str) -> None:
    page = server.request("GET", "/").body
    assert server.request("GET", f"/{section}").body == page
    assert server.request("GET", f"/{section}/a/b?c=d").body == page
    assert server.request("GET", f"/{section}x").status == 404


def test_other_addresses_are_not_found(server: Sekisho) -> None:
    for path in ("/settings", "/index.html", "/clusters.js", "/static", "/static/"):
        assert server.request("GET", path).status == 404, path
