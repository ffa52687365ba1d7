"""A provider at a scripted issuer, and the calls that read the issuer's responses."""

import json
import time
from functools import partial
from typing import Any

from providers.base import (
    ProviderContext,
)
from providers.conformance.password import NoAccounts
from providers.oidc.provider import PROVIDER
from providers.oidc.settings import OidcSettings
from tests.providers.oidc.browser import BACK
from tests.providers.outcomes import Work
from tests.support.scripted_issuer import ScriptedIssuer


async def oidc(issuer: ScriptedIssuer, **settings: Any) -> Any:
    values = {"issuer": issuer.url, "client_id": "sekisho", "groups_claim": "groups"} | settings
    model = OidcSettings.model_validate(values)
    provider = PROVIDER.create("corp", model, ProviderContext(NoAccounts(), time.monotonic))
    await provider.start()
    return provider


def oidc_calls(provider: Any, issuer: ScriptedIssuer) -> dict[str, Work]:
    secret = json.dumps({"refresh_token": "r", "sub": "248289761001"})
    principal = "oidc_corp_user://248289761001"
    keep = {"state": "s", "nonce": "n", "verifier": "v"}
    back = {"state": "s", "code": "c"}
    return {
        "start": lambda: provider.start_browser(BACK),
        "finish": lambda: provider.finish_browser(BACK, keep, back),
        "refresh": lambda: provider.refresh(principal, secret),
        "device": provider.start_device,
        "poll": lambda: provider.poll_device({"code": "d", "interval": "5"}),
        "revoke": lambda: provider.revoke_grant(principal, secret),
        "check": provider.check,
        "logout": partial(provider.logged_out, issuer.token()),
    }
