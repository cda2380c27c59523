"""The one list of notebooks: what each makes, needs and costs, and with which parameters it runs in each profile."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

PROFILES = ("demo", "full", "smoke")


@dataclass(frozen=True)
class Row:
    """One run of a notebook: an id unique in the plan, the model it trains, the parameters that make it so."""

    id: str
    model: str = ""
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Notebook:
    """One notebook. The defaults in its parameters cell are the demo profile; `profiles` holds the differences."""

    stem: str
    title: str
    makes: str
    minutes_cpu: float  # demo profile, measured on two cores
    minutes_gpu: float  # demo profile, estimated for one T4
    needs: tuple[str, ...] = ()  # must have succeeded
    rows: tuple[Row, ...] = ()  # () is one row, named as the notebook
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    device: str = "cpu or gpu"
    core: bool = False  # part of a plain `make run`
    dataset: str = ""  # where not the one that the user chose
    caches: bool = False  # fills the feature caches that are named in its parameter `features`
    reads_runs: bool = False  # waits for the trainings, runs again when one is newer

    def all_rows(self) -> tuple[Row, ...]:
        """The rows, or the single one that a notebook without variants has."""
        return self.rows or (Row(self.stem),)


STAGED = ("01_download", "02_stage")  # enough for tables and photographs, of which 03 caches nothing
DATA = (*STAGED, "03_cache")
# The smoke profile proves that a notebook runs and learns, on few clips, in seconds and in fp32.
SMOKE = {"epochs": 2, "train_clips": 120, "eval_clips": 120}
FULL = {"epochs": 60, "patience": 8, "train_clips": 0, "eval_clips": 0}
TRAINING: dict[str, dict[str, Any]] = {"smoke": SMOKE, "full": FULL}
CLASSICAL: dict[str, dict[str, Any]] = {
    "smoke": {"train_clips": 120, "eval_clips": 120},
    "full": {"train_clips": 0, "eval_clips": 0},
}
# Networks of which one clip costs two cores a second: a smoke run sees a dozen.
HEAVY_SMOKE = {"epochs": 1, "batch_size": 6, "train_clips": 12, "eval_clips": 12}

# fmt: off
PLAN: tuple[Notebook, ...] = (
    # file, title, makes, minutes on two cores, on a T4, needs, rows
    Notebook("01_download", "Download",
             "the data set as it came, with its licence, its consent page and its checksum", 0.1, 0.1,
             device="cpu", core=True),
    Notebook("02_stage", "Stage",
             "unpacked audio on the local disk and one table of utterances, counted against the protocol",
             0.5, 0.5, ("01_download",),
             device="cpu", core=True),
    Notebook("03_cache", "Features",
             "the feature cache, and pictures and sounds of bona fide speech and spoofs", 1.3, 1.3, STAGED,
             device="cpu", core=True, caches=True),
    Notebook("10_train_simple_ann", "A fully connected network",
             "a detector that sees each log-mel picture as one long vector", 0.8, 0.8, DATA,
             (Row("simple_ann", "simple_ann"),), profiles=TRAINING, core=True),
    Notebook("11_train_simple_cnn", "A first convolutional network",
             "a detector of two convolutions on log-mel, and the comparison with the fully connected one",
             2, 1, DATA,
             (Row("simple_cnn", "simple_cnn"),), profiles=TRAINING, core=True),
    Notebook("12_train_resnet50", "ResNet50: depth and residuals",
             "a detector with an image network, on log-mel or on pictures of waveform and spectrogram",
             1.1, 1.1, DATA,
             (Row("resnet50", "resnet50", {"features": "logmel"}),
              Row("resnet50_spectrogram", "resnet50", {"features": "spectrogram_picture"}),
              Row("resnet50_waveform", "resnet50", {"features": "waveform_picture"})),
             profiles={"smoke": SMOKE,
                       "full": {**FULL, "weights": "imagenet"}}, device="gpu advised", core=True),
    Notebook("13_train_resnet50_lstm", "ResNet50 and an LSTM: time",
             "a detector that reads columns as a sequence, and a test of whether it uses their order",
             1, 1, DATA,
             (Row("resnet50_lstm", "resnet50_lstm"),),
             profiles={"smoke": HEAVY_SMOKE, "full": {**FULL, "weights": "imagenet"}}, device="gpu advised"),
    Notebook("14_train_resnet101", "Deeper: ResNet101 and ResNet200",
             "two deeper detectors, what depth costs, and what freezing layers means", 1.5, 1.5, DATA,
             (Row("resnet101", "resnet101", {"model": "resnet101"}),
              Row("resnet200d", "resnet200d", {"model": "resnet200d"})),
             profiles={"smoke": HEAVY_SMOKE,
                       "full": {**FULL, "weights": "imagenet", "frozen": 39}}, device="gpu advised"),
    Notebook("15_train_cnn", "A plain CNN: the baseline",
             "a detector of three convolutions on mel spectrograms, and what accuracy and macro-F1 mean", 1, 1, DATA,
             (Row("cnn", "cnn"),), profiles=TRAINING, core=True),
    Notebook("16_train_vgg_like", "A VGG-like network: a rare class and mirrored pictures",
             "a detector on pictures of spectrograms, four remedies for imbalance, accuracy per attack",
             2, 1, DATA,
             (Row("vgg_like", "vgg_like"),
              Row("vgg_like_oversample", "vgg_like", {"balance": "oversample", "augment": "flip+affine"}),
              Row("vgg_like_undersample", "vgg_like", {"balance": "undersample"}),
              Row("vgg_like_unbalanced", "vgg_like", {"balance": "none"})),
             profiles={"smoke": {**SMOKE, "epochs": 1, "train_clips": 60, "eval_clips": 60},
                       "full": {**FULL, "spoofs_per_bonafide": 0}}),
    Notebook("17_train_custom_cnn", "A custom CNN: another corpus, another detector",
             "a detector built for one corpus, scored again through a telephone and in a room", 2, 1, DATA,
             (Row("custom_cnn", "custom_cnn"),),
             profiles={"smoke": {**SMOKE, "probe_clips": 40}, "full": {**FULL, "probe_clips": 0}}),
    Notebook("18_train_dnn", "A network on hand-made features",
             "a detector with three inputs, and which of them it uses", 1, 1, DATA, (Row("dnn", "dnn"),),
             profiles=TRAINING),
    Notebook("19_train_vgg16_svm", "VGG16 and an SVM: transfer, and the trap of grid search",
             "a support vector machine on features of another network, in three result blocks, and what a choice on test data does",
             3, 2, STAGED,
             (Row("vgg16_svm", "vgg16_svm"),),
             profiles={"smoke": {"train_clips": 80, "eval_clips": 40, "side": 48, "rounds": 2},
                       "full": {"weights": "imagenet", "pooled": False, "side": 224, "train_clips": 0, "eval_clips": 0}}),
    Notebook("20_train_lfcc_gmm", "LFCC and two Gaussian mixtures",
             "the official baseline: one generative model a class", 0.6, 0.6, DATA,
             (Row("lfcc_gmm", "lfcc_gmm"),), profiles=CLASSICAL, device="cpu", core=True),
    Notebook("21_train_lcnn", "A light CNN",
             "a detector with max-feature-map activations, the strongest of the small ones", 5, 1, DATA,
             (Row("lcnn", "lcnn"),), profiles=TRAINING, core=True),
    Notebook("22_train_rawnet2", "RawNet2: from the waveform",
             "a detector on raw samples, and what its first filters let pass", 2, 2, DATA,
             (Row("rawnet2", "rawnet2"),),
             profiles={"smoke": HEAVY_SMOKE, "full": FULL}, device="gpu advised"),
    Notebook("23_train_aasist", "AASIST: attention on graphs",
             "a detector with few parameters and a high cost per clip, and the published weights on official clips",
             2, 2, DATA,
             (Row("aasist", "aasist"),),
             profiles={"smoke": HEAVY_SMOKE, "full": {**FULL, "batch_size": 24}}, device="gpu advised"),
    Notebook("24_train_ssl", "A self-supervised front end",
             "a detector on representations of a large speech model",
             0.9, 0.9, DATA,
             (Row("ssl", "ssl"),),
             profiles={"smoke": {**HEAVY_SMOKE, "train_clips": 48, "eval_clips": 40},
                       "full": {**FULL, "front_end": "facebook/wav2vec2-xls-r-300m"}}, device="gpu advised"),
    Notebook("25_fuse", "Fusion and calibration",
             "scores that mean odds, and one detector out of several, fitted on dev", 0.3, 0.3, DATA,
             (Row("fusion", "fusion"),),
             profiles={"smoke": {"rounds": 100}, "full": {}}, device="cpu", reads_runs=True),
    Notebook("26_train_small", "Small: errors per millisecond",
             "a detector with a budget of milliseconds, compared with all others", 2, 1, DATA,
             (Row("small", "small"),), profiles=TRAINING),
    Notebook("27_train_deep_voice", "DEEP-VOICE: why a random split flatters",
             "classical models on 26 averages, split at random, by speaker and by recording, with intervals",
             1.2, 1.2, STAGED,
             (Row("deep_voice_xgboost", "xgboost", {"model": "xgboost"}),
              Row("deep_voice_svm", "svm", {"model": "svm"}),
              Row("deep_voice_random_forest", "random_forest", {"model": "random_forest"})),
             profiles={"smoke": {"clips": 200, "train_clips": 120, "eval_clips": 120, "folds": 3, "rounds": 50},
                       "full": {}}, device="cpu"),
    Notebook("90_compare", "Compare",
             "the table of all detectors with intervals, per attack, and the audit for shortcuts",
             0.7, 0.7, ("02_stage",),
             device="cpu", core=True, reads_runs=True),
    Notebook("91_demo", "Demo",
             "a verdict on one recording, and a web page that gives it", 0.4, 0.4, ("02_stage",),
             device="cpu", reads_runs=True),
    Notebook("92_evidence", "Harm and evidence: base rates and two cases",
             "what an alarm is worth to a bank and to a court, from the errors of a trained detector",
             0.2, 0.2, ("02_stage",),
             device="cpu", reads_runs=True),
)
# fmt: on


def notebook_named(stem: str, plan: tuple[Notebook, ...] = PLAN) -> Notebook:
    """The notebook of that file stem; KeyError names the plan where it has none."""
    for notebook in plan:
        if notebook.stem == stem:
            return notebook
    raise KeyError(f"{stem} is not in helpers/execution/plan.py")


def nearest(name: str, known: Iterable[str]) -> str:
    """`: did you mean x?`, or the list of what there is where nothing is near."""
    close = difflib.get_close_matches(name, known := list(known), n=1)
    return f": did you mean {close[0]}?" if close else f": there is {', '.join(known) or 'nothing'}"


def split_names(text: str) -> list[str]:
    """`a, b+c` -> a, b, c."""
    return [part.strip() for part in re.split("[,+]", text) if part.strip()]


def choose(pattern: str, notebooks: list[Notebook]) -> list[Notebook]:
    """`01-03,16,90_compare` -> notebooks in their order; ValueError for a part that matches none."""
    chosen: set[str] = set()
    for part in split_names(pattern):
        span = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if span:
            low, high = int(span[1]), int(span[2] or span[1])
            found = {n.stem for n in notebooks if low <= int(n.stem[:2]) <= high}
        else:
            found = {n.stem for n in notebooks if n.stem == part.removesuffix(".ipynb")}
        if not found:
            raise ValueError(f"no notebook {part}{nearest(part, [n.stem for n in notebooks])}")
        chosen |= found
    return [notebook for notebook in notebooks if notebook.stem in chosen]


def select(there: list[Notebook], numbers: str, models: str, everything: bool) -> list[tuple[Notebook, Row]]:
    """The notebooks and variants that were asked for, without what they need; the core ones where nothing was.

    A name in `models` is that of a variant, or else of all variants with that model.
    """
    wanted = split_names(models)
    ids = {row.id for n in there for row in n.rows}
    known = ids | {row.model for n in there for row in n.rows}
    for model in wanted:
        if model not in known:
            raise ValueError(f"no notebook trains {model}{nearest(model, sorted(known))}")
    if numbers:
        notebooks = choose(numbers, there)
    else:
        notebooks = [n for n in there if everything or n.core or (wanted and n.rows)]
    plain = not (numbers or everything or wanted)
    pairs = []
    for notebook in notebooks:
        rows = notebook.all_rows()
        if wanted and notebook.rows:
            rows = tuple(row for row in rows if row.id in wanted or row.model in set(wanted) - ids)
        pairs += [(notebook, row) for row in (rows[:1] if plain else rows)]
    if not pairs:
        raise ValueError("no notebook to run: python -m helpers status lists them")
    return pairs
