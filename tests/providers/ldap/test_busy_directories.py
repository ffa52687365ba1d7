"""Sign-ins at directories that are slow, silent, or lose connections."""

import asyncio

import pytest

from providers.base import ExternalIdentity, PasswordAttempt, ProviderUnavailable, Rejected
from tests.providers.ldap.scripted_sign_in import (
    connected,
    is_user_bind,
    make,
    respond_normally,
    sign_in,
)
from tests.support.scripted_directory import (
    BIND,
    SEARCH,
    Request,
    scripted,
    silent_server,
)
from tests.support.waiting import within


@pytest.mark.parametrize("silent_step", ["the handshake", "the bind", "the search"])
async def test_silent_directory_is_unavailable_within_timeout(silent_step: str) -> None:
    def script(request: Request) -> bytes | None:
        if silent_step == "the bind" or request.operation != BIND:
            return None
        return respond_normally(request)

    with scripted(script) as directory, silent_server() as port:
        url = f"ldaps://127.0.0.1:{port}" if silent_step == "the handshake" else directory.url
        provider = make(url, connect_timeout="1s", answer_timeout="1s", sign_in_timeout="10s")
        await provider.start()
        with within(25), pytest.raises(ProviderUnavailable):
            await sign_in(provider)
        await provider.close()


async def test_thread_is_released_after_sign_in_timeout() -> None:
    def script(request: Request) -> bytes | None:
        return None if request.operation != BIND else respond_normally(request)

    changes = {"answer_timeout": "60s", "sign_in_timeout": "3s", "connections": 1}
    async with connected(script, **changes) as (provider, requests):
        for _ in range(2):
            sent = len(requests)
            with pytest.raises(ProviderUnavailable, match="took longer than 3 s"):
                await sign_in(provider)
            assert len(requests) > sent


async def test_excess_waiting_sign_ins_are_refused_and_others_time_out() -> None:
    def script(request: Request) -> bytes | None:
        return None

    changes = {"connections": 1, "max_waiting": 3, "sign_in_timeout": "1s"}
    async with connected(script, **changes) as (provider, _):
        outcomes = await asyncio.gather(
            *(sign_in(provider) for _ in range(10)), return_exceptions=True
        )
    assert all(isinstance(one, ProviderUnavailable) for one in outcomes)
    assert sum("too many" in str(one) for one in outcomes) == 6
    assert all(one.retry_after for one in outcomes if isinstance(one, ProviderUnavailable))


async def test_cancelled_caller_releases_its_thread() -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def script(request: Request) -> bytes | None:
        if b"userAccountControl" in request.raw and not arrived.is_set():
            loop.call_soon_threadsafe(arrived.set)
            return None
        return respond_normally(request)

    async with connected(script, connections=1, answer_timeout="60s") as (provider, _):
        waiting = asyncio.create_task(sign_in(provider))
        await arrived.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert isinstance(await sign_in(provider), ExternalIdentity)


@pytest.mark.parametrize("connections", [1, 8])
async def test_waiting_sign_ins_of_closed_provider_are_unavailable(connections: int) -> None:
    def script(request: Request) -> None:
        return None

    with scripted(script) as directory:
        provider = make(directory.url, connections=connections, answer_timeout="60s")
        await provider.start()
        waiting = [asyncio.create_task(sign_in(provider)) for _ in range(4)]
        while not directory.requests:
            await asyncio.sleep(0)
        await provider.close()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, ProviderUnavailable) for one in outcomes), outcomes
        with pytest.raises(ProviderUnavailable, match="closed"):
            await sign_in(provider)


async def test_unknown_name_costs_the_same_work_as_wrong_password() -> None:
    """Both send the same requests, so that the response time does not reveal which is true."""
    operations = {}
    for name in ("alice", "unknown"):

        def script(request: Request, name: str = name) -> bytes:
            if request.operation == BIND and b"CN=service" not in request.raw:
                return request.bind_response(49, b"data 52e")
            return respond_normally(request) if name == "alice" else respond_without_alice(request)

        async with connected(script) as (provider, requests):
            assert isinstance(await provider.authenticate(PasswordAttempt(name, "x")), Rejected)
            operations[name] = [one.operation for one in requests]
    assert operations["alice"] == operations["unknown"] == [BIND, SEARCH, BIND]


def respond_without_alice(request: Request) -> bytes:
    return request.bind_response() if request.operation == BIND else request.search_done()


async def test_broken_idle_connection_is_replaced() -> None:
    served: dict[str, int] = {"users": 0}

    def script(request: Request) -> bytes:
        if b"userAccountControl" in request.raw:
            served["users"] += 1
            if served["users"] == 2:
                return b""
        return respond_normally(request)

    async with connected(script) as (provider, _):
        for _ in range(3):
            assert isinstance(await sign_in(provider), ExternalIdentity)


async def test_refused_service_account_is_unavailable() -> None:
    def script(request: Request) -> bytes:
        if request.operation == BIND and not is_user_bind(request):
            return request.bind_response(49, b"data 52e")
        return respond_normally(request)

    async with connected(script) as (provider, _):
        with pytest.raises(ProviderUnavailable, match="rejects the service account"):
            await sign_in(provider)
        with pytest.raises(ProviderUnavailable):
            await provider.check()
        with pytest.raises(ProviderUnavailable):
            await provider.search("al", limit=3)
        with pytest.raises(ProviderUnavailable):
            await provider.refresh(
                "activedirectory_user://03020100-0504-0706-0809-0a0b0c0d0e0f", None
            )
