"""OBS Studio publishes a scene. It records what it sends, so that every coded picture and every frame of sound that leaves as multicast can be
looked up there. Its packages are big: `scripts/test --long` installs and runs it."""
import json

import pytest

from judge import Stage, end, needs, said, wait_for
from support import media
from support.content import frames, same_media
from support.ts_check import check_datagrams

GROUP = "239.9.9.1"
BYTES = 12 * 3_000_000 // 8

PROFILE = """[General]
Name=judge
[Output]
Mode=Simple
[SimpleOutput]
FilePath={folder}
RecFormat=flv
RecQuality=Stream
StreamEncoder=x264
VBitrate=1000
ABitrate=128
UseAdvanced=true
Preset=ultrafast
[Video]
BaseCX=320
BaseCY=180
OutputCX=320
OutputCY=180
FPSType=1
FPSInt=25
"""
GLOBAL = """[General]
FirstRun=true
EnableAutoUpdates=false
LastVersion=486539266
[Basic]
Profile=judge
ProfileDir=judge
SceneCollection=judge
SceneCollectionFile=judge
ConfigOnNewProfile=false
"""
SCENES = {
    "name": "judge", "current_scene": "scene", "current_program_scene": "scene", "scene_order": [{"name": "scene"}],
    "sources": [
        {"id": "ffmpeg_source", "versioned_id": "ffmpeg_source", "name": "film",
         "settings": {"local_file": "FILM", "is_local_file": True, "looping": True, "hw_decode": False}},
        {"id": "scene", "versioned_id": "scene", "name": "scene", "settings": {"items": [{"name": "film", "id": 1, "visible": True}]}},
    ],
}


def configure(folder, url, key, film):
    for path, text in (("global.ini", GLOBAL), ("basic/profiles/judge/basic.ini", PROFILE.format(folder=folder)),
                       ("basic/profiles/judge/service.json",
                        json.dumps({"type": "rtmp_custom", "settings": {"server": url, "key": key, "use_auth": False}})),
                       ("basic/scenes/judge.json", json.dumps(SCENES).replace("FILM", str(film)))):
        file = folder / "obs-studio" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@needs("obs", "Xvfb")
def test_what_obs_publishes_leaves_as_multicast(rig):
    with Stage(rig) as stage:
        # A busy machine lets OBS, which draws and encodes in software, pause for a second.
        stage.apply({"cam": {"inputs": [{"publish": {"key_file": stage.key_file("very-s3cret")}}], "remux": {"bitrate": "3Mbps", "buffer": "3s"},
                             "push": [f"udp://{GROUP}:5000"], "serve": []}})
        folder = stage.open_folder
        configure(folder, f"rtmp://127.0.0.1:{stage.rtmp_port}/live", "cam?key=very-s3cret", media.stream("h264_aac", 30))
        shown = folder / "display"
        screen = stage.beside_it("sh", "-c", f"exec Xvfb -displayfd 3 -screen 0 1280x720x24 -nolisten tcp 3>{shown}", limit=120)
        wait_for(lambda: shown.exists() and shown.read_text().strip(), 20, lambda: said(screen))
        studio = stage.beside_it(
            "env", f"DISPLAY=:{shown.read_text().strip()}", f"HOME={folder}", f"XDG_CONFIG_HOME={folder}", "LIBGL_ALWAYS_SOFTWARE=1",
            "QT_QPA_PLATFORM=xcb", "obs", "--startstreaming", "--startrecording", "--minimize-to-tray", "--multi", "--collection", "judge",
            "--profile", "judge", "--disable-updater", limit=150)
        capture = rig.capture(GROUP, 5000)
        wait_for(lambda: sum(len(d) for _, d in capture.datagrams) > BYTES, 90,
                 lambda: said(studio) + json.dumps(stage.json("status", "cam")))
        told = json.dumps(stage.json("status", "cam"))
        end(studio, 20)
        capture.stop()
        report = check_datagrams(capture.datagrams)
        assert not report.errors(dvb=True, accuracy_ns=None), report.errors(dvb=True, accuracy_ns=None)
        assert "obs-output module" in told, told
        recordings = list(folder.glob("*.flv"))
        assert len(recordings) == 1, recordings
        out = folder / "out.ts"
        out.write_bytes(capture.payload())
        assert len({digest for digest, _ in frames(out, "v")}) > 150, "the picture stands still: nothing was compared"
        # Each of its outputs counts pictures and sound from its own first ones: up to a frame of sound between recording and stream.
        same_media(recordings[0], out, least=200, apart_ms=22)
