"""Intervals that hold what they claim, thresholds from dev, calibration that can be believed."""

import json
import math
import time

import numpy as np
import pandas as pd
import pytest
from test_evaluation_compare import made_measures, scored, utterances

from helpers.evaluation import audit, calibration, summarise
from helpers.evaluation.intervals import Ranking, paired_difference, resamples, speaker_codes
from helpers.evaluation.summary import summarise_split, thresholds
from helpers.metrics import PolarityError, cllr, eer


def normal_table(n_bonafide, n_spoof, distance, seed, decimals=9):
    rng = np.random.default_rng(seed)
    values = np.r_[rng.normal(distance, 1, n_bonafide), rng.normal(0, 1, n_spoof)].round(decimals)
    return pd.DataFrame(
        {
            "utterance": [f"u{n}" for n in range(len(values))],
            "attack": "-",
            "score": values,
            "label": ["bonafide"] * n_bonafide + ["spoof"] * n_spoof,
        }
    )


def eer_interval(table, rounds, seed=0):
    return summarise_split(table, None, rounds, seed)["eer_interval"]


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_weighted_eer_equals_that_of_the_repeated_rows(decimals):
    table = normal_table(40, 70, 1.0, 1, decimals)
    is_bonafide = (table["label"] == "bonafide").to_numpy()
    ranking = Ranking(table["score"], is_bonafide)
    for weights in resamples(is_bonafide, rounds=40, seed=2):
        again = table.loc[table.index.repeat(weights.astype(int))]
        spoof = again["label"] == "spoof"
        assert ranking.eer(weights) == pytest.approx(
            eer(again["score"][~spoof], again["score"][spoof])[0], abs=0.013
        )


def test_intervals_hold_the_true_rate_about_as_often_as_they_say():
    truth = 0.5 * (1 - math.erf(1.5 / 2 / 2**0.5))
    held = 0
    for seed in range(80):
        low, high = eer_interval(normal_table(150, 300, 1.5, seed), rounds=120, seed=seed)
        held += low <= truth <= high
    assert held >= 68  # 95 % of 80 is 76


def test_perfect_separation_is_not_called_certain():
    low, high = eer_interval(normal_table(30, 60, 50, 0), rounds=50)
    assert low == 0 and high == pytest.approx(1 - 0.025 ** (1 / 30))


def test_speakers_who_fail_together_widen_the_interval():
    rng = np.random.default_rng(0)
    table = normal_table(400, 400, 1.0, 0)
    speaker = np.tile(np.arange(10), 80)
    table["score"] += 1.5 * rng.normal(size=10)[speaker] * np.where(table["label"] == "bonafide", 1, -1)
    low, high = eer_interval(table, rounds=200)
    low_s, high_s = eer_interval(table.assign(speaker=[f"s{n}" for n in speaker]), rounds=200)
    assert high_s - low_s > 1.5 * (high - low)


def test_unknown_speakers_stand_alone_and_few_speakers_are_not_resampled():
    table = normal_table(10, 10, 1, 0)
    assert speaker_codes(table) is None
    assert speaker_codes(table.assign(speaker=["a", "b"] * 10)) is None
    codes = speaker_codes(table.assign(speaker=[*"abcdeabcde", *["-"] * 10]))
    assert len(set(codes)) == 15 and codes[0] == codes[5]


def test_paired_comparison_tells_models_apart_that_separate_intervals_cannot():
    table = normal_table(300, 600, 1.5, 4)
    worse = table.assign(score=table["score"] + np.random.default_rng(1).normal(0, 0.8, len(table)))
    found = paired_difference(table, worse, ("A", "B"), rounds=200)
    assert found.verdict == "A is better than B" and found.interval[1] < 0
    assert paired_difference(worse, table, ("B", "A"), rounds=200).verdict == "A is better than B"
    same = paired_difference(table, table.assign(score=2 * table["score"]), ("A", "B"), rounds=50)
    assert same.difference == 0 and same.verdict == "cannot tell A from B"
    with pytest.raises(ValueError, match="disagree about the label of 1"):
        paired_difference(table, table.assign(label=["spoof", *table["label"][1:]]), rounds=5)
    with pytest.raises(ValueError, match="share no utterance"):
        paired_difference(table, table.assign(utterance="x" + table["utterance"]), rounds=5)


def test_the_same_seed_gives_the_same_interval():
    table = normal_table(50, 80, 1, 0)
    found = summarise_split(table, {"equal_error": 0.5}, 50)
    low, high = found["accuracy_interval"]
    assert (
        low < ((table["score"] >= 0.5) == (table["label"] == "bonafide")).mean() == found["accuracy"] < high
    )
    assert eer_interval(table, 50, 1) == eer_interval(table, 50, 1) != eer_interval(table, 50, 2)


def test_a_thousand_rounds_over_a_whole_eval_list_would_take_less_than_fifteen_seconds():
    table = normal_table(7355, 63882, 4.5, 0)
    start = time.process_time()
    eer_interval(table, rounds=100)
    assert 10 * (time.process_time() - start) < 15


