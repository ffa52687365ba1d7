"""Long results of the store are handled in pieces."""

from pathlib import Path

import pytest

from store.encryption import Keyring, generate_key
from store.pieces import PIECE, in_pieces
from tests.store.records import a_cluster
from tests.support.loop_turns import LoopTurns
from tests.support.stores import open_new_store

COUNT = 3 * PIECE + 1


@pytest.mark.parametrize("count", [0, 1, PIECE, COUNT])
async def test_values_are_handled_in_order_with_a_turn_after_each_piece(count: int) -> None:
    found = []
    with LoopTurns().counting() as turns:
        async for value in in_pieces(range(count)):
            turns.note()
            found.append(value)
    assert found == list(range(count))
    assert turns.most <= PIECE


class Recording(Keyring):
    """Notes each value that is decrypted."""

    turns: LoopTurns | None = None

    def decrypt(self, envelope: bytes, context: str) -> str:
        if self.turns is not None:
            self.turns.note()
        return super().decrypt(envelope, context)


async def test_all_clusters_are_decrypted_in_pieces(tmp_path: Path) -> None:
    keyring = Recording.parse(generate_key())
    assert isinstance(keyring, Recording)
    store = await open_new_store(f"sqlite:///{tmp_path}/store.db", keyring)
    try:
        for number in range(COUNT):
            await store.clusters.create(a_cluster(f"c{number:03}"))
        with LoopTurns().counting() as turns:
            keyring.turns = turns
            assert len(await store.clusters.list_all()) == COUNT
            assert len(await store.clusters.page("name", limit=COUNT)) == COUNT
        assert sum(turns.done.values()) >= 2 * COUNT
        assert turns.most <= 2 * PIECE  # Each cluster has two tokens at most.
    finally:
        await store.close()
