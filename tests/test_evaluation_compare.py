"""Tables over run folders: who is best, on what, how sure, chosen without eval."""

import shutil

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation import compare, summarise
from helpers.evaluation.calibration import fuse, join_scores
from helpers.runs import load_runs, open_run, read_run

ATTACKS = {
    "train": [f"A{n:02d}" for n in range(1, 7)],
    "dev": [f"A{n:02d}" for n in range(1, 7)],
    "eval": [f"A{n:02d}" for n in range(7, 20)],
}


def utterances(n_bonafide=90, n_per_attack=14, seed=0):
    """A protocol as the starter corpus has it: speakers disjoint between splits, eval attacks unseen."""
    rng = np.random.default_rng(seed)
    rows = []
    for split, attacks in ATTACKS.items():
        for number in range(n_bonafide):
            rows.append((f"{split}_b{number}", "-", "bonafide", split, f"{split}_{rng.integers(9)}"))
        for attack in attacks:
            for number in range(n_per_attack):
                rows.append(
                    (f"{split}_{attack}_{number}", attack, "spoof", split, f"{split}_{rng.integers(9)}")
                )
    return pd.DataFrame(rows, columns=["utterance", "attack", "label", "split", "speaker"])


def scored(table, strength, seed):
    """Scores that separate the classes by `strength`, dev better than eval, A17 hardest."""
    rng = np.random.default_rng(seed)
    hard = table["attack"].map({"A17": 0.1, "A18": 0.4}).fillna(1.0)
    easier = np.where(table["split"] == "eval", 1.0, 1.5)
    mean = np.where(table["label"] == "bonafide", strength, -strength) * hard * easier
    return (
        table[table["split"] != "train"]
        .assign(score=(mean + rng.normal(0, 1, len(table))))
        .round({"score": 5})
    )


def write_run(folder, notebook, model, strength, seed=0, features="logmel", dataset="starter", **info):
    run = open_run(
        notebook, {"dataset": dataset, "seed": seed, "model": model, "features": features}, "f" * 8, folder
    )
    scores = scored(utterances(), strength, seed + len(model))
    run.write_scores(scores)
    epochs = np.arange(1, 9)
    run.write_history(
        [
            {"epoch": int(e), "train_loss": float(0.7 * np.exp(-e / 4)), "dev_eer": float(0.4 / e + 0.05)}
            for e in epochs
        ]
    )
    run.finish(
        model=model,
        features=features,
        metrics=summarise(scores, rounds=200),
        notes=info.pop("notes", []),
        model_info={"parameters": info.get("parameters", 1000), "ms_per_clip": info.get("ms", 2.0)},
        timing={"train_seconds": 12.5},
        data={"counts": {}},
    )
    return run


def make_runs(folder):
    """Four models on one data set, one of them with two seeds, and a caching run that measured shortcuts."""
    write_run(folder, "21_train_lcnn", "lcnn", 1.1, parameters=180_000, ms=9.1)
    write_run(folder, "21_train_lcnn", "lcnn", 1.0, seed=1, parameters=180_000, ms=9.3)
    write_run(folder, "11_train_simple_cnn", "simple_cnn", 0.8, parameters=24_600_000, ms=3.2)
    write_run(folder, "20_train_lfcc_gmm", "lfcc_gmm", 0.7, features="lfcc_gmm", parameters=61_952, ms=6.0)
    write_run(
        folder,
        "12_train_resnet50",
        "resnet50",
        0.25,
        parameters=23_500_000,
        ms=31.0,
        notes=["undertrained: 400 of 1455 clips"],
    )
    cache = open_run("03_cache", {"dataset": "starter", "seed": 0}, "f" * 8, folder)
    measures = made_measures()
    measures.to_csv(cache.path("shortcuts.csv"), index=False)
    cache.finish(model="", features="logmel")
    return load_runs(folder)


