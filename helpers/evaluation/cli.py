"""`python -m helpers evaluate` and `report`: a stranger's score file and a run of the suite get the same figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helpers.evaluation.scores import check_scores, eval_rows, read_asv, read_scores
from helpers.evaluation.summary import asvspoof_names, summarise_split, thresholds
from helpers.metrics import LA2019_EVAL, by_class, eer, refuse_wrong_polarity

RATES = {
    "eer": "EER",
    "eer_official": "EER, official code",
    "accuracy": "",
    "macro_f1": "macro-F1",
    "auc": "AUC",
}
COSTS = {
    "min_tdcf_v1": "min t-DCF (2019)",
    "min_tdcf_v2": "min t-DCF (2021)",
    "min_dcf": "minDCF (ASVspoof 5)",
    "act_dcf": "actDCF (if scores are LLRs)",
    "cllr": "Cllr, bits (if LLRs)",
    "min_cllr": "min Cllr, bits",
}


def evaluate(scores: str, as_json: bool = False, **options: Any) -> int:
    """Print what `figures` finds, in words or as JSON."""
    found = figures(scores, **options)
    print(json.dumps(found, indent=1, allow_nan=False) if as_json else as_text(found))
    return 0


def figures(
    scores,
    labels=None,
    asv=None,
    rounds: int = 200,
    repeats: bool = False,
    bonafide: str = "",
    higher: str = "bonafide",
) -> dict:
    """Everything about one score file, as the JSON of `evaluate`. PolarityError for an EER above 50 %.

    t-DCF uses the ASV file where one is given, else the constants of ASVspoof 2019 LA eval (`asv` says which);
    an ASV file allows repeated utterances, since a tandem list names one once for each claimed speaker.
    A file with splits, as a run folder's scores.csv or the keys of ASVspoof 2021, is judged on eval, at dev's
    threshold where it has dev; `subsets` has the EER of each other split.
    """
    name, repeats = Path(scores).name, repeats or asv is not None
    given, chosen = read_scores(scores, labels, repeats, bonafide, higher), None
    table = check_scores(eval_rows(given), name, repeats)
    if len(table) < len(given):
        dev = given[given["split"] == "dev"]
        chosen = thresholds(dev) if dev["label"].nunique() == 2 else None
    section = summarise_split(table, chosen, max(rounds, 1), 0, read_asv(asv) if asv else LA2019_EVAL)
    refuse_wrong_polarity(max(section["eer"], section["eer_official"]), name)
    if not rounds:
        for part in (section, *section["per_attack"].values()):
            for key in [key for key in part if key.endswith("_interval")]:
                del part[key]
    section["asv"] = Path(asv).name if asv else "constants of ASVspoof 2019 LA eval"
    if not asv and not asvspoof_names(table):
        section["asv"] += ", although these attacks are not from there: read t-DCF with care"
    if given.attrs.get("notes"):
        section["notes"] = given.attrs["notes"]
    if len(table) < len(given):
        section["subsets"] = {
            str(name): {"eer": eer(*by_class(rows))[0], "n": len(rows)}
            for name, rows in given[given["split"] != "eval"].groupby("split")
            if rows["label"].nunique() == 2
        }
    return section


def as_text(found: dict) -> str:
    """The figures for people, percentages where rates are meant."""
    place = "dev's" if found["threshold_from"] == "dev" else "the EER"
    percent = RATES | {"accuracy": f"accuracy at {place} threshold"}
    lines = [f"{found['n_bonafide']:,} bona fide, {found['n_spoof']:,} spoof; t-DCF with {found['asv']}"]
    if "subsets" in found:
        lines[0] = "eval alone: " + lines[0]
    lines += [f"note: {note}" for note in found.get("notes", [])]
    for key, name in {**percent, **COSTS}.items():
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
    for subset, value in found.get("subsets", {}).items():
        lines.append(
            f"  {'apart: EER on ' + subset:<30} {100 * value['eer']:9.4f} %   {value['n']:,} utterances"
        )
    return "\n".join(lines)


def report(runs: str = "", dataset: str | None = None, out: str = "") -> int:
    """Build report.html from run folders, beside them where `out` names no other place."""
    from helpers.environment import where_am_i
    from helpers.evaluation.report import write_report
    from helpers.runs import load_runs

    folder = Path(runs) if runs else where_am_i().folders.runs
    print(write_report(load_runs(folder, dataset), Path(out) if out else folder / "report.html"))
    return 0
