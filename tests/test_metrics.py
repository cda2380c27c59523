"""Error rates equal the field's own, digit by digit."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import metrics as m

GOLDEN = Path(__file__).parents[2] / "shared" / "golden"
needs_golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason="published score files are not beside the project"
)
ASV_FILES = GOLDEN.parent / "data" / "asvspoof2019_la" / "LA" / "ASVspoof2019_LA_asv_scores"
BONAFIDE = np.array([2 * ((7919 * i) % 1009) / 1009 for i in range(1, 301)])
SPOOF = np.array([2 * ((104729 * j) % 1013) / 1013 - 0.8 for j in range(1, 701)])
# Official code run on these: eer_official, eer, min_dcf, act_dcf, cllr, min_tdcf v1 and v2.
NAMES = ["eer_official", "eer", "min_dcf", "act_dcf", "cllr", "min_tdcf_v1", "min_tdcf_v2"]
OFFICIAL = """
as they are : .29928571428571427 .29928571428571427 .5971428571428571 .9214285714285714 .8514970660945399 .5971428571428572 .622415245630325
rounded     : .32 .298095238095238 .6143333333333332 .9257142857142857 .8510602603687756 .6242857142857143 .6478553531942393
apart       : 0 0 0 0 .06432727674854036 0 .06273287922421078
upside down : .7007142857142856 .7007142857142856 1 2.0226190476190475 1.434793785017536 1 1
seven scores: .29166666666666663 .29166666666666663 .5 1 .9463267731547951 .5 .5313664396121054
"""
GIVEN = {
    "as they are": (BONAFIDE, SPOOF),
    "rounded": (np.round(BONAFIDE, 1), np.round(SPOOF, 1)),
    "apart": (BONAFIDE + 3, SPOOF - 3),
    "upside down": (-BONAFIDE, -SPOOF),
    "seven scores": (np.array([0.9, 0.8, 0.3]), np.array([0.7, 0.4, 0.2, 0.1])),
}
EXPECTED = {
    name.strip(): [float(value) for value in values.split()]
    for name, _, values in (line.partition(":") for line in OFFICIAL.strip().splitlines())
}
PER_ATTACK = dict(
    zip(
        [f"A{n:02d}" for n in range(7, 20)],
        [
            float(v)
            for v in (
                "0.553447 0.203722 0 1.001635 0.139206 0.692653 0.203722 "
                "0.057717 0.570420 0.634936 1.914983 3.049025 0.709626"
            ).split()
        ],
    )
)


def read(name, columns):
    return pd.read_csv(GOLDEN / name, sep=" ", names=columns)


def classes(table):
    return table.score[table.label == "bonafide"].to_numpy(), table.score[table.label == "spoof"].to_numpy()


@pytest.mark.parametrize("name", GIVEN)
def test_every_vector_of_the_official_code_is_met_to_1e9(name):
    bonafide, spoof = GIVEN[name]
    found = m.measures(bonafide, spoof)
    assert m.eer(bonafide, spoof) == (found["eer"], found["eer_threshold"])
    assert [found[name] for name in NAMES] == pytest.approx(EXPECTED[name], abs=1e-9, rel=0)


def eer_in_a_loop(bonafide, spoof):
    """The definition, threshold by threshold: accept at or above it; the most even point, lowest first."""
    best = None
    for threshold in [*sorted(set(bonafide) | set(spoof)), np.inf]:
        miss = sum(score < threshold for score in bonafide) / len(bonafide)
        alarm = sum(score >= threshold for score in spoof) / len(spoof)
        if best is None or abs(miss - alarm) < best[0] - 1e-15:
            best = (abs(miss - alarm), (miss + alarm) / 2)
    return best[1]


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_eer_is_the_definition_in_a_loop_whatever_the_ties(decimals):
    rng = np.random.default_rng(decimals)
    for _ in range(15):
        bonafide = np.round(rng.normal(1, 1, rng.integers(1, 30)), decimals)
        spoof = np.round(rng.normal(0, 1, rng.integers(1, 40)), decimals)
        assert m.eer(bonafide, spoof)[0] == pytest.approx(eer_in_a_loop(bonafide, spoof), abs=1e-12)


def test_threshold_gives_the_error_rates_it_promises():
    for bonafide, spoof in GIVEN.values():
        rate, threshold = m.eer(bonafide, spoof)
        assert (np.mean(bonafide < threshold) + np.mean(spoof >= threshold)) / 2 == pytest.approx(
            rate, abs=1e-12
        )


def test_constant_score_is_worth_one_half_and_the_official_code_says_one():
    assert m.eer([1, 1, 1], [1, 1])[0] == 0.5
    assert m.ErrorCurve([1, 1, 1], [1, 1]).eer_official() == 1.0


def test_order_of_the_input_changes_nothing():
    rng = np.random.default_rng(0)
    bonafide, spoof = GIVEN["rounded"]
    shuffled = m.measures(rng.permutation(bonafide), rng.permutation(spoof))
    assert shuffled == pytest.approx(m.measures(bonafide, spoof), abs=1e-12)


def test_auc_and_classification_equal_scikit_learn():
    sk = pytest.importorskip("sklearn.metrics")
    for bonafide, spoof in GIVEN.values():
        scores, labels = np.r_[bonafide, spoof], np.r_[np.ones(len(bonafide)), np.zeros(len(spoof))]
        assert m.measures(bonafide, spoof)["auc"] == pytest.approx(
            sk.roc_auc_score(labels, scores), abs=1e-12
        )
        words, said = np.where(labels == 1, "bonafide", "spoof"), scores >= 0.55
        found = m.classification(scores, words, 0.55)
        assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, said))
        assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(labels, said))
        assert found["macro_f1"] == pytest.approx(sk.f1_score(labels, said, average="macro", zero_division=0))
        assert found["precision"] == pytest.approx(sk.precision_score(labels, said, zero_division=0))
        assert found["recall"] == pytest.approx(sk.recall_score(labels, said))
        matrix = sk.confusion_matrix(labels, said)
        assert found["confusion"] == {
            "bonafide": {"bonafide": matrix[1, 1], "spoof": matrix[1, 0]},
            "spoof": {"bonafide": matrix[0, 1], "spoof": matrix[0, 0]},
        }


def test_min_cllr_equals_isotonic_regression():
    isotonic = pytest.importorskip("sklearn.isotonic")
    rng = np.random.default_rng(3)
    for bonafide, spoof in [
        GIVEN["as they are"],
        GIVEN["rounded"],
        GIVEN["upside down"],
        (rng.normal(1, 1, 90).round(1), rng.normal(-1, 1, 200).round(1)),
    ]:
        scores, labels = np.r_[bonafide, spoof], np.r_[np.ones(len(bonafide)), np.zeros(len(spoof))]
        share = isotonic.IsotonicRegression().fit(scores, labels).predict(scores)
        with np.errstate(divide="ignore"):
            llr = np.log(share) - np.log(1 - share) - np.log(len(bonafide) / len(spoof))
        expected = (
            (np.logaddexp(0, -llr[labels == 1]).mean() + np.logaddexp(0, llr[labels == 0]).mean())
            / 2
            / np.log(2)
        )
        assert m.measures(bonafide, spoof)["min_cllr"] == pytest.approx(expected, abs=1e-9)


def test_tdcf_is_its_formula_at_every_threshold_and_version_two_has_its_floor():
    bonafide, spoof = GIVEN["as they are"]
    asv = m.AsvErrors(0.05, 0.04, 0.3)
    c1, c2 = 0.9405 * (1 - 0.04) - 0.0095 * 10 * 0.05, 10 * 0.05 * (1 - 0.3)
    lowest = min(c1 * np.mean(bonafide < t) + c2 * np.mean(spoof >= t) for t in np.r_[bonafide, spoof, 9])
    assert m.ErrorCurve(bonafide, spoof).min_tdcf(asv) == pytest.approx(lowest / min(c1, c2), abs=1e-12)
    assert m.ErrorCurve([9.0, 8.0], [1.0, 0.0]).min_tdcf(version=2) == pytest.approx(0.062733, abs=1e-6)
    with pytest.raises(ValueError, match="versions 1 and 2"):
        m.ErrorCurve(bonafide, spoof).min_tdcf(version=3)


@pytest.mark.parametrize(
    "bonafide, spoof, sentence",
    [
        ([1, np.nan], [0], "1 NaN and 0 infinite of 2 scores"),
        ([1], [0, -np.inf], "0 NaN and 1 infinite"),
        ([], [1, 2], "need both classes, got 0 bona fide and 2 spoof"),
        ([1.0] * 214, [], "got 214 bona fide and 0 spoof"),
    ],
)
def test_nan_infinity_and_one_class_are_refused_in_words(bonafide, spoof, sentence):
    with pytest.raises(ValueError, match=sentence):
        m.eer(bonafide, spoof)


def test_upside_down_scores_are_refused_by_the_word_polarity_and_never_flipped():
    rate, _ = m.eer(-BONAFIDE, -SPOOF)
    assert rate == pytest.approx(1 - m.eer(BONAFIDE, SPOOF)[0])
    with pytest.raises(m.PolarityError, match="polarity"):
        m.refuse_wrong_polarity(rate)
    m.refuse_wrong_polarity(0.5)


@needs_golden
def test_published_system_is_met_to_the_printed_digits_attack_by_attack():
    table = read("aasist_l.asvspoof2019_la_eval.scores.txt", ["utterance", "attack", "label", "score"])
    bonafide, spoof = classes(table)
    assert round(100 * m.ErrorCurve(bonafide, spoof).eer_official(), 9) == 0.990923080
    assert round(m.ErrorCurve(bonafide, spoof).min_tdcf(), 9) == 0.030805977
    for attack, percent in PER_ATTACK.items():
        scores = table.score[table.attack == attack].to_numpy()
        assert round(100 * m.ErrorCurve(bonafide, scores).eer_official(), 6) == percent


@needs_golden
def test_other_published_files_are_met_too():
    upside_down = classes(
        read("oc_softmax_inverted.asvspoof2019_la_eval.scores.txt", list("ua") + ["label", "score"])
    )
    assert round(100 * m.ErrorCurve(*upside_down).eer_official(), 4) == 97.8220
    assert m.ErrorCurve(*upside_down).min_tdcf() == pytest.approx(1.0, abs=1e-9)
    asv = read("organisers_example.asv.txt", ["x", "key", "score"])
    target, nontarget, spoof = (asv.score[asv.key == k].to_numpy() for k in ("target", "nontarget", "spoof"))
    assert round(100 * m.ErrorCurve(target, nontarget).eer_official(), 5) == 4.43422
    errors = m.asv_errors(target, nontarget, spoof)
    example = classes(read("organisers_example.cm.txt", ["u", "a", "label", "score"]))
    assert round(100 * m.ErrorCurve(*example).eer_official(), 5) == 4.67011
    assert round(m.ErrorCurve(*example).min_tdcf(errors), 6) == 0.110498


@pytest.mark.skipif(not ASV_FILES.is_dir(), reason="official ASV scores are not beside the project")
@pytest.mark.parametrize("part, constants", [("eval", m.LA2019_EVAL), ("dev", m.LA2019_DEV)])
def test_built_in_asv_constants_are_those_of_the_official_asv_scores(part, constants):
    table = pd.read_csv(
        ASV_FILES / f"ASVspoof2019.LA.asv.{part}.gi.trl.scores.txt", sep=" ", names=["x", "key", "score"]
    )
    found = m.asv_errors(*(table.score[table.key == k].to_numpy() for k in ("target", "nontarget", "spoof")))
    for name in ("pfa", "pmiss", "pmiss_spoof"):
        assert getattr(found, name) == pytest.approx(getattr(constants, name), abs=5e-8)


def test_a_whole_eval_list_takes_milliseconds():
    rng = np.random.default_rng(0)
    bonafide, spoof = rng.normal(4, 1, 7355), rng.normal(0, 1, 63882)
    best = min(timed(lambda: m.measures(bonafide, spoof)) for _ in range(7))
    assert best < 0.020


def timed(call):
    start = time.process_time()  # of this process: other work on the machine does not count
    call()
    return time.process_time() - start
