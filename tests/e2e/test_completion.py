"""What bash, zsh and fish offer behind `headgate`: commands, options, and the channels and maps of the gateway that runs."""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.fake_control import FakeControl
from support.gateway import HEADGATE, wait_for
from support.terminal import Terminal

FOLDER = Path(__file__).resolve().parents[2] / "scripts" / "package" / "completion"
CHANNELS = ["news", "news-sd", "sport"]


def status(params):
    if "channel" in params:
        inputs = [{"number": 1, "program_number": 6}, {"number": 3, "pids": [{"number": 5}]}]
        return {"id": params["channel"], "number": 7, "inputs": inputs} if params["channel"] in CHANNELS else None
    return {"channels": [{"id": name, "state": "ok", "tags": ["hd", f"of-{name}"]} for name in CHANNELS], "alarms": [{"id": "decoy"}]}


@pytest.fixture(scope="module")
def control():
    answers = {"status": status, "history": {"history": [{"number": 3}, {"number": 17}]},
               "alarms": {"alarms": [{"id": 41, "cause": None}, {"id": 42, "cause": 41}], "maintenance": [{"id": 9}]}}
    with FakeControl(answers) as fake:
        yield fake


def environment(control, tmp_path):
    """A home of its own, and the command found by its name."""
    return {"PATH": f"{HEADGATE.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "HEADGATE_SOCKET": str(control.socket), "TERM": "xterm",
            "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}


def in_bash(line, control, tmp_path):
    words = line.split(" ")
    script = (f"source {FOLDER}/headgate.bash; COMP_WORDS=({' '.join(word or repr('') for word in words)}); COMP_CWORD={len(words) - 1}; "
              "_headgate; printf '%s\\n' \"${COMPREPLY[@]}\"")
    return run(["bash", "--norc", "-c", script], control, tmp_path)


def in_fish(line, control, tmp_path):
    script = f"source {FOLDER}/headgate.fish; complete -C '{line}'"
    return [row.split("\t")[0] for row in run(["fish", "--no-config", "-c", script], control, tmp_path)]


def run(command, control, tmp_path):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(control, tmp_path), cwd=tmp_path, check=False)
    assert not done.stderr, done.stderr
    return sorted(word.strip() for word in done.stdout.split("\n") if word.strip())


def in_zsh(line, control, tmp_path):
    """Typed: the offers are listed below the line."""
    (tmp_path / ".zshrc").write_text(f"fpath=({FOLDER} $fpath)\nautoload -Uz compinit\ncompinit -u -D\nsetopt no_list_beep bash_auto_list\n"
                                     "zstyle ':completion:*' list-prompt ''\nunsetopt menu_complete auto_menu\nPROMPT='ready> '\n"
                                     "RPROMPT=''\nLISTMAX=500\n")
    with Terminal(["zsh", "-i", "-o", "no_global_rcs"], 100, 50, {**environment(control, tmp_path), "ZDOTDIR": tmp_path}) as terminal:
        wait_for(lambda: terminal.text().startswith("ready>"))
        # Control-D lists what there is, whatever the line.
        terminal.press("-l", line)
        wait_for(lambda: f"ready> {line}".rstrip() in terminal.text())
        terminal.press("C-d")
        texts = [""]

        def listed():
            """Whole: a terminal draws in pieces."""
            texts.append(terminal.text())
            return len(texts[-1].strip().splitlines()) > 1 and len(texts) > 5 and len(set(texts[-5:])) == 1
        wait_for(listed)
        return sorted(word for row in texts[-1].strip().splitlines()[1:] for word in row.split() if word != "ready>")


SHELLS = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}


@pytest.fixture(params=sorted(SHELLS))
def offered(request, control, tmp_path):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed (scripts/setup test)")
    return lambda line: SHELLS[request.param](line, control, tmp_path)


def commands():
    text = subprocess.run([HEADGATE, "--help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  ([a-z]+)  ", text[text.index("Subcommands:"):], re.M)


def test_commands_are_those_that_there_are(offered):
    assert set(commands()) <= set(offered("headgate ")), commands()


@pytest.mark.parametrize("line", ["headgate status ", "headgate switch "])
def test_channels_are_those_of_the_running_gateway(offered, line):
    found = offered(line)
    assert set(CHANNELS) <= set(found) and "decoy" not in found, found


def test_what_follows_a_channel(offered):
    assert set(offered("headgate switch news ")) == {"auto", "1", "3"}, "the channel's inputs"
    assert {"2h", "off"} <= set(offered("headgate maintenance news "))
    assert {"3", "17"} <= set(offered("headgate apply --to "))
    assert {"down", "backup"} <= set(offered("headgate status --state "))
    assert set(offered("headgate alarms ")) == {"ack"}
    assert set(offered("headgate alarms ack ")) == {"all", "41", "42"}
    assert {"3", "17"} <= set(offered("headgate history "))


def test_tags_are_those_of_the_running_gateway(offered):
    tags = {"hd", *(f"of-{name}" for name in CHANNELS)}
    assert set(offered("headgate top --tag ")) == tags
    assert set(offered("headgate maintenance ")) == {*CHANNELS, *tags}


def test_what_follows_a_comma(offered, request):
    # zsh lists what it puts behind the comma, bash and fish the whole word.
    before = "" if request.node.callspec.params["offered"] == "zsh" else "down,"
    assert set(offered("headgate status --state down,d")) == {before + state for state in ("down", "degraded", "disabled")}


def test_each_option_of_each_command_is_offered(control, tmp_path):
    for command in commands():
        text = subprocess.run([HEADGATE, command, "--help"], capture_output=True, text=True, check=True).stdout
        options = set(re.findall(r"--[a-z]+", text[text.index("Options:"):text.index("\n\n", text.index("Options:"))]))
        assert options, command
        for shell in ("bash", "fish"):
            if shutil.which(shell):
                missing = options - set(SHELLS[shell](f"headgate {command} --", control, tmp_path))
                assert not missing, (shell, command, missing)
        body = (FOLDER / "_headgate").read_text()
        words = next(line for line in body.splitlines() if re.match(rf"\s+([a-z| ]*\| )?{command}( \|[a-z| ]*)?\) options=", line))
        assert options <= set(re.findall(r"--[a-z]+", words)), (command, words)


def test_the_fake_is_asked_as_the_gateway_is(control):
    shown = subprocess.run([HEADGATE, "status", "--json", "--socket", control.socket], capture_output=True, text=True, check=True)
    assert [channel["id"] for channel in json.loads(shown.stdout)["channels"]] == CHANNELS


def test_each_command_and_option_is_in_the_manual():
    manual = (FOLDER.parent / "man" / "headgate.1.scd").read_text()
    described, options = manual[manual.index("# COMMANDS"):manual.index("# OPTIONS")], manual[manual.index("# OPTIONS"):manual.index("# EXIT")]
    for command in commands():
        assert f"\n*{command}*" in described, command
        text = subprocess.run([HEADGATE, command, "--help"], capture_output=True, text=True, check=True).stdout
        for option in set(re.findall(r"--[a-z]+", text[text.index("Options:"):text.index("\n\n", text.index("Options:"))])):
            assert f"*{option}*" in options or option in described, (command, option)
