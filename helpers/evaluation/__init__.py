"""What a run's scores are worth. Reads score files and run folders only."""

from helpers.evaluation.readings import reading, reading_attacks, reading_training
from helpers.evaluation.summary import summarise, summary_table

__all__ = ["reading", "reading_attacks", "reading_training", "summarise", "summary_table"]
