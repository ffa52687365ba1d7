"""Declarative configuration: ``sekisho apply``, ``diff``, and ``export``.

A *document* (:mod:`.documents`) describes one object of a *kind* (:mod:`.kinds`). The *observed*
state is what exists (:mod:`.observed`). A *plan* (:mod:`.plan`) lists the changes from one to the
other, and the *executor* (:mod:`.executor`) makes them. All of it is pure, except for reading files
(:mod:`.files`), reading the server's state (:mod:`.server_state`), and the executor.

The package is a part of the client: it imports nothing of the server.
"""
