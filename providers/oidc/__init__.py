"""The provider type ``oidc``: OpenID Connect issuers.

* :class:`~providers.oidc.provider.OidcProvider`: the provider.
* :class:`~providers.oidc.sign_in.OidcSignIn`: sign-in and refresh.
* :class:`~providers.oidc.bearer_tokens.OidcBearers`: an issuer's tokens as credentials.
* :class:`~providers.oidc.issuer.Issuer`: an issuer's metadata and keys.

May import: ``providers.jwt``, ``http``, ``settings``, ``base``, ``findings``; ``config``,
``impersonation``.
"""
