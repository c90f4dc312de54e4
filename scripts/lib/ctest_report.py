#!/usr/bin/python3
"""Passes ctest's output on, without what the passed cases of a failed GoogleTest program said, and keeps its summary back, to be
printed last; before it the tests that were skipped, with their reasons.

    ctest … 2>&1 | ctest_report.py LOG SUMMARY

LOG is ctest's own log of the run (Testing/Temporary/LastTest.log), SUMMARY the file that gets the summary.
"""
import pathlib
import re
import sys

BEGINS = re.compile(r"^\d+% tests passed")
TEST = re.compile(r"^\d+/\d+ Test: (\S+)$")
GTEST = re.compile(r"^\[  SKIPPED \] (\S+?)(?:, where .*)? \(\d+ ms\)$")
GTEST_PLACE = re.compile(r"^\S+:\d+: Skipped$")
GTEST_RUN = re.compile(r"^\[ RUN      \] ")
GTEST_OK = re.compile(r"^\[       OK \] ")
GTEST_END = re.compile(r"^\[(?:  FAILED  |  SKIPPED |==========)\] |^\d+/\d+ Test +#")
PYTEST = re.compile(r"^SKIPPED \[(\d+)\] (\S+?):(?:\d+:)? (.*)$")


def skipped(log):
    """[(test, case, reason)] of a log, in its order. A case is a GoogleTest's name, or a Python file and how many of it."""
    found, test, reason = [], "", None
    for line in log.splitlines():
        if match := TEST.match(line):
            test, reason = match.group(1), None
        elif GTEST_PLACE.match(line):
            reason = []
        elif match := GTEST.match(line):
            found.append((test, match.group(1), " ".join(reason or []) or "no reason given"))
            reason = None
        elif match := PYTEST.match(line):
            count, path, why = match.groups()
            found.append((test, f"{pathlib.PurePath(path).name}, {count} of its tests" if count != "1" else pathlib.PurePath(path).name, why))
        elif reason is not None and line.strip():
            reason.append(line.strip())
    return found


def telling(lines):
    """The lines without those of GoogleTest cases that passed."""
    case = None
    for line in lines:
        if GTEST_RUN.match(line):
            yield from case or []
            case = [line]
        elif case is None:
            yield line
        elif GTEST_OK.match(line):
            case = None
        else:
            case.append(line)
            if GTEST_END.match(line):
                yield from case
                case = None
    yield from case or []


def main(log, summary):
    kept = []
    for line in telling(sys.stdin):
        if kept or BEGINS.match(line):
            kept.append(line)
        else:
            print(line, end="", flush=True)
    try:
        cases = skipped(pathlib.Path(log).read_text(errors="replace"))
    except OSError as error:
        print(f"test: no list of skipped tests: {error}")
    else:
        print(f"test: {len(cases)} skipped" + (":" if cases else ""))
        for test, case, why in cases:
            print(f"test:   {test}: {case}: {why}")
    pathlib.Path(summary).write_text("".join(kept))


if __name__ == "__main__":
    main(*sys.argv[1:])
