"""Figures of scores: DET and ROC curves, histograms with thresholds, confusion, reliability, training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures.described import describe, listed
from helpers.figures.palette import CLASS_NAMES, PALETTE, canvas, canvases, model_style, percent_axis
from helpers.metrics import ErrorCurve, by_class, rows_of

DET_TICKS = np.array([0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])


def det_curves(tables: Mapping[str, pd.DataFrame], ax: Axes | None = None) -> Figure:
    """Miss against false alarm on normal-deviate axes, a line a model; its EER is where it meets the diagonal."""
    from scipy.stats import norm

    longest = max((len(name) for name in tables), default=0)  # of the names in the legend beside the axes
    figure, ax = canvas(ax, (6.8 + 0.085 * (longest + 9), max(6.2, 1.2 + 0.26 * len(tables))))
    low, high, rates = 0.5, 0.5, {}
    for number, (name, table) in enumerate(tables.items()):
        curve = ErrorCurve(*by_class(table))
        # Rates below half a trial cannot be drawn on a scale without end.
        edge_x, edge_y = 0.5 / curve.n_spoof, 0.5 / curve.n_bonafide
        x = np.clip(curve.false_alarm[curve.kept], edge_x, 1 - edge_x)
        y = np.clip(curve.miss[curve.kept], edge_y, 1 - edge_y)
        rate = rates[name] = curve.eer()[0]
        low, high = min(low, max(rate / 8, edge_x, edge_y)), max(high, rate)
        style = model_style(number)
        ax.plot(norm.ppf(x), norm.ppf(y), label=f"{name} ({100 * rate:.1f} %)", linewidth=2, **style)
        if 0 < rate < 1:
            ax.plot([norm.ppf(rate)], [norm.ppf(rate)], marker="o", color=style["color"], markersize=6)
    high = min(max(high * 1.3, 0.6), 0.95)
    ticks = DET_TICKS[(DET_TICKS >= low * 0.99) & (DET_TICKS <= high)]
    limits = norm.ppf(low), norm.ppf(high)
    ax.plot(limits, limits, color="0.6", linewidth=1, linestyle=":")
    ax.set(
        xlim=limits,
        ylim=limits,
        aspect="equal",
        xlabel="false alarm: spoofs accepted (%)",
        ylabel="miss: bona fide rejected (%)",
        title="DET curves, EER where they cross the diagonal",
    )
    names = [f"{100 * tick:g}" for tick in ticks]
    ax.set_xticks(norm.ppf(ticks), names)
    ax.set_yticks(norm.ppf(ticks), names)
    ax.legend(title="EER", loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return describe(
        figure, f"DET curves: misses against false alarms, a line a detector. EER: {listed(rates.items())}."
    )


def roc_curves(tables: Mapping[str, pd.DataFrame], ax: Axes | None = None) -> Figure:
    """Bona fide accepted against spoofs accepted, a line a model, with its area."""
    figure, ax = canvas(ax, (7.0, 6.2))
    areas = {}
    for number, (name, table) in enumerate(tables.items()):
        curve = ErrorCurve(*by_class(table))
        areas[name] = curve.auc()
        ax.plot(
            curve.false_alarm[curve.kept],
            1 - curve.miss[curve.kept],
            linewidth=2,
            label=f"{name} ({areas[name]:.3f})",
            **model_style(number),
        )
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle=":")
    ax.set(
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
        xlabel="spoofs accepted (%)",
        ylabel="bona fide accepted (%)",
        title="ROC curves",
    )
    percent_axis(ax, "x")
    percent_axis(ax, "y")
    ax.legend(title="area under the curve", loc="lower right")
    return describe(
        figure,
        "ROC curves: bona fide accepted against spoofs accepted, a line a detector. Area under the "
        f"curve: {listed(areas.items(), lambda area: f'{area:.3f}')}.",
    )


def n_bins(*sizes: int) -> int:
    """Bins that the smaller class can fill: about the root of its number of clips, 8 to 50."""
    return int(np.clip(round(min(sizes) ** 0.5 * 1.5), 8, 50))


def score_histogram(
    table: pd.DataFrame,
    thresholds: Mapping[str, float] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Shares of bona fide and spoof by score, each class adding up to 100 %; thresholds as named lines."""
    figure, ax = canvas(ax, (7.6, 4.8))
    bonafide, spoof = by_class(table)
    edges = np.histogram_bin_edges(
        table["score"].to_numpy(dtype=float), bins=n_bins(bonafide.size, spoof.size)
    )
    for label, values in (("spoof", spoof), ("bonafide", bonafide)):
        sns.histplot(
            x=values,
            bins=edges,
            stat="percent",
            color=PALETTE[label],
            alpha=0.6,
            ax=ax,
            element="step",
            label=f"{CLASS_NAMES[label]} ({len(values):,})",
        )
    for number, (name, value) in enumerate((thresholds or {}).items()):
        ax.axvline(
            value,
            color="black",
            linewidth=1.6,
            linestyle=("--", ":", "-.")[number % 3],
            label=f"{name} {value:.2f}",
        )
    ax.set(xlabel="score (higher: more likely bona fide)", ylabel="share of its class (%)", title=title)
    ax.legend()
    said = [
        f"{len(values):,} {CLASS_NAMES[label]} clips, half of them above {np.median(values):.2f}"
        for label, values in (("bonafide", bonafide), ("spoof", spoof))
    ]
    said += [f"a line at {value:.2f}, {name}" for name, value in (thresholds or {}).items()]
    return describe(
        figure,
        f"{title + ': h' if title else 'H'}istograms of scores, higher for bona fide: {'; '.join(said)}.",
    )


