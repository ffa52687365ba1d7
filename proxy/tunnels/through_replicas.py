"""Reach agents' clusters from a command beside the server, through tunnels of running replicas.

A command that works on the database has the store's encryption keys, and so the proof by which
replicas recognize each other. It holds no tunnels, and others learn nothing of it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from management.tunnels.directory import TunnelDirectory
from management.tunnels.peer_client import PeerClient
from management.tunnels.peer_proof import PURPOSE, PeerProof
from proxy.tunnels.replica import this_replica
from store.encryption import Keyring
from store.interfaces import Store


@asynccontextmanager
async def through_replicas(store: Store, keyring: Keyring) -> AsyncIterator[None]:
    """Let records of agents' clusters that ``store`` reads be reached through other processes.

    A connection fails with a ManagementError if no replica has a tunnel of the cluster.
    """
    replica = this_replica()
    proof = PeerProof(keyring.derive_all(PURPOSE))
    client = PeerClient(replica.id, replica.machine, proof, wall_clock=time.time)
    directory = TunnelDirectory(store, replica, remote=client)
    store.clusters.use_dialers(directory.dialer)
    following = asyncio.create_task(directory.follow_changes(), name="tunnels")
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await client.close()
