"""Settings of a provider from the command line. Secrets come from files, prompts or pipes."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from proxy.cli.common import CommandFailed, reason
from proxy.cli.prompts import ask
from proxy.cli.verbs.options import MAX_FILE_BYTES, read_object

_SECRET_WORDS = ("secret", "password", "token", "private_key")


def settings_options(command: Any) -> Any:
    """Add the options for settings to a command."""
    for option in reversed(
        (
            click.option(
                "-f",
                "--file",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Settings as YAML or JSON (- is standard input).",
            ),
            click.option(
                "--set", "values", multiple=True, metavar="KEY=VALUE", help="A setting, as YAML."
            ),
            click.option(
                "--set-file",
                "files",
                multiple=True,
                metavar="KEY=FILE",
                help="A setting whose value is in a file: a secret, a certificate.",
            ),
            click.option(
                "--ask", "asked", multiple=True, metavar="KEY", help="Prompt for a secret."
            ),
            click.option(
                "--stdin", "from_stdin", metavar="KEY", help="Read a secret from standard input."
            ),
        )
    ):
        command = option(command)
    return command


def settings_of(
    file: Path | None,
    values: Iterable[str],
    files: Iterable[str],
    asked: Iterable[str],
    from_stdin: str | None,
) -> dict[str, Any]:
    """Return the settings that the options give. Raises UsageError, CommandFailed."""
    settings = read_object(file) if file is not None else {}
    for one in values:
        key, value = _pair(one, "--set")
        if any(word in key.rpartition(".")[2] for word in _SECRET_WORDS):
            raise click.UsageError(
                f"--set {key}: other users of this machine see the command line; "
                f"give it with --ask {key}, --stdin {key} or --set-file {key}=FILE"
            )
        _put(settings, key, _yaml(key, value))
    for one in files:
        key, name = _pair(one, "--set-file")
        _put(settings, key, _content(Path(name)))
    for key in asked:
        _put(settings, key, ask(key, hide_input=True))
    if from_stdin is not None:
        _put(settings, from_stdin, sys.stdin.readline().rstrip("\r\n"))
    return settings


def _put(settings: dict[str, Any], key: str, value: object) -> None:
    """Set the value at a key with dots. Raises UsageError."""
    *outer, last = key.split(".")
    for part in outer:
        settings = settings.setdefault(part, {})
        if not isinstance(settings, dict):
            raise click.UsageError(f"{key}: {part} is not a group of settings")
    settings[last] = value


def _pair(text: str, option: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not all(key.split(".")):
        raise click.UsageError(f"{option} {text}: write it like KEY=VALUE")
    return key, value


def _yaml(key: str, text: str) -> object:
    from config.bounded_yaml import InvalidYaml, load_bounded

    try:
        return load_bounded(text)
    except InvalidYaml:
        raise click.UsageError(f"--set {key}: the value is not valid YAML") from None


def _content(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise CommandFailed(f"{file}: is larger than {MAX_FILE_BYTES} bytes")
        return raw.decode().rstrip("\r\n")
    except OSError as exc:
        raise CommandFailed(f"{file}: {reason(exc)}") from exc
    except UnicodeDecodeError:
        raise CommandFailed(f"{file}: is not text") from None
