"""`python -m helpers predict FILE|FOLDER|-`: a verdict on each recording, as a table, JSON, CSV or a report."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.data import tree
from helpers.data.audio import AUDIO_ENDINGS
from helpers.demo.detector import load_detector
from helpers.demo.verdict import BONAFIDE, MIXED, SPOOF, Refusal, Verdict

EXIT_CODES = """exit code:
  0  every recording is likely bona fide
  1  at least one recording is a likely spoof, or mixed
  2  nothing was judged: a wrong call, no such file, no detector
  3  no likely spoof, but at least one recording of which the detector cannot tell
  4  no likely spoof, but at least one file was left out or cannot be judged
"""
COLUMNS = "detector path answer headline evidence share score fake_share duration_s sample_rate caveats stretches reason"


def find_files(wanted: Iterable[str]) -> tuple[list[str], Counter[str]]:
    """Names and folders -> (files, what was left out by ending)."""
    found: dict[str, None] = {}
    left_out: Counter[str] = Counter()
    for name in wanted:
        if os.path.isdir(name):
            inside, more = tree.find_files(Path(name), AUDIO_ENDINGS)
            found.update(dict.fromkeys(inside))
            left_out += more
        else:
            found[name] = None
    return list(found), left_out


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Decoders write dozens of lines about a damaged file to the process's error stream: they go nowhere."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def exit_code(answers: Counter[str]) -> int:
    """See EXIT_CODES. `answers` counts verdicts, and `refused` and `left out` files."""
    if answers[SPOOF] or answers[MIXED]:
        return 1
    missing = answers["refused"] + answers["left out"]
    if missing == answers.total():
        return 2
    return 4 if missing else 0 if answers[BONAFIDE] == answers.total() else 3


def as_row(result: Verdict | Refusal) -> dict[str, Any]:
    """The same names in CSV and JSON; what does not apply is empty (CSV) or null (JSON)."""
    given = vars(result)
    row: dict[str, Any] = {name: given.get(name) for name in COLUMNS.split()}
    if isinstance(result, Verdict):
        row["caveats"] = [caveat.code for caveat in result.caveats]
        row["stretches"] = [[one.start, one.end, round(one.score, 3)] for one in result.stretches]
        row["score"] = None if result.score is None else round(result.score, 5)
    return row


def _write_csv(results: Iterable[Verdict | Refusal]) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS.split(), lineterminator="\n")
    writer.writeheader()
    for result in results:
        row = as_row(result)
        row["caveats"] = " ".join(row["caveats"] or [])
        row["stretches"] = " ".join(f"{start:g}-{end:g}" for start, end, _ in row["stretches"] or [])
        writer.writerow(row)


def _write_json(results: Iterable[Verdict | Refusal]) -> None:
    sys.stdout.write('{"recordings": [')
    for i, result in enumerate(results):
        row = {**as_row(result), "windows": [vars(window) for window in getattr(result, "windows", [])]}
        sys.stdout.write((",\n" if i else "\n") + json.dumps(row))
    sys.stdout.write("\n]}\n")


def _write_table(results: Iterable[Verdict | Refusal]) -> None:
    print(f"{'recording':<40}  {'answer':<16}  {'score':>7}  {'seconds':>8}  why")
    for result in results:
        name = result.name if len(result.name) <= 40 else result.name[:19] + "…" + result.name[-20:]
        if isinstance(result, Refusal):
            print(f"{name:<40}  {result.reason}")
            continue
        score = "–" if result.score is None else f"{result.score:.2f}"
        headline = f"{result.headline}." if result.answer == MIXED else ""
        codes = (f"[{caveat.code}]" for caveat in result.caveats)
        why = " ".join(part for part in (headline, result.evidence, result.share, *codes) if part)
        print(
            f"{name:<40}  {result.answer:<16}  {score:>7}  {result.duration_s:>8.1f}  {why} ({result.detector})"
        )


def main(argv: list[str] | None = None) -> int:
    """Judge recordings; see EXIT_CODES for what the exit code says."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers predict", description=__doc__, epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings, folders, or - for a pipe")
    parser.add_argument("--run", action="append", help="shipped (the default), a run folder or the name of a run; again for a second one beside it")  # fmt: skip
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything, the score of every window included")
    form.add_argument("--csv", action="store_true", help="one line a recording and detector")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="also write a report to keep")
    options = parser.parse_args(argv)
    started, answers, seconds, entries = time.monotonic(), Counter[str](), 0.0, []
    files, left_out = find_files(options.files)
    detectors = [load_detector(name) for name in options.run or ["shipped"]]

    def results() -> Iterator[Verdict | Refusal]:
        nonlocal seconds
        with tempfile.TemporaryDirectory() as folder:
            for name in files:
                path = Path(folder, "stdin") if name == "-" else Path(name)
                if name == "-":
                    path.write_bytes(sys.stdin.buffer.read())
                for detector in detectors:
                    (result,) = detector.detect_many([path])
                    result.path = name
                    answers[getattr(result, "answer", "refused")] += 1
                    seconds += getattr(result, "duration_s", 0.0)
                    if options.report and isinstance(result, Verdict):
                        from helpers.demo.report import entry

                        entries.append(entry(result, detector.card, path))
                    yield result

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that are no text
    with quiet_decoders():
        (_write_json if options.json else _write_csv if options.csv else _write_table)(results())
    if entries:
        from helpers.demo.report import as_report

        options.report.write_text(as_report(entries), encoding="utf-8")
        print(f"{options.report} holds the report", file=sys.stderr)
    if not files:
        print(f"no audio files in {', '.join(options.files)}", file=sys.stderr)
    if left_out:
        print(tree.left_out_in_words(left_out), file=sys.stderr)
    answers["left out"] = left_out.total()
    counts = ", ".join(f"{n} {answer}" for answer, n in sorted(answers.items()) if n)
    elapsed = time.monotonic() - started
    print(
        f"{counts or 'nothing judged'} in {elapsed:.1f} s, {seconds / elapsed:.0f} × real time",
        file=sys.stderr,
    )
    return exit_code(answers)
