"""Runs to make reports of."""

from pathlib import Path

import pytest

from reports.ledger import Run, read
from tests.reports import sample


@pytest.fixture(scope="session")
def hospital_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger of a hospital with defects; tests must not write here."""
    return sample.write(tmp_path_factory.mktemp("hospital"), sample.hospital())


@pytest.fixture(scope="session")
def hospital(hospital_folder: Path) -> Run:
    return read(hospital_folder)
