"""Ports for servers that have to be told theirs."""
import random
import socket

# Below what the kernel gives to those that ask for any port (net.ipv4.ip_local_port_range begins at 32768): so nobody
# gets it by chance between being looked for and being taken, or while a server is away.
LOWEST, HIGHEST = 20_000, 32_000
_claims = []


def free_port():
    """Of this network namespace, for TCP and UDP; no other test gets it as long as this process lives."""
    while True:
        port = random.randrange(LOWEST, HIGHEST)
        # An abstract name is the namespace's own and gone with the process.
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0headgate-test-port-{port}")
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("0.0.0.0", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port
