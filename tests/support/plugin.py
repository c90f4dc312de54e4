"""What each folder of pytest files shares, for `from support.plugin import *` in its conftest.py: a rig per file, no namespace left
behind, no tests without root, and the note which streams are used."""
import os

import pytest

from . import media, netns
from .rig import Rig

__all__ = ["pytest_configure", "pytest_report_header", "pytest_collection_modifyitems", "rig"]


def pytest_configure(config):
    netns.clean_on_signals()


def pytest_report_header(config):
    folder = media.captures_folder()
    return f"streams: {'captures of ' + str(folder) if folder else 'generated ones only (HEADGATE_STREAMS is not set)'}"


def pytest_collection_modifyitems(config, items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="network namespaces and capture ports need root"))


@pytest.fixture(scope="module")
def rig():
    with Rig() as made:
        yield made
