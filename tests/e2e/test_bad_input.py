"""Bad input raises a counter or a clear error; the channel beside it loses nothing."""
import os
import random
import socket
import struct
import time

import pytest

from support import media, ts
from support.gateway import Gateway
from support.rig import ethernet_udp

GROUP = "239.8.1.1"
PACKET = bytes([0x47, 0x01, 0x00, 0x10]) + bytes(184)


@pytest.fixture(scope="module")
def plant(rig):
    """A channel that gets the bad input, by multicast and HLS, and a good one beside it over the whole file."""
    channels = {"bad": {"inputs": [f"udp://{GROUP}:5000"], "push": ["udp://239.8.2.1:5000"], "serve": ["hls"]},
                "badrtp": {"inputs": ["rtp://239.8.1.2:5000"], "push": ["udp://239.8.2.2:5000"]},
                "good": {"inputs": ["udp://239.8.1.3:5000"], "push": ["udp://239.8.2.3:5000"], "serve": ["hls"]}}
    path = media.stream("h264_aac", 60)
    with Gateway(rig, channels) as gateway:
        capture = rig.capture("239.8.2.3", 5000)
        for group in (GROUP, "239.8.1.2", "239.8.1.3"):
            rig.wait_mdb(group, True)
        rig.wait_mdb("239.8.2.3", True, port="p-snk")
        pids = {process: gateway.pid(process) for process in ("fastpath", "bridge", "control")}
        sender = rig.send(path, "239.8.1.3", 5000)
        yield gateway
        sender.kill()
        sender.wait()
        capture.wait_quiet()
        capture.stop()
        got = capture.payload()
        assert {process: gateway.pid(process) for process in pids} == pids, f"a process died\n{gateway.tail(80)}"
        assert path.read_bytes()[:len(got)] == got, "the good channel was touched"
        assert gateway.metric("headgate_input_cc_errors_total", channel="good") == 0
        print(f"good channel: {len(got) // 188} packets untouched beside all of it")


def drops(gateway, reason):
    return gateway.metric("headgate_drops_total", reason=reason)


def expect_drop(gateway, reason, action, count=1):
    before = drops(gateway, reason)
    action()
    gateway.wait_metric("headgate_drops_total", before + count, reason=reason)
    print(f"{reason}: +{int(drops(gateway, reason) - before)}")


@pytest.mark.parametrize("payload", [b"", b"\x47", PACKET[:100], PACKET + PACKET[:50], os.urandom(999), PACKET + os.urandom(188 * 6 + 4)])
def test_datagram_of_a_wrong_size_is_counted(rig, plant, payload):
    expect_drop(plant, "not_ts_size", lambda: rig.datagram(payload, GROUP, 5000))


def test_204_byte_packets_are_counted_as_such(rig, plant):
    expect_drop(plant, "packet_size_204", lambda: rig.datagram((PACKET + bytes(16)) * 7, GROUP, 5000))


def test_right_size_without_sync_is_counted(rig, plant):
    expect_drop(plant, "no_sync", lambda: rig.datagram(bytes(188 * 7), GROUP, 5000))


def test_frame_whose_lengths_lie_is_counted(rig, plant):
    def frames():
        # Straight onto the gateway's cable: a snooping switch drops some of these itself.
        for lie in ({"ip_length": 2000}, {"length": 4000}, {"length": 3}):
            rig.raw_frame(ethernet_udp(PACKET * 7, GROUP, 5000, **lie), role="br", interface="p-gw")
    expect_drop(plant, "malformed_ip", frames, 3)


def test_fragments_are_counted(rig, plant):
    """Sent by the kernel, twice the cable's MTU: two fragments a datagram, nowhere put together again."""
    expect_drop(plant, "ip_fragment", lambda: [rig.datagram(PACKET * 14, GROUP, 5000) for _ in range(5)], 10)


def test_fragment_whose_others_never_come_is_counted(rig, plant):
    frame = bytearray(ethernet_udp(PACKET * 7, GROUP, 5000))
    frame[20] |= 0x20  # more fragments: RFC 791 section 3.1
    frame[24:26] = bytes(2)
    words = struct.unpack("!10H", frame[14:34])
    check = sum(words)
    check = (check & 0xFFFF) + (check >> 16)
    frame[24:26] = struct.pack("!H", ~((check & 0xFFFF) + (check >> 16)) & 0xFFFF)
    expect_drop(plant, "ip_fragment", lambda: rig.raw_frame(bytes(frame), role="br", interface="p-gw"))


def test_unknown_port_is_counted(rig, plant):
    expect_drop(plant, "wrong_port", lambda: rig.datagram(PACKET * 7, GROUP, 5999))


@pytest.mark.parametrize("payload", [b"\x80", bytes(12), b"\x40\x21" + bytes(10) + PACKET, b"\x8f\x21" + bytes(10),
                                     b"\x90\x21" + bytes(10) + b"\xbe\xde\xff\xff" + PACKET])
