"""Any score file of the field is read; none that would mislead is evaluated."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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
    "two columns, numbers": (
        TWO,
        "utterance,label\n" + "\n".join(f"{u},{int(c == 'bonafide')}" for u, _, c, _ in LINES),
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
        (TWO, "file,label\nu1,real\nu2,real\nu3,fake\nu4,fake\nu5,strange", "unknown labels strange"),
        (TWO, "file,label\nu1,real\nu1,fake\nu2,real\nu3,fake\nu4,fake\nu5,fake", "two labels"),
        ("\n".join(f"{u} {a} {label} {-s}" for u, a, label, s in LINES), None, "polarity"),
        ("", None, "is empty"),
    ],
)
def test_what_would_mislead_is_refused_in_words(text, labels, sentence, tmp_path, capsys):
    path, label_path = files(tmp_path, text, labels)
    arguments = [str(path), "--rounds", "5"] + (["--labels", str(label_path)] if label_path else [])
    assert cli.evaluate(arguments) == 2
    assert re.search(sentence, capsys.readouterr().err)


def test_json_holds_every_promised_key_as_fractions(tmp_path, capsys):
    path, _ = files(tmp_path, FOUR)
    assert cli.evaluate([str(path), "--json", "--rounds", "20"]) == 0
    found = json.loads(capsys.readouterr().out)
    promised = "eer eer_official min_tdcf_v1 min_tdcf_v2 min_dcf act_dcf cllr auc per_attack".split()
    assert set(promised) <= set(found)
    assert found["eer"] == pytest.approx(eer([2.5, 0.5], [-1.25, 0.75, -0.3])[0])
    assert set(found["per_attack"]) == {"A07", "A08"} and found["per_attack"]["A07"]["eer"] == 0.0
    assert cli.evaluate([str(path), "--rounds", "0"]) == 0
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


@needs_golden
def test_one_command_shows_the_four_published_systems_beside_ours(capsys):
    assert cli.evaluate(["--golden", str(GOLDEN)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and all("equal" in line for line in lines[1:])
    assert "polarity" in lines[2]


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
    assert cli.evaluate(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert round(100 * found["eer_official"], 4) == 7.4641
    assert (found["n_bonafide"], found["n_spoof"]) == (19963, 11816)
    assert cli.evaluate([str(GOLDEN / "oc_softmax_inverted.asvspoof2019_la_eval.scores.txt"), "--json"]) == 2
    assert "polarity" in capsys.readouterr().err
    assert (
        cli.evaluate(
            [
                str(GOLDEN / "organisers_example.cm.txt"),
                "--asv",
                str(GOLDEN / "organisers_example.asv.txt"),
                "--json",
                "--rounds",
                "0",
            ]
        )
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert round(found["min_tdcf_v1"], 6) == 0.110498 and round(100 * found["eer_official"], 5) == 4.67011


def test_a_printed_digit_that_differs_is_noticed():
    assert cli.digits_agree(0.99092308, 0.990923080) and not cli.digits_agree(0.990924, 0.990923080)
    assert cli.digits_agree(4.670108, 4.67011) and not cli.digits_agree(4.67013, 4.67011)


def test_unlabelled_rows_of_a_table_are_named():
    with pytest.raises(ValueError, match="labels must be bonafide or spoof"):
        scores.check_scores(
            pd.DataFrame({"utterance": ["a", "b"], "label": ["bonafide", np.nan], "score": [1, 2]})
        )
