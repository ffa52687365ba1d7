"""What Sekisho does inside a downstream cluster: its accounts, their rights, and who is bound.

Everything here talks to one cluster with a credential it is given and knows nothing of the store.
:mod:`.client` is the only file that imports kubernetes-asyncio; the objects themselves are made by
plain functions in :mod:`.objects`, so what Sekisho wants to be true of a cluster can be read (and
tested) without one.
"""
