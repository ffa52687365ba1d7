"""Defaults for well-known issuers. Settings override them."""

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # A client scope with a "Group Membership" mapper creates the claim "groups". Refresh tokens
    # without offline_access end with Keycloak's session, after half an hour without activity.
    "keycloak": {"groups_claim": "groups", "offline_access": "always"},
    # Google has no groups in its tokens, and issues refresh tokens only on request.
    "google": {
        "issuer": "https://accounts.google.com",
        "username_claim": "email",
        "offline_access": "never",
        "authorize_parameters": {"access_type": "offline", "prompt": "consent"},
    },
    # "sub" differs for each application; "oid" identifies the user.
    "entra": {
        "subject_claim": "oid",
        "groups_claim": "groups",
        "scopes": ("openid", "profile", "email", "offline_access"),
    },
    "okta": {
        "groups_claim": "groups",
        "scopes": ("openid", "profile", "email", "groups", "offline_access"),
    },
    # ID tokens have direct groups only; userinfo has the whole list.
    "gitlab": {
        "issuer": "https://gitlab.com",
        "username_claim": "preferred_username",
        "groups_claim": "groups",
        "userinfo": "always",
        "offline_access": "never",
    },
    # Numeric ids: others can take over the name of a deleted repository.
    "github-actions": {
        "issuer": "https://token.actions.githubusercontent.com",
        "subject_claim": "repository_id",
        "username_claim": "repository",
        "display_name_claim": "repository",
    },
    "gitlab-ci": {
        "issuer": "https://gitlab.com",
        "subject_claim": "project_id",
        "username_claim": "project_path",
        "display_name_claim": "project_path",
    },
}
