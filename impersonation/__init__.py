"""Who a request acts as, and how a cluster is told: the threat model of the gate.

**What is protected.** Every downstream cluster trusts Sekisho's service account to say who a caller
is (Kubernetes user impersonation). Whoever can put one header of their own among those we stamp is
whoever they like, ``system:masters`` included. So the identity headers of a request are never
*edited*: everything the caller sent that could be one is dropped, and the whole block is written
anew from an :class:`~impersonation.identity.Identity`.

**Who attacks.** A signed-in user who wants to be another; a client whose headers are read
differently by the next hop (odd case, underscores, obsolete folding, duplicates, names listed in
``Connection``); a provider, or a directory behind it, that hands out names which mean something to
Kubernetes (``system:*``) or that break out of a header line.

**What is done about it.**

* :mod:`~impersonation.inbound` drops by *prefix*, after normalising names the way a careless
  server might, so that an impersonation header invented tomorrow is covered today.
* :mod:`~impersonation.nested` reads ``kubectl --as`` out of the same headers, but only as a wish:
  the downstream cluster is asked whether the caller may, and no answer means no.
* :mod:`~impersonation.policy` refuses ``system:*`` users and groups from any provider.
* :mod:`~impersonation.outbound` writes the header block. An identity that can't be expressed in
  full is refused: half an identity might be more powerful than the whole one.
* :mod:`proxy.final_check` looks once more at the finished bytes, before they are sent.
* The service account that impersonates may do nothing else, so a request that loses its identity
  headers on the way is powerless.

``docs/security.md`` is the whole threat model, with the test that shows each defence.

Everything here is pure: frozen dataclasses and functions on bytes and mappings.
"""
