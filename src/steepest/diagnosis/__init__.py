"""Diagnosis: what to know of a loss before descending it, and what a short run shows."""

from steepest.diagnosis.door import diagnose
from steepest.diagnosis.findings import Finding
from steepest.diagnosis.judgement import Judgement
from steepest.diagnosis.result import Diagnosis
from steepest.diagnosis.trial import Trial

__all__ = ["Diagnosis", "Finding", "Judgement", "Trial", "diagnose"]
