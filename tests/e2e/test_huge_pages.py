"""The fast path on huge pages. What this machine cannot do is skipped with its reason."""
import contextlib

import pytest

from support import media
from support.gateway import Gateway


@contextlib.contextmanager
def huge_pages(count):
    """That many free pages of 2 MB, reserved here and given back where the machine has fewer."""
    def free():
        return int(next(line.split()[1] for line in open("/proc/meminfo") if line.startswith("HugePages_Free")))
    knob = "/proc/sys/vm/nr_hugepages"
    before = open(knob).read()
    try:
        if free() < count:
            try:
                with open(knob, "w") as file:
                    file.write(str(int(before) + count - free()))
            except OSError as error:
                pytest.skip(f"{free()} free huge pages of the {count} wanted, and {knob} can't be written: {error}")
            if free() < count:
                pytest.skip(f"the kernel found {free()} of {count} huge pages: its memory is in pieces")
        yield
    finally:
        if open(knob).read() != before:
            with open(knob, "w") as file:
                file.write(before)


def test_huge_pages(rig):
    channels = {"a": {"inputs": ["udp://239.10.1.6:5000"], "push": ["udp://239.10.2.6:5000"]}}
    path = media.stream("h264_aac", 20)
    with huge_pages(64):
        with Gateway(rig, channels, node={"fastpath": {"hugepages": "required"}}) as gateway:
            assert "of huge pages" in gateway.tail(200)
            taken = sum(int(line.split()[1]) for line in open(f"/proc/{gateway.pid('fastpath')}/smaps_rollup") if "Hugetlb" in line)
            assert taken > 20 * 1024, f"{taken} KiB of huge pages are in use"
            assert rig.relayed("239.10.1.6", "239.10.2.6", path) == path.read_bytes()
        # Without asking for them: taken where they are.
        with Gateway(rig, channels, node={"fastpath": {"hugepages": "auto"}}) as gateway:
            assert "of huge pages" in gateway.tail(200)
