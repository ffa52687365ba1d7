"""Read at each dial what may change while the agent runs: the token, the CA, and the HTTP proxy.

The kubelet replaces the files of a Secret, so a token is rotated without a restart.
"""

from pathlib import Path

from agent.dial import DialError, Target
from agent.http.errors import InvalidProxy
from agent.http.proxies import proxy_for
from agent.run.settings import AgentSettings
from config.regular_files import read_regular_file

MAX_TOKEN_BYTES = 4096
MAX_CA_BYTES = 1024 * 1024


def read_target(settings: AgentSettings) -> Target:
    """Return where to dial, and with which credentials. Raises DialError, without the token."""
    token = _read(settings.token_file, MAX_TOKEN_BYTES).strip()
    if not token or any(not "!" <= one <= "~" for one in token):
        raise DialError(
            f"{settings.token_file} does not contain a token; write the agent's token into it"
        )
    ca_pem = None if settings.ca_file is None else _read(settings.ca_file, MAX_CA_BYTES)
    try:
        proxy = proxy_for(settings.server, settings.environ)
    except InvalidProxy as exc:
        raise DialError(str(exc)) from exc
    return Target(
        settings.server,
        token,
        ca_pem,
        proxy,
        token_file=str(settings.token_file),
        ca_file=str(settings.ca_file or "the system's trust store"),
    )


def _read(file: Path, most: int) -> str:
    try:
        return read_regular_file(file, most).decode("ascii")
    except UnicodeDecodeError:
        # The bytes of a token must not get into the error.
        raise DialError(f"{file} is not ASCII text; write it again") from None
    except OSError as exc:
        reason = (exc.strerror or "it cannot be read").lower()
        raise DialError(f"{file}: {reason}; correct the path or the Secret") from exc
