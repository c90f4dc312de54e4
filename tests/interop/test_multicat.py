"""multicat receives the way back: a published stream at a constant rate. Its own clock says when each datagram came, and
its companion `ingests` what the PCRs say of each: both must agree with the rate."""
import shutil
import statistics
import struct

from judge import Stage, end, needs, said, wait_for
from support import media
from support.content import same_media
from support.gateway import pressure, waited
from support.rig import SINK
from support.ts_check import check_datagrams

GROUP = "239.9.5.1"
RATE = 2_000_000
CHUNK = 7 * 188
TICKS = 27_000_000


def dates(path):
    """What an auxiliary file of multicat holds: the date of each chunk, in 27 MHz."""
    data = path.read_bytes()
    return [date for date, in struct.iter_unpack("!Q", data[:len(data) // 8 * 8])]


def from_the_rate(found):
    """How far each date is from where the rate puts it, in ms, the middle one being right."""
    step = CHUNK * 8 * TICKS / RATE
    away = [date - place * step for place, date in enumerate(found)]
    middle = statistics.median(away)
    return [(each - middle) * 1000 / TICKS for each in away]


@needs("multicat", "ingests")
def test_multicat_receives_a_published_stream_at_a_constant_rate(rig):
    source = media.stream("h264_aac", 30)
    with Stage(rig) as stage:
        stage.apply({"cam": {"inputs": [{"publish": {}}], "remux": {"bitrate": "2Mbps"}, "push": [f"udp://{GROUP}:5000"], "serve": []}})
        out = stage.open_folder / "out.ts"
        busy, starved = pressure(), waited(stage.pid("fastpath"))
        encoder = stage.publish(source, "cam")
        capture = rig.capture(GROUP, 5000)
        capture.wait(100)  # the buffer is full, the rate holds
        receiver = stage.beside_it("multicat", "-u", f"@{GROUP}:5000/ifaddr={SINK}", out, role="snk")
        wait_for(lambda: out.exists() and out.stat().st_size > 8 * RATE / 8, 90, lambda: said(receiver))
        busy, starved = pressure() - busy, waited(stage.pid("fastpath")) - starved
        end(receiver)
        end(encoder)
        received = out.read_bytes()
        everything = capture.stop()
        assert everything.kernel_drops == 0

        # Nothing lost, nothing changed on its way into multicat.
        assert len(received) % CHUNK == 0 and received in everything.payload()
        came = dates(out.with_suffix(".aux"))
        assert len(came) == len(received) // CHUNK

        # By multicat's clock. This machine's own delays are in it: bounds for a busy one.
        away = from_the_rate(came)
        late = sorted(abs(each) for each in away)
        by_clock = (len(came) - 1) * CHUNK * 8 * TICKS / (came[-1] - came[0])
        print(f"by multicat's clock: {by_clock:,.0f} b/s, 95 % within {late[len(late) * 95 // 100]:.2f} ms, all within {late[-1]:.2f} ms")
        assert abs(by_clock - RATE) < RATE * (5e-3 if busy < 2 else 5e-2)
        assert late[len(late) * 95 // 100] < 20 + 1000 * starved

        # By the PCRs, whatever the machine does. ingests dates a chunk as if its PCR came first in it: up to one chunk off, never adrift.
        pcr_pid = next(iter(check_datagrams(everything.datagrams).pcr))
        copy = stage.open_folder / "by-pcr.ts"
        shutil.copy(out, copy)
        result = rig.call("snk", "ingests", "-p", str(pcr_pid), str(copy))
        assert result.returncode == 0, result.stderr
        # Before the first and behind the last PCR it guesses.
        announced = dates(copy.with_suffix(".aux"))[30:-30]
        assert len(announced) > 1000
        away = from_the_rate(announced)
        print(f"by the PCRs: within {max(away) - min(away):.3f} ms of {len(announced)} places")
        assert max(away) - min(away) < CHUNK * 8000 / RATE
        same_media(source, out, least=120)
