"""Damaged files through `detect`: a verdict or a sentence, never a crash, never a long wait. DEMO_FUZZ=10000 for more."""

import os
import time

import demo_toys as toys
import numpy as np
import pytest
import torch

from helpers.data.errors import BadAudio

N_FILES = int(os.environ.get("DEMO_FUZZ", 240))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_damaged_files_get_a_verdict_or_a_sentence(tmp_path):
    detector, rng, sources = toys.toy_detector(), np.random.default_rng(0), toys.sound_files()
    refused, slowest = 0, 0.0
    for i in range(N_FILES):
        suffix, content = sources[i % len(sources)]
        path = tmp_path / f"damaged.{suffix}"
        path.write_bytes(toys.mutate(content, rng))
        started = time.monotonic()
        try:
            verdict = detector.detect(path)
            assert np.isfinite(verdict.score) and verdict.duration_s >= 0.1
        except BadAudio as error:
            refused += 1
            assert str(error).startswith("damaged.") and "\n" not in str(error) and len(str(error)) < 250
        slowest = max(slowest, time.monotonic() - started)
    print(f"{N_FILES} files, {refused} refused, slowest {slowest:.2f} s")
    assert 0.1 * N_FILES < refused < N_FILES
    assert slowest < 20
