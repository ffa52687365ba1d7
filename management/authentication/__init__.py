"""Authenticate bearer tokens: from the bytes of a token to an authenticated token.

:class:`.token_authenticator.TokenAuthenticator` finds and caches tokens;
:class:`.authenticated_token.AuthenticatedToken` is the record of a live token with its user,
identity and grants; :class:`.external_tokens.ExternalTokens` verifies tokens of other issuers.

The request path of ``proxy`` needs this package and no other of ``management``. May import:
``management.identity``, ``management.authorization``; ``impersonation``, ``providers.base`` and the
store's interfaces.
"""
