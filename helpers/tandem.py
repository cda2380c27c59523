"""The tandem detection cost (t-DCF): a countermeasure in front of a speaker verification system."""

from __future__ import annotations

from dataclasses import dataclass

P_SPOOF, P_TARGET, P_NONTARGET = 0.05, 0.9405, 0.0095


@dataclass(frozen=True)
class AsvErrors:
    """Error rates of the speaker verification system that stands behind the detector in a t-DCF."""

    pfa: float  # other speakers accepted
    pmiss: float  # the right speaker rejected
    pmiss_spoof: float  # spoofs rejected


LA2019_EVAL = AsvErrors(0.024604674888, 0.024581005587, 0.239347547040)
LA2019_DEV = AsvErrors(0.0244452, 0.0242588, 0.2397291)


def tdcf_weights(asv: AsvErrors, version: int) -> tuple[float, float, float]:
    """(constant, weight of a miss, weight of a false alarm) of the tandem detection cost.

    Version 1 is ASVspoof 2019's, version 2 that of ASVspoof 2021 and 5. ValueError where the ASV system is so
    poor that a detector could not help it (a weight below zero).
    """
    if version == 1:
        constant = 0.0
        miss = P_TARGET * (1 - asv.pmiss) - P_NONTARGET * 10 * asv.pfa
    elif version == 2:
        constant = P_TARGET * asv.pmiss + P_NONTARGET * 10 * asv.pfa
        miss = P_TARGET - constant
    else:
        raise ValueError(f"t-DCF has versions 1 and 2, not {version!r}")
    false_alarm = 10 * P_SPOOF * (1 - asv.pmiss_spoof)
    if miss < 0 or false_alarm < 0:
        raise ValueError(
            f"t-DCF weights {miss:.4f} and {false_alarm:.4f} must not be negative: check the ASV error rates"
        )
    return constant, miss, false_alarm
