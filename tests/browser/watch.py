"""Pages in Chromium, by player.js, and what a video in them must have done."""
import contextlib
import json
import os
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def watch(rig, pages):
    """All at the same time; see player.js for the keys of a page."""
    longest = max(page["seconds"] for page in pages)
    # Software that decodes and draws several videos needs most of a small machine.
    result = rig.call("gw", "nice", "-n", "-10", "node", str(HERE / "player.js"), json.dumps(pages), timeout=longest + 200, env=dict(os.environ, HOME="/tmp"))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["pages"]


@contextlib.contextmanager
def when(path, act, later=0.0):
    """Does something once the file is there, and a while later: while pages are watched. Its exceptions are raised at the end."""
    ended, failed = threading.Event(), []

    def wait():
        try:
            while not path.exists():
                if ended.wait(0.05):
                    raise AssertionError(f"{path.name} never came")
            ended.wait(later)
            act()
        except BaseException as error:  # noqa: BLE001: raised below, in the thread that asks
            failed.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failed:
        raise failed[0]


def play_on(page, least, label):
    """The page plays at its end, and has played for that many seconds in all."""
    assert page["videos"], f"no video element on {page['url']}; errors {page['errors']}"
    video = page["videos"][0]
    print(f"{label}: moves after {video['first_movement']} s, advanced {video['advanced']:.1f} s, stalled {video['stalled']:.1f} s, {page['texts']}")
    assert page["texts"][-1].startswith("Playing."), (page["texts"], page["errors"], page["console"])
    assert video["advanced"] >= least, (video, page["errors"])
    assert video["state"]["error"] is None and not video["state"]["paused"], video
