"""``sekisho kubeconfig``: write, list and revoke entries of kubeconfig files."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import STANDARD_OUTPUT, CommandFailed, warn
from proxy.cli.durations import DURATION, Ttl
from proxy.cli.kubeconfig import file as kubeconfig_file
from proxy.cli.kubeconfig.document import Document
from proxy.cli.kubeconfig.entries import Entry, Owner, personal, token_names
from proxy.cli.kubeconfig.fetch import Fetched, fetch, revoke, with_tokens
from proxy.cli.kubeconfig.inventory import list_entries, revoke_entries
from proxy.cli.kubeconfig.merge import NameConflict, merge
from proxy.cli.kubeconfig.program import this_program
from proxy.cli.verbs.options import moved_option

NO_CLUSTER = "you may enter no cluster yet: ask a cluster's owner for access"
FILE = click.Path(dir_okay=False, path_type=Path)


class _WriteByDefault(CommandGroup):
    """A group whose command ``write`` needs no name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``write`` before arguments that name no command."""
        if not args or args[0] not in {*self.commands, "--help", "-h"}:
            args = ["write", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_WriteByDefault)
def kubeconfig() -> None:
    """Write clusters into a kubeconfig. `write` is the default: sekisho kubeconfig --merge."""


@kubeconfig.command()
@click.argument("clusters", metavar="[CLUSTER]...", nargs=-1)
@click.option("--merge", "merged", is_flag=True, help="Put the entries into the file.")
@click.option(
    *("-o", "--output", "file"),
    type=FILE,
    metavar="FILE",
    help="The file, or - to print. Default: with --merge, kubectl's own; else, print.",
)
@click.option("--namespace", "-n", help="The namespace of the contexts.")
@click.option("--prefix", default="", help="A text before each name, such as work-.")
@click.option(
    "--token/--exec",
    "with_token",
    default=False,
    help="Put a token into it, instead of letting kubectl use your sign-in.",
)
@click.option("--ttl", type=DURATION, help="The lifetime of the token: 8h, 30d.")
@click.option("--read-only", is_flag=True, help="A token that only reads.")
@click.option("--proxy-read", is_flag=True, help="A token that reads, also pages and metrics.")
@moved_option("--user", to="kubeconfig")
@server_command
async def write(
    session: ServerSession,
    clusters: tuple[str, ...],
    merged: bool,
    file: Path | None,
    namespace: str | None,
    prefix: str,
    with_token: bool,
    ttl: Ttl,
    read_only: bool,
    proxy_read: bool,
) -> None:
    """Write CLUSTERs, or every cluster that you may enter.

    kubectl gets its credential from your sign-in, so that the file has no secret; with --token,
    it has a new token. --merge changes only entries that Sekisho wrote for this server, and
    removes those of clusters that you may no longer enter.
    """
    if not with_token and (ttl is not None or read_only or proxy_read):
        raise click.UsageError("--ttl, --read-only and --proxy-read need --token")
    if file == STANDARD_OUTPUT:
        if merged:
            raise click.UsageError("--merge needs a file, and --output - prints")
        file = None
    if not prefix.isprintable() or (namespace is not None and not namespace.isprintable()):
        raise click.UsageError("--prefix and --namespace can't have control characters")
    place = file if file is not None or not merged else kubeconfig_file.default_file(os.environ)
    body = {
        "ttl": f"{int(ttl.total_seconds())}s" if ttl is not None else None,
        "read_only": read_only,
        "proxy_read": proxy_read,
    }
    target = _Target(Owner(session.server.url, prefix), clusters, namespace)
    found = await fetch(session, clusters)
    if place is None:
        entries = await with_tokens(session, clusters, body) if with_token else found.entries
        click.echo(_alone(target, entries), nl=False)
        return
    kubeconfig_file.check_writable(place)
    _merged(target, place if merged else None, found.entries, found)  # a token comes after problems
    entries = found.entries
    if with_token and entries:
        entries = await with_tokens(session, clusters, body)
    try:
        with kubeconfig_file.locked(place):
            document, removed = _merged(target, place if merged else None, entries, found)
            kubeconfig_file.write(place, document.text)
    except BaseException:
        await revoke(session, token_names(entries))
        raise
    _report(place, len(entries), removed, found)


@dataclass(frozen=True, slots=True)
class _Target:
    """Whose entries to write. ``clusters`` are those that were named; empty: all."""

    owner: Owner
    clusters: tuple[str, ...]
    namespace: str | None

    def put(self, document: Document, entries: Sequence[Entry], found: Fetched) -> list[str]:
        """Merge the entries; return the contexts that were removed. Raises CommandFailed."""
        program = this_program(sys.argv[0])
        own = [personal(one, self.owner, program) for one in entries]
        keep = found.accessible if self.clusters else frozenset[str]()
        try:
            return merge(document, own, self.owner, keep=keep, namespace=self.namespace)
        except NameConflict as exc:
            raise CommandFailed(
                f"the file has another entry {exc.name}, which Sekisho did not write; choose "
                "other names with --prefix"
            ) from None


def _alone(target: _Target, entries: Sequence[Entry]) -> str:
    """Return a kubeconfig of these entries. Raises CommandFailed if there are none."""
    if not entries:
        raise CommandFailed(NO_CLUSTER)
    document = Document()
    target.put(document, entries, Fetched(entries, frozenset()))
    return document.text


def _merged(
    target: _Target, file: Path | None, entries: Sequence[Entry], found: Fetched
) -> tuple[Document, list[str]]:
    """Return a document with the entries, and the removed contexts; file None: a new one."""
    if file is None and not entries:
        raise CommandFailed(NO_CLUSTER)
    document = Document() if file is None else kubeconfig_file.load(file)
    return document, target.put(document, entries, found)


def _report(place: Path, count: int, removed: Sequence[str], found: Fetched) -> None:
    if not count and not found.accessible:
        warn(NO_CLUSTER)
    gone = f"; removed {', '.join(removed)}" if removed else ""
    click.echo(f"wrote {count} cluster{'' if count == 1 else 's'} to {place}{gone}")


kubeconfig.add_command(list_entries)
kubeconfig.add_command(revoke_entries)
