"""Check that names in the configuration and in the store resolve to addresses."""

import asyncio
import ipaddress
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from pydantic import BaseModel

from providers.network.name_lookups import LOOKUPS
from proxy.doctor.findings import Finding, error, ok, warning
from proxy.doctor.leaves import leaves_of

RESOLVE_SECONDS = 10.0
"""The time limit for one name."""

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s]+")


def hosts_in(settings: BaseModel) -> set[str]:
    """Return the hosts of all URLs in a provider's settings. Secrets are not looked at."""
    found = set()
    for leaf in leaves_of(settings):
        is_url = isinstance(leaf, str) or type(leaf).__name__.endswith("Url")
        if is_url and _URL.fullmatch(str(leaf)):
            try:
                host = urlsplit(str(leaf)).hostname
            except ValueError:
                continue
            if host:
                found.add(host)
    return found


async def check_names(names: Mapping[str, Iterable[str]], own: str) -> list[Finding]:
    """Return the findings for hosts by what uses them. ``own`` is the host of external_url.

    This machine may not need to resolve its own name, so that is a warning only.
    """
    wanted = [(user, host) for user, hosts in names.items() for host in sorted(set(hosts))]
    found = await asyncio.gather(*(_check(user, host, host == own) for user, host in wanted))
    return [one for one in found if one is not None]


async def _check(user: str, host: str, is_own: bool) -> Finding | None:
    if _is_address(host):
        return None
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            addresses = {one[4][0] for one in await LOOKUPS.look_up(host, None)}
    except (OSError, UnicodeError, TimeoutError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc) or "no response in time"
        level = warning if is_own else error
        return level(
            "dns", user, f"{host}: {reason}", "correct the name, or the DNS of this machine"
        )
    return ok("dns", user, f"{host} has {len(addresses)} addresses")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
