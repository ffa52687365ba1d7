"""Tests of the readers of YAML and JSON that is not trusted."""

import ast
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.bounded_json import InvalidJson, load_json
from config.bounded_yaml import InvalidYaml, load_bounded

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

YAML_BOMBS = {
    "aliases that multiply": LAUGHS,
    "an alias in what it stands for": "a: &a [*a]",
    "an anchor alone": "a: &a x",
    "merge keys of aliases": "a: &a {x: 1}\nb:\n  <<: [*a, *a]",
    "flow sequences in each other": "a: " + "[" * 30_000,
    "flow mappings in each other": "a: " + "{x: " * 10_000,
    "flow sequences that are keys": "? " + "[" * 30_000,
    "closed flow sequences in each other": "[" * 10_000 + "]" * 10_000,
    "block sequences in each other": "- " * 30_000,
    "block mappings in each other": "".join(" " * n + "a:\n" for n in range(300)),
    "keys of keys": "? " * 20_000,
    "many values": "[" + "x," * 20_001 + "]",
    "many keys": "".join(f"k{n}: 1\n" for n in range(10_001)),
    "a key twice": "a: 1\na: 2",
    "a key twice deep inside": "a: [{b: {c: 1, c: 2}}]",
    "a key that is a list": "? [a]\n: b",
    "a long decimal number": "a: !!int " + "1" * 60_000,
    "a long sexagesimal number": "a: !!int " + "1:" * 20_000 + "1",
    "a long float": "a: !!float " + "1" * 60_000 + ".5",
    "a Python object": "a: !!python/object/apply:os.system [id]",
    "a Python name": "a: !!python/name:os.system x",
    "an unknown tag": "a: !secret x",
    "a date that is none": "a: 2024-13-45",
    "two documents": "a: 1\n---\nb: 2",
    "a control character": "a: \x00",
    "a lone surrogate": "a: \ud800",
    "an unfinished list": "a: [",
}

LONG_YAML = {
    "plain": "a",
    "spaces": " ",
    "lines": "\n",
    "tabs": "\t",
    "digits": "1",
    "sexagesimal": "1:",
    "floats": "1_",
    "quotes": "'",
    "double quotes": '"',
    "comments": "#x\n",
    "dashes": "-",
    "documents": "---\n",
    "directives": "%YAML 1.1\n",
    "questions": "?",
    "colons": ": ",
    "folded": ">\n",
    "tags": "!",
    "braces": "{}",
    "brackets": "[]",
    "ends": "]",
    "commas": ",",
    "pairs": "a: b\n",
    "escapes": "\\",
    "ampersands": "&",
    "stars": "*",
    "list": "- a\n",
}


def seconds(read: object, text: str) -> float:
    """Return how long reading takes, whatever comes of it: the better of two."""
    best = float("inf")
    for _ in range(2):
        begun = time.process_time()
        try:
            read(text)  # type: ignore[operator]
        except (InvalidYaml, InvalidJson):
            pass
        best = min(best, time.process_time() - begun)
    return best


