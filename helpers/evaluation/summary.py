"""A score table -> the metrics section of a run: thresholds from dev, rates and intervals on every split."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.evaluation.intervals import (
    ROUNDS,
    Ranking,
    are_unknown,
    eer_interval_of,
    percentile_interval,
    resamples,
    speaker_codes,
)
from helpers.evaluation.scores import check_scores
from helpers.metrics import (
    BAYES_THRESHOLD,
    FALSE_ALARM_WEIGHT,
    LA2019_EVAL,
    MISS_WEIGHT,
    AsvErrors,
    ErrorCurve,
    by_class,
    classification,
    measures,
    refuse_wrong_polarity,
)

MOST_SPEAKERS = 200


def summarise(
    scores: pd.DataFrame,
    rounds: int = ROUNDS,
    seed: int = 0,
    name: str = "these scores",
    polarity: str = "refuse",
) -> dict:
    """`utterance, attack, label, split, score` (+ `speaker`, `group`) -> {"dev": {...}, "eval": {...}}.

    Thresholds are chosen on dev and applied to every split; without a dev split each split's own EER threshold
    is used and `threshold_from` says so. t-DCF appears where the attacks have ASVspoof names (A07).
    A pooled EER whose whole interval lies above 50 % on dev (or on the only split) raises PolarityError: chance
    does not explain it. Above 50 % by chance, or with polarity="note", it is written into `remarks`.
    """
    if "split" not in scores:
        scores = scores.assign(split="eval")
    chosen = thresholds(scores[scores["split"] == "dev"]) if (scores["split"] == "dev").any() else None
    deciding = "dev" if chosen else None
    found = {}
    for split in [s for s in ("train", "dev", "eval") if (scores["split"] == s).any()]:
        table = check_scores(scores[scores["split"] == split], f"{name}, {split}")
        section = summarise_split(table, chosen, rounds, seed)
        if section["eer"] > 0.5:
            if polarity == "refuse" and split == (deciding or split) and section["eer_interval"][0] > 0.5:
                refuse_wrong_polarity(section["eer"], f"{name}, {split}")
            section["remarks"].append(
                f"EER {100 * section['eer']:.1f} % on {split} is above 50 %: worse than guessing"
            )
        found[split] = section
    if not found:
        raise ValueError(f"{name}: no rows of the splits train, dev or eval")
    return found


def summary_table(found: dict) -> pd.DataFrame:
    """What `summarise` found, for people: one column a split, rates in percent, the threshold from dev."""
    columns = {}
    for split, section in found.items():
        low, high = section["eer_interval"]
        columns[split] = {
            "bona fide / spoof": f"{section['n_bonafide']} / {section['n_spoof']}",
            "EER %": f"{100 * section['eer']:.1f} ({100 * low:.1f}–{100 * high:.1f})",
            "accuracy %": f"{100 * section['accuracy']:.1f}",
            "macro-F1 %": f"{100 * section['macro_f1']:.1f}",
            "AUC": f"{section['auc']:.3f}",
            "threshold": f"{section['threshold']:.3f}",
        }
    return pd.DataFrame(columns)


def thresholds(dev: pd.DataFrame) -> dict[str, float]:
    """Operating points chosen on dev: where errors are equal, where the ASVspoof 5 cost is least, and where at
    most one spoof in a hundred passes."""
    curve = ErrorCurve(*by_class(dev))
    point = int(np.flatnonzero(curve.false_alarm[curve.kept] <= 0.01)[0])
    return {
        "equal_error": curve.eer()[1],
        "min_dcf": curve.min_cost(0.0, MISS_WEIGHT, FALSE_ALARM_WEIGHT)[1],
        "false_alarm_1_percent": curve.threshold(int(curve.kept[point])),
    }


def summarise_split(
    table: pd.DataFrame,
    chosen: dict[str, float] | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
    asv: AsvErrors | None = None,
) -> dict:
    """One split's figures; `chosen` are thresholds from elsewhere (dev)."""
    is_bonafide = (table["label"] == "bonafide").to_numpy()
    scores = table["score"].to_numpy(dtype=float)
    section: dict = measures(*by_class(table), asv or (LA2019_EVAL if asvspoof_names(table) else None))
    section["n_bonafide"], section["n_spoof"] = int(is_bonafide.sum()), int((~is_bonafide).sum())

    threshold = chosen["equal_error"] if chosen else section["eer_threshold"]
    section["threshold"], section["threshold_from"] = threshold, "dev" if chosen else "this split"
    section |= classification(scores, table["label"].to_numpy(), threshold)
    points = dict(chosen) if chosen else thresholds(table)
    points["bayes"] = BAYES_THRESHOLD
    section["operating_points"] = {
        name: {
            "threshold": value,
            "miss": float(np.mean(scores[is_bonafide] < value)),
            "false_alarm": float(np.mean(scores[~is_bonafide] >= value)),
        }
        for name, value in points.items()
    }

    # One set of resamples serves the pooled rate, every attack, their mean and the accuracy.
    speakers = speaker_codes(table)
    pooled, attacks = Ranking(scores, is_bonafide), attack_rankings(table)
    right = (scores >= threshold) == is_bonafide
    pooled_draws, attack_draws, accuracy_draws = [], [], []
    for weights in resamples(is_bonafide, speakers, rounds, seed):
        pooled_draws.append(pooled.eer(weights))
        attack_draws.append([ranking.eer(weights) for ranking in attacks.values()])
        accuracy_draws.append(float(weights @ right) / float(weights.sum()))
    section["eer_interval"] = eer_interval_of(section["eer"], pooled_draws, pooled.fewest)
    section["accuracy_interval"] = percentile_interval(accuracy_draws)
    section["resampled_by"] = "utterance" if speakers is None else "speaker"
    section["per_attack"] = {}
    for (attack, ranking), draws in zip(attacks.items(), zip(*attack_draws, strict=True), strict=True):
        rows = (~is_bonafide) & (table["attack"] == attack).to_numpy()
        section["per_attack"][attack] = {
            "eer": ranking.rate,
            "eer_interval": eer_interval_of(ranking.rate, draws, ranking.fewest),
            "eer_official": ranking.rate_official,
            "accuracy": float(right[rows].mean()),  # of its spoofs, at the chosen threshold
            "n": int(rows.sum()),
        }
    if attacks:
        section["mean_attack_eer"] = float(np.mean([ranking.rate for ranking in attacks.values()]))
        section["mean_attack_eer_interval"] = percentile_interval(pd.DataFrame(attack_draws).mean(axis=1))
    for column in ("speaker", "dataset"):
        groups = per_group(table, column, threshold)
        if groups:
            section[f"per_{column}"] = groups
    section["remarks"] = []
    return section


