"""The model card, written from the figures of `card.json`."""

from __future__ import annotations


def percent(share: float | None) -> str:
    """0.123 -> `12.3 %`; None, where there is nothing to divide, -> `none`."""
    return "none" if share is None else f"{100 * share:.1f} %"


def model_card(card: dict) -> str:
    """Markdown."""
    left, low_high = card["left_out"], card["left_out"]["eer_interval_by_group"]
    other = left["thresholds_from_other_folds"]
    rows = "\n".join(
        f"| {name} | {part['bonafide']} | {part['spoof']} | {', '.join(part['groups'])} |"
        for name, part in card["trained_on"].items()
    )
    tests = "\n".join(
        f"| {name} | {part['recordings']} | {percent(part['eer'])} | "
        f"{'–'.join(f'{100 * end:.1f}' for end in part['eer_interval_by_group'])} | {percent(part['answered'])} | "
        f"{percent(part['humans_called_spoof'])} | {percent(part['spoofs_called_bonafide'])} | "
        f"{percent(card['starter_only'][name])} |"
        for name, part in card["tests"].items()
    )
    spoof, bonafide = card["thresholds"]["spoof"], card["thresholds"]["bonafide"]
    answers = " ".join(
        (
            "It never answers *likely spoof*."
            if spoof is None
            else f"*Likely spoof* at and below {spoof:.2f} ({percent(left['wrong_spoof'])} of these answers wrong).",
            "It never answers *likely bona fide*: no threshold kept its promise on projects where it was not chosen."
            if bonafide is None
            else f"*Likely bona fide* at and above {bonafide:.2f} ({percent(left['wrong_bonafide'])} wrong).",
        )
    )
    return f"""# The shipped detector

{card["name"][0].upper() + card["name"][1:]}.
Wave in, log odds out (higher: more likely bona fide), one file: `detector.onnx`, opset {card["opset"]}, made on
{card["date"]} by `python -m tools detector`. `card.json` holds every figure of this page.

## Trained on

| data | bona fide | spoof | groups |
|---|---|---|---|
{rows}

The encoder is OpenAI's whisper-tiny.en (MIT), frozen. To every recording comes one
degraded copy ({card["copies"]["degraded"]}: cut, re-encoded, filtered, noise), and to the bona fide ones copies by a
HiFi-GAN as spoofs ({card["copies"]["hifigan"]}). `speech_pairs` and `demo_clips` are recordings from public
demonstration pages of the research projects named above, from LibriSpeech and of one reader. **Most of these pages
state no licence.** No recording of them is in this file or anywhere in this project: only a linear layer of 2,305
numbers was fitted to them.

## What it does on strangers

Every project was left out once, and scored by a head that knew nothing of it. Both classes count alike.

- EER {percent(left["eer"])} ({100 * low_high[0]:.1f}–{100 * low_high[1]:.1f} by groups), {left["recordings"]} recordings.
- {answers}
- {percent(left["answered"])} are answered; {percent(left["spoofs_found"])} of the spoofs are found;
  {percent(left["humans_called_spoof"])} of the humans are called spoof.
- With thresholds chosen on the other projects: {percent(other["answered"])} answered,
  {percent(other["wrong_spoof"])} of *likely spoof* and {percent(other["wrong_bonafide"])} of *likely bona fide* wrong.
- Of degraded copies (codecs, telephone, noise, rooms, 1.5 to 4 s) the EER is {percent(left["eer_of_degraded_copies"])}.

Kept back from training and from every choice. Other pages than those above, but some are of the same projects (r9y9,
StyleTTS 2, speechresearch), so strangers fare worse than this; the vocoder of the copies is also that of A06, A12, A13
and A19 of the starter:

| data | recordings | EER | 95 % by group | answered | humans called spoof | spoofs called bona fide | EER, starter alone |
|---|---|---|---|---|---|---|---|
{tests}

## Limits

- New synthesis systems, cloned voices and copies by a good vocoder may pass. Absence of traces proves no human.
- Codecs, noise, telephone and rooms move the score in either direction.
- The probabilities hold where fakes and humans are equally common, and for recordings like those left out.
- Do not accuse anyone with it. A score is one hint beside where a recording comes from and who vouches for it.
"""
