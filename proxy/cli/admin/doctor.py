"""``sekisho admin doctor`` and ``sekisho admin support-bundle``."""

import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from proxy.cli.admin.database import log_to_stderr
from proxy.cli.common import (
    config_option,
    one_line_errors,
    output_option,
    print_json,
    print_table,
    run_async,
)

ERRORS = 1
"""The exit code if a check found an error."""


@click.command()
@output_option
@click.option("--all", "everything", is_flag=True, help="Show what is fine, too.")
@config_option
@one_line_errors
@run_async
async def doctor(config_file: str | None, output: str, everything: bool) -> None:
    """Check the installation, and say what is wrong and what to do.

    It checks the configuration, the database and its keys, certificates, clocks, names, providers,
    clusters, and the machine, and changes nothing. Run it as the server's user. The exit code is 1
    if there is an error. Warnings alone leave it 0.
    """
    from proxy.doctor.examination import examine
    from proxy.doctor.findings import Status, has_errors

    log_to_stderr()
    findings = (await examine(config_file, os.environ)).findings
    if output == "json":
        print_json({"ok": not has_errors(findings), "findings": [asdict(one) for one in findings]})
    else:
        shown = [
            one for one in findings if everything or one.status in {Status.WARNING, Status.ERROR}
        ]
        if shown:
            print_table(
                ["STATUS", "CHECK", "SUBJECT", "FINDING", "REMEDY"],
                [(one.status, one.check, one.subject, one.message, one.remedy) for one in shown],
            )
        if not everything:
            click.echo(f"{len(findings) - len(shown)} other checks found no problem", err=True)
    if has_errors(findings):
        sys.exit(ERRORS)


@click.command("support-bundle")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--log",
    "logs",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A file with Sekisho's log, whose last 2,000 lines are included. Can be repeated.",
)
@config_option
@one_line_errors
@run_async
async def support_bundle(config_file: str | None, file: Path, logs: tuple[Path, ...]) -> None:
    """Write FILE (tar.gz) with what support needs, without secrets.

    It contains versions, the configuration, the results of `sekisho admin doctor`, the metrics of a
    running server, and the state of clusters. It has names of clusters, users, and hosts: read it
    before you send it.
    """
    from proxy.doctor.bundle import write_bundle
    from proxy.doctor.examination import examine

    log_to_stderr()
    made = await examine(config_file, os.environ)
    names = write_bundle(file, made, logs)
    click.echo(f"wrote {file}: {', '.join(names)}")