def asvspoof_names(table: pd.DataFrame) -> bool:
    """True where every spoof bears an attack name of ASVspoof 2019 LA, A01 to A19."""
    names = table.loc[table["label"] == "spoof", "attack"].astype(str)
    return bool(len(names)) and bool(names.str.fullmatch(r"A(0[1-9]|1\d)").all())


def attack_rankings(table: pd.DataFrame) -> dict[str, Ranking]:
    """attack -> its spoofs against every bona fide; empty where attacks are not named."""
    is_bonafide = (table["label"] == "bonafide").to_numpy()
    names = table["attack"].astype(str).to_numpy()
    named = sorted(set(names[~is_bonafide]) - {"-", "nan", ""})
    rows = {attack: np.flatnonzero(is_bonafide | (names == attack)) for attack in named}
    return {attack: Ranking(table["score"], is_bonafide, rows[attack]) for attack in named}


def per_group(table: pd.DataFrame, column: str, threshold: float, fewest: int = 5) -> dict:
    """value of `column` -> {eer, accuracy, n_bonafide, n_spoof} where both classes have `fewest` utterances."""
    if column not in table or not 2 <= table[column].nunique() <= MOST_SPEAKERS:
        return {}
    found = {}
    known = table[~are_unknown(table[column])]
    for value, rows in known.groupby(known[column].astype(str)):
        bonafide, spoof = by_class(rows)
        if min(bonafide.size, spoof.size) >= fewest:
            right = np.concatenate([bonafide >= threshold, spoof < threshold])
            found[str(value)] = {
                "eer": ErrorCurve(bonafide, spoof).eer()[0],
                "accuracy": float(right.mean()),
                "n_bonafide": int(bonafide.size),
                "n_spoof": int(spoof.size),
            }
    return found
