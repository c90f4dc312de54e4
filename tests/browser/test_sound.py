"""hls.js plays sound that no browser decodes, in each language, and changes the bitrate of a rendition while it plays: three pages at the
same time. What it chooses from is what RFC 8216 wants of groups."""
import json
import re
from pathlib import Path

import pytest

from support import hls, media
from support.gateway import WholeMap, wait_for
from watch import play_on, watch

GROUPS = {"two": "239.11.3.1", "one": "239.11.3.2", "jumps": "239.11.3.3"}
MAP = {
    "channels": {name: {"inputs": [f"udp://{group}:5000"], "serve": {"hls": {"segment": "1s", "window": 8}}} for name, group in GROUPS.items()},
    "renditions": {"rates": ["two", {"from": "two", "video": {"height": 180, "bitrate": "300kbps", "codec": "h264"}}]},
}
GERMAN, ENGLISH, SINGLE = 440, 1250, 770  # Hz
LISTEN = (Path(__file__).resolve().parent / "listen.js").read_text()
ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')
STEPS = {
    "two": [{"track": 0, "hz": GERMAN}, {"track": 1, "hz": ENGLISH}, {"track": 0, "hz": GERMAN}],
    "one": [{"track": 0, "hz": SINGLE}],
    "rates": [{"track": 1, "hz": ENGLISH}, {"level": 0, "by": "nextLevel"}, {"level": 1, "by": "loadLevel"}, {"track": 0, "hz": GERMAN}],
}
GIVE_UP = 60  # s of playing; a page is done much sooner


class Offer:
    """A multivariant playlist, its sounds and all media playlists that it names."""

    def __init__(self, gateway, name):
        self.gateway, self.url = gateway, f"/{name}/index.m3u8"
        text = self.get(self.url)
        self.variants = hls.Playlist(text, self.url).variants
        lines = [line for line in text.splitlines() if line.startswith("#EXT-X-MEDIA:")]
        self.sounds = [{key: value.strip('"') for key, value in ATTRIBUTE.findall(line.split(":", 1)[1])} for line in lines]
        self.groups = {}
        for sound in self.sounds:
            self.groups.setdefault(sound["GROUP-ID"], []).append(sound)

    def get(self, url):
        answer = self.gateway.http(url)
        assert answer.status == 200, f"{url}: {answer.status}"
        return answer.body.decode()

    def media(self):
        """The media playlists {address: playlist}, each asked for once."""
        folder = self.url.rsplit("/", 1)[0]
        urls = {url for _, url in self.variants} | {f"{folder}/{sound['URI']}" for sound in self.sounds}
        return {url: hls.Playlist(self.get(url), url) for url in sorted(urls)}

    def media_at_one_time(self):
        """The same when none has a segment that another lacks."""
        def look():
            found = self.media()
            return len({(p.sequence, len(p.segments)) for p in found.values()}) == 1 and found
        return wait_for(look, 30)


@pytest.fixture(scope="module")
def gateway(rig):
    two, one = media.looped(media.stream("h264_mp2_deu_eng", 20), 240), media.looped(media.stream("h264_ac3", 18), 240)
    with WholeMap(rig, MAP) as made:
        for name, path in (("two", two), ("one", one), ("jumps", two)):
            rig.wait_mdb(GROUPS[name], True)
            made.sender = rig.send(path, GROUPS[name], 5000)
        made.jump = lambda: (made.sender.kill(), made.sender.wait(), rig.send(two, GROUPS["jumps"], 5000))
        for name, variants in (("two", 2), ("one", 2), ("jumps", 2), ("rates", 4)):
            wait_for(lambda name=name, variants=variants: made.http(f"/{name}/index.m3u8").status == 200
                     and len(Offer(made, name).variants) == variants, 60)
        yield made


@pytest.fixture(scope="module")
def pages(gateway):
    """{name: what its page showed and heard}."""
    shown = watch(gateway.rig, [{"url": gateway.url(f"/{name}/"), "seconds": GIVE_UP, "during": f"{LISTEN}\nlisten({json.dumps(steps)})",
                                 "until": "heard.done", "told": "heard"} for name, steps in STEPS.items()])
    for page in shown:
        print(json.dumps(page["told"]))
    return dict(zip(STEPS, shown))


