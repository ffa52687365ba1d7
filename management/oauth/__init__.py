"""The grants of the token endpoint, ``POST /v1/token`` (RFC 6749 §3.2).

One module for each grant: an authorization code for a command line (RFC 7636, RFC 8252), a device
code (RFC 8628), the renewal of a session, and the exchange of another issuer's token (RFC 8693).
Each has ``redeem``, which takes a :class:`.grants.TokenRequest` and returns a
:class:`.grants.TokenResponse` or raises :class:`.errors.OAuthError`.

May import: ``management.authentication``, ``management.identity``, ``management.authorization``,
``management.http``; ``providers.base`` and the store's interfaces and records.
"""
