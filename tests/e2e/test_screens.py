"""What a person sees: the screens of a fixed state (golden/screens/answers.json) in terminals of 80x24 and 160x50, compared with golden text;
HEADGATE_GOLDEN_UPDATE=1 rewrites it. No line that the command line breaks itself is longer than 80 columns."""
import json
import os
import subprocess
from pathlib import Path

import pytest

from support import members
from support.fake_control import FakeControl
from support.gateway import HEADGATE, wait_for
from support.lineup import answers as lineup
from support.terminal import CountingTerminal, Terminal

FOLDER = Path(__file__).parent / "golden" / "screens"
STATE = json.loads((FOLDER / "answers.json").read_text())
SCREENS = {"status": ["status"], "status_channel": ["status", "fine"], "why": ["why", "silent"], "alarms": ["alarms"], "events": ["events"],
           "history": ["history"], "maintenance": ["maintenance"]}
SIZES = [(80, 24), (160, 50)]


def status(params):
    return STATE["channels"].get(params["channel"]) if "channel" in params else STATE["status"]


@pytest.fixture(scope="module")
def control():
    answers = {"status": status, "why": lambda params: STATE["why"].get(params["channel"]), "alarms": STATE["alarms"], "events": STATE["events"],
               "history": STATE["history"]}
    with FakeControl(answers, STATE["now"]) as fake:
        yield fake


def compare(name, text):
    path = FOLDER / f"{name}.txt"
    text = "\n".join(line.rstrip() for line in text.rstrip().splitlines()) + "\n"
    if os.environ.get("HEADGATE_GOLDEN_UPDATE"):
        path.write_text(text)
    assert text == path.read_text(), path


@pytest.mark.parametrize("columns,rows", SIZES)
@pytest.mark.parametrize("name", sorted(SCREENS))
def test_screen_of_a_command(control, name, columns, rows):
    command = [HEADGATE, *SCREENS[name], "--socket", control.socket]
    # What has left the top of the screen counts, too; the shell waits so that the terminal stays.
    words = " ".join(f"'{word}'" for word in command)
    with Terminal(["sh", "-c", f"{words}; echo END; sleep 600"], columns, rows, {"TERM": "screen-256color"}) as terminal:
        text = wait_for(lambda: (shown := terminal.text(history=True)).rstrip().endswith("END") and shown, 30)
    compare(f"{name}_{columns}x{rows}", text[:text.rindex("END")])


@pytest.mark.parametrize("columns,rows", SIZES)
def test_screen_of_top(control, columns, rows):
    with Terminal([HEADGATE, "top", "--socket", control.socket], columns, rows, {"TERM": "screen-256color"}) as terminal:
        text = wait_for(lambda: "q quit" in (shown := terminal.text()) and "silent" in shown and shown, 30)
        compare(f"top_{columns}x{rows}", text)
        assert len(text.splitlines()) <= rows and max(map(len, text.splitlines())) <= columns
        terminal.press("Enter")
        text = wait_for(lambda: "culprit" in (shown := terminal.text()) and "any key" in shown and shown, 30)
        compare(f"top_why_{columns}x{rows}", text)
        terminal.press("x")
        wait_for(lambda: "q quit" in terminal.text(), 30)
        terminal.press("q")
        wait_for(terminal.is_over, 30)


# An event is a line of a log, and so is a map: as long as they are, but on a terminal. An address is never broken.
@pytest.mark.parametrize("name", sorted(set(SCREENS) - {"events", "history"}))
def test_no_line_is_longer_than_80_columns(control, name):
    text = subprocess.run([HEADGATE, *SCREENS[name], "--socket", control.socket], capture_output=True, text=True, check=True,
                          env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}).stdout
    long = [line for line in text.splitlines() if len(line) > 80 and "://" not in line]
    assert text and not long, long


def test_the_state_is_one_that_a_gateway_can_be_in():
    found = {}
    for name, value in {"status": STATE["status"], "status CHANNEL": STATE["channels"]["fine"], "why": STATE["why"]["silent"],
                        "alarms": STATE["alarms"], "events": STATE["events"], "history": STATE["history"]}.items():
        members.members(value, name, found)
    golden = members.read((FOLDER.parent / "json_members.txt").read_text())
    strange = {path: types for path, types in found.items() if not types <= golden.get(path, (set(), False))[0]}
    assert not strange, strange


def test_top_of_a_thousand_channels_draws_only_what_changed():
    with FakeControl(lineup(1000)) as fake, CountingTerminal([HEADGATE, "top", "--every", "200ms", "--socket", fake.socket], 80, 24) as terminal:
        asked = lambda times: lambda: fake.asked.count("alarms") >= times
        terminal.read(asked(3))
        whole, terminal.bytes, terminal.cleared = terminal.bytes, 0, 0
        terminal.read(asked(13))
        assert whole > 1000 and terminal.cleared == 0 and 0 < terminal.bytes / 10 < 80 * 24 / 4, (whole, terminal.bytes)
