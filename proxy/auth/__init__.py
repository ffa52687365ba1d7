"""Authentication and authorization of requests, and the identity that a cluster sees.

Main classes: ``Authenticator`` finds the token of a request; ``RequestAuthorizer`` decides about
it, with the checks in ``authorizer`` and the header block of ``impersonation``. May import:
``proxy.upstream``, ``request``, ``response``, ``limits``, ``metrics``; ``impersonation``,
``management.authentication``, ``management.clusters``, ``providers.base``.
"""
