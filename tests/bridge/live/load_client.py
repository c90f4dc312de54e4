"""Many HTTP clients in one process: load_client.py PORT CHANNEL SECONDS IDLE PLAYERS SLOW. Prints one JSON line.

Idle connections ask once and stay; players poll the media playlist and fetch each new segment; slow ones read a segment a kilobyte at a time.
"""
import asyncio
import json
import re
import resource
import sys
import time

PORT, CHANNEL = int(sys.argv[1]), sys.argv[2]
SECONDS, IDLE, PLAYERS, SLOW = map(int, sys.argv[3:7])
results = {"idle": 0, "idle_alive": 0, "playlists": [], "segments": [], "bytes": 0, "failures": [], "slow_started": 0, "slow_bytes": 0}


async def dial(number):
    # The gateway bounds connections by address: these are many machines.
    return await asyncio.open_connection("127.0.0.1", PORT, local_addr=(f"127.0.1.{1 + number % 200}", 0))


async def get(reader, writer, path):
    writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = int(re.search(r"Content-Length: (\d+)", head).group(1))
    body = await reader.readexactly(length)
    if not head.startswith("HTTP/1.1 200"):
        raise RuntimeError(head.split("\r\n")[0])
    return body


async def idle(number, until):
    reader, writer = await dial(number)
    await get(reader, writer, f"/{CHANNEL}/index.m3u8")
    results["idle"] += 1
    await asyncio.sleep(max(0, until - time.monotonic()))
    await get(reader, writer, f"/{CHANNEL}/index.m3u8")
    results["idle_alive"] += 1
    writer.close()


async def player(number, until):
    await asyncio.sleep(number % 100 * 0.02)
    reader, writer = await dial(number)
    seen = set()
    while time.monotonic() < until:
        begin = time.monotonic()
        text = (await get(reader, writer, f"/{CHANNEL}/index.media-2000.m3u8")).decode()
        results["playlists"].append(time.monotonic() - begin)
        uris = [line for line in text.splitlines() if line and not line.startswith("#")]
        for uri in uris[-1:]:
            if uri in seen:
                continue
            seen.add(uri)
            begin = time.monotonic()
            body = await get(reader, writer, f"/{CHANNEL}/{uri}")
            results["segments"].append(time.monotonic() - begin)
            results["bytes"] += len(body)
            if body[0] != 0x47 or len(body) % 188:
                raise RuntimeError("no transport stream")
        await asyncio.sleep(max(0, begin + 1 - time.monotonic()))
    writer.close()


async def slow(number, until):
    reader, writer = await dial(number)
    text = (await get(reader, writer, f"/{CHANNEL}/index.media-2000.m3u8")).decode()
    uri = [line for line in text.splitlines() if line and not line.startswith("#")][-1]
    writer.write(f"GET /{CHANNEL}/{uri} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    results["slow_started"] += 1
    while time.monotonic() < until:
        results["slow_bytes"] += len(await reader.read(256))
        await asyncio.sleep(0.25)
    writer.close()


async def guarded(work, *arguments):
    try:
        await work(*arguments)
    except Exception as error:  # noqa: BLE001: whatever it is, it is a failure to be shown
        results["failures"].append(f"{work.__name__}: {error!r}")


async def main():
    until = time.monotonic() + SECONDS
    works = [asyncio.ensure_future(guarded(idle, n, until)) for n in range(IDLE)]
    works += [asyncio.ensure_future(guarded(slow, n, until)) for n in range(SLOW)]
    while results["idle"] < IDLE and not results["failures"]:
        await asyncio.sleep(0.05)
    begin, spent = time.monotonic(), time.process_time()
    await asyncio.gather(*[guarded(player, n, until) for n in range(PLAYERS)])
    # Where this client is busy all the time it measures itself.
    results["client_cpu"] = 100 * (time.process_time() - spent) / (time.monotonic() - begin)
    await asyncio.gather(*works)
    for kind in ("playlists", "segments"):
        times = sorted(results[kind]) or [0.0]
        results[kind] = {"count": len(times), "p50_ms": 1000 * times[len(times) // 2], "p99_ms": 1000 * times[len(times) * 99 // 100],
                         "max_ms": 1000 * times[-1]}
    results["failures"] = results["failures"][:10] + [len(results["failures"])]
    print(json.dumps(results))


soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
asyncio.run(main())
