"""What the tests share: the project on the path, one thread a process, folders that never touch the user's own."""

import os
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["MPLBACKEND"] = "Agg"
# librosa's compiled functions: two processes that compile into one folder at once damage it, and it crashes later.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["NUMBA_CACHE_DIR"] = str(PROJECT / ".pytest_cache" / f"numba-{WORKER}")


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Every test gets its own work and runs folders."""
    monkeypatch.setenv("HELPERS_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("HELPERS_RUNS", str(tmp_path / "runs"))


@pytest.fixture(scope="session")
def shared():
    """Real data for measuring beside the project; the test is skipped where it is absent."""
    folder = PROJECT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("no ../shared/data beside the project")
    return folder


@pytest.fixture
def manifest(tmp_path):
    """Writes a manifest of the project's own entries without counts (miniature trees hold fewer) and a test's own."""
    import yaml

    def write(**more) -> Path:
        entries = yaml.safe_load((PROJECT / "data_manifest.yaml").read_text(encoding="utf-8"))
        for fields in entries.values():
            fields.pop("counts", None)
        path = tmp_path / "manifest.yaml"
        path.write_text(yaml.safe_dump({**entries, **more}))
        return path

    return write
