"""Messages of directories, checked before they are decoded."""

from hypothesis import given
from hypothesis import strategies as st

from providers.ldap.ber import MalformedMessage, check_message, message_size
from tests.support.scripted_directory import BIND, Request


class TestMessages:
    RESPONSE = Request(5, BIND, b"")

    @given(st.data())
    def test_check_message_of_any_bytes_returns_or_raises_malformed(
        self, data: st.DataObject
    ) -> None:
        raw = bytearray(self.RESPONSE.entry(b"cn=x", cn=[b"x", b"y"]))
        for _ in range(data.draw(st.integers(0, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        try:
            check_message(bytes(raw))
        except MalformedMessage:
            pass

    def test_messages_of_directories_are_well_formed(self) -> None:
        values = [b"v" * 200] * 400
        for raw in (
            self.RESPONSE.bind_response(),
            self.RESPONSE.search_done(),
            self.RESPONSE.entry(b"cn=x", cn=values),
        ):
            assert check_message(raw) == raw
            assert message_size(raw) == message_size(raw[:6]) == len(raw)
            assert message_size(raw[:1]) is None

    @given(st.binary(max_size=8))
    def test_message_size_of_any_bytes_returns_or_raises_malformed(self, head: bytes) -> None:
        try:
            size = message_size(head)
        except MalformedMessage:
            return
        assert size is None or size >= 2
