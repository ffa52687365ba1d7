"""Requests to a cluster in a caller's name, through the gate of this process.

:class:`.gate.Gate` makes a :class:`.client.CallerClient` for one :class:`.gate.OnBehalf`: the
caller's own credential, and where the caller's request came from. Each request passes what the
caller's kubectl passes: admission, scopes, limits, impersonation, and logs. No other credential is
used here, so nothing that the caller may not do can be done. :mod:`.errors` has the failures, with
the cluster's words.

The requests are those of kubernetes-asyncio, which :mod:`.generated_client` alone imports: in a
thread, when the first caller needs it, because its import takes a second.

May import: ``management.kubernetes``, ``http``, and ``errors``, ``providers.http`` and ``network``,
``config``.
"""
