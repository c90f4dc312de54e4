"""The programs of others use the end-to-end tests' network."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.plugin import *  # noqa: E402, F401, F403
