"""What a cache says while it is filled: lines that a log can keep, no bar."""

from __future__ import annotations

import time
from pathlib import Path

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """One line every few seconds: shards, clips, speed, time left."""

    def __init__(self, name: str, n_shards: int, n_done: int, n_clips: int):
        self.name, self.n_shards, self.n_done, self.n_clips = name, n_shards, n_done, n_clips
        self.n_before, self.started = n_done, time.monotonic()
        self.told = self.started

    def add(self, clips: int, shards: int) -> None:
        self.n_done += clips
        now = time.monotonic()
        if now - self.told >= SECONDS_BETWEEN_LINES:
            self.told = now
            speed = (self.n_done - self.n_before) / (now - self.started)
            left = (self.n_clips - self.n_done) / speed
            print(
                f"{self.name:<20}{shards:>4}/{self.n_shards} shards   {self.n_done:,}/{self.n_clips:,} clips   "
                f"{speed:,.0f} clips/s   left ~{left:.0f} s",
                flush=True,
            )

    def end(self, n_kept: int, n_rejected: int, folder: Path) -> None:
        seconds = time.monotonic() - self.started
        speed = (self.n_done - self.n_before) / max(seconds, 1e-9)
        rejected = f"   {n_rejected} rejected" if n_rejected else ""
        print(
            f"{self.name:<20}{n_kept:,} clips in {seconds:.1f} s   {speed:,.0f} clips/s{rejected}   {folder}",
            flush=True,
        )
