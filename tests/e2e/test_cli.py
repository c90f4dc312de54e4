"""What a person types: answers, JSON, exit codes."""
import concurrent.futures
import json
import re
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from support import media, ts
from support.gateway import HEADGATE, Gateway, pressure
from support.rig import ethernet_udp

CHANNELS = {"news": {"name": "News HD", "number": 101, "tags": ["hd"], "inputs": ["udp://239.9.1.1:5000"],
                     "push": ["udp://239.9.2.1:5000"], "serve": {"hls": {"segment": "2s"}}},
            "plain": {"inputs": ["udp://239.9.1.4:5000"], "push": ["udp://239.9.2.4:5000"], "program": 102},
            "picky": {"inputs": ["udp://10.77.0.99@232.9.1.5:5000"], "push": ["udp://239.9.2.5:5000"]},
            "silent": {"inputs": ["udp://239.9.1.2:5000"], "push": ["udp://239.9.2.2:5000"]},
            "off": {"enabled": False, "inputs": ["udp://239.9.1.3:5000"]}}


@pytest.fixture(scope="module")
def gateway(rig):
    with Gateway(rig, CHANNELS) as made:
        rig.wait_mdb("239.9.1.1", True)
        sender = rig.send(media.stream("h264_aac", 60), "239.9.1.1", 5000)
        made.wait_metric("headgate_input_ts_packets_total", 1000, channel="news")
        yield made
        sender.kill()


def find_channels(answer):
    """{id: state} from status --json."""
    channels = answer["channels"]
    if isinstance(channels, dict):
        return {name: value["state"] for name, value in channels.items()}
    return {value.get("id", value.get("channel")): value["state"] for value in channels}


def test_status_tells_states(gateway):
    end = time.monotonic() + 60
    while True:
        states = find_channels(gateway.json("status"))
        if states.get("news") == "ok" and states.get("silent") == "down":
            break
        assert time.monotonic() < end, states
        time.sleep(0.2)
    assert states["off"] == "disabled"
    text = gateway.cli("status").stdout
    print(text)
    assert text.index("silent") < text.index("news"), "worst first"
    assert "\x1b[" not in text, "colour without a terminal"


def test_status_of_one_channel(gateway):
    result = gateway.cli("status", "news")
    assert result.returncode == 0 and "239.9.1.1" in result.stdout and "239.9.2.1" in result.stdout, result.stdout
    assert isinstance(gateway.json("status", "news"), dict)
    unknown = gateway.cli("status", "newz")
    assert unknown.returncode == 1 and "newz" in unknown.stderr


def test_check_is_offline_and_names_places(gateway, tmp_path):
    good = gateway.cli("check", "--config", str(gateway.config), socket_option=False)
    assert good.returncode == 0, good.stdout + good.stderr
    bad_map = tmp_path / "channels.yaml"
    bad_map.write_text("channels:\n  news:\n    inputs: [ udp://239.9.1.1:5000 ]\n    inptus: 3\n    access: { allow: [10.0.0.0/8] }\n"
                       "  other:\n    inputs: [ tcp://x ]\n")
    node = json.loads(gateway.config.read_text())
    bad_config = tmp_path / "headgate.yaml"
    bad_config.write_text(json.dumps(node))
    bad = gateway.cli("check", "--config", str(bad_config), socket_option=False)
    text = bad.stdout + bad.stderr
    assert bad.returncode == 1, text
    assert "channels.yaml:4:5: error:" in text and "inputs" in text, text
    assert "channels.yaml:5:" in text and "not supported yet" in text, text
    assert "channels.yaml:7:" in text, "all errors in one go"
    answer = gateway.cli("check", "--config", str(bad_config), "--json", socket_option=False)
    assert answer.returncode == 1 and json.loads(answer.stdout)


