"""Any score file of the field is read; none that would mislead is evaluated."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.__main__ import dispatch
from helpers.data import DataError
from helpers.evaluation import cli, scores
from helpers.metrics import eer

GOLDEN = Path(__file__).parents[2] / "shared" / "golden"
needs_golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason="published score files are not beside the project"
)
LINES = [
    ("u1", "-", "bonafide", 2.5),
    ("u2", "-", "bonafide", 0.5),
    ("u3", "A07", "spoof", -1.25),
    ("u4", "A08", "spoof", 0.75),
    ("u5", "A08", "spoof", -3e-1),
]
FOUR = "\n".join(f"{u} {a} {label} {s}" for u, a, label, s in LINES)
TWO = "\n".join(f"{u} {s}" for u, _, _, s in LINES)
SHAPES = {
    "four columns": (FOUR, None),
    "protocol with score": ("\n".join(f"LA_1 {u} - {a} {label} {s}" for u, a, label, s in LINES), None),
    "CSV with names": (
        "score,utterance,label,attack\n" + "\n".join(f"{s},{u},{c},{a}" for u, a, c, s in LINES),
        None,
    ),
    "CSV with other names": (
        "file_name,cm_score,key,system_id\n" + "\n".join(f"{u},{s},{c},{a}" for u, a, c, s in LINES),
        None,
    ),
    "named columns, spaces": (
        "filename cm-score key\n" + "\n".join(f"{u} {s} {c}" for u, a, c, s in LINES),
        None,
    ),
    "two columns, protocol": (TWO, "\n".join(f"LA_1 {u} - {a} {label}" for u, a, label, _ in LINES)),
    "two columns, CSV": (TWO, "file_name,label\n" + "\n".join(f"{u},{c}" for u, _, c, _ in LINES)),
    "two columns, real and fake": (
        TWO,
        "file,label\n"
        + "\n".join(f"{u}.wav,{'real' if c == 'bonafide' else 'fake'}" for u, _, c, _ in LINES),
    ),
    "two columns, key of 2021, protocol": (
        TWO,
        "\n".join(f"LA_1 {u} alaw ita_tx {a} {label} notrim eval" for u, a, label, _ in LINES),
    ),
    "two columns, key of 5, protocol": (
        TWO,
        "\n".join(f"E_1 {u} F - - - AC3 {a} {label} -" for u, a, label, _ in LINES),
    ),
    "CSV with two names of one thing": (
        "path,utterance,label,attack,score,cm_score\n"
        + "\n".join(f"x,{u},{c},{a},{s},0" for u, a, c, s in LINES),
        None,
    ),
    "score first": ("\n".join(f"{s} {u} {label}" for u, _, label, s in LINES), None),
    "label first, tabs, CRLF": ("\r\n".join(f"{label}\t{u}\t{s:e}" for u, _, label, s in LINES), None),
    "semicolons and decimal commas": (
        "Audio File;Score;Ground Truth\n"
        + "\n".join(f"{u}.wav;{str(s).replace('.', ',')};{c.upper()}" for u, _, c, s in LINES),
        None,
    ),
    "two scores with headings": (
        "file,fake,real,label\n" + "\n".join(f"{u},0,{s},{c}" for u, _, c, s in LINES),
        None,
    ),
    "two scores, spoof first, as the baselines print": (
        "\n".join(f"{u} 0.0 {s}" for u, _, _, s in LINES),
        "file,speaker,label\n"
        + "\n".join(f"{u}.wav,x,{'bona-fide' if c == 'bonafide' else c}" for u, _, c, _ in LINES),
    ),
    "key of ASVspoof 2015, protocol": (
        TWO,
        "\n".join(
            f"D15 {u} {a if a != '-' else 'human'} {c.replace('bonafide', 'human')}" for u, a, c, _ in LINES
        ),
    ),
    "key of ASVspoof 2017": (
        TWO,
        "\n".join(f"{u}.wav {c.replace('bonafide', 'genuine')} M01 S02 E0 P0 R0" for u, _, c, _ in LINES),
    ),
    "key of 2021 DF, protocol": (
        TWO,
        "\n".join(f"LA_1 {u} nocodec asvspoof {a} {c} notrim eval x - - - -" for u, a, c, _ in LINES),
    ),
    "headings of ASVspoof 5": (
        "filename\tcm-score\n" + TWO.replace(" ", "\t"),
        "filename\tcm-label\n" + "\n".join(f"{u}\t{c}" for u, _, c, _ in LINES),
    ),
    "scores with more columns beside labels": (
        "\n".join(f"flac/{u}.flac {a} ? {s}" for u, a, _, s in LINES),
        "\n".join(f"{u} {c}" for u, _, c, _ in LINES),
    ),
}


def files(folder, text, labels=None):
    (folder / "scores.txt").write_text(text + "\n")
    if labels is None:
        return folder / "scores.txt", None
    (folder / "labels.csv").write_text(labels + "\n")
    return folder / "scores.txt", folder / "labels.csv"


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_the_field_gives_the_same_table(shape, tmp_path):
    table = scores.read_scores(*files(tmp_path, *SHAPES[shape]))
    assert [Path(u).stem for u in table["utterance"]] == [u for u, *_ in LINES]
    assert list(table["label"]) == [label for _, _, label, _ in LINES]
    assert list(table["score"]) == [score for *_, score in LINES]
    if "attack" in shape or "protocol" in shape or shape == "four columns":
        assert list(table["attack"]) == [attack for _, attack, _, _ in LINES]


@pytest.mark.parametrize(
    "text, labels, sentence",
    [
        (FOUR + "\nu6 A07 spoof nan", None, "1 NaN"),
        (FOUR + "\nu6 A07 spoof inf", None, "1 infinite"),
        (FOUR + "\nu6 A07 spoof high", None, "'high'"),
        ("\n".join(FOUR.splitlines()[:2]), None, "got 2 bona fide and 0 spoof"),
        ("u1 - bonafide 1\nu2 A07 spoof 1", None, "scores equal 1"),
        (FOUR + "\nu3 A07 spoof 9", None, "twice with different scores"),
        (FOUR + "\nu3 A07 spoof -1.25", None, "more than once"),
        (FOUR + "\nu6 A07 spoof", None, "columns|NaN"),
        (TWO, None, "add --labels"),
        (TWO, "file,label\nu1,real\nu2,real\nu3,fake\nu4,fake", "have no label"),
        (TWO, "file,label\nu1,real\nu2,real\nu3,fake\nu4,fake\nu5,fake\nu6,fake", "have no score"),
        (
            TWO,
            "file,label\nu1,real\nu2,real\nu3,fake\nu4,fake\nu5,strange",
            "line 6: label 'strange' is neither",
        ),
        (TWO, "file,label\nu1,real\nu1,fake\nu2,real\nu3,fake\nu4,fake\nu5,fake", "two labels"),
        ("\n".join(f"{u} {a} {label} {-s}" for u, a, label, s in LINES), None, "polarity"),
        ("", None, "is empty"),
    ],
)
def test_what_would_mislead_is_refused_in_words(text, labels, sentence, tmp_path, capsys):
    path, label_path = files(tmp_path, text, labels)
    arguments = [str(path), "--rounds", "5"] + (["--labels", str(label_path)] if label_path else [])
    assert dispatch(["evaluate", *arguments]) == 2
    assert re.search(sentence, capsys.readouterr().err)


def test_json_holds_every_promised_key_as_fractions(tmp_path, capsys):
    path, _ = files(tmp_path, FOUR)
    assert dispatch(["evaluate", str(path), "--json", "--rounds", "20"]) == 0
    found = json.loads(capsys.readouterr().out)
    promised = "eer eer_official min_tdcf_v1 min_tdcf_v2 min_dcf act_dcf cllr auc per_attack".split()
    assert set(promised) <= set(found)
    assert found["eer"] == pytest.approx(eer([2.5, 0.5], [-1.25, 0.75, -0.3])[0])
    assert set(found["per_attack"]) == {"A07", "A08"} and found["per_attack"]["A07"]["eer"] == 0.0
    assert dispatch(["evaluate", str(path), "--rounds", "0"]) == 0
    assert "EER on A08" in capsys.readouterr().out


def test_a_run_folders_scores_are_judged_on_eval_at_devs_threshold(tmp_path):
    rows = ["utterance,attack,label,split,score"]
    for split, shift in (("dev", 5.0), ("eval", 0.0)):
        rows += [f"{split}{u},{a},{label},{split},{s + shift}" for u, a, label, s in LINES]
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(rows))
    found = cli.figures(path, rounds=5)
    bonafide, spoof = ([s for _, _, label, s in LINES if label == wanted] for wanted in ("bonafide", "spoof"))
    assert (found["n_bonafide"], found["n_spoof"]) == (len(bonafide), len(spoof))
    assert found["eer"] == eer(bonafide, spoof)[0] and found["threshold_from"] == "dev"
    assert found["threshold"] == pytest.approx(eer(bonafide, spoof)[1] + 5.0)
    assert "accuracy at dev's threshold" in cli.as_text(found)


@pytest.mark.parametrize("names", [("train", "validation", "test"), ("Training", "dev", "Eval")])
def test_other_names_of_the_splits_are_understood(tmp_path, names):
    """Train rows, which a detector has learnt, must not stand in a rate of test rows."""
    rng, rows = np.random.default_rng(0), []
    for split, distance in zip(names, (3.0, 1.5, 0.2), strict=True):
        for number in range(200):
            label = ("bonafide", "spoof")[number % 2]
            rows.append(
                (f"{split}{number}", label, split, rng.normal(distance if number % 2 == 0 else -distance))
            )
    table = pd.DataFrame(rows, columns=["utterance", "label", "split", "score"])
    table.to_csv(tmp_path / "all.csv", index=False)
    table[table["split"] == names[2]].to_csv(tmp_path / "test.csv", index=False)
    found, alone = (cli.figures(tmp_path / name, rounds=0) for name in ("all.csv", "test.csv"))
    assert found["eer"] == alone["eer"] > 0.3
    table.assign(split=table["split"].map(dict(zip(names, "abc", strict=True)))).to_csv(
        tmp_path / "abc.csv", index=False
    )
    with pytest.raises(ValueError, match="splits are a, b, c, and none"):
        cli.figures(tmp_path / "abc.csv", rounds=0)


def test_list_of_trials_may_repeat_an_utterance_with_one_score(tmp_path):
    path, _ = files(tmp_path, FOUR + "\nu3 A07 spoof -1.25")
    assert len(scores.read_scores(path, repeats=True)) == 6


def test_numbers_as_labels_are_refused_until_the_direction_is_named(tmp_path, capsys):
    """Half of the public code has 1 for fake: a guess would swap the classes in silence."""
    fake_is_1 = "file,label,score\n" + "\n".join(f"{u},{int(c == 'spoof')}.0,{-s}" for u, _, c, s in LINES)
    path, _ = files(tmp_path, fake_is_1)
    assert dispatch(["evaluate", str(path), "--rounds", "0"]) == 2
    assert "say bonafide and spoof, or --bonafide 1" in capsys.readouterr().err
    assert dispatch(["evaluate", str(path), "--rounds", "0", "--bonafide", "0"]) == 2
    assert "polarity" in capsys.readouterr().err
    asked = [str(path), "--rounds", "0", "--bonafide", "0", "--higher", "spoof", "--json"]
    assert dispatch(["evaluate", *asked]) == 0
    found, words = json.loads(capsys.readouterr().out), cli.figures(files(tmp_path, FOUR)[0], rounds=0)
    assert [found[key] for key in (*cli.RATES, *cli.COSTS)] == [
        words[key] for key in (*cli.RATES, *cli.COSTS)
    ]
    path.write_text(fake_is_1.replace("label", "key").replace("score", "prob_fake"))
    assert dispatch(["evaluate", str(path), "--bonafide", "0"]) == 2
    assert "say --higher spoof" in capsys.readouterr().err


def test_words_of_other_languages_are_read_once_bona_fide_is_named(tmp_path):
    words = {"bonafide": "Echt", "spoof": "gefälscht"}
    path, labels = files(tmp_path, TWO, "file,label\n" + "\n".join(f"{u},{words[c]}" for u, _, c, _ in LINES))
    with pytest.raises(DataError, match="line 2: label 'Echt' is neither bonafide nor spoof"):
        scores.read_scores(path, labels)
    assert list(scores.read_scores(path, labels, bonafide="echt")["label"]) == [c for _, _, c, _ in LINES]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_files_saved_by_windows_programs_are_read(tmp_path, encoding):
    path = tmp_path / "scores.txt"
    path.write_bytes(FOUR.replace("\n", "\r\n").encode(encoding))
    assert list(scores.read_scores(path)["score"]) == [score for *_, score in LINES]


@pytest.mark.parametrize("with_progress", [True, False])
def test_subsets_of_the_2021_keys_are_evaluated_apart(tmp_path, with_progress, capsys):
    rng, lines, key = np.random.default_rng(0), [], []
    for number in range(600):
        subset, label = ("progress", "eval", "hidden")[number % 3], ("bonafide", "spoof")[number // 3 % 2]
        distance = {"progress": 0.2, "eval": 1.5, "hidden": 0.8}[subset]
        key.append(
            f"LA_1 LA_E_{number} alaw ita_tx {'-' if label == 'bonafide' else 'A07'} {label} notrim {subset}"
        )
        if subset == "eval" or with_progress:
            lines.append((number, label, subset, rng.normal(distance if label == "bonafide" else -distance)))
    path, labels = files(tmp_path, "\n".join(f"LA_E_{n} {s}" for n, *_, s in lines), "\n".join(key))
    found = cli.figures(path, labels, rounds=0)
    by = {
        wanted: [s for _, c, subset, s in lines if subset == "eval" and c == wanted]
        for wanted in ("bonafide", "spoof")
    }
    assert found["eer"] == eer(by["bonafide"], by["spoof"])[0]
    assert set(found.get("subsets", {})) == ({"hidden", "progress"} if with_progress else set())
    assert ("apart: EER on progress" in cli.as_text(found)) == with_progress


@needs_golden
def test_published_files_give_their_rates_through_the_command(capsys):
    arguments = [
        str(GOLDEN / "xlsr_sls.in_the_wild.scores.txt"),
        "--labels",
        str(GOLDEN / "in_the_wild.labels.csv"),
        "--json",
        "--rounds",
        "0",
    ]
    assert dispatch(["evaluate", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert round(100 * found["eer_official"], 4) == 7.4641
    assert (found["n_bonafide"], found["n_spoof"]) == (19963, 11816)
    assert (
        dispatch(["evaluate", str(GOLDEN / "oc_softmax_inverted.asvspoof2019_la_eval.scores.txt"), "--json"])
        == 2
    )
    assert "polarity" in capsys.readouterr().err
    cm, asv = (str(GOLDEN / f"organisers_example.{kind}.txt") for kind in ("cm", "asv"))
    assert dispatch(["evaluate", cm, "--asv", asv, "--json", "--rounds", "0"]) == 0
    found = json.loads(capsys.readouterr().out)
    light = cli.figures(GOLDEN / "aasist_l.asvspoof2019_la_eval.scores.txt", rounds=0)
    assert (
        round(100 * light["eer_official"], 9) == 0.990923080 and round(light["min_tdcf_v1"], 9) == 0.030805977
    )
    assert round(found["min_tdcf_v1"], 6) == 0.110498 and round(100 * found["eer_official"], 5) == 4.67011


def test_unlabelled_rows_of_a_table_are_named():
    with pytest.raises(ValueError, match="labels must be bonafide or spoof"):
        scores.check_scores(
            pd.DataFrame({"utterance": ["a", "b"], "label": ["bonafide", np.nan], "score": [1, 2]})
        )
