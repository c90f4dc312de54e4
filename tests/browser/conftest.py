"""The browser tests use the end-to-end tests' network."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import netns  # noqa: E402
from support.rig import Rig  # noqa: E402


def pytest_configure(config):
    netns.clean_on_signals()


@pytest.fixture(scope="module")
def rig():
    with Rig() as made:
        yield made
