"""One training loop and one classical fit: a cache and a model in, a run folder out."""

from helpers.training.classical import fit_classical
from helpers.training.load import describe
from helpers.training.loop import Trained, fit
from helpers.training.settings import TrainSettings, check_settings

__all__ = ["TrainSettings", "Trained", "check_settings", "describe", "fit", "fit_classical"]
