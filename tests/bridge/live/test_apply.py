"""Edits of the map as players of other channels see them."""
import socket
import subprocess
import time

from support import hls, media
from support.gateway import Gateway


def channels(**extra):
    return {"keep": {"inputs": ["udp://239.15.1.1:5000"], "serve": {"hls": {"segment": "2s", "window": 20}}}, **extra}


def other(**options):
    return {"inputs": ["udp://239.15.1.2:5000"], "serve": {"hls": {"segment": "2s", **options}}}


def test_edits_touch_only_what_they_name(rig):
    path = media.looped(media.stream("h264_aac", 18), 150)
    with Gateway(rig, channels(other=other(window=7))) as gateway:
        for group in ("239.15.1.1", "239.15.1.2"):
            rig.wait_mdb(group, True)
            rig.send(path, group, 5000)
        keep, edited = hls.Client(gateway, "keep"), hls.Client(gateway, "other")
        keep.follow(2)
        edited.follow(2)
        bridge = gateway.pid("bridge")
        # A connection of a viewer, over all edits.
        with rig.inside("gw"):
            viewer = socket.create_connection(("127.0.0.1", gateway.http_port))
        viewer.settimeout(60)

        def still_there():
            viewer.sendall(b"GET /keep/index.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n")
            assert viewer.recv(4096).startswith(b"HTTP/1.1 200 ")

        still_there()
        segment = edited.media().segments[-1][2]
        gateway.apply(channels(other={**other(window=12), "name": "Renamed"}))
        assert gateway.http(segment).status == 200, "a new window lost a segment"
        assert b"<h1>Renamed</h1>" in gateway.http("/other/").body
        gateway.apply(channels(other={**other(window=12), "serve": {"hls": {"segment": "3s"}}}))
        assert gateway.http("/other/index.m3u8").status == 503, "segments of another duration stand in the new playlist"
        # Who plays the old segments sees the end of that playlist, and can fetch what it lists.
        ended = gateway.http(edited.variant)
        assert ended.status == 200 and ended.body.decode().endswith("#EXT-X-ENDLIST\n")
        assert gateway.http(segment).status == 200
        deadline = time.monotonic() + 60
        while gateway.http("/other/index.m3u8").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        gateway.apply(channels())
        assert gateway.http("/other/index.m3u8").status == 404 and gateway.http("/other/").status == 404
        assert not (gateway.run_dir / "bridge" / "hls" / "other").exists()
        still_there()
        # A listener on a port that another program has: refused, and nothing changes.
        with rig.inside("gw"):
            taken = socket.create_server(("0.0.0.0", 0))
        node = dict(gateway.node)
        gateway.node["servers"] = {**node["servers"], "http": [node["servers"]["http"], {"listen": f"0.0.0.0:{taken.getsockname()[1]}"}]}
        gateway.write_node()
        refused = gateway.apply(channels(other=other(window=7)), ok=False)
        assert refused.returncode == 1 and "Address already in use" in refused.stdout + refused.stderr, refused
        assert gateway.http("/other/index.m3u8").status == 404, "half of a refused map is served"
        still_there()
        gateway.node = node
        gateway.write_node()
        keep.poll()
        numbers = sorted(keep.segments)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert not any(s[2] or s[3] for s in keep.segments.values()), "gaps or discontinuities in a channel that nobody edited"
        assert gateway.pid("bridge") == bridge
        print(f"{len(keep.segments)} segments in a row over five edits, none a gap")


def test_another_segment_duration_ends_ffmpegs_playlist_and_leaves_nobody_waiting(rig):
    """Numbers must not go back under one address (RFC 8216 6.2.2): the old address ends, a new one goes on."""
    groups = {"longer": "239.15.2.1", "shorter": "239.15.2.2"}
    before, after = {"longer": "2s", "shorter": "4s"}, {"longer": "4s", "shorter": "2s"}

    def tv(segments):
        return {name: {"inputs": [f"udp://{group}:5000"], "serve": {"hls": {"segment": segments[name], "window": 7}}} for name, group in groups.items()}

    with Gateway(rig, tv(before)) as gateway:
        for group in groups.values():
            rig.wait_mdb(group, True)
            rig.send(media.looped(media.stream("h264_aac", 18), 200), group, 5000)
        old = {name: hls.Client(gateway, name).follow(4) for name in groups}
        players = {name: rig.popen("gw", "ffmpeg", "-hide_banner", "-nostdin", "-live_start_index", "0", "-i", gateway.url(f"/{name}/index.m3u8"), "-f", "null",
                                   "-", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for name in groups}
        end = time.monotonic() + 60
        while any(gateway.json("status", name)["viewers"] < 2 for name in groups):  # our client, and ffmpeg
            assert time.monotonic() < end
            for client in old.values():
                client.media()
            time.sleep(0.1)
        gateway.apply(tv(after))
        for name, player in players.items():
            # Every viewer of the old address is sent off within the time that its window lasts.
            text = player.communicate(timeout=120)[0]
            assert player.returncode == 0 and "muxing overhead" in text, text[-600:]
        for name, client in old.items():
            newer = hls.Client(gateway, name)
            newer.follow(3)
            assert newer.variant != client.variant
            assert not set(s[2] for s in newer.media().segments) & set(s[2] for s in client.media().segments)
            print(f"{name}: {client.variant} ended, {newer.variant} goes on at {newer.media().sequence}")
