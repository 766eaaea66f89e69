"""Section 15.8: the summary table measured, each method's cost a step and its rate against the bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import optax
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import steepest as sd
from steepest.chapter.report import Program
from steepest.figures.style import PALETTE, legend, style
from steepest.objectives import bound as bound_to

FREE = sd.Stop(gradient_norm=None)
BATCH = 32
SEEDS = range(100)
STEPS = 2000
LATER = 20  # the schedule begins so many steps later, so that the first do not leap
HORIZONS = np.array([100, 200, 400, 800, 1600])


def programs() -> list[Program]:
    """Rates fitted to runs beside those of the table, and no run above its bound: ``convergence_rates.png``."""
    costs, sublinear, linear, average, noisy = rows_a_step(), batch_convex(), batch_strong(), averaged(), stochastic()
    ratio = float(np.mean(noisy[1]["curve"][200:] / noisy[BATCH]["curve"][200:]))
    measured = {
        "batch descent, convex: exponent of t": sublinear["exponent"],
        "SGD averaged, convex: exponent of t": average["exponent"],
        "SGD 1/(μt), strongly convex: exponent of t": noisy[1]["exponent"],
        f"batches of {BATCH}, strongly convex: exponent of t": noisy[BATCH]["exponent"],
        "squared distance, single rows over batches": ratio,
    }
    expected = {
        "batch descent, convex: exponent of t": -1.0,
        "SGD averaged, convex: exponent of t": -0.5,
        "SGD 1/(μt), strongly convex: exponent of t": -1.0,
        f"batches of {BATCH}, strongly convex: exponent of t": -1.0,
        "squared distance, single rows over batches": float(BATCH),
    }
    outcomes = {
        "batch descent, convex": sublinear["outcome"],
        "batch descent, strongly convex": linear["outcome"],
        "SGD averaged": average["outcome"],
        "SGD 1/(μt)": noisy[1]["outcome"],
    }
    factor = "batch descent, strongly convex: factor a step"
    held = {"bound": outcomes, factor: linear["measured"]}
    promised = {"bound": dict.fromkeys(outcomes, "holds"), factor: linear["predicted"]}
    picture = {"convergence_rates.png": figure(sublinear, linear, average, noisy)}
    return [
        Program("15.8 rows a step", {}, costs, book={"batch": 200, "SGD": 1, "mini-batch": BATCH}),
        Program("15.8 bounds", {}, held, book=promised, tolerance=1e-3),
        # Exponents of noisy curves, over a finite stretch.
        Program("15.8 rates", picture, measured, book=expected, tolerance=0.2),
    ]


def line() -> sd.EmpiricalRisk:
    """The chapter's regression: strongly convex."""
    data = sd.datasets.chapter_regression()
    return sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, data.x, data.y)


def rows_a_step() -> dict[str, int]:
    """Rows whose gradient one step takes."""
    rows = line().rows
    plans = {"batch": None, "SGD": sd.batches.as_plan(1), "mini-batch": sd.batches.as_plan(BATCH)}
    return {name: rows if plan is None else plan.width for name, plan in plans.items()}


def fitted(steps: NDArray[Any], curve: NDArray[Any]) -> float:
    """Exponent of t by least squares in the logarithms."""
    return float(np.polyfit(np.log(steps), np.log(curve), 1)[0])


def batch_convex() -> dict[str, Any]:
    """Two classes that a line separates: the loss tends to zero, but no faster than 1/t."""
    x = np.linspace(-2, 2, 20)[:, None] + 0.3 * np.sign(np.linspace(-2, 2, 20))[:, None]
    risk = sd.EmpiricalRisk(sd.models.softmax, sd.losses.softmax_cross_entropy, x, (x[:, 0] > 0).astype(int))
    constants = sd.theory.constants(risk)
    rate = 1 / constants.smoothness
    run = sd.descend(risk, optax.sgd, learning_rate=rate, steps=50_000, every=50, stop=FREE, path=True)
    steps, excess = run.dataset.step.values, run.loss.values
    # There is no minimiser; the bound is that of any point u, f(w_t) ≤ f(u) + ‖u‖²/(2ηt), at its best along a ray.
    direction = run.params["weight"] / np.linalg.norm(run.params["weight"])
    sizes = np.geomspace(1, 300, 60)
    heights = np.array([risk({"weight": size * direction, "bias": np.zeros(2)}) for size in sizes])
    bound = np.min(heights + sizes**2 / (2 * rate * np.maximum(steps, 1)[:, None]), axis=1)
    late = steps > 5000
    return {"steps": steps, "curve": excess, "bound": bound, "exponent": fitted(steps[late], excess[late]),
            "outcome": "holds" if (excess[1:] <= bound[1:]).all() else "violated"}  # fmt: skip


def batch_strong() -> dict[str, Any]:
    """The chapter's regression at its best rate."""
    constants = sd.theory.constants(line())
    rate = 0.3 * sd.theory.best_learning_rate(constants.smoothness, constants.strong_convexity)
    run = sd.descend(line(), optax.sgd, learning_rate=rate, steps=60, stop=FREE)
    found = sd.theory.compare(run).dataset
    return {"steps": run.dataset.step.values, "curve": found.excess.values, "bound": found.bound.values,
            "predicted": float(found.predicted_factor), "measured": float(found.measured_factor),
            "outcome": str(found.outcome.item())}  # fmt: skip


