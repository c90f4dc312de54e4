"""The programs of others use the end-to-end tests' network."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import netns  # noqa: E402
from support.rig import Rig  # noqa: E402


def pytest_configure(config):
    netns.clean_on_signals()


def pytest_collection_modifyitems(config, items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="network namespaces and capture ports need root"))


@pytest.fixture(scope="module")
def rig():
    with Rig() as made:
        yield made
