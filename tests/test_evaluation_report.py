"""The report answers in one file; figures show what they are given."""

import io
import re
import zipfile
from dataclasses import replace
from html import escape, unescape

import numpy as np
import pandas as pd
import pytest
import soundfile
from matplotlib.figure import Figure
from test_evaluation_compare import made_measures, make_runs, write_run

from helpers import figures
from helpers.__main__ import dispatch
from helpers.environment import PROJECT
from helpers.evaluation import audit, compare, report
from helpers.evaluation.calibration import calibrate, reliability
from helpers.evaluation.report_facts import Compared
from helpers.evaluation.report_sections import worst_errors
from helpers.features import FEATURES
from helpers.figures.models import frontier_of
from helpers.runs import load_runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs")
    make_runs(path)
    return path


@pytest.fixture(scope="module")
def runs(folder):
    return load_runs(folder)


@pytest.fixture(scope="module")
def html(runs, tmp_path_factory):
    return report.write_report(runs, tmp_path_factory.mktemp("report") / "report.html").read_text()


def test_report_asks_nothing_of_the_network_and_shows_no_code(html):
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert html.count("<script") == 1 and 'src="http' not in html and "Traceback" not in html
    assert "prefers-color-scheme:dark" in html and 'download="models.csv"' in html
    assert "Griffin-Lim" in html and "Limits</h2>" in html and "Written 20" in html
    named = re.findall(r'<a href="#([^"]+)"', html)
    assert len(named) >= 5 and all(f'id="{name}"' in html for name in named)
    assert html.count("data:image/png;base64,") >= 10


def test_first_screen_answers_the_four_questions(html, runs):
    cards = html[html.index('<div class="cards">') : html.index("<h2 id")]
    chosen = compare.best_by_dev(runs)
    section = chosen.metrics["metrics"]["eval"]
    assert compare.labels_of(compare.first_seeds(runs, "starter"))[chosen.name] in cards
    assert (
        f"{100 * section['eer']:.1f} % EER" in cards and f"{100 * section['eer_interval'][1]:.1f} %" in cards
    )
    hardest = max(section["per_attack"], key=lambda name: section["per_attack"][name]["eer"])
    assert f"<strong>{hardest}, " in cards
    assert "No shortcut explains" in cards
    assert (
        f"{100 * section['false_alarm']:.1f} % of unseen fakes pass" in cards
        and cards.count('class="card ') == 4
    )


def test_report_warns_where_a_shortcut_explains_the_result(runs):
    found = Compared.of([run for run in runs if run.metrics.get("model") == "resnet50"], "starter")
    leaking = replace(found, audit=audit.audit(made_measures(leak=3.0), rounds=50))
    assert report.shortcut(leaking)["answer"] == "yes, perhaps all of it"
    assert report.shortcut(found)["answer"] == "not measured"


def test_worst_errors_are_seen_and_heard(runs, tmp_path):
    with zipfile.ZipFile(PROJECT / "helpers" / "data" / "starter.zip") as archive:
        name = next(name for name in archive.namelist() if name.endswith(".ogg"))
        path = archive.extract(name, tmp_path)
    found = Compared.of(runs, "starter")
    scores = compare.scores_on_eval(found.chosen)
    heard = worst_errors(replace(found, clips=dict.fromkeys(scores["utterance"], path)))
    spoofs = scores[scores["label"] == "spoof"].nlargest(5, "score")
    assert [clip["name"].split()[0] for clip in heard[1]] == list(spoofs["utterance"])
    sound, rate = soundfile.read(io.BytesIO(heard[3][0]["sound"]))
    assert rate == 16000 and abs(len(sound) / rate - min(4, soundfile.info(path).duration)) < 0.1
    assert report.shown(heard[1])["clips"][0]["picture"] and worst_errors(replace(found, clips={})) == []


def test_one_weak_run_does_not_keep_the_report_from_the_others(tmp_path):
    write_run(tmp_path, "21_train_lcnn", "lcnn", 1.1)
    write_run(tmp_path, "23_train_aasist", "aasist", -0.17, dataset="weak")
    dev = next(run for run in load_runs(tmp_path, "weak")).metrics["metrics"]["dev"]
    assert dev["eer"] > 0.5
    html = report.write_report(load_runs(tmp_path), tmp_path / "report.html").read_text()
    assert "Not calibrated: " in html and html.count("Can its probabilities be believed?</h2>") == 2


