"""Relaying answers, shown on raw sockets: what the upstream says and what the client gets."""

import asyncio

import pytest

from proxy.pool import PoolLimits
from tests.proxy.relay import Script, answering, read_request, relay

GET = b"GET /x HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"


async def test_an_answer_with_a_length_passes_as_it_is() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nAudit-Id: 1\r\n\r\nabc"
    async with relay(answering(answer)) as gate:
        assert await gate.ask(GET) == (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nAudit-Id: 1\r\nConnection: close\r\n\r\nabc"
        )


async def test_a_chunked_answer_stays_chunked_and_keeps_its_trailers() -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"2\r\nab\r\n1;ext=1\r\nc\r\n0\r\nX-Sum: 9\r\nSet-Cookie: a=b\r\n\r\n"
    )
    async with relay(answering(answer)) as gate:
        got = await gate.ask(GET)
    head, body = got.split(b"\r\n\r\n", 1)
    assert b"Transfer-Encoding: chunked" in head
    assert body == b"3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n"


async def test_the_head_goes_out_when_it_comes_though_no_body_follows() -> None:
    held = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await held.wait()
        writer.write(b"2\r\n{}\r\n")
        await reader.read()

    async with relay(script) as gate:
        reader, writer = await gate.open()
        writer.write(b"GET /x?watch=1 HTTP/1.1\r\nHost: g\r\n\r\n")
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            held.set()
            assert await reader.readexactly(7) == b"2\r\n{}\r\n"
        writer.close()


async def test_an_old_client_gets_the_plain_body_and_the_connections_end() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    async with relay(answering(answer)) as gate:
        got = await gate.ask(b"GET /x HTTP/1.0\r\n\r\n")
    assert got.endswith(b"\r\n\r\nabc")
    assert b"chunked" not in got


async def test_a_body_without_a_length_ends_with_its_connection_and_becomes_chunked() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\nabc"
    async with relay(answering(answer, close=True)) as gate:
        got = await gate.ask(GET)
    assert b"Transfer-Encoding: chunked" in got
    assert got.endswith(b"3\r\nabc\r\n0\r\n\r\n")


async def test_an_answer_to_head_has_no_body_and_the_connection_is_used_again() -> None:
    to_head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
    to_get = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    async with relay(answering(to_head, to_get)) as gate:
        reader, writer = await gate.open()
        async with asyncio.timeout(5):
            writer.write(b"HEAD /x HTTP/1.1\r\nHost: g\r\n\r\n")
            assert b"Content-Length: 99" in await reader.readuntil(b"\r\n\r\n")
            writer.write(GET)
            assert (await reader.read()).endswith(b"hi")
        assert len(gate.connections) == 1


async def test_interim_answers_are_not_taken_for_the_final_one() -> None:
    answer = (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    )
    async with relay(answering(answer)) as gate:
        got = await gate.ask(GET)
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Link" not in got


async def test_what_comes_behind_an_answer_is_never_the_next_ones() -> None:
    poisoned = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    )
    clean = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
    async with relay(answering(poisoned), answering(clean)) as gate:
        assert (await gate.ask(GET)).endswith(b"hi")
        assert (await gate.ask(GET)).endswith(b"good")


