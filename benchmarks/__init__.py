"""How fast descent is, side by side with other ways of doing the same: ``python -m benchmarks``.

One module a task: :mod:`benchmarks.rosenbrock`, :mod:`benchmarks.sweep` and :mod:`benchmarks.sgd`. The programs of a
task compute the same numbers, which is checked and printed before anything is timed.
"""
