"""Settings of the listener for other replicas. Pure."""

import ipaddress
import re

from pydantic import field_validator, model_validator

from config.listen import Listen
from config.section import Section
from config.server_settings import MAX_WORKERS, Address

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class PeeringSettings(Section):
    """The listener on which replicas on other machines use this one's tunnels."""

    listen: Address | None = None
    """``host:port``; null: off. With several workers, each has a port of its own: worker 0 this
    one, worker 1 the next one, and so on."""

    advertise: str = ""
    """The name or IP address by which other replicas reach this machine. Default: the host of
    ``listen``, or the address to which this machine's name resolves."""

    @field_validator("advertise")
    @classmethod
    def _host(cls, value: str) -> str:
        host = value.strip().removeprefix("[").removesuffix("]")
        if host and not _NAME.fullmatch(host) and not _is_ipv6(host):
            raise ValueError("must be a host name or an IP address, without a port")
        return host

    @model_validator(mode="after")
    def _used_together(self) -> "PeeringSettings":
        if self.advertise and self.listen is None:
            raise ValueError("advertise has no effect without listen; set listen")
        return self

    def listener(self, worker: int) -> Listen | None:
        """Return where a worker listens; None if it does not."""
        if self.listen is None or not self.listen.port:
            return self.listen
        return Listen(self.listen.host, self.listen.port + worker)

    def listeners(self, workers: int | str) -> tuple[Listen, ...]:
        """Return where that many workers listen; all that may be, if the number is ``auto``."""
        count = workers if isinstance(workers, int) else MAX_WORKERS
        return tuple(one for worker in range(count) if (one := self.listener(worker)) is not None)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
