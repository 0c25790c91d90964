"""Keys and certificates are tried before a run begins its work: whatever will not sign is told at once."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from tests.release.keys import write_certificates, write_key
from tests.release.test_provenance import certificates
from tests.studies import change_settings
from unpersonal.core.errors import InputError
from unpersonal.init import init_study
from unpersonal.phantom import write_phantom
from unpersonal.release.config import ReleaseConfig
from unpersonal.release.rehearsal import rehearse
from unpersonal.study import Study

NOW = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)


def signed(folder: Path, chain: bool = True) -> ReleaseConfig:
    key, certificate, root = write_certificates(folder)
    return ReleaseConfig(
        sign=key.name, sign_certificate=certificate.name, sign_chain=(root.name,) if chain else (), title="T"
    )


def test_what_signs_passes(tmp_path: Path) -> None:
    rehearse(ReleaseConfig(), tmp_path)
    rehearse(signed(tmp_path), tmp_path, NOW)
    rehearse(signed(tmp_path, chain=False), tmp_path, NOW)
    key, _ = write_key(tmp_path)
    certificate, secret = certificates(tmp_path)
    before = sorted(tmp_path.iterdir())
    rehearse(ReleaseConfig(sign=key.name, c2pa_certificate=certificate, c2pa_key=secret), tmp_path, NOW)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("year", [2019, 2130])
def test_a_certificate_is_valid_today(tmp_path: Path, year: int) -> None:
    told = signed(tmp_path)
    with pytest.raises(InputError, match="valid only from 2020" if year < 2020 else "has expired on 2119") as found:
        rehearse(told, tmp_path, NOW.replace(year=year))
    assert "sign_certificate" in found.value.where and "Certificate 1 of 2" in found.value.what


def test_so_is_that_of_c2pa_and_the_key_is_its_own(tmp_path: Path) -> None:
    certificate, key = certificates(tmp_path, end=2027)
    told = ReleaseConfig(c2pa_certificate=certificate, c2pa_key=key)
    rehearse(told, tmp_path, NOW)
    with pytest.raises(InputError, match="has expired on 2027-01-01"):
        rehearse(told, tmp_path, NOW.replace(year=2028))
    _, other = certificates(tmp_path, name="Other")
    with pytest.raises(InputError, match="not that of the certificate"):
        rehearse(told.model_copy(update={"c2pa_key": other}), tmp_path, NOW)
    # C2PA asks for more than a signature does: it is asked itself
    certificate, key = certificates(tmp_path, name="No usage", usage=False)
    with pytest.raises(InputError, match="cannot be signed"):
        rehearse(ReleaseConfig(c2pa_certificate=certificate, c2pa_key=key), tmp_path, NOW)


def test_a_chain_leads_from_one_to_the_next_and_the_signer_may_sign(tmp_path: Path) -> None:
    told = signed(tmp_path)
    *_, stranger = write_certificates(tmp_path, "b")
    with pytest.raises(InputError, match="was not issued by the one that follows it"):
        rehearse(told.model_copy(update={"sign_chain": (stranger.name,)}), tmp_path, NOW)
    # an authority's certificate with its own key is none for signatures of content only by its usage
    key, certificate, _ = write_certificates(tmp_path, "c", digital_signature=False)
    with pytest.raises(InputError, match="is not for signatures"):
        rehearse(ReleaseConfig(sign=key.name, sign_certificate=certificate.name), tmp_path, NOW)


@pytest.mark.slow
def test_a_run_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    write_phantom(tmp_path / "images", subjects=40, seed=1, size=32, findings=("No Finding", "Pleural Effusion"))
    init_study(
        tmp_path / "study",
        {"images": str(tmp_path / "images"), "layout": "folder", "subject": r"(?P<subject>sub-\d+)"},
        preset_name="tiny",
    )
    study = tmp_path / "study"
    certificate, key = certificates(study, end=2026)  # expired when this was written
    change_settings(study, {"release.c2pa_certificate": certificate, "release.c2pa_key": key})
    there = {path.relative_to(study) for path in study.rglob("*")}
    with pytest.raises(InputError, match=r"has expired on|valid only from"):
        Study.open(study).run()
    assert {path.relative_to(study) for path in study.rglob("*.safetensors")} <= there
    assert not (study / "models").exists() and not (study / "features").exists()
    # nobody signs anything as long as no release is asked for
    Study.open(study).run(until="encode")