def test_run_says_what_it_lacks_and_the_remedy(rig):
    """Each before anything starts: another user without a place to write, and a data_dir that can't be written."""
    with tempfile.TemporaryDirectory(prefix="hg-cli-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the other user reads the files
        data = folder / "data"
        data.mkdir()
        node = {"run_dir": str(folder / "run"), "data_dir": str(data), "channels": "channels.yaml",
                "interfaces": {"cap0": {"device": "af_packet:cap0", "address": "10.20.0.5/24"}}}
        (folder / "headgate.yaml").write_text(json.dumps(node))
        (folder / "channels.yaml").write_text(json.dumps({"channels": {}}))
        run = [str(HEADGATE), "run", "--config", str(folder / "headgate.yaml")]
        user = rig.call("gw", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *run, timeout=120)
        assert user.returncode == 1
        assert f"can't set up {data}: " in user.stderr and "run as root, or name a data_dir" in user.stderr, user.stderr
        shell = f"mount -t tmpfs -o ro tmpfs {shlex.quote(str(data))} && exec {shlex.join(run)}"
        read_only = rig.call("gw", "unshare", "-m", "sh", "-c", shell, timeout=120)
        assert read_only.returncode == 1
        expected = f"can't set up {data}: Read-only file system; make that file system writable, or name another data_dir"
        assert expected in read_only.stderr, read_only.stderr


def test_usage_errors_exit_2(gateway):
    assert gateway.cli("nothing", socket_option=False).returncode == 2
    assert gateway.cli("check", "--nothing", socket_option=False).returncode == 2
    assert gateway.cli(socket_option=False).returncode == 2


def test_help_and_version(gateway):
    assert gateway.cli("--version", socket_option=False).stdout.strip()
    for command in ("run", "check", "plan", "apply", "history", "status", "events", "probe", "send"):
        result = gateway.cli(command, "--help", socket_option=False)
        assert result.returncode == 0 and command in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize("command", [["status", "newz"], ["why", "newz"], ["sessions", "newz"], ["switch", "newz", "1"], ["events", "--channel", "newz"],
                                     ["maintenance", "newz", "1h"]])
def test_a_mistyped_channel_is_met_with_the_one_that_was_meant(gateway, command):
    result = gateway.cli(*command)
    assert result.returncode == 1 and "; did you mean news?" in result.stderr, result.stderr


def test_a_mistyped_tag_too(gateway):
    said = gateway.cli("maintenance", "hdd", "1h")
    assert said.returncode == 1 and "; did you mean hd?" in said.stderr, said.stderr


def test_the_live_screen_offers_no_json(gateway):
    assert "--json" not in gateway.cli("top", "--help", socket_option=False).stdout
    assert gateway.cli("top", "--json").returncode == 2


def test_events_say_once_what_each_kind_means(gateway):
    shown = gateway.cli("events").stdout
    sentence = "(A channel went from one state to another, with the reason; "
    lines = [line for line in shown.splitlines() if "  channel_state " in line]
    assert len(lines) > 1 and [sentence in line for line in lines] == [True] + [False] * (len(lines) - 1), shown


def test_help_keeps_to_80_columns_and_to_words(gateway):
    names = re.findall(r"^  ([a-z]+)  ", gateway.cli("--help", socket_option=False).stdout, re.M)
    assert len(names) > 15
    for name in names:
        text = gateway.cli(name, "--help", socket_option=False).stdout
        assert max(map(len, text.splitlines())) <= 80 and not re.search(r"TEXT|[:{}]\{|:\{", text), text


def test_no_gateway_is_a_clear_failure(gateway, tmp_path):
    result = gateway.cli("status", "--socket", str(tmp_path / "none.sock"), socket_option=False)
    assert result.returncode == 1 and "none.sock" in result.stderr, result.stderr


def test_plan_apply_history_events_in_json(gateway):
    changed = json.loads(json.dumps(CHANNELS))
    changed["silent"]["push"] = ["udp://239.9.2.9:5000"]
    gateway.write(changed)
    plan = gateway.json("plan")
    assert "silent" in json.dumps(plan) and isinstance(plan, dict), plan
    text = gateway.cli("plan").stdout
    assert "silent" in text and "push" in text, text
    assert isinstance(gateway.json("apply"), dict)
    history = gateway.json("history")
    assert history["history"][-1]["changes"] == "~ silent: push", history
    assert "  ~ silent: push\n" in gateway.cli("history").stdout
    assert gateway.json("events")
    gateway.apply(CHANNELS)


def test_probe_of_a_file(gateway):
    path = media.stream("mpts", 20)
    result = gateway.cli("probe", str(path), "--json", socket_option=False)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    text = json.dumps(answer)
    assert "101" in text and "102" in text and "One" in text and "h264" in text.lower().replace(".", ""), text
    shown = gateway.cli("probe", str(path), socket_option=False)
    assert shown.returncode == 0 and "101" in shown.stdout, shown.stdout
    missing = gateway.cli("probe", "/nowhere.ts", socket_option=False)
    assert missing.returncode == 1 and "/nowhere.ts" in missing.stderr


def test_probe_of_a_group_the_gateway_takes(gateway):
    result = gateway.cli("probe", "udp://239.9.1.1:5000", "--time", "2s", "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert report["gateway"]["channel"] == "news" and report["live"] and report["version"], report
    stream = next(s for s in report["services"][0]["streams"] if s["kind"] == "h264")
    assert stream["codec"]["width"] == 320, stream
    assert {"PAT", "PMT"} <= {table["name"] for table in report["tables"]}, report["tables"]
    assert report["tr101290"]["continuity_count_error"] == 0 and report["kernel_drops"] == 0, report
    pcr = next(pid["pcr"] for pid in report["pids"] if pid["pcr"])
    assert pcr["interval_avg_ms"] > 0 and pcr["jitter_ms"] is not None, pcr


def test_probe_says_that_the_map_reads_it_in_another_way(gateway):
    result = gateway.cli("probe", "rtp://239.9.1.1:5000", "--time", "1s")
    assert "! the map takes this in as udp, not as rtp\n" in result.stdout, result.stdout + result.stderr


def without_times(report):
    """What must be the same wherever a stream is probed."""
    services = [{key: service[key] for key in service if key != "bitrate_bps"} for service in report["services"]]
    return services, {pid["pid"] for pid in report["pids"]}, {(table["pid"], table["name"]) for table in report["tables"]}


def test_probe_through_the_gateway_is_that_of_the_file_without_hls_and_with_a_program(rig, gateway):
    """The whole multiplex as it comes in, though the channel sends one service and serves none."""
    path = media.stream("mpts", 20)
    rig.wait_mdb("239.9.1.4", True)
    sender = rig.send(path, "239.9.1.4", 5000)
    try:
        gateway.wait_metric("headgate_input_ts_packets_total", 1000, channel="plain")
        before = gateway.metric("headgate_input_ts_packets_total", channel="plain")
        result = gateway.cli("probe", "udp://239.9.1.4:5000", "--time", "3s", "--json")
        after = gateway.metric("headgate_input_ts_packets_total", channel="plain")
        shown = gateway.cli("probe", "udp://239.9.1.4:5000", "--time", "1s")
    finally:
        sender.kill()
        sender.wait()
    assert result.returncode == 0, result.stderr
    live = json.loads(result.stdout)
    file = json.loads(gateway.cli("probe", str(path), "--json", socket_option=False).stdout)
    assert without_times(live) == without_times(file), (live["services"], file["services"])
    assert len(live["services"]) == 2 and live["cc_errors"] == 0, live["services"]
    # The counters' page is up to 0.2 s behind.
    assert 0.8 * (after - before) <= live["packets"] <= 1.1 * (after - before), (live["packets"], before, after)
    assert live["kernel_drops"] == 0 and live["drops"] == [], live["drops"]
    print(shown.stdout)
    assert "channel plain" in shown.stdout and "PAT_error" in shown.stdout and "no service" not in shown.stdout.lower()
    # The copy is gone with its reader: nothing is left in run_dir and the relay never lost a packet by it.
    end = time.monotonic() + 60
    while list(gateway.run_dir.glob("fastpath/tap-*")):
        assert time.monotonic() < end, list(gateway.run_dir.glob("fastpath/tap-*"))
        time.sleep(0.1)
    assert gateway.metric("headgate_drops_total", channel="plain") == 0


def test_probe_names_what_was_dropped(rig, gateway):
    packet = bytes([0x47, 0x01, 0x00, 0x10]) + bytes(184)
    rig.wait_mdb("239.9.1.2", True)

    def probe(url, action):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = pool.submit(gateway.cli, "probe", url, "--time", "2s")
            while not running.done():
                action()
                time.sleep(0.05)
            return running.result()

    result = probe("udp://239.9.1.2:5000", lambda: rig.datagram(packet[:100], "239.9.1.2", 5000))
    print(result.stderr)
    assert result.returncode == 1 and "channel silent" in result.stderr and "not_ts_size" in result.stderr, result.stderr
    assert "nothing came" not in result.stderr, result.stderr
    foreign = ethernet_udp(packet * 3, "232.9.1.5", 5000, source="10.77.0.200")
    result = probe("udp://10.77.0.99@232.9.1.5:5000", lambda: rig.raw_frame(foreign, role="br", interface="p-gw"))
    print(result.stderr)
    assert result.returncode == 1 and "channel picky" in result.stderr and "wrong_source" in result.stderr, result.stderr
    assert gateway.metric("headgate_drops_total", channel="picky", reason="wrong_source") > 0
    assert "wrong_source" in gateway.cli("status", "picky").stdout
    verdict = gateway.json("why", "picky")["verdict"]
    assert "come from 10.77.0.200, but none from 10.77.0.99" in verdict, verdict


def test_probe_of_a_group_by_a_kernel_socket(rig, gateway):
    from support.gateway import HEADGATE
    result = rig.call("snk", str(HEADGATE), "probe", "udp://239.9.2.1:5000", "--interface", "eth0", "--time", "2s", "--json")
    assert result.returncode == 0, result.stderr
    assert "h264" in result.stdout.lower().replace(".", ""), result.stdout


def test_send_is_paced_and_loops_without_a_seam(rig, gateway):
    from support.gateway import HEADGATE
    path = media.stream("h264_aac", 4)
    capture = rig.capture("239.9.3.1", 5000)
    rig.wait_mdb("239.9.3.1", True, port="p-snk")
    sender = rig.popen("src", str(HEADGATE), "send", str(path), "udp://239.9.3.1:5000?interface=eth0", stderr=subprocess.PIPE, text=True)
    line = sender.stderr.readline()
    assert re.fullmatch(rf"headgate: sending {re.escape(str(path))} to udp://239.9.3.1:5000\S*, about 4 s a loop at \d\.\d\d Mb/s; Ctrl-C stops\n", line), line
    capture.wait(10)
    start, busy = capture.datagrams[0][0], pressure()
    time.sleep(10)
    busy = pressure() - busy
    sender.terminate()
    sender.wait(60)
    capture.stop()
    data = capture.payload()
    span = capture.datagrams[-1][0] - start
    scan = ts.Scan(data)
    rate = len(data) * 8 / span
    source_rate = path.stat().st_size * 8 / ts.duration(path.read_bytes())
    print(f"send: {span:.1f} s over a loop of 4 s, {rate / 1e6:.3f} Mb/s of {source_rate / 1e6:.3f}, {scan.total_cc_errors} continuity errors, "
          f"longest gap {capture.longest_gap() * 1000:.0f} ms")
    assert scan.total_cc_errors == 0
    assert abs(rate / source_rate - 1) < 0.05 + busy / span
    clocks = [found[1] for found in (ts.pcr(data, i) for i in range(0, len(data), 188)) if found]
    steps = [((b - a) % ts.PCR_MODULUS) / 27e6 for a, b in zip(clocks, clocks[1:])]
    assert max(steps) < 0.2, f"PCR jumps by {max(steps):.2f} s"


def test_metrics_are_well_formed(gateway):
    text = gateway.admin("/metrics").body.decode()
    for name in ("headgate_build_info", "headgate_channel_state", "headgate_input_datagrams_total",
                 "headgate_input_ts_packets_total", "headgate_input_bytes_total", "headgate_input_cc_errors_total",
                 "headgate_drops_total", "headgate_output_bytes_total", "headgate_igmp_last_query_timestamp_seconds"):
        assert f"\n# TYPE {name} " in "\n" + text, name
    for line in text.splitlines():
        if line and not line.startswith("#"):
            float(line.rsplit(" ", 1)[1])
    assert gateway.metric("headgate_channel_state", channel="news", state="ok") == 1
