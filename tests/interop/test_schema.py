"""The JSON Schemas of both files, judged by ajv and a YAML parser of others: as an editor would use them."""
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support.gateway import HEADGATE, ROOT

HERE = Path(__file__).parent
GOLDEN = ROOT / "tests" / "config" / "golden"
NEEDED = [HERE / "node_modules" / name for name in ("ajv", "yaml")]

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
}
# Where an editor underlines what `check` refuses: (map, file, line).
PLACES = [
    ("011-unknown-keys", "headgate.yaml", 11), ("011-unknown-keys", "channels.yaml", 3), ("011-unknown-keys", "channels.yaml", 4),
    ("012-duplicate-keys", "channels.yaml", 5), ("018-unknown-protocols", "channels.yaml", 3), ("019-bad-ids", "channels.yaml", 2),
    ("021-units", "channels.yaml", 4), ("022-ranges", "headgate.yaml", 7), ("022-ranges", "channels.yaml", 5), ("033-devices", "headgate.yaml", 2),
    ("056-choices", "headgate.yaml", 2),
]


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """What the judge says of each file: {path: [{"line", "column", "message"}]}."""
    if not shutil.which("node") or not all(path.is_dir() for path in NEEDED):
        pytest.skip("ajv and yaml are not installed; run scripts/setup test")
    folder = tmp_path_factory.mktemp("schema")
    tasks = []
    for schema in ("node", "channels"):
        path = folder / f"{schema}.json"
        path.write_bytes(subprocess.run([HEADGATE, "check", "--schema", schema], capture_output=True, check=True).stdout)
        tasks.append({"schema": str(path), "files": []})
    for root in (GOLDEN, ROOT / "config" / "examples"):
        for path in sorted([*root.rglob("*.yaml"), *root.rglob("*.yml")]):
            tasks[path.name != "headgate.yaml"]["files"].append(str(path))
    result = subprocess.run(["node", HERE / "judge_schema.js"], input=json.dumps(tasks), capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return {Path(path): faults for path, faults in json.loads(result.stdout).items()}


def of_folder(judged, folder):
    return {path.name: faults for path, faults in judged.items() if path.parent == folder and faults}


def test_examples_and_right_maps_are_accepted(judged):
    right = [path.parent for path in GOLDEN.rglob("expected.txt") if path.read_text().endswith("\nvalid\n") or path.read_text() == "valid\n"]
    examples = {path.parent for path in (ROOT / "config" / "examples").rglob("*.yaml")}
    assert len(right) >= 15 and len(examples) >= 3
    for folder in [*right, *examples]:
        assert of_folder(judged, folder) == {}, folder


def test_broken_maps_are_refused_but_for_those_that_only_check_can_know(judged):
    broken = {path.parent.name for path in GOLDEN.rglob("expected.txt") if path.read_text().endswith("invalid\n")}
    assert len(broken) >= 60
    passed = {name for name in broken if not of_folder(judged, GOLDEN / name)}
    assert passed == set(ONLY_CHECK_FINDS), f"refused now: {set(ONLY_CHECK_FINDS) - passed}; not refused: {passed - set(ONLY_CHECK_FINDS)}"


def test_an_editor_underlines_the_line_that_check_names(judged):
    for name, file, line in PLACES:
        assert f"{file}:{line}:" in (GOLDEN / name / "expected.txt").read_text(), (name, file, line)
        lines = {fault["line"] for fault in of_folder(judged, GOLDEN / name)[file]}
        assert line in lines, (name, file, line, lines)


def test_each_protocol_is_held_to_its_options(judged, tmp_path):
    """As `check` does: what another protocol has is refused here."""
    schema = json.loads(subprocess.run([HEADGATE, "check", "--schema", "channels"], capture_output=True, check=True).stdout)
    channel = schema["properties"]["channels"]["additionalProperties"]["properties"]
    for end, option in (("inputs", "ttl"), ("push", "grace")):
        assert option not in channel[end]["items"]["anyOf"][1]["properties"]
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    cases = {"a": ("inputs", {"url": "udp://239.1.1.1:5000", "latency": "1s"}, False), "b": ("inputs", {"url": "srt://h:1", "latency": "1s"}, True),
             "c": ("inputs", {"publish": None, "vlan": 3}, False), "d": ("push", {"url": "rtmp://h/a/b", "ttl": 3}, False),
             "e": ("push", {"url": "udp://239.1.1.1:5000", "ttl": 3}, True), "f": ("inputs", {"publish": {}, "program": 3}, True)}
    for name, (end, value, _) in cases.items():
        (tmp_path / f"{name}.yaml").write_text(json.dumps({"channels": {name: {"inputs": ["udp://239.1.1.2:5000"], **{end: [value]}}}}))
    tasks = [{"schema": str(tmp_path / "schema.json"), "files": [str(tmp_path / f"{name}.yaml") for name in cases]}]
    found = json.loads(subprocess.run(["node", HERE / "judge_schema.js"], input=json.dumps(tasks), capture_output=True, text=True, check=True).stdout)
    for name, (_, value, right) in cases.items():
        assert (found[str(tmp_path / f"{name}.yaml")] == []) == right, value
