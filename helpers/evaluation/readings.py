"""Sentences that a notebook prints from the figures of its own run, so that prose never quotes another machine's."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

CLEAR = 0.05  # attacks whose EER moves by less are not named


def reading(metrics: Mapping[str, Mapping]) -> None:
    """Print how to read `summarise`'s sections: better than chance or not, what new attacks cost, the extremes."""
    split = "eval" if "eval" in metrics else next(iter(metrics))
    section, dev = metrics[split], metrics.get("dev")
    low, high = section["eer_interval"]
    if low <= 0.5 <= high:
        judged = "not better than chance, the interval holds 50 %"
    elif low > 0.5:
        judged = "worse than chance, the scores point the wrong way on these clips"
    else:
        judged = "better than chance, the interval ends below 50 %"
    said = [f"EER on {split} is {_percent(section['eer'])} ({100 * low:.1f} to {_percent(high)}): {judged}."]
    if dev and split != "dev":
        gap = section["eer"] - dev["eer"]
        where = "higher" if gap > 0 else "lower"
        said.append(f"That is {abs(100 * gap):.1f} points {where} than on dev ({_percent(dev['eer'])}).")
    attacks = section.get("per_attack", {})
    if len(attacks) > 1:
        hard, easy = (choose(attacks, key=lambda name: attacks[name]["eer"]) for choose in (max, min))
        said.append(
            f"The hardest attack is {hard} ({_percent(attacks[hard]['eer'])}), the easiest {easy} "
            f"({_percent(attacks[easy]['eer'])})."
        )
        guessed = [n for n, v in attacks.items() if v["eer_interval"][0] <= 0.5 <= v["eer_interval"][1]]
        if guessed:
            said.append(f"Not better than chance on {', '.join(guessed)}.")
    print(" ".join(said))


def reading_attacks(before: Mapping, after: Mapping, names: tuple[str, str]) -> None:
    """Print on which attacks the second detector is better or worse than the first; two sections of `summarise`."""
    first, second = before.get("per_attack", {}), after.get("per_attack", {})
    moved = {attack: second[attack]["eer"] - first[attack]["eer"] for attack in first if attack in second}
    if not moved:
        print(f"{names[0]} and {names[1]} were scored on no attack in common.")
        return
    said = [f"From {names[0]} to {names[1]}:"]
    changes = sorted((attack for attack in moved if abs(moved[attack]) >= CLEAR), key=moved.__getitem__)
    for attack in changes:
        verb = "falls" if moved[attack] < 0 else "rises"
        rates = f"from {100 * first[attack]['eer']:.0f} to {100 * second[attack]['eer']:.0f} %"
        said.append(f"{attack} {verb} {rates};")
    still = [attack for attack in moved if attack not in changes]
    said.append(f"less than 5 points: {', '.join(still)}." if still else "every attack moves.")
    print(" ".join(said))


def reading_training(history: pd.DataFrame) -> None:
    """Print where the loss and the dev EER of a training went."""
    said = []
    if "train_loss" in history and len(history) > 1:
        first, last = history["train_loss"].iloc[0], history["train_loss"].iloc[-1]
        said.append(f"The training loss goes from {first:.3f} to {last:.3f}.")
    if "dev_eer" in history and len(history):
        rates = history["dev_eer"].reset_index(drop=True)
        best, last = int(rates.argmin()), _percent(rates.iloc[-1])
        said.append(
            f"The dev EER is lowest at epoch {best + 1}, {_percent(rates[best])}, and ends at {last}."
        )
        if best < len(rates) - 1:
            said.append("Later epochs do not help on other speakers.")
    print(" ".join(said))


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"
