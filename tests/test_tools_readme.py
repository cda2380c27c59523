"""Tables of README and RESULTS are written from run folders and notice a changed figure."""

import re

import pandas as pd
import pytest
from test_evaluation_compare import make_runs, write_run

from helpers.evaluation import compare, reference
from helpers.runs import load_runs
from tools import readme as readme_writer
from tools.__main__ import main as tools_main

MARKS = "# Suite\n\n<!-- results:begin -->\n<!-- results:end -->\n\nlast line\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs")
    make_runs(path)
    return path


@pytest.mark.parametrize("name", ["README.md", "RESULTS.md"])
def test_table_is_written_once_and_notices_a_changed_figure(name, folder, tmp_path, capsys):
    runs, path = load_runs(folder), tmp_path / name
    path.write_text(MARKS)
    assert readme_writer.readme_agrees(path, runs) != ""
    assert tools_main(["readme", "--runs", str(folder), "--file", str(path)]) == 0
    assert "new results table" in capsys.readouterr().out
    assert readme_writer.readme_agrees(path, runs) == "" and not readme_writer.update_readme(path, runs)
    text = path.read_text()
    assert text.count("| lcnn |") == 1, "two seeds of one model are one row"
    assert "known attacks (dev)" in text and "unknown attacks (eval)" in text
    mine = [r.metrics["metrics"] for r in runs if r.metrics.get("model") == "lcnn"]
    rates = [100 * found["eval"]["eer"] for found in mine]
    assert f"{sum(rates) / 2:.1f} ({min(rates):.1f}–{max(rates):.1f}) of 2" in text
    assert any(
        f"| {100 * found['dev']['eer']:.1f} | {100 * found['eval']['eer']:.1f} (" in text for found in mine
    )
    assert text.startswith("# Suite") and text.endswith("last line\n")
    path.write_text(re.sub(r"(\| lcnn[^|]*\|[^|]*\| )\d", r"\g<1>9", text, count=1))
    assert "the runs say" in readme_writer.readme_agrees(path, runs)


def test_readme_has_the_best_eight_and_results_all(tmp_path):
    for number in range(10):
        write_run(tmp_path, "21_train_lcnn", f"model{number}", 0.4 + 0.1 * number)
    write_run(tmp_path, "23_train_aasist", "aasist", 2.0, notes=["undertrained: 32 of 99 clips"])
    runs = load_runs(tmp_path)
    best, prices = readme_writer.results_table(runs).split("**Price list**")
    assert "aasist" not in best and "| aasist |" in prices and "EER" not in prices
    assert "aasist" not in readme_writer.readme_table(runs)
    assert readme_writer.readme_table(runs).count("| model") == 9  # eight rows and the heading
    assert best.count("| model") == 11


def test_results_say_which_seed_systems_are_told_apart(folder):
    text = readme_writer.results_table(load_runs(folder)) + "\n"
    assert "Of 1 pairs" not in text  # resnet50 is undertrained there: one network is no pair
    runs = [run for run in load_runs(folder) if run.metrics.get("model") != "resnet50"]
    for run in runs:
        run.metrics["model"] = {"lcnn": "simple_ann"}.get(run.metrics.get("model"), run.metrics.get("model"))
    text = readme_writer.results_table(runs)
    assert "Of 1 pairs of the seed systems' networks" in text and "| 2 and 1 |" in text


def test_packed_runs_come_back_as_ours_beside_your_own(folder, tmp_path, monkeypatch, capsys):
    assert tools_main(["scores", str(folder), "--out", str(tmp_path / "ours.zip")]) == 0
    assert "5 runs" in capsys.readouterr().out
    monkeypatch.setattr(reference, "SHIPPED", tmp_path / "ours.zip")
    monkeypatch.setenv("HELPERS_WORK", str(tmp_path / "work"))
    own = [run for run in compare.scored_runs(load_runs(folder)) if run.metrics["model"] == "lcnn"]
    assert reference.with_ours(own, "starter") == own and reference.with_ours([], "starter", "no") == []
    both = reference.with_ours(own, "starter", "yes")
    labels = compare.labels_of(both)
    assert len(both) == 7 and sum("(ours)" in label for label in labels.values()) == 5
    mine = {run.name: run for run in own}
    for run in reference.with_ours([], "starter"):
        if run.name in mine:
            given, back = mine[run.name].read_scores(), run.read_scores()
            pd.testing.assert_frame_equal(back, given, rtol=1e-4)
    assert len(compare.variants(both)) == 5  # four of ours, one of yours


def test_a_file_without_marks_is_refused(folder, tmp_path):
    (tmp_path / "bare.md").write_text("# no marks\n")
    with pytest.raises(ValueError, match="put both marks"):
        readme_writer.update_readme(tmp_path / "bare.md", load_runs(folder))
