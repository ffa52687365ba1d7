"""Options that several nouns have, and what their values mean. Pure."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from proxy.cli.common import CommandFailed, reason

MAX_FILE_BYTES = 1024 * 1024
"""Limit for a file that describes an object."""

yes_option = click.option("--yes", "-y", is_flag=True, help="Don't ask for confirmation.")


def moved_option(name: str, *, to: str, **options: Any) -> Callable[..., Any]:
    """Refuse an option of a former command, and name the command that has it now."""

    def refuse(ctx: click.Context, param: click.Parameter, value: object) -> None:
        if value:
            ctx.fail(_moved(name, to))

    return click.option(name, hidden=True, expose_value=False, callback=refuse, **options)


def moved_command(name: str, *, to: str) -> click.Command:
    """Return a hidden command that names the command that does this now."""

    @click.command(
        name, hidden=True, context_settings={"ignore_unknown_options": True}, add_help_option=False
    )
    @click.argument("rest", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def refuse(ctx: click.Context, rest: tuple[str, ...]) -> None:
        ctx.fail(_moved(name, to))

    return refuse


def _moved(name: str, to: str) -> str:
    return f"{name} works on the server's own database: run `sekisho admin {to} …`"


def pairs(values: tuple[str, ...], option: str) -> dict[str, str]:
    """Return ``KEY=VALUE`` texts as a mapping. Raises UsageError."""
    found = {}
    for one in values:
        key, separator, value = one.partition("=")
        if not separator or not key:
            raise click.UsageError(f"{option} {one}: write it like KEY=VALUE")
        found[key] = value
    return found


def given(**values: object) -> dict[str, object]:
    """Return the values that were given: not None, and no empty tuple."""
    return {key: value for key, value in values.items() if value is not None and value != ()}


def require_change(body: Mapping[str, object]) -> None:
    """Raise UsageError if nothing is to be changed."""
    if not body:
        raise click.UsageError("nothing to change; see --help for what can be changed")


def read_object(file: Path) -> dict[str, Any]:
    """Return the one YAML or JSON object in a file; ``-`` is standard input.

    Raises:
        CommandFailed: the file can't be read, or contains something else.
    """
    from config.bounded_yaml import InvalidYaml, load_bounded

    try:
        found = load_bounded(read_text(file))
    except OSError as exc:
        raise CommandFailed(f"{file}: {reason(exc)}") from exc
    except (InvalidYaml, ValueError) as exc:
        line = exc.line if isinstance(exc, InvalidYaml) else None
        at = f", line {line}" if line is not None else ""
        raise CommandFailed(f"{file}{at}: is not valid YAML; correct it") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise CommandFailed(f"{file}: must contain one object, such as name: shop")
    return found


def read_text(file: Path, most: int = MAX_FILE_BYTES) -> str:
    """Return the text of a file with at most ``most`` bytes; ``-`` is standard input.

    Raises:
        CommandFailed: the file is larger.
        OSError: the file can't be read.
        UnicodeDecodeError: the file is not UTF-8.
    """
    stream = click.open_file(str(file), "rb")
    with stream:
        raw: bytes = stream.read(most + 1)
    if len(raw) > most:
        raise CommandFailed(f"{file}: is larger than {most} bytes")
    return raw.decode()
