"""These tests use the end-to-end tests' network and gateway."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from support.plugin import *  # noqa: E402, F401, F403
