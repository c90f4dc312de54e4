"""check-docs must find what it is there for: each case breaks one thing in a small tree that is otherwise right."""
import pathlib
import subprocess
import sys
import tempfile

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "check-docs"
TREE = {
    "README.md": "# Project\n[operations](docs/operations.md#drop-reasons) [standards](docs/standards.md) [site](https://example.net/x)\n",
    "docs/operations.md": "# Operations\n## Drop reasons\n| reason | do |\n| --- | --- |\n| `ring_full` | wait |\n"
                          "## Alarms\n| kind | do |\n| --- | --- |\n| <a id=\"alarm-link_down\"></a>`link_down` | cable |\n"
                          "## Events\n| kind | do |\n| --- | --- |\n| `apply` | - |\n",
    "docs/standards.md": "# Standards\n| where | why |\n| --- | --- |\n| `mpegts/a.h` | 1.2 |\n",
    "control/protocol/drop_reason.h": 'constexpr X kReasons{{ {DropReason::ring_full, "ring_full", "ring", "full"}, }};\n',
    "control/catalogue/alarm_table.h": 'AlarmKind{\n    "link_down", Severity::critical},\n',
    "control/catalogue/event_table.h": 'EventKind{"apply", "info"},\n',
    "control/catalogue/metric_table.h": 'MetricFamily{"headgate_up", kGauge, ""},\nMetricFamily{\n    "headgate_late", MetricType::histogram, ""},\n',
    "mpegts/a.h": "// DEVIATES: 1.2: why\n",
}
CASES = [
    ("right", {}, None),
    ("reason without entry", {"control/protocol/drop_reason.h":
                              '{DropReason::ring_full, "ring_full", "", ""},{DropReason::no_flow, "no_flow", "", ""}'}, "'no_flow'"),
    ("reason that is gone", {"docs/operations.md": TREE["docs/operations.md"].replace("`ring_full`", "`ring_full`, `old`")}, "'old'"),
    ("reason of the bridge without entry", {"control/protocol/bridge_drops.h":
                                            'kBridgeDrops{\n BridgeReason{"late", "x", ""},\n};\nkHttpRefusals{\n BridgeReason{"busy", "x", ""},\n};\n',
                                            "docs/operations.md": TREE["docs/operations.md"] + "## What HLS leaves out\n| refusal | do |\n| --- | --- |\n| `busy` | - |\n"},
     "'late'"),
    ("refusal that is gone", {"control/protocol/bridge_drops.h":
                              'kBridgeDrops{\n BridgeReason{"late", "x", ""},\n};\nkHttpRefusals{\n BridgeReason{"busy", "x", ""},\n};\n',
                              "docs/operations.md": TREE["docs/operations.md"] + "## What HLS leaves out\n| reason | do |\n| --- | --- |\n| `late` | - |\n\n"
                                                    "| refusal | do |\n| --- | --- |\n| `busy`, `old` | - |\n"}, "'old'"),
    ("no reason found", {"control/protocol/drop_reason.h": "enum class DropReason { ring_full };"}, "has its form changed"),
    ("alarm without entry", {"control/catalogue/alarm_table.h": 'AlarmKind{"link_down", x}, AlarmKind{"hot", x}'}, "'hot'"),
    ("event without entry", {"control/catalogue/event_table.h": 'EventKind{"apply", x}, EventKind{"seen", x}'}, "'seen'"),
    ("event that is gone", {"control/catalogue/event_table.h": 'EventKind{"start", x}',
                            "docs/operations.md": TREE["docs/operations.md"] + "| `start` | - |\n"}, "'apply'"),
    ("no alarm found", {"control/catalogue/alarm_table.h": ""}, "has its form changed"),
    ("link to an anchor", {"docs/standards.md": TREE["docs/standards.md"] + "[x](operations.md#alarm-link_down)\n"}, None),
    ("departure that is not listed", {"mpegts/b.h": "// DEVIATES: 3.4: why\n"}, "mpegts/b.h:1"),
    ("departure that is gone", {"mpegts/a.h": "\n"}, "has no DEVIATES"),
    ("metric that is not", {"docs/standards.md": TREE["docs/standards.md"] + "```\nheadgate_none_total\n```\n"}, "headgate_none_total"),
    ("metric that is", {"docs/standards.md": TREE["docs/standards.md"] + "`headgate_up`\n"}, None),
    ("no metric found", {"control/catalogue/metric_table.h": ""}, "has its form changed"),
    ("series of a histogram", {"docs/standards.md": TREE["docs/standards.md"] + "`headgate_late_bucket`\n"}, None),
    ("series of no histogram", {"docs/standards.md": TREE["docs/standards.md"] + "`headgate_up_bucket`\n"}, "headgate_up_bucket"),
    ("link to nothing", {"docs/standards.md": TREE["docs/standards.md"] + "[x](none.md)\n"}, "none.md"),
    ("link to no heading", {"docs/standards.md": TREE["docs/standards.md"] + "[x](operations.md#none)\n"}, "#none"),
    ("link in code is none", {"docs/standards.md": TREE["docs/standards.md"] + "```\n[x](none.md)\n```\n"}, None),
    ("page that nothing reaches", {"docs/lonely.md": "# Lonely\n"}, "docs/lonely.md:1"),
]

failed = 0
for title, changes, wanted in CASES:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in {**TREE, **changes}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        result = subprocess.run([SCRIPT, root], capture_output=True, text=True)
        errors = [line for line in result.stdout.splitlines() if ": error: " in line]
        good = not errors and result.returncode == 0 if wanted is None else \
            errors and wanted in errors[0] and result.returncode == 1
        if not good:
            failed += 1
            print(f"FAILED: {title}: exit {result.returncode}\n{result.stdout}{result.stderr}")
print(f"check-docs: {len(CASES)} cases, {failed} failed")
sys.exit(1 if failed else 0)
