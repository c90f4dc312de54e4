"""Many viewers of one channel, idle connections and slow readers: what each costs, and that none moves the others."""
import json
import os
import sys
from pathlib import Path

import pytest

from support import hls, media
from support.gateway import Gateway

HERE = Path(__file__).resolve().parent
SECONDS = 8


def cpu_and_memory(pid):
    """(CPU seconds, RSS in MiB)."""
    ticks = open(f"/proc/{pid}/schedstat").read().split()[0]
    rss = next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS:")).split()[1]
    return int(ticks) / 1e9, int(rss) / 1024


@pytest.fixture(scope="module")
def plant(rig):
    with Gateway(rig, {"tv": {"inputs": ["udp://239.14.1.1:5000"], "serve": {"hls": {"segment": "2s", "window": 8}}}}) as gateway:
        rig.wait_mdb("239.14.1.1", True)
        rig.send(media.stream("h264_aac", 60), "239.14.1.1", 5000)
        hls.Client(gateway, "tv").follow(4)
        yield gateway


def load(rig, gateway, idle, players, slow):
    pid = gateway.pid("bridge")
    # What else this machine does must not be measured: both ends go first.
    for process in ("bridge", "fastpath"):
        os.setpriority(os.PRIO_PROCESS, gateway.pid(process), -15)
    before = cpu_and_memory(pid)
    result = rig.call("gw", "nice", "-n", "-15", sys.executable, str(HERE / "load_client.py"), str(gateway.http_port), "tv", str(SECONDS), str(idle),
                      str(players), str(slow), timeout=SECONDS + 120)
    assert result.returncode == 0, result.stderr
    after = cpu_and_memory(pid)
    found = json.loads(result.stdout)
    found["cpu"] = 100 * (after[0] - before[0]) / SECONDS
    found["rss"] = after[1]
    print(f"{idle} idle, {players} players, {slow} slow: bridge {found['cpu']:.1f} % of a core, RSS {found['rss']:.1f} MiB; playlists "
          f"{found['playlists']}, segments {found['segments']}, {found['bytes'] / 1e6:.0f} MB; client {found['client_cpu']:.0f} % of a core; failures {found['failures']}")
    assert found["failures"] == [0]
    return found


def test_two_hundred_players_beside_a_thousand_idle_connections_and_slow_readers(rig, plant):
    alone = load(rig, plant, 0, 200, 0)
    crowd = load(rig, plant, 1000, 200, 20)
    assert crowd["idle_alive"] == 1000 and crowd["slow_started"] == 20
    # A wide margin for two shared cores, on which this client needs most.
    for kind in ("playlists", "segments"):
        assert crowd[kind]["p50_ms"] < 2 * alone[kind]["p50_ms"] + 200, (alone[kind], crowd[kind])
    assert crowd["segments"]["count"] >= 0.8 * alone["segments"]["count"]
    assert crowd["rss"] - alone["rss"] < 64
