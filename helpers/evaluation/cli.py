"""`python -m helpers evaluate` and `report`: a stranger's score file and a run of the suite get the same figures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers.evaluation.scores import check_scores, eval_rows, read_asv, read_scores
from helpers.evaluation.summary import asvspoof_names, by_class, summarise_split, thresholds
from helpers.metrics import LA2019_EVAL, ErrorCurve, eer_official, measures, refuse_wrong_polarity

# Published EER % and min t-DCF of the score files in the golden folder.
GOLDEN = [
    ("AASIST-L", "aasist_l.asvspoof2019_la_eval.scores.txt", None, None, 0.990923080, 0.030805977),
    ("OC-Softmax, inverted", "oc_softmax_inverted.asvspoof2019_la_eval.scores.txt", None, None, 97.8220, 1.0),
    (
        "organisers' example",
        "organisers_example.cm.txt",
        None,
        "organisers_example.asv.txt",
        4.67011,
        0.110498,
    ),
    (
        "XLS-R + SLS, In-the-Wild",
        "xlsr_sls.in_the_wild.scores.txt",
        "in_the_wild.labels.csv",
        None,
        7.4641,
        None,
    ),
]
JSON_KEYS = [
    "eer",
    "eer_official",
    "min_tdcf_v1",
    "min_tdcf_v2",
    "min_dcf",
    "act_dcf",
    "cllr",
    "min_cllr",
    "auc",
]


def evaluate(argv: Sequence[str] | None = None) -> int:
    """`SCORES [--labels FILE] [--asv FILE] [--json]`: exit status 0, or 2 with a sentence on what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers evaluate", description="Error rates of a score file."
    )
    parser.add_argument(
        "scores", nargs="?", help="`utterance attack label score` or `utterance score` lines, or a CSV"
    )
    parser.add_argument("--labels", help="label file, for scores without labels")
    parser.add_argument("--asv", help="scores of a speaker verification system, for t-DCF")
    parser.add_argument("--json", action="store_true", help="print JSON, rates as fractions")
    parser.add_argument("--rounds", type=int, default=200, help="bootstrap rounds for intervals, 0 for none")
    parser.add_argument(
        "--repeats", action="store_true", help="allow a list of trials that repeats an utterance"
    )
    parser.add_argument("--golden", metavar="FOLDER", help="check the four published systems in this folder")
    asked = parser.parse_args(argv)
    if (asked.scores is None) == (asked.golden is None):
        parser.error("give one score file, or --golden FOLDER")
    if asked.rounds < 0:
        parser.error("--rounds is 0 or more")
    try:
        if asked.golden:
            return golden(Path(asked.golden))
        found = figures(asked.scores, asked.labels, asked.asv, asked.rounds, asked.repeats)
    except (ValueError, OSError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=1, allow_nan=False) if asked.json else as_text(found))
    return 0


def figures(scores, labels=None, asv=None, rounds: int = 200, repeats: bool = False) -> dict:
    """Everything about one score file, as the JSON of `evaluate`. PolarityError for an EER above 50 %.

    t-DCF uses the ASV file where one is given, else the constants of ASVspoof 2019 LA eval (`asv` says which);
    an ASV file allows repeated utterances, since a tandem list names one once for each claimed speaker.
    A file with splits, as a run folder's scores.csv, is judged on eval, at dev's threshold where it has dev.
    """
    given, chosen = read_scores(scores, labels, repeats or asv is not None), None
    table = check_scores(eval_rows(given), Path(scores).name, repeats or asv is not None)
    if len(table) < len(given):
        dev = given[given["split"] == "dev"]
        chosen = thresholds(dev) if dev["label"].nunique() == 2 else None
    curve = ErrorCurve(*by_class(table))
    refuse_wrong_polarity(
        max(curve.eer()[0], curve.eer_official()) if len(set(curve.order)) > 1 else 0.0, Path(scores).name
    )
    errors = read_asv(asv) if asv else LA2019_EVAL
    found = measures(*by_class(table), errors)
    if asv:
        source = Path(asv).name
    else:
        source = "constants of ASVspoof 2019 LA eval"
        if not asvspoof_names(table):
            source += ", although these attacks are not from there: read t-DCF with care"
    result = {key: found[key] for key in JSON_KEYS} | {
        "asv": source,
        "n_bonafide": curve.n_bonafide,
        "n_spoof": curve.n_spoof,
        "threshold_from": "dev" if chosen else "the scores themselves",
    }
    if rounds:
        section = summarise_split(table, chosen, rounds, 0, errors)
        extra = [
            "threshold",
            "accuracy",
            "balanced_accuracy",
            "precision",
            "recall",
            "macro_f1",
            "confusion",
            "eer_interval",
            "resampled_by",
            "mean_attack_eer",
            "mean_attack_eer_interval",
            "per_speaker",
        ]
        result |= {key: section[key] for key in extra if key in section}
        result["per_attack"] = section["per_attack"]
    else:
        bonafide, _ = by_class(table)
        spoofs = table[(table["label"] == "spoof") & (table["attack"] != "-")]
        result["per_attack"] = {
            str(name): {
                "eer": ErrorCurve(bonafide, rows["score"]).eer()[0],
                "n": len(rows),
                "eer_official": eer_official(bonafide, rows["score"]),
            }
            for name, rows in spoofs.groupby("attack")
        }
    return result


