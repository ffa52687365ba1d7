"""Settings of backups. Pure."""

from pydantic import SecretStr, model_validator

from config.section import Command, Section


class BackupSettings(Section):
    """How ``sekisho admin backup`` protects the key of each backup: a passphrase or commands."""

    passphrase: SecretStr | None = None
    """At least 12 characters. Keep it apart from this machine: a restore needs it."""

    wrap_command: Command = ()
    """Program and arguments that wrap a key from standard input, in place of a passphrase."""

    unwrap_command: Command = ()
    """Program and arguments that unwrap what ``wrap_command`` printed."""

    @model_validator(mode="after")
    def _one_way(self) -> "BackupSettings":
        if self.passphrase is not None and self.wrap_command:
            raise ValueError("passphrase and wrap_command contradict each other; give one")
        return self