def confusion(section: Mapping, title: str = "", ax: Axes | None = None) -> Figure:
    """Confusion matrix of one split's figures: counts, and the share of each true class as shade."""
    figure, ax = canvas(ax, (4.8, 4.2))
    matrix = pd.DataFrame(section["confusion"]).T.loc[["bonafide", "spoof"], ["bonafide", "spoof"]]
    shares = matrix.div(matrix.sum(axis=1).clip(lower=1), axis=0)
    texts = [
        [f"{count:,}\n{100 * share:.1f} %" for count, share in zip(*pair, strict=True)]
        for pair in zip(matrix.to_numpy(dtype=int).tolist(), shares.to_numpy().tolist(), strict=True)
    ]
    names = [CLASS_NAMES[c] for c in matrix.columns]
    sns.heatmap(
        shares,
        annot=np.array(texts),
        fmt="",
        cmap="Blues",
        vmin=0,
        vmax=1,
        cbar=False,
        square=True,
        xticklabels=names,
        yticklabels=names,
        ax=ax,
        annot_kws={"fontsize": 13},
        linewidths=1,
    )
    ax.set(xlabel="the detector says", ylabel="truth", title=title)
    ax.tick_params(rotation=0)
    ax.grid(False)
    told = zip(CLASS_NAMES.values(), matrix.sum(axis=1), np.diag(shares), strict=True)
    said = [f"of {total:,.0f} {name} clips {100 * share:.1f} % are named so" for name, total, share in told]
    return describe(figure, f"{title or 'Confusion matrix'}: {', '.join(said)}.")


def confusions(sections: Mapping[str, Mapping], columns: int = 3) -> Figure:
    """One confusion matrix a model."""
    columns = min(columns, max(len(sections), 1))
    rows = -(-len(sections) // columns)
    figure, axes = canvases(rows, columns, (4.2 * columns, 4.2 * rows))
    flat = np.ravel(axes)
    for ax, (name, section) in zip(flat, sections.items(), strict=False):
        confusion(section, name, ax)
    for ax in flat[len(sections) :]:
        ax.set_axis_off()
    return figure


def reliability_diagram(bins: Mapping[str, pd.DataFrame], ax: Axes | None = None) -> Figure:
    """Claimed probability against the share found (calibration.reliability), one line a name; honest is diagonal."""
    figure, ax = canvas(ax, (6.4, 5.8))
    ax.plot([0, 1], [0, 1], color="0.6", linestyle=":", label="says what it knows")
    for number, (name, table) in enumerate(bins.items()):
        ax.plot(table["claimed"], table["found"], marker="o", linewidth=2, label=name, **model_style(number))
        sizes = 20 + 300 * table["n"] / table["n"].sum()
        ax.scatter(table["claimed"], table["found"], s=sizes, alpha=0.3, color=model_style(number)["color"])
    ax.set(
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
        xlabel="claimed probability of bona fide (%)",
        ylabel="share that is bona fide (%)",
        title="Reliability, classes weighted equally",
    )
    percent_axis(ax, "x")
    percent_axis(ax, "y")
    ax.legend(loc="upper left")
    said = [
        f"{name}: "
        + ", ".join(f"claimed {100 * row.claimed:.0f} found {100 * row.found:.0f}" for row in rows_of(table))
        for name, table in bins.items()
    ]
    return describe(
        figure, f"Claimed probability of bona fide against the share found, in %. {'; '.join(said)}."
    )


def training_curves(history: pd.DataFrame, title: str = "") -> Figure:
    """Training loss and dev EER by epoch, the best epoch marked. Columns epoch, train_loss and dev_eer (0..1)."""
    loss = next((c for c in ("train_loss", "loss", "train") if c in history), None)
    rates = [c for c in ("dev_eer", "eer") if c in history][:1]
    if loss is None and not rates:
        raise ValueError(f"history has neither a loss nor a dev EER, only {', '.join(history.columns)}")
    panels = [c for c in (loss, *rates) if c]
    epochs = history["epoch"] if "epoch" in history else np.arange(1, len(history) + 1)
    figure, axes = canvases(1, len(panels), (4.6 * len(panels) + 0.6, 4.0))
    for ax, column in zip(np.ravel(axes), panels, strict=True):
        is_loss = column == loss
        ax.plot(epochs, history[column], marker="o", linewidth=2, color="#0072B2" if is_loss else "#D55E00")
        ax.set(xlabel="epoch", ylabel="training loss (nats)" if is_loss else "dev EER (%)")
        ax.xaxis.get_major_locator().set_params(integer=True)
        if not is_loss:
            percent_axis(ax, "y")
            best = int(history[column].to_numpy().argmin())
            ax.axvline(
                np.asarray(epochs)[best],
                color="0.4",
                linestyle=":",
                label=f"kept: epoch {int(np.asarray(epochs)[best])}, {100 * history[column].iloc[best]:.1f} %",
            )
            ax.set_ylim(bottom=0, top=max(float(history[column].max()) * 1.25, 0.01))
            ax.legend()
        elif "dev_loss" in history:
            ax.plot(epochs, history["dev_loss"], marker="s", linestyle="--", color="#D55E00", label="dev")
            ax.legend()
    figure.suptitle(title or "Training")
    said = []
    if loss is not None:
        said.append(f"training loss from {history[loss].iloc[0]:.3g} to {history[loss].iloc[-1]:.3g}")
    for column in rates:
        best = int(history[column].to_numpy().argmin())
        said.append(
            f"dev EER lowest at epoch {int(np.asarray(epochs)[best])}, {100 * history[column].iloc[best]:.1f} %, "
            f"at the end {100 * history[column].iloc[-1]:.1f} %"
        )
    return describe(figure, f"{title or 'Training'}, {len(history)} epochs: {'; '.join(said)}.")