def as_text(found: dict) -> str:
    """The figures for people, percentages where rates are meant."""
    point = (
        "accuracy at dev's threshold" if found["threshold_from"] == "dev" else "accuracy at the EER threshold"
    )
    percent = {
        "eer": "EER",
        "eer_official": "EER, official code",
        "accuracy": point,
        "macro_f1": "macro-F1",
        "auc": "AUC",
    }
    plain = {
        "min_tdcf_v1": "min t-DCF (2019)",
        "min_tdcf_v2": "min t-DCF (2021)",
        "min_dcf": "minDCF (ASVspoof 5)",
        "act_dcf": "actDCF (if scores are LLRs)",
        "cllr": "Cllr, bits (if LLRs)",
        "min_cllr": "min Cllr, bits",
    }
    lines = [f"{found['n_bonafide']:,} bona fide, {found['n_spoof']:,} spoof; t-DCF with {found['asv']}"]
    for key, name in {**percent, **plain}.items():
        if key in found:
            value = f"{100 * found[key]:9.4f} %" if key in percent else f"{found[key]:9.6f}"
            if key == "eer" and "eer_interval" in found:
                low, high = found["eer_interval"]
                value += f"   ({100 * low:.2f}–{100 * high:.2f} %, by {found['resampled_by']})"
            lines.append(f"  {name:<30} {value}")
    for attack, value in found["per_attack"].items():
        line = f"  EER on {attack:<23} {100 * value['eer']:9.4f} %"
        if "eer_interval" in value:
            line += "   ({:.2f}–{:.2f} %)".format(*(100 * v for v in value["eer_interval"]))
        lines.append(line + f"   {value['n']:,} spoofs")
    return "\n".join(lines)


def golden(folder: Path) -> int:
    """Print the four published systems beside our figures; 1 where a figure differs in a printed digit."""
    print(f"{'system':<26}{'EER %':>12}{'published':>12}{'t-DCF v1':>12}{'published':>12}   verdict")
    wrong = 0
    for name, scores, labels, asv, published_eer, published_tdcf in GOLDEN:
        table = read_scores(folder / scores, folder / labels if labels else None, repeats=asv is not None)
        curve = ErrorCurve(*by_class(table))
        rate = 100 * curve.eer_official()
        tdcf = curve.min_tdcf(read_asv(folder / asv) if asv else LA2019_EVAL)
        same = digits_agree(rate, published_eer) and (
            published_tdcf is None or digits_agree(tdcf, published_tdcf)
        )
        wrong += not same
        ours = "–" if published_tdcf is None else f"{tdcf:.6f}"
        theirs = "–" if published_tdcf is None else f"{published_tdcf:.6f}"
        verdict = "equal" if same else "DIFFERS"
        if rate > 50:
            verdict += "; refused: polarity upside down"
        print(f"{name:<26}{rate:>12.6f}{published_eer:>12.6f}{ours:>12}{theirs:>12}   {verdict}")
    return 1 if wrong else 0


def digits_agree(ours: float, published: float) -> bool:
    """Equal to the digits that were printed."""
    digits = len(repr(float(published)).partition(".")[2])
    return abs(ours - published) <= 0.5000001 * 10.0**-digits


def report(argv: Sequence[str] | None = None) -> int:
    """`[--runs FOLDER] [--dataset NAME] [--out report.html]`: build the report from run folders."""
    from helpers.environment import where_am_i
    from helpers.evaluation.report import write_report
    from helpers.runs import load_runs

    parser = argparse.ArgumentParser(
        prog="python -m helpers report", description="A report from run folders alone."
    )
    parser.add_argument("--runs", help="folder of run folders")
    parser.add_argument("--dataset", help="only this data set")
    parser.add_argument("--out", help="where report.html goes; default: beside the run folders")
    asked = parser.parse_args(argv)
    folder = Path(asked.runs) if asked.runs else where_am_i().folders.runs
    try:
        runs = load_runs(folder, asked.dataset)
        print(write_report(runs, Path(asked.out) if asked.out else folder / "report.html"))
    except (ValueError, OSError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    return 0
