"""What a run's scores are worth. Reads score files and run folders only."""

from helpers.evaluation.summary import summarise, summary_table

__all__ = ["summarise", "summary_table"]