def test_thresholds_come_from_dev_alone_and_are_applied_to_eval():
    table = scored(utterances(), 1.0, 0)
    found = summarise(table, rounds=20)
    other = table.assign(score=table["score"].where(table["split"] == "dev", table["score"] * 0.3 + 0.2))
    again = summarise(other, rounds=20)
    for split in ("dev", "eval"):
        assert (
            found[split]["threshold"]
            == again[split]["threshold"]
            == thresholds(table[table["split"] == "dev"])["equal_error"]
        )
        assert found[split]["threshold_from"] == "dev"
    test = table[table["split"] == "eval"]
    said = test["score"] >= found["eval"]["threshold"]
    assert found["eval"]["accuracy"] == pytest.approx((said == (test["label"] == "bonafide")).mean())
    assert found["dev"]["operating_points"]["false_alarm_1_percent"]["false_alarm"] <= 0.01


def test_summary_is_json_and_holds_every_attack_with_its_interval():
    found = summarise(scored(utterances(), 1.0, 0), rounds=30)
    json.dumps(found, allow_nan=False)
    assert set(found["eval"]["per_attack"]) == {f"A{n:02d}" for n in range(7, 20)}
    for value in found["eval"]["per_attack"].values():
        assert value["eer_interval"][0] <= value["eer"] <= value["eer_interval"][1]
    rates = [value["eer"] for value in found["eval"]["per_attack"].values()]
    assert found["eval"]["mean_attack_eer"] == pytest.approx(np.mean(rates))
    assert "min_tdcf_v1" in found["eval"] and found["eval"]["resampled_by"] == "speaker"


def test_polarity_of_dev_is_refused_or_noted_and_that_of_eval_alone_is_a_remark():
    table = scored(utterances(), 1.0, 0)
    with pytest.raises(PolarityError, match="polarity"):
        summarise(table.assign(score=-table["score"]), rounds=5)
    noted = summarise(table.assign(score=-table["score"]), rounds=5, polarity="note")
    assert "above 50 %" in noted["dev"]["remarks"][0]
    eval_only = table.assign(score=table["score"].where(table["split"] == "dev", -table["score"]))
    assert "above 50 %" in summarise(eval_only, rounds=5)["eval"]["remarks"][0]


def test_an_eer_above_half_by_chance_is_a_remark_and_no_error():
    rng = np.random.default_rng(3)
    table = scored(utterances(), 1.0, 0)
    for _ in range(50):  # a network that has learnt nothing ends on the wrong side of 50 % every other time
        table["score"] = rng.standard_normal(len(table))
        found = summarise(table, rounds=50)["dev"]
        if found["eer"] > 0.5:
            break
    assert found["eer_interval"][0] <= 0.5 < found["eer"] and "above 50 %" in found["remarks"][0]


def test_calibration_finds_the_log_likelihood_ratio_of_two_normals():
    table = normal_table(3000, 9000, 2.0, 0)
    fitted = calibration.fit(table["score"], table["label"])
    # log N(x; 2, 1) - log N(x; 0, 1) = 2 x - 2, whatever the share of bona fide
    assert fitted.weights[0] == pytest.approx(2, abs=0.12) and fitted.offset == pytest.approx(-2, abs=0.15)


def test_calibration_lowers_cllr_on_data_it_has_not_seen():
    parts = [
        normal_table(600, 900, 2.0, seed).assign(split=split) for seed, split in enumerate(("dev", "eval"))
    ]
    table = pd.concat(parts, ignore_index=True)
    table["score"] = 5 * table["score"] + 3
    after, changed = calibration.calibrate(table)
    assert changed["eval"]["min_cllr"] <= changed["eval"]["cllr_after"] < 0.6 * changed["eval"]["cllr_before"]
    test = after[after["split"] == "eval"]
    bonafide, spoof = (test.loc[test["label"] == label, "score"] for label in ("bonafide", "spoof"))
    assert changed["eval"]["cllr_after"] == pytest.approx(cllr(bonafide, spoof))
    bins = calibration.reliability(test)
    sure = bins[bins["n"] > 50]
    assert (sure["claimed"] - sure["found"]).abs().max() < 0.12 and bins["n"].sum() == len(test)
    with pytest.raises(ValueError, match="fitted on dev"):
        calibration.calibrate(test)


def test_audit_is_near_chance_without_a_shortcut_and_names_the_one_there_is():
    clean = audit.audit(made_measures(), rounds=50)
    assert clean["eer"] > audit.CHANCE_FROM and "near chance" in clean["sentence"]
    leaking = audit.audit(made_measures(leak=3.0), rounds=50)
    assert leaking["eer"] < 0.12 and "loudness" in leaking["sentence"]
    assert min(leaking["alone"], key=leaking["alone"].get) == "rms_db"
    section = {"eer": 0.08, "eer_interval": [0.06, 0.10], "per_attack": {}}
    assert audit.verdict(leaking, "lcnn", section)[0] == "yes, perhaps all of it"
    assert audit.verdict(clean, "lcnn", section)[1].startswith("No shortcut")


def test_audit_that_betrays_one_attack_names_it():
    measures = made_measures()
    measures.loc[measures["attack"].isin(["A04", "A16"]), "duration_s"] += 6
    found = audit.audit(measures, rounds=50)
    assert found["per_attack"]["A16"]["eer"] < 0.1 and "A16" in found["sentence"]
    section = {
        "eer": 0.2,
        "eer_interval": [0.1, 0.3],
        "per_attack": {"A16": {"eer": 0.1, "eer_interval": [0, 0.2]}},
    }
    assert audit.near_attacks(found, section) == ["A16"]
