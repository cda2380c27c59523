"""python -m tools.starter fetch | build | audit"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .packages import CORE, require


def _list(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 2 with a sentence on what to do."""
    parser = argparse.ArgumentParser(prog="python -m tools.starter", description="The starter corpus.")
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("fetch", help="download and unpack the Debian packages with the recordings")
    fetch.add_argument("--out", type=Path, required=True, help="folder for packages and results")
    build = commands.add_parser("build", help="make starter.zip from the fetched packages")
    build.add_argument("--out", type=Path, required=True, help="the folder given to fetch")
    build.add_argument("--scale", type=float, default=1.0, help="share of the utterances to make")
    build.add_argument("--speakers", type=_list, default=None, help="comma-separated names, as tux_fr,ktu_lt")
    build.add_argument("--attacks", type=_list, default=None, help="comma-separated ids, as A01,A14")
    build.add_argument("--workers", type=int, default=2, help="processes")
    audit = commands.add_parser("audit", help="what shortcuts alone tell: EER of a regression and a forest")
    audit.add_argument(
        "zip",
        type=Path,
        nargs="?",
        default=Path(__file__).resolve().parents[2] / "helpers" / "data" / "starter.zip",
    )
    options = parser.parse_args(arguments)
    try:
        if options.command == "fetch":
            from .sources import fetch as fetch_packages

            fetch_packages(options.out)
        elif options.command == "build":
            require(CORE)
            from .build import build as build_corpus

            build_corpus(options.out, options.scale, options.speakers, options.attacks, options.workers)
        else:
            require(("numpy", "soundfile", "sklearn"))
            from .audit import report

            print(report(options.zip))
    except (FileNotFoundError, ModuleNotFoundError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