def averaged() -> dict[str, Any]:
    """For each horizon T the loss that is hardest at it, |w|/√T, with noisy gradients: none does better than 1/√T.

    At a fixed slope the noise would average out faster; the bound is met by no single loss but by this family
    (Agarwal et al. 2012, theorem 1).
    """
    curve, bounds = [], []
    for horizon in HORIZONS:
        slope = float(horizon) ** -0.5
        kink = sd.Objective(bound_to(_sloped, slope), start=[1.0], smooth=False, name="|w|/√T")
        runs = sd.descend(kink, _noisy, seed=list(SEEDS), steps=int(horizon), average=True, stop=FREE)
        curve.append(slope * float(np.abs(runs.average[:, 0]).mean()))
        far, steepest = float(np.nanmax(np.abs(runs.path.values))), (1 + slope**2) ** 0.5
        bound = sd.theory.averaged_sgd_bound(horizon, learning_rate=1.0, distance=far, gradient_bound=steepest)
        bounds.append(float(bound))
    below = np.array(curve) <= np.array(bounds)
    return {
        "steps": HORIZONS,
        "curve": np.array(curve),
        "bound": np.array(bounds),
        "exponent": fitted(HORIZONS, np.array(curve)),
        "outcome": "holds" if below.all() else "violated",
    }


def _sloped(slope: Any, w: Any) -> Any:
    return slope * abs(w[0])


def _noisy(seed: Any) -> optax.GradientTransformation:
    return optax.chain(sd.add_gradient_noise(1.0, seed), optax.sgd(lambda count: 1.0 / (count + 1.0) ** 0.5))


def stochastic() -> dict[int, dict[str, Any]]:
    """The chapter's regression with 1/(μt) and rows drawn with replacement: squared distance to the minimiser.

    The mean over the seeds. The runs start at the minimiser: what is left is the noise alone, and not how far away the
    start was.
    """
    risk = line()
    strong = sd.theory.constants(risk).strong_convexity
    optimum = sd.theory.optimum_of(risk).params[0]
    target = np.append(optimum["bias"], optimum["weight"])

    def schedule(count: Any) -> Any:
        return 1.0 / (strong * (count + 1.0 + LATER))

    found = {}
    for size in (1, BATCH):
        runs = sd.descend(
            risk, optax.sgd, learning_rate=schedule, batch_size=sd.batches.with_replacement(size), start=optimum,
            seed=list(SEEDS), steps=STEPS, every=5, path=True, stop=FREE, progress=False,
        )  # fmt: skip
        squares = ((runs.path.values - target) ** 2).sum(axis=-1).mean(axis=0)
        steps = runs.dataset.step.values
        largest = sd.theory.constants(risk).largest_row_smoothness
        assert largest is not None
        # ‖∇fᵢ(w)‖ ≤ ‖∇fᵢ(w*)‖ + L_max ‖w − w*‖, squared and averaged over the rows.
        noise = sd.theory.sampling(risk).noise
        gradient = np.sqrt(noise) + largest * np.sqrt(squares.max())
        # The induction of the lemma goes through from t = 20, as nothing is above the bound there.
        bound = sd.theory.strongly_convex_sgd_bound(
            steps + LATER, strong_convexity=strong, gradient_bound=float(gradient)
        )
        late = steps >= 200
        found[size] = {"steps": steps, "curve": squares, "bound": bound,
                       "exponent": fitted(steps[late] + LATER, squares[late]),
                       "outcome": "holds" if (squares <= bound).all() else "violated"}  # fmt: skip
    return found


def figure(sublinear: Any, linear: Any, average: Any, noisy: Any) -> Figure:
    """Left where nothing more than convexity is known, right where the loss is strongly convex."""
    whole, (left, right) = sd.figures.sheet()
    draw(left, sublinear, PALETTE[0], "batch descent, logistic loss: 1/t")
    draw(left, average, PALETTE[1], r"SGD averaged, the hardest for each t: $1/\sqrt{t}$")
    draw(right, linear, PALETTE[0], r"batch descent: $\rho^t$")
    draw(right, noisy[1], PALETTE[1], r"single rows, $1/(\mu t)$: 1/t")
    draw(right, noisy[BATCH], PALETTE[2], f"batches of {BATCH}: 1/t, {BATCH} times lower", bound=False)
    with style():
        left.set(xlabel="step", ylabel="loss above the minimum", title="Convex (dashed: the bounds)")
        right.set(xlabel="step", ylabel="loss above the minimum, or squared distance")
        right.set_title("Strongly convex (dashed: the bounds)")
        right.set_ylim(1e-8, 1e4)
        for axes in (left, right):
            axes.set(xscale="log", yscale="log")
            legend(axes, columns=2)
    return whole


def draw(axes: Axes, part: Any, shade: str, words: str, bound: bool = True) -> None:
    """A measured curve and its bound."""
    with style():
        there = part["steps"] > 0
        axes.plot(part["steps"][there], part["curve"][there], color=shade, label=words)
        if bound:
            axes.plot(part["steps"][there], part["bound"][there], color=shade, linestyle="--", linewidth=1.3)
