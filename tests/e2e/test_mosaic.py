"""The mosaic of the admin port: fetched as a page would, decoded by ffmpeg. The tiles are the test's own, as no stream comes."""
import json
import os
import subprocess
import time

import pytest

from support.gateway import Gateway

TILE = (192, 108)
COLOURS = {"a": (200, 30, 30), "b": (30, 200, 30), "c": (30, 30, 200)}


@pytest.fixture(scope="module")
def gateway(rig):
    channels = {name: {"name": f"Sender {name.upper()} für alle", "tags": ["hd"] if name != "c" else [],
                       "inputs": [f"udp://239.23.1.{i}:5000"], "serve": ["hls"], "watch": {"every": "5s"}}
                for i, name in enumerate(COLOURS, 1)}
    channels["none"] = {"inputs": ["udp://239.23.1.9:5000"], "serve": ["hls"]}
    channels["off"] = {"inputs": ["udp://239.23.1.10:5000"], "enabled": False}
    made = Gateway(rig, channels)
    tokens = made.folder / "tokens"
    tokens.write_text("viewer of-the-noc-0123456789\n")
    tokens.chmod(0o640)
    made.node["servers"]["admin"]["tokens_file"] = "tokens"
    made.write_node()
    with made:
        yield made


def put_tile(gateway, channel, colour, age=0.0):
    folder = gateway.run_dir / "bridge" / "pictures"
    folder.mkdir(exist_ok=True)
    fresh = folder / f"{channel}.fresh"
    fresh.write_bytes(bytes(colour) * (TILE[0] * TILE[1]))
    os.utime(fresh, (time.time() - age,) * 2)
    fresh.rename(folder / f"{channel}.tile")


def fetch(gateway, path, token="of-the-noc-0123456789"):
    return gateway.admin(f"/api/v1/{path}", headers={"Authorization": f"Bearer {token}"} if token else {})


def decoded(jpeg, about):
    """Rows of (r, g, b), by ffmpeg."""
    result = subprocess.run(["ffmpeg", "-v", "error", "-f", "mjpeg", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                            input=jpeg, capture_output=True, timeout=60, check=True)
    assert len(result.stdout) == about["width"] * about["height"] * 3, (len(result.stdout), about["width"], about["height"])
    return result.stdout


def pixel(raw, about, x, y):
    return tuple(raw[(y * about["width"] + x) * 3:][:3])


def near(got, wanted, by=28):
    return all(abs(g - w) <= by for g, w in zip(got, wanted))


def test_the_mosaic_shows_each_channels_picture_where_the_positions_say(gateway):
    for name, colour in COLOURS.items():
        put_tile(gateway, name, colour, age=60.0 if name == "c" else 0.0)
    about = json.loads(fetch(gateway, "mosaic.json?order=map&columns=2").body)
    answer = fetch(gateway, "mosaic.jpg?order=map&columns=2")
    assert answer.status == 200 and answer.getheader("Content-Type") == "image/jpeg"
    raw = decoded(answer.body, about)
    tiles = {tile["channel"]: tile for tile in about["tiles"]}
    assert list(tiles) == ["a", "b", "c", "none"], "disabled ones are left out"
    assert tiles["a"]["name"] == "Sender A für alle" and tiles["a"]["state"] == "down"

    def at_quarter(name):
        box = tiles[name]["picture"]
        return pixel(raw, about, box["x"] + box["width"] // 2, box["y"] + box["height"] // 4)
    assert near(at_quarter("a"), COLOURS["a"]) and near(at_quarter("b"), COLOURS["b"]), (at_quarter("a"), at_quarter("b"))
    assert tiles["c"]["stale"] and tiles["c"]["age_ms"] >= 60_000
    old = at_quarter("c")
    assert max(old) - min(old) < 24 and max(old) < 120, f"grey and dark: {old}"
    assert tiles["none"]["age_ms"] is None and max(at_quarter("none")) < 60, at_quarter("none")
    # The frame of a channel that is down.
    assert near(pixel(raw, about, tiles["a"]["x"] + tiles["a"]["width"] // 2, tiles["a"]["y"] + 1), (220, 30, 40))


def test_a_request_chooses_what_is_shown_and_how_large(gateway):
    about = json.loads(fetch(gateway, "mosaic.json?tag=hd&width=1280").body)
    assert [tile["channel"] for tile in about["tiles"]] == ["a", "b"] and about["width"] == 1280
    decoded(fetch(gateway, "mosaic.jpg?tag=hd&width=1280").body, about)
    assert [t["channel"] for t in json.loads(fetch(gateway, "mosaic.json?channels=off,b&order=map").body)["tiles"]] == ["off", "b"]
    for wrong, word in (("width=1", "160 to 7680"), ("channels=nobody", "nobody"), ("colums=2", "columns")):
        answer = fetch(gateway, f"mosaic.jpg?{wrong}")
        assert answer.status == 400 and word in answer.body.decode(), answer.body


def test_the_mosaic_needs_a_token_where_metrics_do(gateway):
    for path in ("mosaic.jpg", "mosaic.json"):
        assert fetch(gateway, path, token=None).status == 401
        assert fetch(gateway, path, token="wrong").status == 401
    assert fetch(gateway, "mosaic.png").status == 404
