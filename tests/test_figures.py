"""Figures show what they are given, refuse what they cannot show, and leave matplotlib as found."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import optax
import pytest
from matplotlib.colors import to_hex
from PIL import Image

import steepest as sd
from steepest import figures
from steepest.descent.showing import VERDICT_COLOURS
from steepest.figures.style import is_logarithmic

landscapes = sd.landscapes
FREE = sd.Stop(gradient_norm=None)


@pytest.fixture(scope="module")
def runs():
    stop = sd.Stop(gradient_norm=None, parameter_norm=100)
    return sd.descend(landscapes.steep_bowl, optax.sgd, learning_rate=[0.005, 0.04, 0.09, 0.105], steps=50, stop=stop)


@pytest.fixture(scope="module")
def grid():
    rates, momenta = np.geomspace(1e-3, 1, 12), np.linspace(0, 0.9, 5)
    return sd.descend(landscapes.steep_bowl, optax.sgd, learning_rate=rates, momentum=momenta, steps=200)


def lines(figure, width):
    return [line for line in figure.axes[0].lines if line.get_linestyle() == "-" and len(line.get_xdata()) >= width]


def test_a_run_that_leaves_the_window_ends_at_its_edge_in_a_cross():
    runs = sd.descend(landscapes.steep_bowl, optax.sgd, learning_rate=[0.09, 0.101], steps=40)
    axes = figures.contour(runs).axes[0]
    (cross,) = (line for line in axes.lines if line.get_marker() == "X")
    assert abs(cross.get_ydata()[0]) == pytest.approx(3.0)  # w2 grows by 1.02 a step from 2.5, past the edge at 3
    drawn = [line for line in axes.lines if line.get_linestyle() == "-" and line.get_color() == cross.get_color()]
    assert drawn[0].get_xydata()[-1] == pytest.approx(cross.get_xydata()[0])


def test_a_contour_draws_every_path_within_its_window(runs):
    figure = figures.contour(runs)
    axes = figure.axes[0]
    assert axes.get_xlim() == landscapes.steep_bowl.window[0]
    assert axes.get_ylim() == landscapes.steep_bowl.window[1]
    drawn = lines(figure, 3)
    assert len(drawn) == 4
    # 2.5 is multiplied by 1 - 0.105 · 20 = -1.1 a step: out of the window at the second.
    np.testing.assert_allclose(drawn[3].get_ydata(), [2.5, -2.75, 3.0])
    for place in range(3):
        np.testing.assert_array_equal(np.column_stack(drawn[place].get_data()), runs.isel(learning_rate=place).path)
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words[0] == r"$\eta$ = 0.005"
    assert words[3] == r"$\eta$ = 0.105 (diverges)"
    assert words[-1] == "global minimum"


def test_long_paths_are_thinned_but_keep_both_ends():
    run = sd.descend(landscapes.steep_bowl, optax.sgd, learning_rate=1e-3, steps=5000, stop=FREE)
    (line,) = lines(figures.contour(run), 100)
    assert len(line.get_xdata()) <= 600
    np.testing.assert_array_equal([line.get_xdata()[0], line.get_xdata()[-1]], run.path[[0, -1], 0])


def test_loss_curves_draw_the_losses_and_mark_divergence(runs):
    figure = figures.loss_curves(runs)
    drawn = lines(figure, 2)
    assert len(drawn) == 4
    np.testing.assert_array_equal(drawn[1].get_ydata(), runs.loss[1])
    assert len(drawn[3].get_ydata()) == runs.steps[3] + 1
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "X"]
    assert [line.get_xdata()[0] for line in crosses] == [runs.steps[3].item()]


def test_many_curves_have_a_colour_bar_instead_of_a_legend(grid):
    figure = figures.loss_curves(grid.isel(momentum=0))
    assert figure.axes[0].get_legend() is None
    assert figure.axes[1].get_ylabel() == r"learning rate $\eta$"


def test_bars_are_as_long_as_the_runs_and_say_how_they_ended(runs):
    axes = figures.verdict_bars(runs).axes[0]
    assert [bar.get_height() for bar in axes.patches] == runs.steps.values.tolist()
    assert [to_hex(bar.get_facecolor()).upper() for bar in axes.patches] == [
        VERDICT_COLOURS[v] for v in runs.verdict.values
    ]
    assert "DIVERGED\nat 39" in [text.get_text() for text in axes.texts]


def test_a_verdict_map_has_the_colour_of_every_verdict(grid):
    figure = figures.verdict_map(grid)
    axes = figure.axes[0]
    codes = axes.collections[0].get_array().reshape(5, 12)
    kinds = list(VERDICT_COLOURS)
    expected = [
        [kinds.index(str(verdict)) for verdict in row]
        for row in grid.verdict.transpose("momentum", "learning_rate").values
    ]
    np.testing.assert_array_equal(codes, expected)
    assert axes.get_xscale() == "log"
    assert axes.get_yscale() == "linear"
    assert {text.get_text() for text in axes.get_legend().get_texts()} == set(np.unique(grid.verdict))


def test_a_sweep_keeps_diverged_runs_at_the_edge(grid):
    one = grid.isel(momentum=0)
    axes = figures.sweep(one, chosen=0.05).axes[0]
    by_label = {line.get_label(): line for line in axes.lines}
    lost = (one.verdict == "diverged").values
    np.testing.assert_array_equal(by_label["diverged"].get_xdata(), one.dataset.learning_rate[lost])
    assert (by_label["diverged"].get_ydata() == 1).all()
    kept = one.verdict == "converged"
    np.testing.assert_array_equal(by_label["converged"].get_ydata(), one.final_loss[kept.values])
    assert by_label["chosen: 0.05"].get_xdata()[0] == 0.05


def test_a_curve_shows_starts_and_ends():
    starts = np.linspace(-5, 5, 7)[:, None]
    wells = sd.descend(landscapes.wells, optax.sgd, learning_rate=0.02, start=starts, steps=300)
    by_label = {line.get_label(): line for line in figures.curve(wells).axes[0].lines}
    np.testing.assert_array_equal(by_label["start"].get_xdata(), starts[:, 0])
    np.testing.assert_allclose(by_label["end"].get_xdata(), wells.params[:, 0])
    np.testing.assert_allclose(by_label["end"].get_ydata(), wells.final_loss, rtol=1e-12)


def test_fits_are_the_lines_learnt():
    data = sd.datasets.chapter_regression()
    risk = sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, data.x, data.y)
    run = sd.descend(risk, optax.sgd, learning_rate=[0.1, 0.5], epochs=30)
    figure = figures.linear_fits(run, data.x, data.y, truth=lambda x: 3 * x + 2)
    fitted = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert len(fitted) == 3
    x, y = fitted[1].get_data()
    np.testing.assert_allclose(y, x * run.params["weight"][1] + run.params["bias"][1])


def test_panels_surface_and_animation(runs, tmp_path):
    assert len(figures.panels(runs).axes) == 4
    axes = figures.surface(runs).axes[0]
    assert len(axes.lines) == 4
    path = np.column_stack(axes.lines[1].get_data_3d())
    np.testing.assert_allclose(path[:, :2], runs.isel(learning_rate=1).path)
    with Image.open(figures.animate(runs.isel(learning_rate=slice(0, 2)), tmp_path / "a.gif", frames=5)) as moving:
        assert moving.n_frames == 5


def test_learning_curves_are_of_training_and_validation():
    x = np.linspace(-1, 1, 20)[:, None]
    risks = [sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x + k, x[:, 0]) for k in (0, 1)]
    run = sd.descend(risks[0], optax.sgd, learning_rate=0.1, epochs=10, record={"validation_loss": risks[1]})
    axes = figures.learning_curves(run, run).axes[0]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), run.dataset["validation_loss"])


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_saving_leaves_the_settings_of_matplotlib_alone(runs, tmp_path, suffix):
    before = dict(mpl.rcParams)
    file = figures.save(figures.contour(runs), tmp_path / "deep" / f"f{suffix}", dpi=40)
    assert file.stat().st_size > 1000
    assert dict(mpl.rcParams) == before


def test_a_run_in_single_precision_and_one_that_stands_still():
    still = sd.descend(landscapes.bowl, optax.sgd, learning_rate=0.1, start=[0.0, 0.0], steps=5)
    figures.contour(still)
    figures.loss_curves(still)
    single = sd.descend(landscapes.bowl, optax.sgd, learning_rate=0.05, steps=5, dtype="float32")
    figures.contour(single)


def test_scales_are_logarithmic_where_the_values_are():
    assert is_logarithmic(np.geomspace(1e-4, 1, 5))
    assert is_logarithmic([1e-3, 1e-2, 1e-1, 1.0, 10.0])
    assert not is_logarithmic(np.linspace(0.1, 0.9, 9))
    assert not is_logarithmic([0.0, 0.1, 1.0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda runs, grid: figures.verdict_map(runs), "two axes, got learning_rate"),
        (lambda runs, grid: figures.verdict_bars(grid), "one axis, got learning_rate, momentum"),
        (lambda runs, grid: figures.sweep(runs, "los"), "one number a run, got 'los'"),
        (lambda runs, grid: figures.contour(landscapes.wells), "two parameters, got 1"),
        (lambda runs, grid: figures.curve(runs), "one parameter, got 2"),
        (lambda runs, grid: figures.contour(landscapes.rastrigin.in_dimensions(3)), "two parameters, got 3"),
        (lambda runs, grid: figures.contour(landscapes.quadratic(np.eye(2))), "no window of its own"),
        (lambda runs, grid: figures.contour([]), "what descend returned"),
        (lambda runs, grid: figures.loss_curves(runs, value="accuracy"), "one of loss, gradient_norm"),
        (lambda runs, grid: figures.contour(runs, labels=["one"]), "one for each of 4 runs, got 1"),
        (lambda runs, grid: figures.save(figures.contour(runs), "f.jpg"), "unknown figure format '.jpg'"),
        (lambda runs, grid: figures.animate(runs, "f.mp4"), "unknown animation format"),
        (lambda runs, grid: figures.learning_curves(runs), "of one run, got 4"),
    ],
)
def test_what_is_refused(runs, grid, call, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        call(runs, grid)
    assert words in str(caught.value)


# Theory and experiments


@pytest.fixture(scope="module")
def landscape_figures():
    from steepest import experiments, theory

    runs = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=[0.02, 0.21], steps=40)
    steep = theory.spectrum(sd.landscapes.steep_bowl)
    many = theory.spectrum(sd.landscapes.rosenbrock.in_dimensions(30), dense_limit=0)
    return {
        "spectrum": lambda **ax: sd.figures.spectrum(steep, learning_rate=0.09, **ax),
        "spectrum of few": lambda **ax: sd.figures.spectrum(many, **ax),
        "density": lambda **ax: sd.figures.spectral_density(
            theory.spectral_density(sd.landscapes.rosenbrock.in_dimensions(30)), **ax
        ),
        "sharpness": lambda **ax: sd.figures.sharpness(theory.sharpness(runs), **ax),
        "critical points": lambda **ax: sd.figures.critical_points(
            theory.critical_points(sd.landscapes.rippled_bowl), **ax
        ),
        "basins": lambda **ax: sd.figures.basins(
            experiments.basins(sd.landscapes.himmelblau, learning_rate=0.01, resolution=30), **ax
        ),
        "basins of a line": lambda **ax: sd.figures.basins(
            experiments.basins(sd.landscapes.wells, learning_rate=0.02, resolution=50), **ax
        ),
        "many starts": lambda **ax: sd.figures.multistart(
            experiments.multistart(sd.landscapes.himmelblau, learning_rate=0.01), **ax
        ),
        "bounds": lambda **ax: sd.figures.bounds(theory.compare(runs), **ax),
        "methods": lambda **ax: sd.figures.method_comparison(
            experiments.compare_methods(sd.landscapes.bowl, steps=20, budget=3, tuning_seeds=1, seeds=3), **ax
        ),
    }


@pytest.mark.parametrize(
    "name",
    [
        "spectrum", "spectrum of few", "density", "sharpness", "critical points", "basins", "basins of a line",
        "many starts", "bounds", "methods",
    ],
)  # fmt: skip
def test_figures_of_theory_are_labelled_and_draw_into_axes_given(landscape_figures, name, tmp_path):
    draw = landscape_figures[name]
    figure = draw()
    axes = figure.axes[0]
    assert axes.get_title()
    assert axes.get_xlabel()
    assert sd.figures.save(figure, tmp_path / "figure.png").stat().st_size > 5_000
    sheet, (left, _) = sd.figures.sheet()
    assert draw(ax=left) is sheet
    assert left.has_data()


def test_basins_are_coloured_by_the_minimum_they_lead_to(landscape_figures):
    figure = landscape_figures["basins"]()
    mesh = figure.axes[0].collections[0]
    assert len(np.unique(mesh.get_array())) == 4
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert sum("to (" in words for words in legend) == 4


def test_a_bound_is_drawn_only_where_there_is_one(landscape_figures):
    axes = landscape_figures["bounds"]().axes[0]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert len(axes.lines) == 3
    assert len(dashed) == 1
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert any("diverges as predicted" in each for each in words)


def test_too_many_runs_for_a_figure_of_theory_are_refused():
    runs = sd.descend(sd.landscapes.bowl, optax.sgd, learning_rate=np.linspace(0.01, 0.1, 9), steps=5)
    with pytest.raises(ValueError, match="up to 8 runs"):
        sd.figures.bounds(sd.theory.compare(runs))
    with pytest.raises(ValueError, match="up to 8 runs"):
        sd.figures.sharpness(sd.theory.sharpness(runs))
    far = sd.experiments.multistart(
        sd.landscapes.rosenbrock.in_dimensions(3), learning_rate=1e-3, starts=np.zeros((2, 3)), steps=5
    )
    with pytest.raises(ValueError, match="one or two parameters, got 3"):
        sd.figures.multistart(far)
