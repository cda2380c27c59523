"""`python -m helpers predict FILE|FOLDER|-`: a verdict on each recording, as a table, JSON, CSV or a report."""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.data import tree
from helpers.data.audio import AUDIO_ENDINGS
from helpers.demo.detector import load_detector
from helpers.demo.verdict import BONAFIDE, MIXED, SPOOF, Refusal, Verdict
from helpers.files import hash_file

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
    """0 all likely bona fide, 1 a spoof or mixed, 2 nothing judged, 3 cannot tell of one, 4 one left out or refused.

    `answers` counts verdicts, and `refused` and `left out` files.
    """
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


def main(
    files: Sequence[str], run: Sequence[str] = (), form: str = "table", report: Path | None = None
) -> int:
    """Judge recordings; see `exit_code` for what it says. `form` is table, json or csv."""
    started, answers, seconds, entries = time.monotonic(), Counter[str](), 0.0, []
    wanted, left_out = find_files(files)
    detectors = [load_detector(name) for name in run or ["shipped"]]

    def results() -> Iterator[Verdict | Refusal]:
        nonlocal seconds
        with tempfile.TemporaryDirectory() as folder:
            for name in wanted:
                path = Path(folder, "stdin") if name == "-" else Path(name)
                if name == "-":
                    path.write_bytes(sys.stdin.buffer.read())
                for detector in detectors:
                    (result,) = detector.detect_many([path])
                    result.path = name
                    answers[getattr(result, "answer", "refused")] += 1
                    seconds += getattr(result, "duration_s", 0.0)
                    if report is not None and isinstance(result, Verdict):
                        from helpers.demo.report import Entry

                        entries.append(Entry(result, detector.card, hash_file(path)))
                    yield result

    with quiet_decoders():
        {"json": _write_json, "csv": _write_csv, "table": _write_table}[form](results())
    if report is not None and entries:
        from helpers.demo.report import as_report

        report.write_text(as_report(entries), encoding="utf-8")
        print(f"{report} holds the report", file=sys.stderr)
    if not wanted:
        print(f"no audio files in {', '.join(files)}", file=sys.stderr)
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
