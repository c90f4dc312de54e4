"""What `headgate probe` says that the tables say, against what tshark reads in the same captures."""
import json
import subprocess

import pytest

from support import media
from support.gateway import HEADGATE
from support.tshark import number, pcap

FOLDER = media.captures_folder()
pytestmark = pytest.mark.skipif(FOLDER is None, reason="captures need HEADGATE_STREAMS")
NAMES = ["mpts-dvbt-it-8prog", "psi-nit-sdt-ait-ca", "hd-2services-eit-one-scrambled", "dvbt-fr-hd-h264i-eac3x3-dvbsubx2"]
TABLES = {0x01, 0x10, 0x11, 0x12, 0x14}


def probe(name):
    return json.loads(subprocess.run([HEADGATE, "probe", str(FOLDER / f"{name}.ts"), "--json"], capture_output=True, text=True, check=True).stdout)["si"]


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """By name: a function that gives what tshark reads in rows of fields that stand beside one another."""
    folder, paths = tmp_path_factory.mktemp("tables"), {}

    def of(name, fields, where):
        if name not in paths:
            data = (FOLDER / f"{name}.ts").read_bytes()
            paths[name] = folder / f"{name}.pcap"
            paths[name].write_bytes(pcap(b"".join(data[at:at + 188] for at in range(0, len(data) - 187, 188)
                                                  if data[at] == 0x47 and ((data[at + 1] & 0x1F) << 8 | data[at + 2]) in TABLES)))
        command = ["tshark", "-n", "-r", paths[name], "-d", "udp.port==5000,mp2t", "-T", "fields", "-E", "separator=/t", "-E", "aggregator=|", "-Y", where]
        for field in fields:
            command += ["-e", field]
        rows = set()
        for line in subprocess.run(command, capture_output=True, text=True, timeout=200, check=True).stdout.splitlines():
            rows |= set(zip(*([number(value) for value in cell.split("|")] if cell else [] for cell in line.split("\t"))))
        return rows

    return of


@pytest.mark.parametrize("name", NAMES)
def test_networks_and_channel_numbers(read, name):
    networks = probe(name)["networks"]
    assert {(network["id"],) for network in networks} == read(name, ["dvb_nit.sid"], "dvb_nit")
    streams = [stream for network in networks for stream in network["streams"]]
    assert {(s["transport_stream_id"], s["original_network_id"]) for s in streams} == \
        read(name, ["dvb_nit.ts.id", "dvb_nit.ts.original_network_id"], "dvb_nit")
    listed = {(c["service_id"], c["number"]) for s in streams for c in s["channels"]}
    # It reads NorDig's 14 bits, of which EACEM leaves four reserved.
    theirs = read(name, ["mpeg_descr.nordig.lcd.svc_list.id", "mpeg_descr.nordig.lcd.svc_list.lcn"], "dvb_nit")
    assert listed == {(service, lcn & 0x3FF) for service, lcn in theirs}
    services = {(s["service_id"],) for stream in streams for s in stream["services"]}
    assert services <= read(name, ["mpeg_descr.svc_list.id"], "dvb_nit or dvb_bat")
    satellites = {round(s["delivery"]["frequency_hz"] / 1e9, 5) for s in streams if s["delivery"] and s["delivery"]["system"].startswith("DVB-S")}
    assert satellites == {round(float(ghz), 5) for (ghz,) in read(name, ["mpeg_descr.sat_delivery.freq"], "dvb_nit")}
    masts = {(s["delivery"]["frequency_hz"],) for s in streams if s["delivery"] and s["delivery"]["system"] == "DVB-T"}
    assert masts == read(name, ["mpeg_descr.terr_delivery.centre_freq"], "dvb_nit")


@pytest.mark.parametrize("name", NAMES)
def test_events(read, name):
    ours = {(event["name"],) for service in probe(name)["events"] for event in (service["present"], service["following"]) if event}
    theirs = {(str(text).strip(),) for (text,) in read(name, ["mpeg_descr.short_evt.name"], "dvb_eit")}
    assert ours and {(text.strip(),) for (text,) in ours} <= theirs or not theirs


def test_conditional_access_and_time(read):
    si = probe("psi-nit-sdt-ait-ca")
    assert {entry["country"] for entry in si["local_time_offsets"]} == {text for (text,) in read("psi-nit-sdt-ait-ca", ["mpeg_descr.local_time_offset.country_code"], "dvb_tot")}
    emm = probe("psi-eitpf-cat-tei")["emm"]
    assert {(ca["ca_system_id"], ca["pid"]) for ca in emm} == read("psi-eitpf-cat-tei", ["mpeg_descr.ca.sys_id", "mpeg_descr.ca.pid"], "mpeg_ca")
