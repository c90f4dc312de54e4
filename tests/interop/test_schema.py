"""The JSON Schemas of both files, used by others: ajv with a YAML parser, and yaml-language-server, which is what editors use."""
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from language_server import PROGRAM, LanguageServer
from support.gateway import HEADGATE, ROOT

HERE = Path(__file__).parent
GOLDEN = ROOT / "tests" / "config" / "golden"
NEEDED = {"ajv": [HERE / "node_modules" / name for name in ("ajv", "yaml")], "yaml-language-server": [PROGRAM]}

# What no schema of one file can tell: only `check` finds it. A map that is in this list and refused, or broken, not refused and not in
# it, fails the test.
ONLY_CHECK_FINDS = {
    "024-option-twice": "an option in the URL's query and as a key",
    "025-same-push-twice": "two channels beside one another",
    "026-loop": "a push beside an input",
    "027-unknown-interface-and-vlan": "the channel map beside the node file",
    "028-no-default-interface": "the channel map beside the node file",
    "029-two-default-interfaces": "two interfaces beside one another",
    "030-no-interface": "the channel map beside the node file",
    "031-serve-without-server": "the channel map beside the node file",
    "039-no-channel-file": "a file that is not there",
    "040-no-glob-match": "files that are not there",
    "041-duplicate-channel-over-files": "two files beside one another",
    "044-not-utf8": "bytes, before there is text",
    "045-control-character": "a control character in text",
    "053-admin-tokens": "the content of another file",
    "063-udp-and-rtp-clash": "two channels beside one another",
    "064-outputs-without-servers": "the channel map beside the node file",
    "065-listeners-clash-over-protocols": "two servers beside one another",
    "066-passphrases": "the content of other files",
    "072-publish-without-servers": "the channel map beside the node file",
    "074-pushes-twice": "two channels beside one another",
    "079-failover-that-nobody-sees": "three keys beside one another",
    "091-multiplex-members": "the members of a multiplex beside the channels",
}
# What a judge lets pass besides, by its own ways with YAML.
PASSES = {"ajv": {}, "yaml-language-server": {
    "034-listeners": "[::]:8080 without quotes in a flow map is no fault of syntax to it",
    "042-empty-file": "an empty file is not judged",
    "049-two-documents": "each document of a file is judged by itself",
}}
# Where an editor underlines what `check` refuses: (map, file, line).
PLACES = [
    ("011-unknown-keys", "headgate.yaml", 11), ("011-unknown-keys", "channels.yaml", 3), ("011-unknown-keys", "channels.yaml", 4),
    ("012-duplicate-keys", "channels.yaml", 5), ("018-unknown-protocols", "channels.yaml", 3), ("019-bad-ids", "channels.yaml", 2),
    ("021-units", "channels.yaml", 4), ("022-ranges", "headgate.yaml", 7), ("022-ranges", "channels.yaml", 5), ("033-devices", "headgate.yaml", 2),
    ("056-choices", "headgate.yaml", 2),
]


@pytest.fixture(scope="module")
def schemas(tmp_path_factory):
    """{"node" or "channels": the file}."""
    folder = tmp_path_factory.mktemp("schema")
    for name in ("node", "channels"):
        (folder / f"{name}.json").write_bytes(subprocess.run([HEADGATE, "check", "--schema", name], capture_output=True, check=True).stdout)
    return {name: folder / f"{name}.json" for name in ("node", "channels")}


def need(judge):
    if not shutil.which("node") or not all(path.exists() for path in NEEDED[judge]):
        pytest.skip(f"{judge} is not installed; run scripts/setup test")


