"""The settings of directory providers."""

from typing import Any

import pytest
from pydantic import ValidationError

from providers.active_directory.settings import ActiveDirectorySettings
from providers.ldap.settings import FreeIpaSettings, OpenLdapSettings

AD = {
    "servers": ["ldaps://dc1"],
    "domain": "corp.example.test",
    "bind_dn": "cn=x",
    "bind_password": "secret",
}


LDAP = {"servers": ["ldaps://ldap1"], "base": "dc=example,dc=test"}


class TestSettings:
    def test_minimal_settings_have_defaults(self) -> None:
        settings = ActiveDirectorySettings.model_validate(AD)
        assert settings.domain_dn == "DC=corp,DC=example,DC=test"
        assert settings.netbios == "corp"
        assert settings.nested_groups == "in_chain"
        assert OpenLdapSettings.model_validate(LDAP).key_attribute == "entryUUID"
        assert FreeIpaSettings.model_validate(LDAP).key_attribute == "ipaUniqueID"

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"servers": ["ldap://dc1"]}, "would send passwords in the clear"),
            ({"servers": ["ldaps://dc1"], "start_tls": True}, "have TLS already"),
            ({"servers": []}, "at least 1"),
            ({"servers": ["dc1"]}, "not a server's URL"),
            ({"bind_dn": None, "bind_password": None}, "bind_dn is missing"),
            ({"bind_password": None}, "bind_dn needs bind_password"),
            ({"bind_password": ""}, "not empty"),
            ({"user_filter": "cn=x"}, "is not a filter"),
            ({"username_attribute": "a)(b"}, "not the name of an attribute"),
            ({"domain": "corp,DC=x"}, "pattern"),
            ({"nested_groups": "all"}, "in_chain"),
            ({"answer_timeout": 5}, "needs a unit"),
            ({"serverz": []}, "not permitted"),
        ],
    )
    def test_invalid_setting_is_rejected_with_reason(
        self, change: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(ValidationError, match=sentence):
            ActiveDirectorySettings.model_validate(AD | change)

    def test_plain_ldap_needs_start_tls_or_allow_plain(self) -> None:
        for change in ({"start_tls": True}, {"allow_plain": True}):
            settings = OpenLdapSettings.model_validate(LDAP | {"servers": ["ldap://x"]} | change)
            assert not settings.addresses[0].tls

    def test_settings_repr_has_no_password(self) -> None:
        assert "secret" not in repr(ActiveDirectorySettings.model_validate(AD))
