"""One model on several processes: `torchrun --nproc-per-node 2 -m helpers.training RUN_FOLDER CACHE_FOLDER`."""

from __future__ import annotations

import argparse
from pathlib import Path

from helpers.features import FEATURES, open_cache
from helpers.runs import read_run
from helpers.training import parallel
from helpers.training.loop import fit
from helpers.training.settings import check_settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="helpers.training", description=__doc__)
    parser.add_argument("run", type=Path, help="a run folder that holds params.json")
    parser.add_argument("cache", type=Path, help="the cache folder to train on")
    arguments = parser.parse_args()
    run = read_run(arguments.run)
    settings = check_settings(run.parameters)
    parallel.start()
    try:
        fit(settings, open_cache(arguments.cache), run, FEATURES[settings.features])
    finally:
        parallel.stop()


if __name__ == "__main__":
    main()
