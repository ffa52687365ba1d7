"""Strategies of values from directories."""

from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
