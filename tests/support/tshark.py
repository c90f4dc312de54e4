"""Tables of a transport stream as Wireshark reads them."""
import struct
import subprocess

FIELDS = {"pat": ("mpeg_pat.prog_num", "mpeg_pat.prog_map_pid"), "pmt": ("mpeg_pmt.pg_num", "mpeg_pmt.version", "mpeg_pmt.pcr_pid"),
          "stream": ("mpeg_pmt.stream.elementary_pid", "mpeg_pmt.stream.type"),
          "service": ("dvb_sdt.svc.id", "dvb_sdt.svc.running_status", "dvb_sdt.svc.free_ca_mode"),
          "nit": ("dvb_nit.ts.id", "dvb_nit.ts.original_network_id"), "event": ("dvb_eit.evt.id", "dvb_eit.evt.running_status"), "eit": ("dvb_eit.sid", "dvb_eit.tsid")}


def number(text):
    try:
        return int(text, 0)
    except ValueError:
        return text


def pcap(data):
    """One packet a UDP datagram, so that no frame holds two of tshark's sections of one kind but where they share a packet."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for index, at in enumerate(range(0, len(data), 188)):
        payload = data[at:at + 188]
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 16, 17, 0, b"\x0a\0\0\1", b"\xef\1\1\1")
        frame = b"\1\0\x5e\1\1\1" + b"\2" * 6 + b"\x08\0" + ip + struct.pack(">HHHH", 5000, 5000, 8 + len(payload), 0) + payload
        out.append(struct.pack("<IIII", index // 1000, index % 1000 * 1000, len(frame), len(frame)) + frame)
    return b"".join(out)


def tables_of(path):
    """By the names of FIELDS: values that stand beside one another, as numbers."""
    command = ["tshark", "-n", "-r", path, "-d", "udp.port==5000,mp2t", "-T", "fields", "-E", "separator=/t", "-E", "aggregator=|",
               "-Y", "mpeg_pat or mpeg_pmt or dvb_sdt or dvb_nit or dvb_eit"]
    for field in (field for fields in FIELDS.values() for field in fields):
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = {kind: set() for kind in FIELDS}
    for line in done.stdout.splitlines():
        cells = iter(line.split("\t"))
        for kind, fields in FIELDS.items():
            row = [next(cells, "") for _ in fields]
            columns = [cell.split("|") if cell else [] for cell in row]
            assert len({len(column) for column in columns}) == 1, line
            found[kind] |= {tuple(number(value) for value in values) for values in zip(*columns)}
    return found
