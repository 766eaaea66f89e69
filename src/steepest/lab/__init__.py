"""The lab: a page on this machine where descent is run by hand, with the real engine behind it.

``problem`` and ``method`` are what the code that the page exports is made of.
"""

from steepest.lab.methods import method
from steepest.lab.problems import Problem, problem

__all__ = ["Problem", "method", "problem"]
