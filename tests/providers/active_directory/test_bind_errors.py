"""The reasons in the errors of a bind."""

from hypothesis import given
from hypothesis import strategies as st

from providers.active_directory.bind_errors import REASONS, rejection, sub_code
from providers.base import Rejected
from tests.providers.ldap.strategies import (
    TEXT,
)


class TestSubCodes:
    @given(st.integers(0, 0xFFFFFFFF), TEXT.filter(lambda text: "data" not in text.lower()), TEXT)
    def test_sub_code_is_found_in_any_text(self, code: int, before: str, after: str) -> None:
        message = f"{before} error, data {code:x}, {after}"
        assert sub_code(message) == code
        assert rejection(message).reason == REASONS.get(code, "refused_by_directory")

    @given(st.text(max_size=200))
    def test_rejection_of_any_message_has_short_detail(self, message: str) -> None:
        rejected = rejection(message)
        assert rejected.reason in (*REASONS.values(), "refused_by_directory")
        assert len(rejected.detail) < 40

    def test_message_without_sub_code_has_general_reason(self) -> None:
        assert rejection("80090308: no more than that") == Rejected("refused_by_directory")
        assert sub_code("metadata 52e") is None
