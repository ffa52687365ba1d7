"""The provider type ``github``: github.com or a GitHub Enterprise Server.

* :class:`~providers.github.provider.GithubProvider`: the provider.
* :class:`~providers.github.api.GithubApi`: the REST API.
* :class:`~providers.github.oauth.GithubOAuth`: the OAuth endpoints.

May import: ``providers.http``, ``settings``, ``base``; ``config``. Not ``oidc``.
"""
