"""``sekisho completion``: scripts that complete commands, options and names in a shell."""

import click

from proxy.cli.common import unused_config_option

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@unused_config_option
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands and names in a shell.

    For bash, write it to ~/.local/share/bash-completion/completions/sekisho; for zsh, to the file
    _sekisho in a folder of $fpath; for fish, to ~/.config/fish/completions/sekisho.fish.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "sekisho", "_SEKISHO_COMPLETE").source())