def in_pieces(*pieces: bytes) -> Script:
    """A script that answers with each piece in a read of its own, and then once more."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)  # not for anything to happen: so that it is read apart
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
        await reader.read()

    return script


@pytest.mark.parametrize("pieces", [(b"", b"ab", b"cd"), (b"a", b"bcd"), (b"", b"abcd")])
async def test_a_long_answer_leaves_its_connection_to_the_next(pieces: tuple[bytes, ...]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    async with relay(in_pieces(head + pieces[0], *pieces[1:])) as gate:
        assert (await gate.ask(GET)).endswith(b"\r\n\r\nabcd")
        assert (await gate.ask(GET)).endswith(b"\r\n\r\nnext")
        assert len(gate.connections) == 1


async def test_what_comes_behind_a_long_answer_is_dropped_with_its_connection() -> None:
    poisoned = in_pieces(
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab",
        b"cdHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    )
    clean = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
    async with relay(poisoned, clean) as gate:
        assert (await gate.ask(GET)).endswith(b"\r\n\r\nabcd")
        assert (await gate.ask(GET)).endswith(b"good")


async def test_an_unasked_answer_on_an_idle_connection_is_never_the_next_ones() -> None:
    sent = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await sent.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await writer.drain()
        await reader.read()
        sent.clear()

    clean = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
    async with relay(script, clean) as gate:
        assert (await gate.ask(GET)).endswith(b"hi")
        sent.set()
        async with asyncio.timeout(5):
            while gate.pool.connections:
                await asyncio.sleep(0)
        assert (await gate.ask(GET)).endswith(b"good")


@pytest.mark.parametrize(
    "answer",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000,
    ],
)
async def test_garbage_from_upstream_becomes_an_error_and_the_connection_goes(
    answer: bytes,
) -> None:
    async with relay(answering(answer)) as gate:
        assert (await gate.ask(GET)).startswith(b"HTTP/1.1 502")
        assert gate.pool.connections == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    ],
)
async def test_an_answer_that_breaks_off_never_looks_whole(answer: bytes) -> None:
    async with relay(answering(answer, close=True)) as gate:
        got = await gate.ask(GET)
        exchange = await gate.finished.get()
        assert exchange.truncated or got.startswith(b"HTTP/1.1 502")
        assert not got.endswith(b"0\r\n\r\n")


async def test_connections_to_the_api_server_are_used_again() -> None:
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%d." % n for n in range(3)]
    answers.append(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n3.\r\n0\r\n\r\n")
    answers.append(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n4.")
    async with relay(answering(*answers)) as gate:
        for n in range(5):
            assert b"%d." % n in await gate.ask(GET)
        assert len(gate.connections) == 1


async def test_a_stale_connection_costs_a_reader_nothing() -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1.")
        await read_request(reader)

    second = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n2.")
    async with relay(hangs_up, second) as gate:
        assert (await gate.ask(GET)).endswith(b"1.")
        assert (await gate.ask(GET)).endswith(b"2.")
        assert len(gate.connections) == 2


async def test_a_write_is_never_sent_twice() -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1.")
        await read_request(reader)

    second = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n2.")
    post = b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    async with relay(hangs_up, second) as gate:
        assert (await gate.ask(GET)).endswith(b"1.")
        assert (await gate.ask(post)).startswith(b"HTTP/1.1 502")
        assert len(gate.connections) == 1


async def test_a_master_that_never_answers_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with relay(silent, limits=PoolLimits(head_timeout=0.1)) as gate:
        assert b"didn't answer in time" in await gate.ask(GET)
        assert gate.pool.connections == 0


async def test_the_upstream_ends_at_once_when_the_client_goes() -> None:
    ended = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
        await reader.read()
        ended.set()

    async with relay(script) as gate:
        reader, writer = await gate.open()
        writer.write(b"GET /x?watch=1 HTTP/1.1\r\nHost: g\r\n\r\n")
        await reader.readuntil(b"{}\r\n")
        writer.close()
        async with asyncio.timeout(5):
            await ended.wait()
            while gate.pool.connections:
                await asyncio.sleep(0)


async def test_a_client_that_does_not_read_costs_two_buffers_not_the_answer() -> None:
    total, written = 64 * 2**20, 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        piece = b"x" * 65536
        while written < total:
            writer.write(piece)
            await writer.drain()
            written += len(piece)

    async with relay(script) as gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port, limit=1024)
        writer.write(b"GET /x HTTP/1.1\r\nHost: g\r\n\r\n")
        await _settled(lambda: written)
        assert written < 32 * 2**20, "kernel buffers and two of ours, not the whole answer"
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(30):
            left = total
            while left:
                left -= len(await reader.read(2**20))
        writer.close()


async def _settled(value: "object") -> None:
    """Return when ``value()`` has stood still for many turns of the loop."""
    assert callable(value)
    still, last = 0, value()
    async with asyncio.timeout(30):
        while still < 300:
            await asyncio.sleep(0.001)
            now = value()
            still, last = (still + 1, last) if now == last else (0, now)


async def test_locations_lead_back_through_the_gate_and_cookies_stay_behind() -> None:
    answer = (
        b"HTTP/1.1 302 Found\r\nLocation: /api/v1/x\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    )
    async with relay(answering(answer)) as gate:
        got = await gate.ask(GET)
    assert b"Location: /k8s/clusters/c-1/api/v1/x\r\n" in got
    assert b"Set-Cookie" not in got
