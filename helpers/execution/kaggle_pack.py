"""What is sent to Kaggle: the project as a small private data set, and one folder a kernel."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.execution.cells import set_up_source, to_text
from helpers.execution.jobs import Job
from helpers.runs import digest

TAKEN = (
    "helpers/**/*",
    "notebooks/*.ipynb",
    "requirements.txt",
    "data_manifest.yaml",
    "LICENSE",
    "wheels/*.whl",
)
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", "solutions"}
ACCELERATOR = "NvidiaTeslaT4"  # two T4 cards
CARDS = 2


@dataclass
class Kernel:
    """One pushed notebook: the runs that it makes and the kernels whose output it needs."""

    stage: str
    jobs: list[Job]
    gpu: bool
    after: list[str] = field(default_factory=list)  # stages
    arguments: list[str] = field(default_factory=list)  # of `python -m helpers run`


def project_files(project: Path) -> list[Path]:
    """Relative paths of all that travels, in order: code, notebooks, the manifest, the starter corpus."""
    found = {
        path.relative_to(project) for pattern in TAKEN for path in project.glob(pattern) if path.is_file()
    }
    return sorted(path for path in found if not LEFT_OUT & set(path.parts) and path.suffix != ".pyc")


def project_digest(project: Path) -> str:
    """Changes when any travelling file does."""
    total = hashlib.sha256()
    for path in project_files(project):
        total.update(path.as_posix().encode() + b"\0" + (project / path).read_bytes())
    return total.hexdigest()[:10]


def pack_project(project: Path, folder: Path, reference: str) -> Path:
    """Copy what travels into `folder`, with the metadata of a private data set."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in project_files(project):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project / path, folder / path)
    title = reference.split("/")[1].replace("-", " ")
    record = {"id": reference, "title": title, "licenses": [{"name": "apache-2.0"}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return folder


def arrange(jobs: list[Job], arguments: list[str], gpu: bool, session_minutes: int = 690) -> list[Kernel]:
    """Jobs as kernels: the data stages, the trainings (two to a kernel, one a card; without cards one), then what reads all runs.

    A training is told to save and stop an hour before the session ends: what Kaggle cuts off is lost.
    """
    data = [job for job in jobs if not job.notebook.rows and not job.notebook.reads_runs]
    training = [job for job in jobs if job.notebook.rows and not job.notebook.reads_runs]
    training.sort(key=lambda job: -job.notebook.minutes_gpu)
    reading = [job for job in jobs if job.notebook.reads_runs]
    side_by_side = CARDS if gpu else 1
    kernels = []
    if data:
        kernels.append(Kernel("data", data, False, [], _choice(data) + arguments))
    by_seed: dict[Any, list[Job]] = {}
    for job in training:
        by_seed.setdefault(job.parameters.get("seed"), []).append(job)
    for seed, group in by_seed.items():
        for place in range(0, len(group), side_by_side):
            part = group[place : place + side_by_side]
            seeds = [] if seed is None else ["--seeds", str(seed)]
            own = _choice(part) + seeds + arguments + (["--jobs", str(len(part))] if gpu else [])
            if "max_minutes" not in arguments and any("max_minutes" in job.parameters for job in part):
                own += ["-p", "max_minutes", str(max(5, session_minutes - 60))]
            kernels.append(Kernel(_stage_name(part), part, gpu, [k.stage for k in kernels[:1] if data], own))
    if reading:
        kernels.append(
            Kernel("compare", reading, False, [k.stage for k in kernels], _choice(reading) + arguments)
        )
    return kernels


def _choice(jobs: list[Job]) -> list[str]:
    """The runner's arguments that choose exactly these jobs."""
    chosen = ["--notebooks", ",".join(dict.fromkeys(job.notebook.stem for job in jobs))]
    rows = [job.row.id for job in jobs if job.notebook.rows]
    return chosen + (["--models", ",".join(dict.fromkeys(rows))] if rows else [])


def _stage_name(jobs: list[Job]) -> str:
    names = "-".join(re.sub(r"[^a-z0-9]+", "-", job.row.id.lower()) for job in jobs)
    seed = jobs[0].overrides.get("seed")
    return f"{names}-s{seed}" if seed else names


def slug_of(kernel: Kernel, prefix: str, code: str, part: int = 1) -> str:
    """At most 50 characters, the same for the same work: so a stopped campaign finds its kernels again."""
    identity = digest([kernel.arguments, code], 6)
    tail = f"-{identity}" + (f"-{part}" if part > 1 else "")
    return f"{prefix}-{kernel.stage}"[: 50 - len(tail)].strip("-") + tail


def driver(kernel: Kernel) -> dict[str, Any]:
    """The notebook that Kaggle executes: set-up, the runner with its arguments, what came of it."""
    made = [
        (
            "markdown",
            "text",
            [],
            f"# {kernel.stage}\n\nRuns {', '.join(job.label for job in kernel.jobs)}, headless.",
        ),
        ("code", "parameters", ["parameters"], "timeout_minutes: float = 660.0  # for one cell"),
        ("code", "set-up", ["set-up"], set_up_source()),
        (
            "code",
            "run",
            [],
            f"arguments = {json.dumps(kernel.arguments)}\n"
            'command = [sys.executable, "-u", "-m", "helpers", "run", *arguments]\n'
            'command += ["--timeout", str(timeout_minutes)]\n'
            "runner = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)\n"
            "for line in runner.stdout:\n"
            '    print(line, end="", flush=True)\n'
            "code = runner.wait()",
        ),
        (
            "code",
            "end",
            [],
            "from helpers.execution.setup import tidy_outputs\n\n"
            "tidy_outputs()\n"
            'assert code in (0, 1, 3), "the runner did not start: see its lines above"',
        ),
    ]
    cells = []
    for kind, identity, tags, source in made:
        cell: dict[str, Any] = {"cell_type": kind, "id": identity, "metadata": {"tags": tags} if tags else {}}
        cell["source"] = source.splitlines(keepends=True)
        cells.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}


def pack_kernel(
    kernel: Kernel, folder: Path, reference: str, datasets: list[str], kernels: list[str], internet: bool
) -> Path:
    """Write the kernel's folder: one notebook and kernel-metadata.json."""
    folder.mkdir(parents=True, exist_ok=True)
    slug = reference.split("/")[1]
    (folder / f"{slug}.ipynb").write_text(to_text(driver(kernel)), encoding="utf-8")
    record = {
        "id": reference,
        "title": slug.replace("-", " "),
        "code_file": f"{slug}.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": kernel.gpu,
        "enable_tpu": False,
        "enable_internet": internet,
        "dataset_sources": datasets,
        "competition_sources": [],
        "kernel_sources": kernels,
        "model_sources": [],
    }
    (folder / "kernel-metadata.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return folder
