"""What is usual at well-known issuers. Any of it can be set otherwise."""

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # A client scope with a "Group Membership" mapper makes the claim "groups".
    "keycloak": {"groups_claim": "groups"},
    # Google has no groups in its tokens, and gives refresh tokens only where they are asked for.
    "google": {
        "issuer": "https://accounts.google.com",
        "username_claim": "email",
        "authorize_parameters": {"access_type": "offline", "prompt": "consent"},
    },
    # "sub" is another one for each application there; "oid" is the person.
    "entra": {
        "subject_claim": "oid",
        "groups_claim": "groups",
        "scopes": ("openid", "profile", "email", "offline_access"),
    },
    "okta": {
        "groups_claim": "groups",
        "scopes": ("openid", "profile", "email", "groups", "offline_access"),
    },
    # Its ID tokens have the direct groups only; the whole list is at userinfo.
    "gitlab": {
        "issuer": "https://gitlab.com",
        "username_claim": "preferred_username",
        "groups_claim": "groups",
        "userinfo": "always",
    },
    # Numeric ids: names of repositories can be taken over by others once they are free.
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
