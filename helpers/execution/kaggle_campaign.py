"""A campaign on Kaggle: push what is due, wait, pull what has ended, go on; stopped at any moment it is taken up again.

The state file is written before and after each push, so that a command killed between the two asks Kaggle first.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.execution.folders import adopt, put_aside
from helpers.execution.kaggle_pack import (
    ACCELERATOR,
    Kernel,
    pack_kernel,
    pack_project,
    project_digest,
    slug_of,
)
from helpers.execution.kaggle_service import ENDED, KaggleBusy, KaggleError, KernelState, Service
from helpers.execution.states import epochs_done, read_metrics
from helpers.runs import code_digest, read_json, write_json

GPU_SESSIONS = 2
PUSHING, PUSHED, PULLED, FAILED, REFUSED = "pushing", "pushed", "pulled", "failed", "refused"
MAX_PARTS = 8  # continuations of one training by max_minutes or the session's end


@dataclass
class Campaign:
    """Kernels of one request, their order, and what has become of them."""

    service: Service
    kernels: list[Kernel]
    project: Path
    folder: Path  # of this campaign: packed folders, downloads, state.json
    runs_dir: Path
    owner: str
    prefix: str = "adf"
    datasets: list[str] = field(default_factory=list)  # attached besides the project itself
    internet: bool = False
    session_minutes: int = 690  # Kaggle ends a session at 720
    poll_seconds: float = 30
    say: Callable[[str], Any] = print

    def __post_init__(self) -> None:
        self.code = project_digest(self.project)
        self.project_reference = f"{self.owner}/{self.prefix}-project"
        self.file = self.folder / "state.json"
        self.state: dict[str, Any] = read_json(self.file) if self.file.is_file() else {}
        self.state.setdefault("kernels", {})
        # Runs of another state of the code are other work: their kernels have other slugs and stay where they are.
        self.records: dict[str, dict[str, Any]] = {}
        for kernel in self.kernels:
            slug = slug_of(kernel, self.prefix, self.code)
            first = {"stage": kernel.stage, "status": "", "parts": [slug], "message": ""}
            self.records[kernel.stage] = self.state["kernels"].setdefault(slug, first)

    def save(self) -> None:
        """Write the state by rename."""
        write_json(self.file, self.state)

    def reference(self, kernel: Kernel) -> str:
        """owner/slug of the kernel's newest part."""
        return f"{self.owner}/{self.records[kernel.stage]['parts'][-1]}"

    def try_again(self) -> None:
        """Make due once more what an earlier command saw refused or failed, and a comparison made without it.

        The user may have mended the cause. A kernel that has run gets a new name: the old one stays ended.
        """
        again: set[str] = set()
        for kernel in self.kernels:
            record = self.records[kernel.stage]
            outdated = record["status"] == PULLED and not again.isdisjoint(kernel.after)
            if record["status"] not in (FAILED, REFUSED) and not outdated:
                continue
            if record["status"] != REFUSED:
                self._next_part(kernel)
            for job in kernel.jobs if outdated else ():
                if job.folder.is_dir():
                    put_aside(job.folder)
            record["status"], record["message"] = "", ""
            again.add(kernel.stage)
        self.save()

    def _next_part(self, kernel: Kernel) -> None:
        parts = self.records[kernel.stage]["parts"]
        parts.append(slug_of(kernel, self.prefix, self.code, len(parts) + 1))

    def push_project(self) -> None:
        """Bring the project's data set to this state of the code, and wait until Kaggle has unpacked it."""
        if self.state.get("project") != self.code:
            packed = pack_project(self.project, self.folder / "project", self.project_reference)
            self.service.push_dataset(packed, self.project_reference, f"code {self.code}")
            self.state["project"] = self.code
            self.save()
            self.say(f"pushed the data set {self.project_reference}")
        status = self.service.dataset_status(self.project_reference)
        if status in ("failed", "error"):
            raise KaggleError(f"Kaggle could not take in {self.project_reference}: push again")
        if status != "ready":
            raise KaggleBusy(f"Kaggle is still unpacking {self.project_reference} ({status})")

    def due(self) -> list[Kernel]:
        """Kernels that can be pushed now: what they need has been pulled, and a GPU session is free."""
        busy = sum(kernel.gpu and self._is_out(kernel) for kernel in self.kernels)
        due = []
        for kernel in self.kernels:
            status = self.records[kernel.stage]["status"]
            if status not in ("", PUSHING) or not all(self._has_ended(stage) for stage in kernel.after):
                continue
            if kernel.gpu:
                if busy >= GPU_SESSIONS:
                    continue
                busy += 1
            due.append(kernel)
        return due

    def _is_out(self, kernel: Kernel) -> bool:
        return self.records[kernel.stage]["status"] == PUSHED

    def _has_ended(self, stage: str) -> bool:
        """A training that failed does not keep the comparison from the others; the data stages must succeed."""
        return self.records[stage]["status"] in ((PULLED,) if stage == "data" else (PULLED, FAILED, REFUSED))

    def push(self, kernel: Kernel) -> None:
        """Push one kernel, unless an earlier command was stopped just after it had done so."""
        record, reference = self.records[kernel.stage], self.reference(kernel)
        if record["status"] == PUSHING and self.service.kernel_state(reference).status != "absent":
            record["status"] = PUSHED
            self.save()
            return
        slugs = [slug for stage in kernel.after for slug in self.records[stage]["parts"]]
        if not any(
            job.notebook.reads_runs for job in kernel.jobs
        ):  # a comparison never goes on from an earlier one
            slugs += record["parts"][:-1]
        sources = [f"{self.owner}/{slug}" for slug in slugs if self._left_runs(slug)]
        datasets = [self.project_reference, *self.datasets]
        folder = self.folder / reference.split("/")[1]
        pack_kernel(kernel, folder, reference, datasets, sources, self.internet)
        record["status"] = PUSHING
        self.save()
        try:
            accelerator = ACCELERATOR if kernel.gpu else ""
            version = self.service.push_kernel(folder, 60 * self.session_minutes, accelerator)
        except KaggleBusy:
            record["status"] = ""
            self.save()
            raise
        except KaggleError as error:
            record["status"], record["message"] = REFUSED, str(error)
            self.save()
            raise
        record["status"] = PUSHED
        self.save()
        self.say(f"pushed {reference} version {version}")

    def _left_runs(self, slug: str) -> bool:
        """A kernel that was refused or broke before its first run has nothing to attach."""
        return any(self.folder.glob(f"output/{slug}/runs/*/params.json"))

    def look(self, kernel: Kernel) -> KernelState:
        """Ask after a pushed kernel; when it has ended, pull its run folders."""
        record, reference = self.records[kernel.stage], self.reference(kernel)
        state = self.service.kernel_state(reference)
        if state.status not in ENDED:
            return state
        folder = self.folder / "output" / reference.split("/")[1]
        self.service.pull(reference, folder)
        before = {job.name: epochs_done(job.folder) for job in kernel.jobs}
        taken = import_runs(folder / "runs", self.runs_dir)
        for job in kernel.jobs:
            job.folder = adopt(job.folder, job.name, job.notebook.stem, job.parameters, since=0)
        unfinished = [job for job in kernel.jobs if not read_metrics(job.folder).get("complete")]
        # Paused, or cut off further on than before: what breaks at the same place is neither.
        goes_on = [
            job
            for job in unfinished
            if read_metrics(job.folder) or epochs_done(job.folder) > before[job.name]
        ]
        record["message"] = state.message or ", ".join(f"{job.label} is not complete" for job in unfinished)
        if unfinished and goes_on and taken and len(record["parts"]) < MAX_PARTS:
            # A session's end or max_minutes: another kernel takes up what this one saved.
            self._next_part(kernel)
            record["status"] = ""
            self.say(f"{kernel.stage}: saved before its end, goes on as {record['parts'][-1]}")
        else:
            record["status"] = FAILED if unfinished else PULLED
            self.say(
                f"{kernel.stage}: {state.status}, {len(taken)} run folders pulled  {record['message']}".rstrip()
            )
        self.save()
        return state

    def step(self) -> str:
        """Look at what is out, push what is due; a sentence where Kaggle asks to wait, else ""."""
        waiting = ""
        try:
            for kernel in self.kernels:
                if self._is_out(kernel):
                    self.look(kernel)
            if self.due():
                self.push_project()
            for kernel in self.due():
                try:
                    self.push(kernel)
                except KaggleError as error:
                    self.say(str(error))
        except KaggleBusy as error:
            waiting = str(error)
        return waiting

    @property
    def ended(self) -> bool:
        """Nothing is out and nothing can be pushed any more."""
        return not any(self._is_out(kernel) for kernel in self.kernels) and not self.due()

    def run(self, max_seconds: float = float("inf")) -> bool:
        """Until all has ended; True when every run is complete. A connection lost for a while is waited for."""
        began, told = time.monotonic(), ""
        while True:
            waiting = self.step()
            if waiting and waiting != told:
                self.say(f"waiting: {waiting}")
            told = waiting
            if not waiting and self.ended:
                return all(record["status"] == PULLED for record in self.records.values())
            if time.monotonic() - began > max_seconds:
                return False
            time.sleep(self.poll_seconds)

    def table(self) -> list[list[str]]:
        """A row a kernel: stage, state here, state at Kaggle, what was said."""
        rows = [["stage", "here", "at Kaggle", "kernel", "runs", ""]]
        for kernel in self.kernels:
            record = self.records[kernel.stage]
            there = self.service.kernel_state(self.reference(kernel)).status if record["status"] else "-"
            runs = ", ".join(job.label for job in kernel.jobs)
            rows.append(
                [
                    kernel.stage,
                    record["status"] or "to do",
                    there,
                    self.reference(kernel),
                    runs,
                    record["message"],
                ]
            )
        return rows


def import_runs(source: Path, runs_dir: Path) -> list[str]:
    """Take pulled run folders into runs/, each by rename, never over a further state of the same run."""
    taken = []
    for record in sorted(source.glob("*/params.json")):
        try:
            content = read_json(record)
        except ValueError:
            continue  # half a file: the next pull brings it whole
        folder, target = record.parent, runs_dir / record.parent.name
        here, there = read_metrics(target), read_metrics(folder)
        if here.get("complete") and (
            not there.get("complete")
            or here.get("code") == there.get("code")
            or here.get("code") == code_digest(content.get("notebook", ""))
        ):
            continue
        if target.exists() and not there.get("complete") and epochs_done(target) > epochs_done(folder):
            continue
        part = runs_dir / ".pulled" / folder.name
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(folder, part)
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
        taken.append(target.name)
    return taken
