"""HLS fetched from servers that are not ours: what arrives is the source's media, at its pace. The source runs alone (pull_run), in the
bridge's sandbox."""
import contextlib
import time

import pytest

from support import media, ts
from support.gateway import pressure
from support.pull import Pull, Web, answer, compare, nginx, running, target_of

SECONDS = 30
# By name: what its encoder is told.
ENCODERS = {"deleted": ["-hls_list_size", "6", "-hls_flags", "delete_segments+temp_file"],
            "one-file": ["-hls_list_size", "6", "-hls_flags", "single_file"],
            "variants": ["-map", "0:v", "-map", "0:a", "-map", "0:a", "-var_stream_map", "v:0,a:0 a:1", "-master_pl_name", "index.m3u8",
                         "-hls_flags", "delete_segments"]}


@pytest.fixture(scope="module")
def source():
    return media.stream("h264_aac", SECONDS)


def hls_by_ffmpeg(source, folder, *options, name="live.m3u8"):
    return running(["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(source), "-c", "copy", *options, "-f", "hls",
                    "-hls_time", "2", str(folder / name)])


@pytest.fixture(scope="module")
def taken(source, tmp_path_factory):
    """{encoder: (status, media, events) of ten seconds of it}, all from one server at the same time."""
    web = tmp_path_factory.mktemp("web")
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(nginx(web))
        pulls = {}
        for name, options in ENCODERS.items():
            (web / name).mkdir()
            stack.enter_context(hls_by_ffmpeg(source, web / name, *options, name="v%v.m3u8" if name == "variants" else "index.m3u8"))
            pulls[name] = stack.enter_context(Pull("hls", f"http://127.0.0.1:{port}/{name}/index.m3u8"))
        busy = pressure()
        for pull in pulls.values():
            pull.wait_event("attach")
            pull.status()
        for pull in pulls.values():
            pull.wait_bytes(1_150_000)
        return {name: (pull.status(), pull.media(), list(pull.events), pressure() - busy) for name, pull in pulls.items()}


@pytest.mark.parametrize("name", ["deleted", "one-file"])
def test_live_hls_by_ffmpeg_from_nginx(source, taken, tmp_path, name):
    status, received, events, busy = taken[name]
    assert not [event for event in events if event["event"] in ("detach", "gap")], events
    assert status["drops"] == {}
    assert status["longest_silence"] < 0.5 + busy, status
    scan = ts.Scan(received)
    assert scan.total_cc_errors == 0 and scan.sync_errors == 0
    place = compare(source, received, tmp_path, 200)
    compare(source, received, tmp_path, 300, "a:0")
    print(f"{name}: {len(received)} bytes, from unit {place}, behind {status['details']['behind_ms']} ms, "
          f"longest silence {status['longest_silence'] * 1000:.0f} ms")


def test_hls_of_several_variants_takes_the_highest(source, taken, tmp_path):
    compare(source, taken["variants"][1], tmp_path, 50)


def test_segments_that_fail_are_tried_again_and_then_counted(source, tmp_path):
    web_root = tmp_path / "web"
    web_root.mkdir()
    refused, first_try = {}, {}

    def serve(connection, head):
        target = target_of(head)
        path = web_root / target[1:]
        if not path.exists():
            connection.sendall(answer(b"", "404 Not Found"))
            return True
        body = path.read_bytes()
        number = int(target[5:-3]) if target.endswith(".ts") else None
        if number is not None and number % 4 == 1 and number not in first_try:
            first_try[number] = True
            connection.sendall(answer(body)[:len(body) // 3])  # and the connection ends
            return False
        if number is not None and number == 6:
            refused[number] = refused.get(number, 0) + 1
            connection.sendall(answer(b"", "503 Service Unavailable"))
            return True
        connection.sendall(answer(body))
        return True

    with Web(serve) as web, hls_by_ffmpeg(source, web_root, "-hls_list_size", "6", "-hls_flags", "temp_file"):
        deadline = time.monotonic() + 60
        while not (web_root / "live3.ts").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with Pull("hls", web.url("/live.m3u8")) as pull:
            pull.wait(lambda p: p.status()["drops"].get("segment_missing", 0) >= 1, 90)
            pull.wait(lambda p: p.named("gap"))
            gap = next(event["bytes"] for event in pull.events if event["event"] == "gap")
            status = pull.wait_bytes(gap + 150_000)
            received = pull.media()
    assert refused[6] == 4
    assert status["drops"] == {"segment_missing": 1}
    # Up to the gap whole, the segments that broke off included.
    compare(source, received[:gap], tmp_path, 60)
    assert ts.Scan(received[:gap]).total_cc_errors == 0
