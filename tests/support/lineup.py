"""What a control with many channels answers to `headgate top`: a tenth of them change with each answer, as counters do."""


def answers(channels):
    lines = [{"id": f"channel-{i:04}", "name": f"Channel {i}", "number": i, "enabled": True, "tags": ["hd"], "forced": None,
              "state": ("ok", "ok", "ok", "ok", "ok", "ok", "ok", "backup", "degraded", "down")[i % 10], "reason": "3 CC errors in the last 10 s",
              "since_unix_ns": 1_772_334_000_000_000_000, "input": 1, "inputs_count": 2, "bitrate_bps": 4_000_000 + i, "cc_errors": i, "drops": 0,
              "outputs": 3, "viewers": i % 97, "serves": ["hls", "srt"]} for i in range(channels)]
    alarms = [{"id": i, "kind": "channel_down", "severity": "critical", "subject": f"channel-{i:04}", "channel": f"channel-{i:04}",
               "message": "no datagram for 2h", "remedy": "", "since_unix_ns": 1_772_334_000_000_000_000, "acknowledged": None,
               "maintenance": False, "cause": None, "consequences": 0} for i in range(9, channels, 10)]
    status = {"node": "hg1", "ready": True, "channels": lines, "alarms": alarms, "now_unix_ns": 1_772_334_729_000_000_000}

    def told(_):
        status["now_unix_ns"] += 1_000_000_000
        for line in lines[::10]:
            line["bitrate_bps"] = 4_000_000 + status["now_unix_ns"] // 1_000_000_000 % 1000 * 1000
        return status
    return {"status": told, "alarms": {"now_unix_ns": 0, "alarms": alarms, "maintenance": []}}