def test_report_without_finished_runs_says_what_to_run(tmp_path, capsys):
    assert dispatch(["report", "--runs", str(tmp_path)]) == 2
    assert "run a training notebook first" in capsys.readouterr().err


@pytest.fixture(scope="module")
def drawn(runs):
    """Every figure that a table, a run or a clip is drawn in."""
    scored = compare.scored_runs(runs)
    table = compare.comparison_table(runs)
    labels = compare.labels_of(scored)
    tables = {labels[run.name]: compare.scores_on_eval(run) for run in scored}
    sections = {labels[run.name]: run.metrics["metrics"]["eval"] for run in scored}
    scores = scored[0].read_scores()
    after, _ = calibrate(scores)
    setting = FEATURES["logmel"]
    picture = np.random.default_rng(0).normal(size=(64, 188))
    wave = np.sin(np.arange(48000) / 30)
    return {
        "det": figures.det_curves(tables),
        "roc": figures.roc_curves(tables),
        "histogram": figures.score_histogram(next(iter(tables.values())), {"dev": 0.1}),
        "confusions": figures.confusions(sections),
        "bars": figures.eer_bars(table),
        "attacks": figures.attack_bars(next(iter(sections.values()))),
        "map": figures.attack_map(compare.attack_table(runs)),
        "summary": figures.summary_bars(table),
        "cost": figures.eer_against(table),
        "size": figures.eer_against(table, "parameters"),
        "dev": figures.dev_against_eval(table),
        "training": figures.training_curves(scored[0].read_history()),
        "reliability": figures.reliability_diagram({"after": reliability(after[after["split"] == "eval"])}),
        "shortcuts": figures.shortcut_bars({"loudness": 0.4}, {"lcnn": 0.2}),
        "crossed": figures.cross_data_map(compare.cross_data(runs)),
        "features": figures.plot_features(picture, setting),
        "wave": figures.plot_features(wave, FEATURES["wave"]),
        "pair": figures.side_by_side(picture, picture, setting),
    }


def test_every_figure_has_named_axes_and_letters_to_be_read_from_afar(drawn):
    for name, figure in drawn.items():
        assert isinstance(figure, Figure), name
        axes = [ax for ax in figure.axes if ax.axison and ax.get_label() != "<colorbar>"]
        assert any(ax.get_xlabel() or name in ("map", "summary", "attacks") for ax in axes), name
        assert any(ax.get_ylabel() or name == "bars" or name == "shortcuts" for ax in axes), name
        for ax in axes:
            sizes = [
                text.get_fontsize() for text in (*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label)
            ]
            assert min(sizes) >= 11, name


def test_every_figure_says_in_words_what_it_shows(drawn, runs):
    for name, figure in drawn.items():
        assert len(figure.alt) > 30 and figure.alt.endswith("."), name
        assert re.search(r"\d", figure.alt) or name in ("wave", "features"), name
        assert not re.search(r"\de[+-]\d", figure.alt), name
    assert len({figure.alt for figure in drawn.values()}) == len(drawn)
    table = compare.comparison_table(runs)
    assert all(f"{row.label} {100 * row.eer:.1f} %" in drawn["bars"].alt for row in table.itertuples())


def test_report_gives_every_picture_its_own_alt_text(html):
    found = [unescape(alt) for alt in re.findall(r'<img alt="([^"]*)"', html)]
    assert len(found) == html.count("<img") and len(set(found)) == len(found) and min(map(len, found)) > 30


def test_jupyter_and_the_saved_file_carry_the_alt_text(tmp_path):
    """Through IPython's own formatter, as a notebook's cell hands it over; drawn by hand, a figure tells its axes."""
    formatters = pytest.importorskip("IPython.core.formatters")
    figure, ax = figures.canvas()
    ax.bar(["a", "b"], [1, 3])
    ax.set(title='Two "bars"', xlabel="name", ylabel="height (m)")
    data, metadata = formatters.DisplayFormatter().format(figure)
    assert figure.alt == 'Two "bars": bars, height (m) against name: a 1, b 3.'
    assert re.search(r'<img alt="([^"]*)"', data["text/html"])[1] == escape(figure.alt)
    assert data["image/png"] and metadata["image/png"]["alt"] == data["text/plain"] == figure.alt
    figure.savefig(tmp_path / "two.png", dpi=120)
    figure.savefig(tmp_path / "two.pdf")
    image = pytest.importorskip("PIL.Image")
    assert image.open(tmp_path / "two.png").text["Description"] == figure.alt