def by_ajv(schemas, files):
    tasks = [{"schema": str(schemas[name]), "files": [str(path) for path in paths]} for name, paths in files.items()]
    result = subprocess.run(["node", HERE / "judge_schema.js"], input=json.dumps(tasks), capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return {Path(path): faults for path, faults in json.loads(result.stdout).items()}


def editor(schemas):
    return LanguageServer({schemas["node"]: ["headgate.yaml"], schemas["channels"]: ["*.yaml", "*.yml", "!headgate.yaml"]})


def by_language_server(schemas, files):
    with editor(schemas) as server:
        return server.open(*files["node"], *files["channels"])


JUDGES = {"ajv": by_ajv, "yaml-language-server": by_language_server}


@pytest.fixture(scope="module", params=sorted(JUDGES))
def judge(request):
    need(request.param)
    return request.param


@pytest.fixture(scope="module")
def judged(judge, schemas):
    """What the judge says of each file: {path: [{"line", "column", "message"}]}."""
    files = {"node": [], "channels": []}
    for root in (GOLDEN, ROOT / "config" / "examples"):
        for path in sorted([*root.rglob("*.yaml"), *root.rglob("*.yml")]):
            files["node" if path.name == "headgate.yaml" else "channels"].append(path)
    return JUDGES[judge](schemas, files)


def of_folder(judged, folder):
    return {path.name: faults for path, faults in judged.items() if path.parent == folder and faults}


def test_examples_and_right_maps_are_accepted(judged):
    right = [path.parent for path in GOLDEN.rglob("expected.txt") if path.read_text().endswith("\nvalid\n") or path.read_text() == "valid\n"]
    examples = {path.parent for path in (ROOT / "config" / "examples").rglob("*.yaml")}
    assert len(right) >= 15 and len(examples) >= 3
    for folder in [*right, *examples]:
        assert of_folder(judged, folder) == {}, folder


def test_broken_maps_are_refused_but_for_those_that_only_check_can_know(judge, judged):
    broken = {path.parent.name for path in GOLDEN.rglob("expected.txt") if path.read_text().endswith("invalid\n")}
    assert len(broken) >= 60
    passed = {name for name in broken if not of_folder(judged, GOLDEN / name)}
    known = {*ONLY_CHECK_FINDS, *PASSES[judge]}
    assert passed == known, f"refused now: {known - passed}; not refused: {passed - known}"


def test_an_editor_underlines_the_line_that_check_names(judged):
    for name, file, line in PLACES:
        assert f"{file}:{line}:" in (GOLDEN / name / "expected.txt").read_text(), (name, file, line)
        lines = {fault["line"] for fault in of_folder(judged, GOLDEN / name)[file]}
        assert line in lines, (name, file, line, lines)


def test_each_protocol_is_held_to_its_options(judge, schemas, tmp_path):
    """As `check` does: what another protocol has is refused here."""
    schema = json.loads(schemas["channels"].read_text())
    channel = schema["properties"]["channels"]["additionalProperties"]["properties"]
    for end, option in (("inputs", "ttl"), ("push", "grace")):
        assert option not in channel[end]["items"]["anyOf"][1]["properties"]
    cases = {"a": ("inputs", {"url": "udp://239.1.1.1:5000", "latency": "1s"}, False), "b": ("inputs", {"url": "srt://h:1", "latency": "1s"}, True),
             "c": ("inputs", {"publish": None, "vlan": 3}, False), "d": ("push", {"url": "rtmp://h/a/b", "ttl": 3}, False),
             "e": ("push", {"url": "udp://239.1.1.1:5000", "ttl": 3}, True), "f": ("inputs", {"publish": {}, "program": 3}, True)}
    files = {name: tmp_path / f"{name}.yaml" for name in cases}
    for name, (end, value, _) in cases.items():
        files[name].write_text(json.dumps({"channels": {name: {"inputs": ["udp://239.1.1.2:5000"], **{end: [value]}}}}))
    found = JUDGES[judge](schemas, {"node": [], "channels": [*files.values()]})
    for name, (_, value, right) in cases.items():
        assert (found[files[name]] == []) == right, value


def test_an_editor_shows_what_a_key_means_and_offers_the_others(schemas, tmp_path):
    """By the line on top of the file that the page on the channel map tells to write, without settings."""
    need("yaml-language-server")
    page = (ROOT / "docs" / "channel-map.md").read_text()
    line = next(row for row in page.splitlines() if row.startswith("# yaml-language-server: $schema="))
    assert line.endswith("/channels.schema.json")
    path = tmp_path / "map.yaml"
    path.write_text(f"{line.partition('=')[0]}={schemas['channels']}\nchannels:\n  news:\n    failover: {{ after: 500 }}\n    \n")
    channel = json.loads(schemas["channels"].read_text())["properties"]["channels"]["additionalProperties"]
    keys = {name: value["description"] for name, value in channel["properties"].items()}
    with LanguageServer() as server:
        assert {fault["line"] for fault in server.open(path)[path]} == {4}, "a time without its unit"
        assert keys["failover"] in server.hover(path, 4, 8)
        assert channel["properties"]["failover"]["properties"]["after"]["description"] in server.hover(path, 4, 19)
        offered = server.offers(path, 5, 5)
    assert keys.keys() - {"failover"} <= offered.keys(), keys.keys() - offered.keys()
    assert all(keys[name] in offered[name] for name in keys if name != "failover"), offered
