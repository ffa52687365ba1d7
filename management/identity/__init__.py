"""Users, principals, providers, sign-in, sessions and issued tokens.

* A **provider** authenticates users: :class:`.provider_registry.ProviderRegistry` runs all of them,
  and :class:`.provider_capabilities.ProviderCapabilities` lists the ways to sign in at one.
* A **principal** is a user's account at one provider. A **user** of Sekisho has one or more
  principals.
* :class:`.sign_in.SignInService` turns a provider's identity into a user and a session;
:class:`.sign_in_policy.SignInPolicy` decides who may sign in.
* :class:`.identity_refresh.IdentityRefresher` checks users at their providers again and again.
* :class:`.tokens.TokenIssuer` issues tokens; :class:`.session_cookies.SessionCookies` holds them in
  browsers.

May import: ``management.authorization``, ``management.http``, ``management.errors``; ``config``,
``impersonation``, ``providers``, and the store's interfaces and records.
"""