@pytest.mark.parametrize("name", ["two", "one", "jumps", "rates"])
def test_every_group_offers_the_same_sounds_and_all_playlists_count_alike(gateway, name):
    offer = Offer(gateway, name)
    own = {"one": "ac3"}.get(name, "mp2")
    assert list(offer.groups) == ["aac", own]
    languages = [(None, "YES")] if name == "one" else [("de", "YES"), ("en", "NO")]
    for members in offer.groups.values():
        assert [(sound.get("LANGUAGE"), sound["DEFAULT"]) for sound in members] == languages
        assert [sound["NAME"] for sound in members] == [sound["NAME"] for sound in offer.groups["aac"]]
        assert len({sound["NAME"] for sound in members}) == len(members)
        assert all(sound["TYPE"] == "AUDIO" and sound["AUTOSELECT"] == "YES" for sound in members)
    for attributes, _ in offer.variants:
        sound = attributes["CODECS"].split(",")[1]
        assert sound == {"aac": "mp4a.40.2", "mp2": "mp4a.40.33", "ac3": "ac-3"}[attributes["AUDIO"]]
        assert attributes["CODECS"].startswith("avc1.")
    rates = [int(attributes["BANDWIDTH"]) for attributes, _ in offer.variants if attributes["AUDIO"] == "aac"]
    assert rates == sorted(rates, reverse=True) and len(rates) == (2 if name == "rates" else 1)
    found = offer.media_at_one_time()
    assert len(found) == {"one": 3, "rates": 6}.get(name, 5)
    assert len({p.target for p in found.values()}) == 1
    assert len({p.discontinuity_sequence for p in found.values()}) == 1
    assert len({tuple(discontinuity for *_, discontinuity in p.segments) for p in found.values()}) == 1


def test_a_jump_of_the_clock_is_a_discontinuity_at_the_same_segment_of_all(gateway):
    offer = Offer(gateway, "jumps")
    gateway.jump()

    def place(playlist):
        return [number for number, *_, discontinuity in playlist.segments if discontinuity]

    found = wait_for(lambda: (look := offer.media_at_one_time()) and all(map(place, look.values())) and look)
    assert len({(tuple(place(p)), p.discontinuity_sequence) for p in found.values()}) == 1, {u: place(p) for u, p in found.items()}


@pytest.mark.parametrize("name", ["two", "one", "rates"])
def test_ffprobe_finds_both_groups(gateway, name):
    result = gateway.rig.call("gw", "ffprobe", "-v", "error", "-show_programs", "-of", "json", gateway.url(f"/{name}/index.m3u8"), timeout=60)
    assert result.returncode == 0, result.stderr
    programs = json.loads(result.stdout)["programs"]
    codecs = [sorted({stream["codec_name"] for stream in program["streams"]}) for program in programs]
    assert codecs == {"two": [["aac", "h264"], ["h264", "mp2"]], "one": [["aac", "h264"], ["ac3", "h264"]],
                      "rates": [["aac", "h264"]] * 2 + [["h264", "mp2"]] * 2}[name]
    for program in programs:
        sounds = [stream for stream in program["streams"] if stream["codec_type"] == "audio"]
        assert len(sounds) == (1 if name == "one" else 2)
        assert all(int(stream["sample_rate"]) == 48000 for stream in sounds)


@pytest.mark.parametrize("name", ["two", "one", "rates"])
def test_each_sound_is_heard(pages, name):
    page = pages[name]
    play_on(page, 3, name)
    heard = page["told"]
    assert heard["done"], f"it stayed at {heard['step']}: {heard['now']}, {heard['errors']}, {page['errors']}"
    assert not heard["fatal"] and not page["errors"] and not page["console"], (heard["fatal"], page["errors"], page["console"])
    assert [track["lang"] if name != "one" else track["name"] for track in heard["tracks"]] == (["Sound"] if name == "one" else ["de", "en"])


def test_the_bitrate_changes_without_a_stall_and_without_a_pause_of_sound(pages):
    heard = pages["rates"]["told"]
    assert [level["height"] for level in heard["levels"]] == [180, 360]
    assert [step["height"] for step in heard["steps"][1:3]] == [180, 360]
    print(f"stood {heard['stood']:.2f} s, silent {heard['silent']:.2f} s")
    assert heard["stood"] < 1.5 and heard["silent"] < 1.5


def test_the_discontinuity_that_left_the_playlists_is_counted_in_all(gateway):
    offer = Offer(gateway, "jumps")
    found = wait_for(lambda: (look := offer.media_at_one_time()) and all(p.discontinuity_sequence for p in look.values()) and look)
    assert len({p.discontinuity_sequence for p in found.values()}) == 1
