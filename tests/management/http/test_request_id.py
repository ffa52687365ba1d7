"""Request ids are unique and need no quoting."""

from management.http.request_id import RequestIds


def test_ids_are_counted_in_hex_after_a_process_prefix() -> None:
    ids = RequestIds()
    made = [ids.next() for _ in range(70_000)]
    [process] = {one.partition("-")[0] for one in made}
    assert made == [f"{process}-{count:08x}" for count in range(1, 70_001)]
    assert process != RequestIds().next().partition("-")[0]


def test_client_id_is_used_if_well_formed() -> None:
    ids = RequestIds()
    assert ids.next(b"from-a-client.1") == "from-a-client.1"
    for offered in (b"short", b"a" * 65, b'with "quotes"', b"new\nline-is-here", b""):
        assert ids.next(offered).endswith("-0000000" + str(ids._count))
