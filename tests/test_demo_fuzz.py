"""Damaged files through `detect`: a verdict or a sentence, never a crash, a hang or a flood of memory.

A few hundred by default; DEMO_FUZZ=10000 pytest -s tests/test_demo_fuzz.py for the long one.
"""

import faulthandler
import os
import resource
import time
from collections import Counter

import demo_toys as toys
import numpy as np
import pytest
import torch

from helpers.data import read_audio
from helpers.data.errors import BadAudio
from helpers.demo.detector import load_detector

N_FILES = int(os.environ.get("DEMO_FUZZ", 240))
HUNG = 120  # seconds for one file; a second of audio takes milliseconds
FLOOD = 300  # MB of growth; the largest of the sound files is 96 kB


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    faulthandler.cancel_dump_traceback_later()


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def outcome(read, path):
    """'accepted' or 'refused'; anything but a sentence fails."""
    try:
        read(path)
    except BadAudio as error:
        text = str(error)
        assert text.startswith(path.name) and text.isprintable() and len(text) < 250, text
        return "refused"
    return "accepted"


def test_damaged_files_get_a_verdict_or_a_sentence(tmp_path):
    detector, sources = load_detector("shipped"), toys.sound_files()
    slowest, counts = (0.0, ""), Counter()

    def judge(path):
        verdict = detector.detect(path)
        assert np.isfinite(verdict.score) and 0 < verdict.probability < 1 and verdict.duration_s >= 0.1
        assert verdict.sentence.isprintable()

    judge_whole = tmp_path / "whole.wav"
    judge_whole.write_bytes(sources[0][1])
    judge(judge_whole)  # what loads at first use is loaded before the memory is measured
    before = peak_mb()
    for i in range(N_FILES):
        suffix, content = sources[i % len(sources)]
        path = tmp_path / f"damaged.{suffix}"
        path.write_bytes(toys.mutate(content, np.random.default_rng(i)))
        faulthandler.dump_traceback_later(HUNG, exit=True)
        started = time.monotonic()
        try:
            result = outcome(judge, path)
            seconds = time.monotonic() - started
            outcome(read_audio, path)
        except Exception as error:
            error.add_note(f"file {i}: {suffix}, default_rng({i})")
            raise
        counts[suffix, result] += 1
        slowest = max(slowest, (seconds, f"file {i}, {suffix}"))
    growth = peak_mb() - before
    refused = sum(n for (_, result), n in counts.items() if result == "refused")
    print(
        f"\n{N_FILES} damaged files: {N_FILES - refused} accepted, {refused} refused, slowest {slowest[0]:.2f} s "
        f"({slowest[1]}), memory {before:.0f} + {growth:.0f} MB"
    )
    for suffix in dict.fromkeys(suffix for suffix, _ in sources):
        print(
            f"{suffix:<5} accepted {counts[suffix, 'accepted']:>5}   refused {counts[suffix, 'refused']:>5}"
        )
    assert 0.1 * N_FILES < refused < 0.95 * N_FILES
    assert slowest[0] < 10 and growth < FLOOD
