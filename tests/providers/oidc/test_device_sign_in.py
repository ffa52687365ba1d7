"""Tests of sign-ins with a device code."""

from typing import Any

import pytest

from providers.base import (
    Pending,
    ProviderUnavailable,
    Rejected,
)
from tests.providers.oidc.browser import PRINCIPAL, respond
from tests.providers.oidc.conftest import Make
from tests.support.scripted_issuer import ScriptedIssuer


async def test_device_sign_in_maps_each_poll_response(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make()
    issuer.device = (
        200,
        {
            "device_code": "d-1",
            "user_code": "ABCD-EFGH",
            "verification_uri": f"{issuer.url}/activate",
            "expires_in": 600,
            "interval": 3,
        },
    )
    start = await provider.start_device()
    assert (start.user_code, start.interval) == ("ABCD-EFGH", 3)
    assert start.verification_uri_complete == f"{issuer.url}/activate"
    for error, expected in (
        ("authorization_pending", Pending(3)),
        ("slow_down", Pending(8)),
        ("expired_token", Rejected("expired_token")),
        ("access_denied", Rejected("access_denied")),
    ):
        issuer.token_response = (400, {"error": error})
        assert await provider.poll_device(start.keep) == expected
    respond(issuer, id_token=issuer.token())
    found = await provider.poll_device(start.keep)
    assert found.principal_id == PRINCIPAL
    assert issuer.forms[-1]["device_code"] == "d-1"


@pytest.mark.parametrize(
    "changes", [{}, {"user_code": "x"}, {"expires_in": "?"}, {"verification_uri": "javascript:x"}]
)
async def test_invalid_device_response_is_unavailable(
    make: Make, issuer: ScriptedIssuer, changes: dict[str, Any]
) -> None:
    good = {
        "device_code": "d",
        "user_code": "U",
        "verification_uri": "https://id.example",
        "expires_in": 9,
    }
    issuer.device = (200, good | changes if changes else {})
    provider = await make()
    if changes == {"user_code": "x"}:
        assert (await provider.start_device()).user_code == "x"
    else:
        with pytest.raises(ProviderUnavailable):
            await provider.start_device()


async def test_device_flow_disabled_has_no_device_sign_in(make: Make) -> None:
    assert not hasattr(await make(device_flow=False), "start_device")
