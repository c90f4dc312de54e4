"""Network namespaces: making them, entering them, and sweeping what an earlier run left behind.

Names are hg-PID-SERIAL-ROLE, so that a later run can tell which belong to a process that is gone.
"""
import atexit
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
NAME = re.compile(r"^hg-(\d+)-\d+-[a-z0-9]+$")
_libc = ctypes.CDLL(None, use_errno=True)
_own = set()
_lock = threading.Lock()
_serial = 0


def run(*command, check=True, text_input=None, timeout=120):
    """Runs a command; its output is in the exception when it fails."""
    result = subprocess.run(command, input=text_input, capture_output=True, text=True, timeout=timeout)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def next_prefix():
    global _serial
    with _lock:
        _serial += 1
        return f"hg-{os.getpid()}-{_serial}"


def create(name):
    run("ip", "netns", "add", name)
    _own.add(name)
    for key, value in (("net.ipv6.conf.default.disable_ipv6", 1), ("net.ipv4.conf.all.rp_filter", 0),
                       ("net.ipv4.conf.default.rp_filter", 0)):
        run("ip", "netns", "exec", name, "sysctl", "-qw", f"{key}={value}", check=False)
    run("ip", "-n", name, "link", "set", "lo", "up")


def pids(name):
    return [int(pid) for pid in run("ip", "netns", "pids", name, check=False).split()]


def kill_all(name):
    """Ends every process inside: gateways leave children that outlive their parent by design."""
    for _ in range(50):
        inside = [pid for pid in pids(name) if pid != os.getpid()]
        if not inside:
            return
        for pid in inside:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def destroy(name):
    kill_all(name)
    run("ip", "netns", "del", name, check=False)
    _own.discard(name)


def destroy_all():
    for name in list(_own):
        destroy(name)


def sweep():
    """Removes namespaces of runs that were killed."""
    for line in run("ip", "netns", "list", check=False).splitlines():
        name = line.split()[0] if line.split() else ""
        match = NAME.match(name)
        if match and not os.path.exists(f"/proc/{match.group(1)}"):
            destroy(name)


def _setns(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


@contextlib.contextmanager
def inside(name):
    """The calling thread is in the namespace meanwhile; sockets made here stay there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    target = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        _setns(target)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(target)
        os.close(home)


def command_in(name, *command):
    return ["ip", "netns", "exec", name, *map(str, command)]


atexit.register(destroy_all)


def _terminated(signum, _frame):
    destroy_all()
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


def clean_on_signals():
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _terminated)
