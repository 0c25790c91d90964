"""What `[release]` of study.toml says of a release: who gives it away, and under which name and terms."""

from __future__ import annotations

import datetime
import re

from pydantic import field_validator, model_validator

from ..core.config import Config

_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


class ReleaseConfig(Config):
    """`[release]` in study.toml: what card and croissant.json tell, published as it is, and who signs the release."""

    title: str = "Synthetic image dataset"
    """Name of the data set."""
    creator: str = ""
    """Who gives it away, a person or an organisation; empty: nobody is named."""
    license: str = ""
    """Its licence by the name that Hugging Face and SPDX give it, such as cc-by-4.0; only under the profile open, where
    no terms have to be signed."""
    url: str = ""
    """Web page of the data set."""
    contact: str = ""
    """Address for questions and complaints, such as a person who finds themselves in an image."""
    published: str = ""
    """Day of publication, as in 2026-12-01; a release takes no date by itself, so that its bytes do not change."""

    c2pa_certificate: str = ""
    """PEM file of the certificate that signs every image by C2PA, followed by those above it, relative to the study;
    the bytes of such a release differ from run to run. Needs the extra sign."""
    c2pa_key: str = ""
    """PEM file of its private key, without a password, relative to the study; not kept, not released."""
    sign: str = ""
    """Private key that signs the release, relative to the study: PEM, P-256, P-384 or P-521; never published (extra
    sign)."""
    sign_certificate: str = ""
    """Certificate of that key, PEM; empty: recipients check by the public key."""
    sign_chain: tuple[str, ...] = ()
    """Certificates that vouch for that one, PEM, from its issuer up."""

    @field_validator("title", "creator", "url", "contact")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be one line of printable characters")
        return value

    @field_validator("title")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        return value

    @field_validator("url")
    @classmethod
    def _of_the_web(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s\"'<>\\]+", value):
            raise ValueError("must begin with https:// or http://")
        return value

    @field_validator("license")
    @classmethod
    def _a_name(cls, value: str) -> str:
        if value and not _LICENCE.fullmatch(value):
            raise ValueError("must be the short name of a licence, such as cc-by-4.0")
        return value

    @field_validator("published")
    @classmethod
    def _a_day(cls, value: str) -> str:
        if value:
            if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
                raise ValueError("must be a day such as 2026-12-01")
            datetime.date.fromisoformat(value)
        return value

    @model_validator(mode="after")
    def _a_key_signs(self) -> ReleaseConfig:
        if self.sign_certificate and not self.sign:
            raise ValueError("sign_certificate needs the private key of the certificate: set sign")
        if self.sign_chain and not self.sign_certificate:
            raise ValueError("sign_chain vouches for a certificate: set sign_certificate")
        return self
