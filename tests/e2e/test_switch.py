"""Two inputs of a channel and the switch between them, by content: what leaves is one valid stream throughout."""
import signal
import time

import pytest

from support import media, ts
from support.gateway import Gateway, pressure, wait_for, waited
from support.on_air import AFTER, GOP, HOLD, SECONDS, OnAir, channel, check


@pytest.fixture(scope="module")
def gateway(rig):
    channels = {f"switch{number}": channel(number) for number in (1, 2, 3, 5)}
    channels["switch4"] = channel(4, remux={"bitrate": "2Mbps"})
    channels["switch6"] = channel(6)
    channels["switch6"]["failover"]["when"] = ["cc"]
    with Gateway(rig, channels) as made:
        yield made


def test_silence_switches_and_hold_switches_back(rig, gateway, tmp_path):
    air = OnAir(rig, gateway, 1)
    air.play(2)
    silent, busy = air.silence(0), pressure()
    air.wait_for_input(2)
    air.play(2)
    busy = pressure() - busy
    air.send(0)
    air.wait_for_input(1)
    air.play(2)
    path = air.finish(tmp_path)
    found = check(air, path, [0, 1, 0])
    assert all(count > 20 for _, count in found)
    # Tables and clock fill the time; pictures come with the first random access point after the decision.
    backup = [when for when, data in air.capture.datagrams if when > silent + 0.05 and len(data) == 7 * 188]
    print(f"on the backup {backup[0] - silent:.2f} s after the sender was killed")
    assert AFTER - 0.1 < backup[0] - silent < AFTER + GOP + 0.5 + busy


def test_switches_with_control_killed(rig, gateway, tmp_path):
    air = OnAir(rig, gateway, 2)
    air.play(2)
    old = gateway.kill("control", signal.SIGSTOP)
    try:
        air.silence(0)
        air.play(AFTER + GOP + 2)
    finally:
        gateway.kill("control", signal.SIGKILL)
        gateway.wait_new("control", old)
    path = air.finish(tmp_path)
    check(air, path, [0, 1])
    gateway.wait_ready()


def test_damaged_input_is_left_too(rig, gateway, tmp_path):
    """It goes on sending, but after eight seconds no PMT comes any more."""
    data = media.stream("h264_aac", SECONDS).read_bytes()
    whole = len(data) // ts.SIZE * 8 // SECONDS * ts.SIZE
    pmt = next(iter(ts.programs(data).values()))
    crippled = tmp_path / "no-pmt.ts"
    crippled.write_bytes(data[:whole] + b"".join(packet for packet in ts.packets(data[whole:]) if ts.pid_of(packet) != pmt))
    air = OnAir(rig, gateway, 3, crippled)
    air.capture.wait(8 * 114 + 1)  # 1.2 Mb/s by sevens
    air.wait_for_input(2)
    air.play(2)
    check(air, air.finish(tmp_path), [0, 1])


def test_errors_that_go_on_are_left_where_the_map_names_them(rig, gateway, tmp_path):
    data = media.stream("h264_aac", SECONDS).read_bytes()
    lossy = tmp_path / "lossy.ts"
    lossy.write_bytes(b"".join(packet for index, packet in enumerate(ts.packets(data)) if index % 100 != 99))
    air = OnAir(rig, gateway, 6, lossy)
    wait_for(lambda: gateway.json("status", "switch6")["switch"]["on_air"] == 2)
    assert "cc" in gateway.json("status", "switch6")["reason"]
    air.finish(tmp_path)


def test_constant_rate_holds_across_the_switch(rig, gateway, tmp_path):
    air = OnAir(rig, gateway, 4)
    air.play(2)
    air.silence(0)
    air.wait_for_input(2)
    air.play(3)
    starved = waited(gateway.pid("fastpath")) - air.waited
    path = air.finish(tmp_path)
    check(air, path, [0, 1])
    times = [when for when, _ in air.capture.datagrams]
    # The last second is stuffing: the stream ended.
    middle = [when for when in times if times[0] + 0.5 < when < times[-1] - 1.5]
    rate = (len(middle) - 1) * 7 * 188 * 8 / (middle[-1] - middle[0])
    gap = max(b - a for a, b in zip(middle, middle[1:]))
    print(f"{rate / 1e6:.4f} Mb/s, datagrams at most {gap * 1000:.1f} ms apart")
    # By arrival over seconds: one that waits for its CPU sends the first or the last one later.
    assert abs(rate - 2e6) < 2e6 * (0.002 if starved < 0.3 else 0.05)


def test_operator_forces_an_input(rig, gateway, tmp_path):
    air = OnAir(rig, gateway, 5)
    air.play(2)
    for wanted in (2, 1):
        forced = gateway.cli("switch", "switch5", str(wanted))
        assert forced.returncode == 0, f"{forced.stdout}{forced.stderr}"
        air.wait_for_input(wanted)
        air.play(GOP + 1)
    path = air.finish(tmp_path)
    check(air, path, [0, 1, 0])
