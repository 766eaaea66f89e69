"""Descent: settings and axes become compiled programs, programs run in blocks, outcomes become labelled arrays."""

from steepest.descent.door import descend
from steepest.descent.result import Descent
from steepest.descent.stops import Reason, Stop, Verdict

__all__ = ["Descent", "Reason", "Stop", "Verdict", "descend"]
