"""What `headgate probe` says of a decoder's buffers, against a reading of the same bytes that knows nothing of it."""
import json
import subprocess

import pytest

from support import media
from support.gateway import BIN
from support.tstd_oracle import Oracle

FOLDER = media.captures_folder()
pytestmark = pytest.mark.skipif(FOLDER is None, reason="captures need HEADGATE_STREAMS")


@pytest.mark.parametrize("name, pid, pcr_pid", [
    ("mpts-dvbt-it-8prog", 0x208, 0x208), ("dvbt-fr-hd-h264i-eac3x3-dvbsubx2", 0x78, 0x78), ("hd-2services-eit-one-scrambled", 0x3F2, 0x3F2),
    ("scte35-h264-bframes-aac-80s", 0x100, 0x100), ("hevc-aac-0", 0x100, 0x100), ("hevc-aac-1", 0x100, 0x100), ("h264-ac3dvb-0", 0x100, 0x100),
    ("h264-ac3dvb-1", 0x100, 0x100), ("h264-opus", 0x100, 0x101), ("h264-aac-0", 0x100, 0x100), ("obs-hevc-aac", 0x100, 0x100)])
def test_buffers_of_a_capture_fill_as_its_bytes_say(name, pid, pcr_pid):
    path = FOLDER / f"{name}.ts"
    report = json.loads(subprocess.run([BIN / "headgate", "probe", "--json", path], check=True, capture_output=True).stdout)
    tstd = next(it["tstd"] for it in report["pids"] if it["pid"] == pid)
    stay, fill, late = Oracle(path, pid, pcr_pid).judge()
    assert tstd["unjudged"] is None
    assert tstd["delay_max_ms"] == pytest.approx(stay, abs=0.1)
    # By whole packets, and what is in TB and MB with it.
    assert tstd["main"]["max"] == pytest.approx(fill, abs=400)
    # The last picture's end may not be known.
    assert late - 1 <= tstd["underflows"] <= late
    assert report["tr101290"]["buffer_error"] >= tstd["underflows"]
