"""Settings: what an operator may say in ``sekisho.yaml`` and the environment. Pure, no network."""
