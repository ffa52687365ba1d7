"""Dashboard of providers, sign-ins, users, and tokens."""

from panels import Dashboard, Panel
from queries import JOB, OF_JOB, PROVIDER, rate

SIGN_IN = Dashboard(
    "sekisho-sign-in",
    "Sekisho / Sign-in",
    (
        Panel(
            "Providers",
            {f"min by (provider) (sekisho_provider_up{{{PROVIDER}}})": "{{provider}}"},
            "1: passed its last check.",
        ),
        Panel(
            "Sign-ins",
            {
                rate("sekisho_sign_ins_total", PROVIDER, "provider, outcome"): (
                    "{{provider}} {{outcome}}"
                )
            },
            "throttled: too many failures before. unavailable: the provider did not respond.",
            "ops",
        ),
        Panel(
            "Users",
            {f"max by (state) (sekisho_users{{{JOB}}})": "{{state}}"},
            "Counted once a minute.",
        ),
        Panel(
            "Valid tokens",
            {
                f"max by (kind) (sekisho_valid_tokens{{{JOB}}})": "{{kind}}",
                f"max(sekisho_used_tokens{{{JOB}}})": "used within a day",
            },
            "Tokens that have not ended.",
        ),
        Panel(
            "Refreshes of users",
            {
                rate("sekisho_identity_refreshes_total", PROVIDER, "provider, outcome"): (
                    "{{provider}} {{outcome}}"
                )
            },
            "Sekisho learns of changes of groups and of removed users by them.",
            "ops",
        ),
        Panel(
            "Users not refreshed",
            {f"max by (provider) (sekisho_identities_not_refreshed{{{PROVIDER}}})": "{{provider}}"},
            "Users whose last three or more refreshes failed.",
        ),
        Panel(
            "Authentications by provider",
            {
                rate("sekisho_authentications_total", PROVIDER, "provider, outcome"): (
                    "{{provider}} {{outcome}}"
                )
            },
            "Checks of credentials at requests, by the provider of their user.",
            "ops",
        ),
    ),
    OF_JOB | {"provider": "sekisho_provider_up"},
)
