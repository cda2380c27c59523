"""Run folders as the runner handles them: the one a job ends in, and the one a new result replaces."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.runs import NOT_IDENTITY, read_json, write_text


def aside(folder: Path) -> Path:
    """Where a result that is being replaced waits until the new one is complete."""
    return folder.parent / ".replaced" / folder.name


def put_aside(folder: Path) -> None:
    """Move an old result out of the way; it is removed only when the new one is complete."""
    old = aside(folder)
    shutil.rmtree(old, ignore_errors=True)
    old.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(old)


def _alias(runs_dir: Path, name: str) -> Path:
    return runs_dir / ".names" / name


def folder_of(runs_dir: Path, name: str) -> Path:
    """The run folder of a predicted name: the folder itself, or the one that its notebook was seen to use."""
    alias = _alias(runs_dir, name)
    if alias.is_file():
        used = runs_dir / alias.read_text(encoding="utf-8").strip()
        if used.is_dir():
            return used
    return runs_dir / name


def _identity(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in NOT_IDENTITY}


def adopt(folder: Path, name: str, stem: str, parameters: Mapping[str, Any], since: float) -> Path:
    """The folder in which the notebook really worked after `since` (seconds of the clock), remembered for later.

    A notebook that opens its data with options of its own (another split) names another fingerprint than the
    manifest's entry has, and so another folder than the runner foresaw. Log and executed notebook follow it there.
    """
    if (folder / "params.json").is_file():
        return folder
    for record in sorted(folder.parent.glob(f"{stem}-*/params.json"), key=lambda path: -path.stat().st_mtime):
        if record.stat().st_mtime < since:
            break
        try:
            content = read_json(record)
        except ValueError:
            continue
        if content.get("notebook") == stem and _identity(content["parameters"]) == _identity(parameters):
            for file in folder.iterdir() if folder.is_dir() else ():
                file.replace(record.parent / file.name)
            shutil.rmtree(folder, ignore_errors=True)
            write_text(_alias(folder.parent, name), record.parent.name + "\n")
            return record.parent
    return folder
