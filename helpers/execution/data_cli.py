"""`python -m helpers data [NAME]`: the data sets of the manifest, or what is found of one of them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from helpers.environment import where_am_i
from helpers.execution.report import aligned


def main(argv: list[str]) -> int:
    """List the manifest; with a name say where its data would come from, with --open count them."""
    from helpers.data import DataError, find_source, get_entry, read_manifest

    parser = argparse.ArgumentParser(
        prog="python -m helpers data", description="The data sets, or one of them."
    )
    parser.add_argument("name", nargs="?", default="", help="an entry of data_manifest.yaml")
    parser.add_argument("--source", default="", help="a folder or zip that wins over the entry's own")
    parser.add_argument("--manifest", type=Path, default=None, help="another manifest")
    parser.add_argument(
        "--open", action="store_true", help="stage the data and count them: expected and found"
    )
    arguments = parser.parse_args(argv)
    try:
        if not arguments.name:
            rows = [["name", "source", "licence", "title"]]
            for entry in read_manifest(arguments.manifest):
                rows.append([entry.name, entry.slug or entry.source, entry.licence, entry.title])
            print(aligned([[cell if len(cell) < 60 else cell[:57] + "..." for cell in row] for row in rows]))
            return 0
        entry = get_entry(arguments.name, arguments.manifest)
        for label, value in entry.model_dump(exclude={"name", "folder"}, exclude_defaults=True).items():
            print(f"{label + ':':<16}{value}")
        if arguments.open:
            from helpers.data import open_dataset

            opened = open_dataset(
                arguments.name,
                arguments.source,
                allow_mismatch=True,
                manifest=arguments.manifest,
                remember=False,
            )
            print(opened.counts.to_string(index=False))
        else:
            find_source(entry, where_am_i(), arguments.source)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
