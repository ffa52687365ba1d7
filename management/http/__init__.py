"""HTTP helpers without domain knowledge.

:class:`.problem.ApiProblem` is an error response of the API; :mod:`.body` reads request bodies;
:class:`.client_address.ClientAddresses` finds the client's address; :class:`.request_id.RequestIds`
generates request ids; :mod:`.request_notes` collects facts for the audit log.

May import: ``config`` and ``providers.base``.
"""