def test_figures_draw_the_rates_they_are_given():
    table = pd.DataFrame(
        {
            "label": ["a", "b"],
            "eer": [0.1, 0.3],
            "eer_low": [0.05, 0.2],
            "eer_high": [0.2, 0.4],
            "accuracy": [0.9, 0.7],
            "macro_f1": [0.8, 0.6],
        }
    )
    heights = sorted(
        bar.get_height() for bar in figures.summary_bars(table).axes[0].patches if bar.get_height()
    )
    assert heights == pytest.approx([60, 70, 80, 90])
    points = figures.eer_bars(table).axes[0].lines[0].get_xdata()
    assert list(points) == [10, 30]


def test_many_models_leave_the_axes_room_beside_their_names():
    names = [f"model number {i} with a long name augment=none balance=undersample" for i in range(25)]
    table = pd.DataFrame(
        {
            "label": names,
            "eer": 0.3,
            "eer_low": 0.2,
            "eer_high": 0.4,
            "dev_eer": 0.25,
            "accuracy": 0.7,
            "macro_f1": 0.6,
            "ms_per_clip": np.geomspace(1, 100, 25),
        }
    )
    scores = pd.DataFrame(
        {"label": ["bonafide", "spoof"] * 20, "score": np.random.default_rng(0).normal(size=40)}
    )
    drawn = {
        "cost": figures.eer_against(table),
        "dev": figures.dev_against_eval(table),
        "summary": figures.summary_bars(table),
        "det": figures.det_curves(dict.fromkeys(names, scores)),
        "map": figures.attack_map(pd.DataFrame(0.3, index=["A07", "A08", "mean", "pooled"], columns=names)),
    }
    for name, figure in drawn.items():
        figure.canvas.draw()
        box = figure.axes[0].get_window_extent()
        assert min(box.width, box.height) / figure.dpi > 2.4, (name, box)
        assert figure.get_size_inches().max() < 16, name
    looks = {
        (line.get_color(), line.get_marker())
        for line in drawn["dev"].axes[0].lines
        if line.get_marker() in "osD^vPX*"
    }
    assert len(looks) == 25


def test_cost_figure_names_the_frontier_and_marks_the_undertrained():
    table = pd.DataFrame(
        {
            "label": list("ABCD"),
            "ms_per_clip": [2.0, 5.0, 8.0, 300.0],
            "eer": [0.20, 0.22, 0.18, 0.185],
            "notes": ["", "undertrained: 32 of 99 clips", "", ""],
        }
    ).assign(eer_low=0.1, eer_high=0.3)
    assert list(table["label"][frontier_of(table, "ms_per_clip")]) == ["A", "C"]
    ax = figures.eer_against(table).axes[0]
    assert {text.get_text() for text in ax.texts} == set("ABCD")
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {
        "on the frontier",
        "beaten in both by another",
        "beaten in both by another, undertrained",
    }
    many = pd.concat([table, *[table[1:2].assign(label=f"E{n}") for n in range(9)]], ignore_index=True)
    assert {text.get_text() for text in figures.eer_against(many).axes[0].texts} == {"A", "C"}


def test_axis_of_linear_bands_is_linear_and_not_called_mel():
    setting = FEATURES["loglinear"]
    ax = figures.plot_features(np.random.default_rng(0).normal(size=(128, 400)), setting).axes[0]
    assert "mel" not in ax.get_ylabel()
    labels = {t.get_text(): y for t, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)}
    assert labels["4"] == pytest.approx(63.5) and labels["2"] == pytest.approx(31.25)


def test_mel_axis_puts_hertz_where_the_bands_are():
    setting = FEATURES["logmel"]
    ax = figures.plot_features(np.random.default_rng(0).normal(size=(64, 188)), setting).axes[0]
    labels = {t.get_text(): y for t, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)}
    assert "kHz" in ax.get_ylabel()
    librosa = pytest.importorskip("librosa")
    centres = librosa.mel_frequencies(66, fmin=0, fmax=8000)[1:-1]
    assert labels["1"] == pytest.approx(np.interp(1000, centres, np.arange(64)), abs=0.1)
    assert ax.get_xlim() == (0, pytest.approx(188 * 256 / 16000))
