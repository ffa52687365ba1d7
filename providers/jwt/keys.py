"""An issuer's public keys, and what they have signed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from providers.base import Refused

MAX_KEYS = 100
MIN_RSA_BITS = 2048
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Signatures with public keys only: with HMAC a public key would be the secret (RFC 8725 §2.1)."""

_Public = RSAKey | ECKey | OKPKey
_FAMILIES: Mapping[str, type[_Public]] = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey, "Ed": OKPKey}


class _Registry(jws.JWSRegistry):
    """Takes header parameters that it doesn't know, but none that it must (``crit``)."""

    max_header_length = 4096


class SigningKeys:
    """The keys of one JWK Set (RFC 7517 §5) that verify signatures; others are left out."""

    def __init__(self, keys: Iterable[Any]) -> None:
        found = (_signing_key(one) for one in list(keys)[:MAX_KEYS])
        self._keys: Sequence[tuple[Mapping[str, Any], _Public]] = [one for one in found if one]

    def __len__(self) -> int:
        return len(self._keys)

    def knows(self, header: Mapping[str, Any]) -> bool:
        """Whether some key may have signed what has that header."""
        return bool(self._candidates(header))

    def verify(
        self, bearer: str, header: Mapping[str, Any], algorithms: Iterable[str]
    ) -> Refused | None:
        """Why ``bearer`` isn't signed by one of the keys; None: it is."""
        algorithm = header.get("alg")
        allowed = set(algorithms).intersection(ALGORITHMS)
        if not isinstance(algorithm, str) or algorithm not in allowed:
            return Refused("algorithm_refused")
        if "crit" in header:
            return Refused("critical_header")
        candidates = self._candidates(header)
        if not candidates:
            return Refused("unknown_key")
        registry = _Registry(algorithms=[algorithm], strict_check_header=False)
        for key in candidates:
            try:
                jws.deserialize_compact(bearer, key, registry=registry)
            except (JoseError, ValueError, TypeError):
                continue
            return None
        return Refused("bad_signature")

    def _candidates(self, header: Mapping[str, Any]) -> list[_Public]:
        algorithm, kid = header.get("alg"), header.get("kid")
        family = _FAMILIES.get(algorithm[:2]) if isinstance(algorithm, str) else None
        if family is None:
            return []
        return [
            key
            for said, key in self._keys
            if isinstance(key, family)
            and (kid is None or said.get("kid") == kid)
            and said.get("alg") in {None, algorithm}
        ]


def _signing_key(said: Any) -> tuple[Mapping[str, Any], _Public] | None:
    if not isinstance(said, dict) or said.get("use") not in {None, "sig"}:
        return None
    if not isinstance(said.get("kid"), str | None) or not isinstance(said.get("alg"), str | None):
        return None
    try:
        key = JWKRegistry.import_key({k: v for k, v in said.items() if k not in {"key_ops", "use"}})
        if isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS:
            return None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return (said, key) if isinstance(key, RSAKey | ECKey | OKPKey) else None
