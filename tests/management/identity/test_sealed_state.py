"""State that clients carry, as other versions of Sekisho may have written it."""

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ConfigDict

from management.api.audit_events import StreamPosition
from management.api.registration_models import RegistrationState
from management.api.v1.audit import PagePosition
from management.identity.browser_sign_in import PendingState
from management.identity.sealed_state import SealedState, StateCipher
from management.oauth.authorization_code import CodeState
from management.oauth.device_code import DeviceState

HOUR = timedelta(hours=1)
OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)

STATES: list[SealedState] = [
    PendingState(
        provider="corp",
        keep={"state": "s", "nonce": "n", "verifier": "v"},
        target=("http://127.0.0.1:1/callback", "state", "challenge"),
        link=("u-alice", "session-1"),
    ),
    DeviceState(provider="corp", keep={"code": "c", "interval": "5"}, interval=5),
    CodeState(
        provider="corp",
        user="u-alice",
        principal="corp://alice",
        redirect_uri="http://127.0.0.1:1/callback",
        challenge="challenge",
        must_change_password=False,
    ),
    RegistrationState(
        name="prod",
        servers=("https://192.0.2.1:6443",),
        tls_server_name=None,
        username_mapping="id",
        user="u-alice",
        token="ci",
        cluster="c-edge",
    ),
    PagePosition(at=datetime(2026, 11, 30, 12, 0, 0, 123456, UTC), seq=7),
    StreamPosition(seq=7),
]


class OtherVersion(SealedState):
    """A state with any fields."""

    model_config = ConfigDict(extra="allow", strict=False)


def seal(cipher: StateCipher, purpose: str, fields: Mapping[str, Any]) -> str:
    kind = type("Other", (OtherVersion,), {"purpose_name": purpose, "__module__": __name__})
    sealed: str = cipher.encrypt(kind(**fields), HOUR)
    return sealed


def changed_states() -> Iterator[Any]:
    """Yield each state with one field missing, added, renamed, or of another type."""
    for state in STATES:
        fields = state.model_dump(mode="json")
        name = type(state).__name__
        yield pytest.param(state, {**fields, "later": 1}, id=f"{name}-added")
        for field in fields:
            without = {key: value for key, value in fields.items() if key != field}
            yield pytest.param(state, without, id=f"{name}-{field}-missing")
            yield pytest.param(
                state, {**without, f"{field}_now": fields[field]}, id=f"{name}-{field}-renamed"
            )
            values: tuple[object, ...] = (7.5, [], {"a": 1})
            for value in values:
                yield pytest.param(
                    state, {**fields, field: value}, id=f"{name}-{field}-{type(value).__name__}"
                )


def test_all_models_of_state_are_tested() -> None:
    known = {one for one in SealedState.__subclasses__() if one is not OtherVersion}
    assert known == {type(one) for one in STATES}
    assert len({one.purpose_name for one in known}) == len(known)


@pytest.mark.parametrize("state", STATES, ids=lambda one: type(one).__name__)
def test_state_is_decrypted_for_its_purpose_only(state: SealedState) -> None:
    cipher = StateCipher([NEW])
    sealed = cipher.encrypt(state, HOUR)
    for one in STATES:
        found = cipher.decrypt(type(one), sealed)
        assert (found.data if found is not None else None) == (state if one is state else None)


@pytest.mark.parametrize(("state", "fields"), [*changed_states()])
def test_state_with_other_fields_is_invalid(state: SealedState, fields: dict[str, Any]) -> None:
    cipher = StateCipher([NEW])
    assert cipher.decrypt(type(state), seal(cipher, state.purpose_name, fields)) is None


def test_state_with_the_same_fields_is_valid() -> None:
    cipher = StateCipher([NEW])
    for state in STATES:
        sealed = seal(cipher, state.purpose_name, state.model_dump(mode="json"))
        found = cipher.decrypt(type(state), sealed)
        assert found is not None
        assert found.data == state


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b"{}",
        b"\xff",
        b'{"for": "device sign-in", "id": "x", "ends": "soon", "data": "{}"}',
        b'{"for": "device sign-in", "id": "x", "ends": 1e12, "data": {"provider": "corp"}}',
        b'{"for": "device sign-in", "id": "x", "ends": 1e12, "data": null}',
    ],
)
def test_other_content_under_the_key_is_invalid(content: bytes) -> None:
    cipher = StateCipher([NEW])
    sealed = cipher._fernet.encrypt(content).decode()
    assert cipher.decrypt(DeviceState, sealed) is None


def test_state_survives_key_rotation_until_its_key_is_removed() -> None:
    sealed = StateCipher([OLD]).encrypt(STATES[1], HOUR)
    assert StateCipher([NEW, OLD]).decrypt(DeviceState, sealed) is not None
    assert StateCipher([NEW]).decrypt(DeviceState, sealed) is None


def test_state_expires() -> None:
    sealed = StateCipher([NEW]).encrypt(STATES[1], HOUR)
    later = StateCipher([NEW], now=lambda: datetime.now(UTC) + HOUR)
    assert later.decrypt(DeviceState, sealed) is None


def test_state_is_in_no_representation() -> None:
    cipher = StateCipher([NEW])
    found = cipher.decrypt(DeviceState, cipher.encrypt(STATES[1], HOUR))
    assert "corp" not in repr(found)
