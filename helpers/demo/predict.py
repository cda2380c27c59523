"""`python -m helpers predict FILE...`: a verdict on each recording, as a table, JSON or CSV."""

from __future__ import annotations

import argparse
import csv
import glob
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from helpers.demo.detector import Detector
    from helpers.demo.verdict import Refusal, Verdict

AUDIO = {
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".snd",
    ".caf",
    ".w64",
    ".rf64",
    ".voc",
    ".amr",
}
EXIT_CODES = """exit code:
  0  every recording is likely bona fide
  1  at least one recording is a likely spoof
  2  nothing was judged: a wrong call, no such file, no detector
  3  no likely spoof, but at least one recording of which the detector cannot tell
  4  no likely spoof, but at least one file that cannot be judged
"""
COLUMNS = [
    "path",
    "answer",
    "probability_bonafide",
    "score",
    "duration_s",
    "sample_rate",
    "caveats",
    "reason",
]


def find_files(wanted: Iterable[str]) -> list[str]:
    """Files as named; folders searched for audio, deep; globs expanded. Each once, in order. A name that is not there stays."""
    found: dict[str, None] = {}
    for name in wanted:
        if os.path.isdir(name):
            names = sorted(
                str(path) for path in Path(name).rglob("*") if path.suffix.lower() in AUDIO and path.is_file()
            )
        elif not os.path.exists(name) and any(letter in name for letter in "*?["):
            names = sorted(path for path in glob.glob(name, recursive=True) if os.path.isfile(path))
        else:
            names = [name]
        found.update(dict.fromkeys(names))
    return list(found)


def main(argv: list[str] | None = None) -> int:
    """Judge recordings; see EXIT_CODES for what the exit code says."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers predict", description=__doc__, epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings, folders, or globs in quotes")
    parser.add_argument(
        "--run", help="a run folder, the name of a run, or 'shipped'; the best there is by default"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="everything, the score of every two seconds included"
    )
    form.add_argument("--csv", action="store_true", help="one line a recording")
    options = parser.parse_args(argv)
    files = find_files(options.files)
    if not files:
        print(f"no audio files in {', '.join(options.files)}", file=sys.stderr)
        return 2
    from helpers.demo.detector import load_detector  # torch: only now
    from helpers.environment import keep_freed_memory

    keep_freed_memory()
    try:
        detector = load_detector(options.run)
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that are no text
    started = time.monotonic()
    write = _write_json if options.json else _write_csv if options.csv else _write_table
    with _quiet_decoders():
        results = _watched(detector.detect_many(files, windows=options.json), len(files))
        answers, seconds = write(results, detector, sys.stdout)
    _summary(answers, seconds, time.monotonic() - started, detector.name)
    return exit_code(answers)


@contextmanager
def _quiet_decoders() -> Iterator[None]:
    """The MP3 decoder writes dozens of lines about a damaged file to the process's error stream: ours alone may speak."""
    ours = sys.stderr
    try:
        real = ours.fileno() == 2
    except (OSError, ValueError):  # a notebook, or a test that captures
        real = False
    if not real:
        yield
        return
    ours.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    sys.stderr = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.close()
        sys.stderr = ours
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def exit_code(answers: Counter[str]) -> int:
    """See EXIT_CODES. `answers` counts verdicts, and `refused` files."""
    if answers["likely spoof"]:
        return 1
    if answers["refused"]:
        return 2 if answers.total() == answers["refused"] else 4
    return 3 if answers["cannot tell"] else 0


def _watched(results: Iterator[Any], total: int) -> Iterator[Any]:
    """With a progress bar where a person is watching and the results go elsewhere."""
    if not sys.stderr.isatty() or sys.stdout.isatty() or total < 10:
        return results
    from tqdm import tqdm

    return iter(tqdm(results, total=total, unit="file", file=sys.stderr, leave=False))


def _counted(
    results: Iterator[Verdict | Refusal], answers: Counter[str], seconds: list[float]
) -> Iterator[Any]:
    for result in results:
        answers[getattr(result, "answer", "refused")] += 1
        seconds[0] += getattr(result, "duration_s", 0.0)
        yield result


def _row(result: Verdict | Refusal) -> dict[str, Any]:
    if hasattr(result, "reason"):
        return {"path": result.path, "reason": result.reason}
    return {
        "path": result.path,
        "answer": result.answer,
        "probability_bonafide": round(result.probability, 4),
        "score": round(result.score, 5),
        "duration_s": result.duration_s,
        "sample_rate": result.sample_rate,
        "caveats": " ".join(caveat.code for caveat in result.caveats),
    }


def _write_csv(results: Iterator[Any], detector: Detector, out: TextIO) -> tuple[Counter[str], float]:
    answers: Counter[str] = Counter()
    seconds = [0.0]
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for result in _counted(results, answers, seconds):
        writer.writerow(_row(result))
    return answers, seconds[0]


def _write_json(results: Iterator[Any], detector: Detector, out: TextIO) -> tuple[Counter[str], float]:
    answers: Counter[str] = Counter()
    seconds = [0.0]
    operating = detector.operating
    head = {
        "detector": detector.name,
        "spoof_below": operating.spoof_below,
        "bonafide_above": operating.bonafide_above,
        "dev_eer": operating.eer,
    }
    out.write(json.dumps(head)[:-1] + ', "recordings": [')
    for i, result in enumerate(_counted(results, answers, seconds)):
        value = result.to_dict() if hasattr(result, "to_dict") else _row(result)
        out.write((",\n" if i else "\n") + json.dumps(value))
    out.write("\n]}\n")
    return answers, seconds[0]


def _write_table(results: Iterator[Any], detector: Detector, out: TextIO) -> tuple[Counter[str], float]:
    answers: Counter[str] = Counter()
    seconds = [0.0]
    print(
        f"{'recording':<40}  {'answer':<16}  {'P(bona fide)':>12}  {'score':>9}  {'seconds':>8}  caveats",
        file=out,
    )
    for result in _counted(results, answers, seconds):
        name = result.name if len(result.name) <= 40 else result.name[:19] + "…" + result.name[-20:]
        if hasattr(result, "reason"):
            print(f"{name:<40}  {result.reason}", file=out)
            continue
        caveats = ", ".join(caveat.code for caveat in result.caveats)
        line = f"{name:<40}  {result.answer:<16}  {result.probability:>12.2f}  {result.score:>9.3f}  {result.duration_s:>8.1f}  {caveats}"
        print(line.rstrip(), file=out)
    return answers, seconds[0]


def _summary(answers: Counter[str], seconds: float, elapsed: float, name: str) -> None:
    parts = [f"{n} {answer}" for answer, n in sorted(answers.items())]
    speed = f", {seconds / elapsed:.0f} × real time" if seconds else ""
    print(f"{', '.join(parts)} in {elapsed:.1f} s{speed}, by {name}", file=sys.stderr)
