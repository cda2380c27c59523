"""Random generators that depend on names only, so that any part of the corpus can be built alone."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_of(*names: object) -> int:
    """32 bits of SHA-256 over the names joined by `|`."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, names)).encode()).digest()[:4], "big")


def generator(*names: object) -> np.random.Generator:
    """A numpy generator seeded by `seed_of`."""
    return np.random.default_rng(seed_of(*names))
