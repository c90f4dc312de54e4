#!/usr/bin/python3
"""scripts/lib/ctest_report.py finds every skipped test in ctest's log, keeps the summary for the end, and tells no case that passed."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOG = """Start testing: Nov 23 06:00 UTC
----------------------------------------------------------
1/3 Testing: mpegts_test
1/3 Test: mpegts_test
Command: "/x/mpegts_test"
Output:
----------------------------------------------------------
[ RUN      ] Pacer.KeepsThePaceOfACapture
/x/tests/mpegts/pacer_test.cpp:215: Skipped
HEADGATE_STREAMS names no captures

[  SKIPPED ] Pacer.KeepsThePaceOfACapture (0 ms)
[ RUN      ] Names/ForEach.IsRead/1
/x/tests/mpegts/names_test.cpp:3: Skipped

[  SKIPPED ] Names/ForEach.IsRead/1, where GetParam() = "b" (2 ms)
[ RUN      ] Pacer.Other
[       OK ] Pacer.Other (0 ms)
[  SKIPPED ] 2 tests, listed below:
[  SKIPPED ] Pacer.KeepsThePaceOfACapture
[  SKIPPED ] Names/ForEach.IsRead/1, where GetParam() = "b"
<end of output>
2/3 Testing: e2e_service
2/3 Test: e2e_service
Output:
----------------------------------------------------------
..ss
=========================== short test summary info ============================
SKIPPED [1] ../../../tests/e2e/test_service.py:67: no systemd runs here: its side is played
SKIPPED [3] ../../../tests/e2e/test_relay.py:117: captures need HEADGATE_STREAMS
2 passed, 2 skipped in 1.00s
<end of output>
3/3 Testing: gate
3/3 Test: gate
Output:
----------------------------------------------------------
nothing is skipped here
<end of output>
"""
RUN = "1/3 Test #1: mpegts_test ...   Passed\n2/3 Test #2: e2e_service ...   Passed\n"
SUMMARY = "100% tests passed, 0 tests failed out of 3\n\nTotal Test time (real) =   1.00 sec\n"
WANTED = RUN + """test: 4 skipped:
test:   mpegts_test: Pacer.KeepsThePaceOfACapture: HEADGATE_STREAMS names no captures
test:   mpegts_test: Names/ForEach.IsRead/1: no reason given
test:   e2e_service: test_service.py: no systemd runs here: its side is played
test:   e2e_service: test_relay.py, 3 of its tests: captures need HEADGATE_STREAMS
"""


def report(log, text):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if log is not None:
            (folder / "log").write_text(log)
        done = subprocess.run([sys.executable, ROOT / "scripts/lib/ctest_report.py", folder / "log", folder / "summary"], input=text,
                              capture_output=True, text=True, check=True)
        return done.stdout, (folder / "summary").read_text()


BAD = """ 1/2 Test #1: a_test ......***Failed 3 sec
{good}[ RUN      ] A.Bad
x_test.cpp:3: Failure
[  FAILED  ] A.Bad (1 ms)
[ RUN      ] A.Dies
last words
 2/2 Test #2: b_test ......   Passed 3 sec
"""
GOOD = """[ RUN      ] A.Good
what a good case says
[       OK ] A.Good (1 ms)
"""


CASES = [("of a failed program only the cases that failed", "", BAD.format(good=GOOD), (BAD.format(good="") + "test: 0 skipped\n", "")),
         ("skips are told and the summary kept", LOG, RUN + SUMMARY, (WANTED, SUMMARY)),
         ("nothing skipped", LOG[LOG.index("3/3 Testing"):], RUN + SUMMARY, (RUN + "test: 0 skipped\n", SUMMARY)),
         ("a run that broke off has no summary", LOG[LOG.index("3/3 Testing"):], RUN, (RUN + "test: 0 skipped\n", ""))]
failed = 0
for name, log, text, wanted in CASES:
    got = report(log, text)
    if got != wanted:
        failed += 1
        print(f"{name}:\n{got}\nwanted\n{wanted}")
out, summary = report(None, RUN + SUMMARY)
if "no list of skipped tests" not in out or summary != SUMMARY:
    failed += 1
    print(f"without a log:\n{out}")
print(f"ctest_report: {len(CASES) + 1} cases, {failed} failed")
sys.exit(failed != 0)
