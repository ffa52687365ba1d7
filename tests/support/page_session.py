"""Run the commands of a page of the documentation as its readers do, and compare what they print.

A block of type ``console`` has commands after ``$ `` and what they print. A comment above a block,
such as ``<!-- as alice -->``, names who types: each person has a home of their own, and ``server``
is the server's machine. A comment ``<!-- file role.yaml -->`` names the file that a block is.
In printed text, ``…`` stands for anything, and the width of white space does not count. What
follows a prompt is typed; nothing there means the person's password.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.kubernetes import pinned_assets
from tests.support.openldap import OpenLdap
from tests.support.sekisho import Sekisho
from tests.support.typed import TypedCommand
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
SERVER_URL = "https://sekisho.example.com"
SERVER = "server"
"""The person whose commands run on the server's machine."""

COLUMNS = 240
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
BLOCK = re.compile(
    r"^(?:<!-- (?P<kind>as|file) (?P<who>\S+) -->\n)?```(?P<type>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
READS = re.compile(
    r"sekisho (audit|who-can|whoami|access|why|\w+ (list|show|usage|tokens))\b|kubectl (get|auth) "
)
PROMPT = re.compile(
    r"^(?P<label>User name|Password|New password|Repeat it|.*Continue\? \[y/N\]):(?P<typed>.*)$"
)


@dataclass(frozen=True)
class Command:
    """A command of a page, who types it, and the lines that it prints there."""

    who: str
    line: str
    printed: tuple[str, ...]


@dataclass(frozen=True)
class File:
    """A file of a page."""

    name: str
    text: str


@dataclass(frozen=True)
class Typed:
    """How a command ended: its exit code, what it printed, and which of the page's lines not."""

    code: int
    shown: str
    missing: list[str]

    def __str__(self) -> str:
        return f"{self.shown}\nexit code {self.code}; not printed: {self.missing}"


@dataclass
class PageSession:
    """Readers of one page. ``passwords`` are of people who sign in, ``new`` what they choose.

    ``words`` are replaced in commands, such as an example's name by the real one.
    """

    server: Sekisho
    folder: Path
    passwords: dict[str, str] = field(default_factory=dict)
    new: str = "a long enough new password"
    words: dict[str, str] = field(default_factory=dict)

    def follow(self, page: Path, heading: str = "", *, code: int = 0) -> str:
        """Run the commands below a heading, or all, and return everything that they print."""
        shown = []
        steps = steps_of(section(page.read_text(), heading))
        assert steps, f"{page.name} has no commands below {heading!r}"
        for step in steps:
            if isinstance(step, File):
                for home in self._homes():
                    (home / step.name).write_text(self._replaced(step.text))
            else:
                shown.append(self.type(step, code))
        return "\n".join(shown)

    def type(self, command: Command, code: int = 0) -> str:
        """Run one command on a terminal, and return what it prints.

        A command that only reads is run again until it prints what the page has, as a reader does.
        So is one that RBAC refuses, which changes nothing: a new role reaches a cluster later.
        """
        typed = Typed(-1, "", [])

        def is_final() -> bool:
            nonlocal typed
            typed = self._type(command)
            if typed.code == code and not typed.missing:
                return True
            return not READS.match(command.line) and "forbidden" not in typed.shown.lower()

        wait_until(is_final, what=lambda: f"$ {command.line}\n{typed}")
        assert typed.code == code, f"$ {command.line}\n{typed}"
        assert not typed.missing, f"$ {command.line}\n{typed}"
        return typed.shown

    def type_as(self, who: str, line: str) -> str:
        """Run a command that no page has, and return what it prints."""
        return self.type(Command(who, line, ()))

    def _type(self, command: Command) -> Typed:
        """Run a command, and return how it ended."""
        line = f'cd "$HOME"; {self._replaced(command.line)}'
        typed = TypedCommand(["/bin/bash", "-c", line], self.environment(command.who))
        printed = []
        for text in command.printed:
            if prompt := PROMPT.match(text):
                typed.expect(prompt["label"])
                answer = prompt["typed"].strip() or self._password(command, prompt["label"])
                typed.type(f"{answer}\r")
            else:
                printed.append(self._replaced(text))
        ended = typed.end()
        shown = plain(typed.shown)
        return Typed(
            ended, typed.shown, [text for text in printed if not pattern(text).search(shown)]
        )

    def environment(self, who: str) -> Mapping[str, str]:
        """Return the environment in which a person types."""
        home = self.home(who)
        found = {
            "PATH": f"{self._programs()}:{os.environ['PATH']}",
            "HOME": str(home),
            "COLUMNS": str(COLUMNS),
            "LANG": "C.UTF-8",
            "SEKISHO_CREDENTIAL_STORE": "file",
            "SSL_CERT_FILE": str(self.server.folder / "data" / "tls" / "ca.crt"),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }
        if who == SERVER:
            found["SEKISHO_CONFIG"] = str(self.server.config)
        return found

    def home(self, who: str) -> Path:
        """Return the home of a person, which exists."""
        home = self.folder / who
        home.mkdir(parents=True, exist_ok=True)
        return home

    def sign_in(self, who: str, username: str | None = None) -> None:
        """Sign a person in at the server."""
        login = f"sekisho login --server {SERVER_URL} --username {username or who}"
        self.type(Command(who, login, ("Password:",)))

    def token(self, who: str) -> str:
        """Return the token that kubectl sends for a person who has signed in."""
        environment = dict(self.environment(who))
        done = subprocess.run(
            ["sekisho", "credential", "--server", self.server.url],
            env=environment,
            cwd=environment["HOME"],
            capture_output=True,
            text=True,
            check=True,
        )
        return str(json.loads(done.stdout)["status"]["token"])

    def _homes(self) -> list[Path]:
        return [self.home(who) for who in sorted({*self.passwords, SERVER})]

    def _password(self, command: Command, label: str) -> str:
        """Return the password to type: the person's, or that of the user who is created."""
        words = command.line.split()
        person = words[3] if words[:2] == ["sekisho", "user"] else command.who
        if label == "New password":
            self.passwords[person] = self.new
        return self.passwords[person]

    def _replaced(self, text: str) -> str:
        for old, new in {SERVER_URL: self.server.url, **self.words}.items():
            text = text.replace(old, new)
        return text

    def _programs(self) -> Path:
        """Return a folder with ``sekisho`` and ``kubectl``, as they are on a reader's PATH."""
        folder = self.folder / "bin"
        if not folder.exists():
            folder.mkdir(parents=True)
            command = shlex.join([sys.executable, "-P", "-m", "proxy"])
            script = folder / "sekisho"
            script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec {command} "$@"\n')
            script.chmod(0o755)
            (folder / "kubectl").symlink_to(pinned_assets().path("kubectl"))
        return folder


def with_directory(directory: OpenLdap, **changes: Any) -> str:
    """Return the setting ``providers``: local accounts, and a directory as ``corp``."""
    settings = directory.config(**{"ca_file": str(directory.pki.ca), **changes})
    corp = {"type": "openldap", "name": "corp", **settings}
    return f"providers: {json.dumps([{'type': 'local', 'name': 'local'}, corp])}\n"


def section(text: str, heading: str) -> str:
    """Return the part of a page below a heading, up to the next one of its level."""
    if not heading:
        return text
    found = re.search(
        rf"^(?P<level>#+) {re.escape(heading)}$(?P<body>.*?)(?=^(?P=level) |\Z)",
        text,
        re.MULTILINE | re.DOTALL,
    )
    assert found is not None, f"no heading {heading!r}"
    return found["body"]


def steps_of(text: str) -> list[Command | File]:
    """Return the commands and files of a page in their order."""
    steps: list[Command | File] = []
    for block in BLOCK.finditer(text):
        if block["kind"] == "file":
            steps.append(File(block["who"], block["text"]))
        elif block["type"] == "console":
            steps += commands(block["who"] or "administrator", block["text"])
    return steps


def commands(who: str, text: str) -> list[Command]:
    """Return the commands of a block."""
    found = []
    for part in re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        line, *printed = part.splitlines()
        found.append(Command(who, line, tuple(one for one in printed if one.strip())))
    return found


def plain(text: str) -> str:
    """Return text with single spaces and without colours."""
    return "\n".join(" ".join(line.split()) for line in COLOUR.sub("", text).splitlines())


def pattern(text: str) -> re.Pattern[str]:
    """Return a pattern for a printed line of a page."""
    parts = [re.escape(" ".join(one.split())) for one in text.split("…")]
    return re.compile(".*?".join(parts))
