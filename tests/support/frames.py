"""Pictures and sound of a file as FFmpeg sees them, whatever container they come in."""
import subprocess


def pictures(path):
    """(hash of the decoded picture, PTS in ms) of each."""
    text = subprocess.run(["ffmpeg", "-v", "quiet", "-i", str(path), "-map", "0:v", "-fps_mode", "passthrough", "-enc_time_base",
                           "1:1000", "-f", "framemd5", "-"], capture_output=True, text=True, check=False).stdout
    rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    return [(row[5].strip(), int(row[2])) for row in rows]


def sound(path):
    """The hash of each frame of AAC."""
    lines = subprocess.run(["ffmpeg", "-v", "quiet", "-i", str(path), "-map", "0:a", "-c", "copy", "-bsf:a",
                            "aac_adtstoasc", "-f", "framemd5", "-"], capture_output=True, text=True, check=False).stdout
    rows = [line.split(",") for line in lines.splitlines() if not line.startswith("#")]
    return [row[5].strip() for row in rows if len(row) > 5]


def find_run(source, got):
    """Where `got` lies in `source` as it is, or None."""
    return next((i for i in range(len(source)) if source[i:i + len(got)] == got), None)