@pytest.mark.parametrize("name", YAML_BOMBS)
def test_yaml_bomb_is_rejected_in_bounded_time_and_memory(name: str) -> None:
    text = YAML_BOMBS[name]
    begun = time.process_time()
    with pytest.raises(InvalidYaml):
        load_bounded(text)
    assert time.process_time() - begun < 5
    tracemalloc.start()
    try:
        with pytest.raises(InvalidYaml):
            load_bounded(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


@pytest.mark.parametrize("piece", LONG_YAML.values(), ids=LONG_YAML.keys())
@pytest.mark.parametrize("before", ["", "a: ", "a: '", "a: [", "a: |\n  "], ids=repr)
def test_reading_yaml_takes_time_proportional_to_its_length(before: str, piece: str) -> None:
    short = seconds(load_bounded, before + piece * (2_000 // len(piece)))
    long = seconds(load_bounded, before + piece * (16_000 // len(piece)))
    assert long < 8 * 4 * max(short, 0.002)


def test_long_scalars_are_text() -> None:
    assert load_bounded("a: " + "1" * 5000) == {"a": "1" * 5000}
    assert load_bounded("a: 12\nb: true\nc: x\n'on': 1.5\nd:") == {
        "a": 12,
        "b": True,
        "c": "x",
        "on": 1.5,
        "d": None,
    }
    assert load_bounded("") is None


def test_numbers_with_colons_are_text() -> None:
    assert load_bounded("[22:22, 1:30.5, 80]") == ["22:22", "1:30.5", 80]


@given(st.text(alphabet="ab:-[]{}&*?!|>'\"#,%\n\t 1", max_size=60))
def test_load_bounded_of_any_text_raises_invalid_yaml_only(text: str) -> None:
    with suppress(InvalidYaml):
        load_bounded(text)


JSON_BOMBS = {
    "arrays in each other": "[" * 60_000,
    "closed arrays in each other": "[" * 30_000 + "]" * 30_000,
    "arrays a little too deep": "[" * 66 + "]" * 66,
    "objects in each other": '{"a":' * 10_000,
    "NaN": "[NaN]",
    "Infinity": "[-Infinity]",
    "a number that becomes infinite": "[1e999]",
    "a huge integer": "1" * 60_000,
    "an integer of 65 digits": "1" * 65,
    "a key twice": '{"a": 1, "a": 2}',
    "a key twice in another spelling": '{"a": 1, "\\u0061": 2}',
    "a key twice deep inside": '[{"b": {"c": 1, "c": 2}}]',
    "no JSON": "{",
    "nothing": "",
    "two values": "1 2",
}


@pytest.mark.parametrize("name", JSON_BOMBS)
def test_json_bomb_is_rejected(name: str) -> None:
    for raw in (JSON_BOMBS[name], JSON_BOMBS[name].encode()):
        with pytest.raises(InvalidJson):
            load_json(raw)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "latin-1"])
def test_json_in_another_encoding_is_rejected(encoding: str) -> None:
    with pytest.raises(InvalidJson):
        load_json('{"ä": 1}'.encode(encoding))


@pytest.mark.parametrize(
    "piece", ["[],", '"', "\\", "1", "{}", '{"a":', " ", "-", "1e1,", '"a":1,']
)
def test_reading_json_takes_time_proportional_to_its_length(piece: str) -> None:
    for before in ("", "[", '{"b":', '"'):
        short = seconds(load_json, before + piece * (8_000 // len(piece)))
        long = seconds(load_json, before + piece * (64_000 // len(piece)))
        assert long < 8 * 4 * max(short, 0.005)


def calls(file: Path) -> set[str]:
    """Return the names of what a module uses of ``yaml`` and ``json``: ``json.loads``."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module in {"yaml", "json"}:
            found |= {f"{node.module}.{one.name}" for one in node.names}
    return found


FILES = sorted(
    file.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for file in (ROOT / package).rglob("*.py")
    if (ROOT / "proxy/demo") not in file.parents  # A stand-in for a cluster, on loopback.
)

WRITING_YAML = {
    "yaml.dump_all",
    "yaml.safe_dump",
    "yaml.safe_dump_all",
    "yaml.serialize",
    "yaml.SafeDumper",
    "yaml.Node",
    "yaml.ScalarNode",
    "yaml.MappingNode",
    "yaml.SequenceNode",
}


def test_only_the_bounded_reader_reads_yaml() -> None:
    readers = {
        file: used
        for file in FILES
        if (used := {one for one in calls(ROOT / file) if one.startswith("yaml.")} - WRITING_YAML)
    }
    assert set(readers) == {"config/bounded_yaml.py"}


TRUSTED_JSON = {
    "config/bounded_json.py": "the reader itself",
    "config/environment.py": "the operator's environment",
    "management/access/why.py": "what Sekisho has stored",
    "management/api/audit_scope.py": "what Sekisho has stored",
    "management/identity/sealed_state.py": "what Sekisho encrypted",
    "management/identity/session_cookies.py": "what Sekisho encrypted",
    "providers/github/oauth.py": "what Sekisho encrypted",
    "providers/http/response_body.py": "answers of clusters and providers, bounded there",
    "providers/oidc/sign_in.py": "what Sekisho encrypted",
    "proxy/cli/client/credential.py": "the user's own environment",
    "proxy/cli/client/credential_cache.py": "the user's own files",
    "proxy/cli/client/known_servers.py": "the user's own files",
    "config/build_origin.py": "what the image's build wrote",
    "proxy/workers/ipc.py": "Sekisho's own processes",
}


def test_only_the_bounded_reader_reads_json_that_is_not_trusted() -> None:
    others = [file for file in FILES if not file.startswith("store/")]  # What Sekisho has stored.
    readers = {file for file in others if calls(ROOT / file) & {"json.loads", "json.load"}}
    assert readers <= set(TRUSTED_JSON), "use config.bounded_json, or give the reason here"
