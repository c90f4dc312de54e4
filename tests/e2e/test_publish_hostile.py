"""Encoders that send what costs as much as it can: one channel's publisher must not hold up the others. Each of these once took
the bridge's only thread for seconds, or hundreds of megabytes."""
import contextlib
import threading
import time

import pytest

from support import counted_ts, rtmp
from support.gateway import Gateway, waited

RELAY, OUT = "239.7.6.1", "239.7.6.2"
SECONDS = 150


@pytest.fixture(scope="module")
def live(rig, tmp_path_factory):
    source = tmp_path_factory.mktemp("hostile") / "counted.ts"
    source.write_bytes(counted_ts.make(SECONDS, 2_000_000))
    gateway = Gateway(rig, {})
    gateway.rtmp_port = gateway._free_port()
    gateway.node["servers"]["rtmp"] = {"listen": f"[::]:{gateway.rtmp_port}"}
    gateway.write_node()
    gateway.write({"relay": {"inputs": [f"udp://{RELAY}:5000"], "push": [f"udp://{OUT}:5000"], "serve": ["http-ts"]},
                   "open": {"inputs": [{"publish": {}}], "serve": ["hls", "rtmp"]}})
    with gateway:
        rig.wait_mdb(RELAY, True)
        gateway.capture = rig.capture(OUT, 5000)
        gateway.sent = source.read_bytes()
        rig.send(source, RELAY, 5000)
        gateway.capture.wait(10)
        yield gateway


@contextlib.contextmanager
def connected(gateway):
    """A publisher that reads its answers; one whose predecessor is not gone yet comes again."""
    deadline = time.monotonic() + 60
    while True:
        with gateway.rig.inside("gw"):
            client = rtmp.Client(gateway.rtmp_port, timeout=60).open()
        if client.publish("open").endswith("Start"):
            break
        client.close()
        assert time.monotonic() < deadline, "the place is never free"
        time.sleep(0.1)
    threading.Thread(target=client.closed, args=(200,), daemon=True).start()
    with client:
        yield client


@contextlib.contextmanager
def publisher(gateway):
    with connected(gateway) as client:
        client.media(rtmp.VIDEO, rtmp.video_header())
        client.media(rtmp.AUDIO, rtmp.audio_header())
        client.media(rtmp.VIDEO, rtmp.picture())
        client.media(rtmp.AUDIO, rtmp.sound())
        yield client


def tiny_frames_in_one_message(client):
    one = rtmp.tag(rtmp.VIDEO, rtmp.picture([b"\x41\x9a\x00"], key=False), 40)
    for time_ms in (40, 80):
        client.media(rtmp.AGGREGATE, one * ((7 << 20) // len(one)), time_ms)


def sixty_thousand_pictures_of_one_time(client):
    one = rtmp.message(rtmp.VIDEO, rtmp.picture(), 40, 1, 6, client.chunk)
    for _ in range(61):
        client.raw(one * 1000)


def slices_of_a_byte(client):
    client.media(rtmp.VIDEO, rtmp.video_header(rtmp.avcc(length_size=1)), 100)
    for k in range(6):
        client.media(rtmp.VIDEO, b"\x17\1\0\0\0" + b"\1\x41" * ((7 << 19)), 100 + 40 * k)


# And why what they send is left out.
ATTACKS = {tiny_frames_in_one_message: "unreadable_frame", sixty_thousand_pictures_of_one_time: "mux_full", slices_of_a_byte: "unreadable_frame"}


def used(pid):
    """Seconds of processor time, and the most memory ever, in MiB."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    memory = next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmHWM"))
    return (int(fields[11]) + int(fields[12])) / 100, memory // 1024


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_one_encoder_does_not_hold_up_the_others(live, attack):
    gateway = live
    dropped = gateway.metric("headgate_drops_total", channel="open", reason=ATTACKS[attack])
    bridge = gateway.pid("bridge")
    before, _ = used(bridge)
    with publisher(gateway) as client, contextlib.suppress(OSError):
        attack(client)
    # Whatever was sent has been dealt with when the next one can publish.
    with publisher(gateway):
        gateway.wait_metric("headgate_drops_total", dropped + 1, channel="open", reason=ATTACKS[attack])
    assert gateway.pid("bridge") == bridge, gateway.tail()
    seconds, memory = used(bridge)
    print(f"{attack.__name__}: {seconds - before:.2f} s, at most {memory} MiB")
    assert seconds - before < 2.0
    assert memory < 150


def test_large_pictures_that_wait_for_sound_take_little_memory(live):
    gateway = live
    with connected(gateway) as client:
        client.send(rtmp.DATA, rtmp.amf("@setDataFrame", "onMetaData", {"width": 128, "videocodecid": 7}), stream=1)
        client.media(rtmp.VIDEO, rtmp.video_header())
        large = rtmp.picture([b"\x65" + b"\xa5" * (7 << 20)])
        for _ in range(120):
            client.media(rtmp.VIDEO, large, 40)
    with publisher(gateway):
        pass
    _, memory = used(gateway.pid("bridge"))
    print(f"120 pictures of 7 MiB: at most {memory} MiB")
    assert memory < 220


def test_who_comes_and_goes_does_not_fill_the_log(live):
    gateway = live
    begin, began = gateway.log.stat().st_size, time.monotonic()
    for _ in range(60):
        with publisher(gateway):
            pass
    lines = [line for line in gateway.log.read_bytes()[begin:].decode().splitlines() if " bridge channel=open " in line]
    tens = int(time.monotonic() - began) // 10 + 2  # begun, the one before it included
    # Ten of each kind: received, ended, and the line that says how many more there were.
    assert 1 <= len(lines) <= 22 * tens, (len(lines), tens)
    assert gateway.json("status", "open")["inputs"][0]["source"]["connections"] >= 60


def test_the_other_channel_lost_nothing_meanwhile(live):
    gateway = live
    assert gateway.capture.kernel_drops == 0
    got = gateway.capture.payload()
    assert len(got) > 1_000_000
    # The card's ring takes in seconds; one that is not scheduled for longer counts what it missed.
    missed = gateway.metric("headgate_drops_total", reason="nic_missed")
    if missed:
        assert waited(gateway.pid("fastpath")) > 1.0, f"{missed} datagrams missed by a fast path that had its CPU"
        return
    assert counted_ts.place_of(got, gateway.sent) >= 0, f"{counted_ts.cc_errors(got)} continuity errors"
