"""A laboratory for gradient descent: which learning rate works, why, and what happens when you use it.

One function descends. A hyper-parameter given as a number is a setting; given as a list it is an axis:

>>> import optax
>>> import steepest as sd
>>> run = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=0.05, steps=300)
>>> run.verdict.item(), run.steps.item()
('converged', 195)
>>> sweep = sd.descend(
...     sd.landscapes.steep_bowl, optax.sgd, learning_rate=[0.05, 0.099, 0.101], momentum=[0.0, 0.9], steps=500
... )
>>> sweep.verdict.sel(momentum=0.0).values.tolist()
['converged', 'out of steps', 'diverged']
>>> sweep.sel(learning_rate=0.101, momentum=0.0).reason.item()
'the loss rose above its limit'

The public names; each is imported when it is first used, so that ``import steepest`` costs nothing:

* ``descend``: descends an objective with a method of optax, for one setting or for a grid of them.
* ``Descent``: what ``descend`` returns, labelled arrays of everything that happened.
* ``Stop``: when a run has converged, and when it has diverged.
* ``Verdict``: how a run ended.
* ``Reason``: why a run ended.
* ``Objective``: a loss, where it starts, and what is known of it.
* ``EmpiricalRisk``: the mean loss of a model over the rows of a table.
* ``check_gradient``: holds a hand-written gradient against autodiff.
* ``add_gradient_noise``: a method whose gradients carry Gaussian noise.
* ``add_noise_sequence``: a method whose gradients carry a given sequence of noise.
* ``diagnose``: which learning rate a loss allows, why, and whether a short run bears it out.
* ``Diagnosis``: what ``diagnose`` returns.
* ``landscapes``: the catalogue of test functions.
* ``losses``: squared error, cross-entropy, Huber.
* ``models``: linear, softmax, multi-layer perceptron.
* ``batches``: which rows each step sees.
* ``noise``: simulated gradient noise.
* ``datasets``: tables, in from files and bundled.
* ``theory``: spectra, constants, limits and rates.
* ``experiments``: many runs that answer one question.
* ``estimators``: regression and classification in scikit-learn's terms.
* ``figures``: one function a picture.
* ``report``: one HTML file that says what a fit or a diagnosis found.
* ``scale``: a store that outlives the process, a cluster, data larger than memory.
* ``open_runs``: the runs in a store.
* ``torch``: the same questions asked of a PyTorch module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steepest import (
        batches,
        datasets,
        estimators,
        experiments,
        figures,
        landscapes,
        losses,
        models,
        noise,
        report,
        scale,
        theory,
        torch,
    )
    from steepest.descent import Descent, Reason, Stop, Verdict, descend
    from steepest.diagnosis import Diagnosis, diagnose
    from steepest.gradients import check_gradient
    from steepest.noise import add_gradient_noise, add_noise_sequence
    from steepest.objectives import Objective
    from steepest.risk import EmpiricalRisk
    from steepest.scale import open_runs

    __version__: str

# Where each public name is found; a submodule is found at itself.
_HOMES: dict[str, str] = {
    "Descent": "steepest.descent",
    "Diagnosis": "steepest.diagnosis",
    "EmpiricalRisk": "steepest.risk",
    "Objective": "steepest.objectives",
    "Reason": "steepest.descent",
    "Stop": "steepest.descent",
    "Verdict": "steepest.descent",
    "add_gradient_noise": "steepest.noise",
    "add_noise_sequence": "steepest.noise",
    "batches": "steepest.batches",
    "check_gradient": "steepest.gradients",
    "datasets": "steepest.datasets",
    "descend": "steepest.descent",
    "diagnose": "steepest.diagnosis",
    "estimators": "steepest.estimators",
    "experiments": "steepest.experiments",
    "figures": "steepest.figures",
    "landscapes": "steepest.landscapes",
    "losses": "steepest.losses",
    "models": "steepest.models",
    "noise": "steepest.noise",
    "open_runs": "steepest.scale",
    "report": "steepest.report",
    "scale": "steepest.scale",
    "theory": "steepest.theory",
    "torch": "steepest.torch",
}

__all__ = [
    "Descent",
    "Diagnosis",
    "EmpiricalRisk",
    "Objective",
    "Reason",
    "Stop",
    "Verdict",
    "add_gradient_noise",
    "add_noise_sequence",
    "batches",
    "check_gradient",
    "datasets",
    "descend",
    "diagnose",
    "estimators",
    "experiments",
    "figures",
    "landscapes",
    "losses",
    "models",
    "noise",
    "open_runs",
    "report",
    "scale",
    "theory",
    "torch",
]


# Hidden from type checkers, for whom a module that answers every name has no misspelt ones.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return globals().setdefault(name, version("steepest"))
        if name not in _HOMES:
            from steepest.errors import unknown_name

            raise AttributeError(str(unknown_name("name in steepest", name, __all__)))
        home = import_module(_HOMES[name])
        return globals().setdefault(name, home if _HOMES[name] == f"steepest.{name}" else getattr(home, name))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, "__version__"})