def made_measures(leak=0.0, seed=5):
    """Measures of every utterance; `leak` shifts the spoofs' loudness by that many standard deviations."""
    table = utterances()
    rng = np.random.default_rng(seed)
    spoof = (table["label"] == "spoof").to_numpy()
    return table.assign(
        bandwidth_hz=7000 + 300 * rng.normal(size=len(table)),
        rms_db=-26 + 2 * rng.normal(size=len(table)) + 2 * leak * spoof,
        silence_share=rng.beta(2, 6, len(table)),
        leading_silence_s=rng.exponential(0.1, len(table)),
        duration_s=3 + rng.normal(0, 0.5, len(table)),
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return make_runs(tmp_path_factory.mktemp("runs"))


def test_table_has_a_line_for_each_scored_run_and_none_for_caching(runs):
    table = compare.comparison_table(runs)
    assert len(runs) == 6 and len(table) == 5
    assert table["eer"].is_monotonic_increasing
    assert ((table["eer_low"] <= table["eer"]) & (table["eer"] <= table["eer_high"])).all()
    assert "undertrained: 400 of 1455 clips" in set(table["notes"])


def test_labels_tell_runs_of_one_model_apart(runs):
    labels = list(compare.labels_of(compare.scored_runs(runs)).values())
    assert len(set(labels)) == 5
    assert {"lcnn seed 0", "lcnn seed 1", "simple_cnn"} <= set(labels)


def test_choice_looks_at_dev_and_never_at_eval(runs):
    scored_runs = compare.scored_runs(runs)
    chosen = compare.best_by_dev(scored_runs)
    assert chosen.metrics["metrics"]["dev"]["eer"] == min(
        r.metrics["metrics"]["dev"]["eer"] for r in scored_runs
    )
    for run in scored_runs:  # an eval that says the contrary changes nothing
        run.metrics["metrics"]["eval"]["eer"], kept = (
            0.5 - run.metrics["metrics"]["dev"]["eer"],
            run.metrics["metrics"]["eval"]["eer"],
        )
        assert compare.best_by_dev(scored_runs).name == chosen.name
        run.metrics["metrics"]["eval"]["eer"] = kept


def test_attack_table_has_every_attack_and_the_hardest_is_the_one_made_hardest(runs):
    table = compare.attack_table(runs)
    assert list(table.index) == [*ATTACKS["eval"], "mean", "pooled"]
    assert "A17" in table["lcnn seed 0"].drop(["mean", "pooled"]).nlargest(4).index


def test_seeds_are_mean_and_range(runs):
    table = compare.seed_table(runs)
    rates = [r.metrics["metrics"]["eval"]["eer"] for r in runs if r.metrics.get("model") == "lcnn"]
    assert len(table) == 1 and table["seeds"].iloc[0] == 2
    assert table["eer"].iloc[0] == pytest.approx(np.mean(rates))
    assert (table["low"].iloc[0], table["high"].iloc[0]) == (min(rates), max(rates))


def test_the_same_training_on_other_data_is_no_second_seed(tmp_path):
    parameters = {"dataset": "starter", "seed": 0, "model": "lcnn", "features": "logmel"}
    scores = scored(utterances(), 0.3, 9).assign(utterance=lambda table: "new_" + table["utterance"])
    write_run(tmp_path, "21_train_lcnn", "lcnn", 1.1)
    own = next(tmp_path.glob("21_*"))
    own.rename(f"{own}-own")
    for fingerprint, clips in [("a copy", {}), ("more clips", {"train": {"bonafide": 99}})]:
        run = open_run("21_train_lcnn", parameters, fingerprint, tmp_path)
        run.write_scores(scores)
        run.finish(
            model="lcnn", features="logmel", metrics=summarise(scores, rounds=20), data={"counts": clips}
        )
        run.folder.rename(tmp_path / f"{run.name}-{len(clips)}")  # as two people's runs brought together
    runs = load_runs(tmp_path)
    assert [run.data_fingerprint for run in compare.first_seeds(runs)] == ["a copy", "more clips"], (
        "the newest of a seed"
    )
    assert compare.seed_table(runs).empty and len(set(compare.labels_of(runs).values())) == 3
    found = compare.differences([run for run in runs if run.data_fingerprint != "a copy"])
    assert list(found["n"]) == [0] and "share no utterance" in found["verdict"][0]


def test_a_run_that_scored_few_clips_says_so(runs, tmp_path):
    write_run(tmp_path, "21_train_lcnn", "lcnn", 1.1)
    few = open_run("23_train_aasist", {"dataset": "starter", "seed": 0}, "f" * 8, tmp_path)
    scores = scored(utterances(), 1.0, 3)[lambda table: table["attack"].isin(["-", "A01", "A07"])]
    few.write_scores(scores)
    few.finish(model="aasist", features="wave", metrics=summarise(scores, rounds=20))
    notes = compare.comparison_table(load_runs(tmp_path)).set_index("model")["notes"]
    assert "scored on 104 of 272 clips" in notes["aasist"] and "scored on" not in notes["lcnn"]


def test_weak_model_is_told_from_the_best_and_the_other_seed_is_not(runs):
    table = compare.differences(runs, rounds=300).set_index("model")
    assert "is better than resnet50" in table.loc["resnet50", "verdict"]
    other_seed = next(name for name in table.index if name.startswith("lcnn"))
    assert table.loc[other_seed, "low"] < table.loc["resnet50", "low"]


def test_pairs_take_all_seeds_together(runs):
    table = compare.pairs(runs, rounds=100).set_index(["model", "against"])
    assert len(table) == 6  # four models
    found = table.loc[("lcnn", "resnet50")]
    assert found["seeds"] == "2 and 1" and found["verdict"] == "lcnn is better than resnet50"
    rates = {run.metrics["model"]: run.metrics["metrics"]["eval"]["eer"] for run in compare.first_seeds(runs)}
    alone = table.loc[("simple_cnn", "resnet50")]
    assert alone["difference"] == pytest.approx(rates["simple_cnn"] - rates["resnet50"])


def test_fusion_is_better_than_its_members_and_saw_dev_only(runs, tmp_path):
    members = [r for r in runs if r.metrics.get("model") in ("simple_cnn", "lfcc_gmm")]
    fused, weights = fuse(members)
    rates = [m.metrics["metrics"]["eval"]["eer"] for m in members]
    assert summarise(fused, rounds=20)["eval"]["eer"] < min(rates)
    spoilt = []
    for member in members:  # eval scores upside down leave the fitted weights as they were
        shutil.copytree(member.folder, tmp_path / member.name)
        table = member.read_scores()
        table.loc[table["split"] == "eval", "score"] *= -7
        table.to_csv(tmp_path / member.name / "scores.csv", index=False)
        spoilt.append(read_run(tmp_path / member.name))
    assert fuse(spoilt)[1] == pytest.approx(weights)


def test_fusion_refuses_runs_that_scored_other_utterances(runs, tmp_path):
    other = write_run(tmp_path, "21_train_lcnn", "lcnn", 1.0)
    table = other.read_scores().iloc[1:]
    table.to_csv(other.folder / "scores.csv", index=False)
    with pytest.raises(ValueError, match="did not score the same utterances"):
        join_scores([compare.scored_runs(runs)[0], other])


def test_scores_on_another_data_set_fill_the_cross_data_matrix(tmp_path):
    run = write_run(tmp_path, "21_train_lcnn", "lcnn", 1.0)
    scored(utterances(seed=8), 0.3, 9).to_csv(run.folder / "scores.elsewhere.csv", index=False)
    matrix = compare.cross_data(load_runs(tmp_path))
    assert set(matrix.columns) == {"starter", "elsewhere"}
    assert matrix.loc[("lcnn", "starter"), "elsewhere"] > matrix.loc[("lcnn", "starter"), "starter"]