def test_broken_rtp_is_counted(rig, plant, payload):
    before = drops(plant, "rtp_malformed") + drops(plant, "not_ts_size")
    rig.datagram(payload, "239.8.1.2", 5000)
    end = time.monotonic() + 60
    while drops(plant, "rtp_malformed") + drops(plant, "not_ts_size") <= before:
        assert time.monotonic() < end, "counted nowhere"
        time.sleep(0.1)


def test_random_datagrams_and_mutated_streams(rig, plant):
    """Everything that is TS by its looks, and nothing by its content."""
    generator = random.Random(47)
    source = media.stream("mpts", 20).read_bytes()
    before = plant.metric("headgate_input_datagrams_total", channel="bad") + sum(
        plant.metric("headgate_drops_total", reason=r) for r in ("not_ts_size", "no_sync", "packet_size_204"))
    sent = 0
    for index in range(3000):
        at = generator.randrange(0, len(source) // 188 - 7) * 188
        data = bytearray(source[at:at + 188 * 7])
        for _ in range(generator.randrange(1, 60)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        for start in range(0, len(data), 188):
            data[start] = 0x47
        rig.datagram(bytes(data), GROUP, 5000)
        sent += 1
    end = time.monotonic() + 60
    while True:
        after = plant.metric("headgate_input_datagrams_total", channel="bad") + sum(
            plant.metric("headgate_drops_total", reason=r) for r in ("not_ts_size", "no_sync", "packet_size_204"))
        if after - before >= sent * 0.99:
            break
        assert time.monotonic() < end, f"{after - before} of {sent} datagrams accounted for"
        time.sleep(0.2)
    assert plant.metric("headgate_input_cc_errors_total", channel="bad") > 100


@pytest.mark.parametrize("name", ["corrupt-tei-cc-scrambled.ts", "psi-eitpf-cat-tei.ts", "duplicates-cc.ts",
                                  "dvbt-fr-hd-scrambled-csa.ts", "isdbtb-204byte-latm.ts", "mp3-id3-discontinuity.ts"])
def test_corrupt_capture(rig, plant, name):
    path = media.capture(name)
    if path is None:
        pytest.skip("captures need HEADGATE_STREAMS")
    size = 204 if "204" in name else 188
    data = path.read_bytes()
    before = {what: plant.metric(f"headgate_input_{what}_total", channel="bad") for what in ("ts_packets", "cc_errors")}
    wrong_size = drops(plant, "packet_size_204")
    sender = rig.send(path, GROUP, 5000, size=size, rate=8e6)
    assert sender.wait(120) == 0
    if size == 204:
        plant.wait_metric("headgate_drops_total", wrong_size + 1, reason="packet_size_204")
        return
    plant.wait_metric("headgate_input_ts_packets_total", before["ts_packets"] + len(data) // 188, channel="bad")
    errors = plant.metric("headgate_input_cc_errors_total", channel="bad") - before["cc_errors"]
    print(f"{name}: {len(data) // 188} packets, {int(errors)} continuity errors counted, {ts.Scan(data).total_cc_errors} in the file")


REQUESTS = [b"\x00" * 100, os.urandom(2000), b"GET", b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 200000,
            b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
            b"POST /bad/index.m3u8 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
            b"GET /%00%ff%2e%2e/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
            b"GET /good/index.m3u8 HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"]


@pytest.mark.parametrize("server", ["http", "admin"])
@pytest.mark.parametrize("number", range(len(REQUESTS)))
def test_garbage_on_a_server_port(rig, plant, server, number):
    port = plant.http_port if server == "http" else plant.admin_port
    with rig.inside("gw"):
        client = socket.create_connection(("127.0.0.1", port), timeout=60)
    try:
        client.sendall(REQUESTS[number])
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while len(answer) < 1 << 20:
            data = client.recv(65536)
            if not data:
                break
            answer += data
        first = answer.split(b"\r\n")[0]
        assert not answer or (answer.startswith(b"HTTP/1.") and first.split()[1][:1] in (b"4", b"5")), first[:200]
        assert b"root:" not in answer
    except TimeoutError:
        raise
    except OSError:
        pass  # closing on garbage is an answer too
    finally:
        client.close()
    assert plant.http("/good/index.m3u8").status in (200, 404, 503)
    assert plant.admin("/healthz").status == 200


def test_many_idle_connections_do_not_starve_players(rig, plant):
    idle = []
    with rig.inside("gw"):
        for _ in range(200):
            idle.append(socket.create_connection(("127.0.0.1", plant.http_port), timeout=60))
    assert plant.http("/good/index.m3u8").status in (200, 503, 404)
    for client in idle:
        client.close()


def test_random_bytes_on_the_control_socket(plant):
    for data in (b"\n" * 10, b"{}\n", b'{"v":1}\n', b'{"v":1,"id":1,"method":"nothing","params":{}}\n', os.urandom(4000) + b"\n",
                 b'{"v":99,"id":1,"method":"status"}\n', b"[" * 100000 + b"\n"):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(60)
        client.connect(str(plant.socket))
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
        client.close()
    assert plant.cli("status").returncode == 0
