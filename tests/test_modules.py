"""Modules of Equinox and Flax NNX as models: the same numbers as theirs, and never changed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import steepest as sd

ROWS = np.random.default_rng(0).normal(size=(40, 3))
CLASSES = (ROWS @ [1.0, 2.0, -1.0] > 0).astype(int)


def cross_entropy(logits: Any) -> float:
    return float(optax.softmax_cross_entropy_with_integer_labels(jnp.asarray(logits), CLASSES).mean())


def equinox_mlp() -> Any:
    eqx = pytest.importorskip("equinox")
    return eqx.nn.MLP(3, 2, 8, 1, activation=jnp.tanh, key=jax.random.key(0))


def nnx_mlp() -> Any:
    nnx = pytest.importorskip("flax.nnx")
    rngs = nnx.Rngs(0)
    return nnx.Sequential(nnx.Linear(3, 8, rngs=rngs), jnp.tanh, nnx.Linear(8, 2, rngs=rngs))


def outputs(module: Any) -> Any:
    """What the module makes of the rows when its own library runs it, in float32."""
    x = jnp.asarray(ROWS, jnp.float32)
    return jax.vmap(module)(x) if type(module).__module__.startswith("equinox") else module(x)


def matrices(module: Any) -> list[np.ndarray]:
    """Weights and biases layer by layer, as ours has them."""
    layers = module.layers if hasattr(module, "activation") else [module.layers[0], module.layers[2]]
    if hasattr(layers[0], "kernel"):
        return [np.asarray(leaf[...]) for layer in layers for leaf in (layer.kernel, layer.bias)]
    return [np.asarray(leaf) for layer in layers for leaf in (layer.weight.T, layer.bias)]


def leaves_of(module: Any) -> list[Any]:
    return [np.array(leaf) for leaf in jax.tree.leaves(module) if isinstance(leaf, jax.Array)]


MODULES = pytest.mark.parametrize("made", [equinox_mlp, nnx_mlp], ids=["equinox", "nnx"])


@MODULES
def test_a_module_is_descended_like_our_mlp_with_the_same_weights(made):
    module = made()
    risk = sd.EmpiricalRisk(module, sd.losses.softmax_cross_entropy, ROWS, CLASSES, l2=0.01)
    weights = matrices(module)
    start = [{"weight": weights[at], "bias": weights[at + 1]} for at in (0, 2)]
    ours = sd.EmpiricalRisk(
        sd.models.mlp((8,), "tanh"), sd.losses.softmax_cross_entropy, ROWS, CLASSES, l2=0.01, start=start
    )
    assert risk(risk.model.start) == pytest.approx(ours(start), rel=1e-14)
    # Of the term too: biases are not in it.
    assert sd.theory.spectrum(risk).largest.value == pytest.approx(sd.theory.spectrum(ours).largest.value, rel=1e-12)
    settings = {"learning_rate": [0.1, 0.5], "batch_size": [8, None], "steps": 20}
    found, expected = (sd.descend(each, optax.sgd, **settings) for each in (risk, ours))
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-12)
    noise = sd.theory.gradient_noise_scale(risk).simple
    assert noise == pytest.approx(sd.theory.gradient_noise_scale(ours).simple, rel=1e-12)


@MODULES
def test_its_start_is_what_it_holds_and_trained_parameters_go_back_into_one_like_it(made):
    module = made()
    before, structure = leaves_of(module), repr(module)
    risk = sd.EmpiricalRisk(module, sd.losses.softmax_cross_entropy, ROWS, CLASSES)
    assert risk(risk.model.start) == pytest.approx(cross_entropy(outputs(module)), rel=1e-6)
    run = sd.descend(risk, optax.sgd, learning_rate="auto", steps=30)
    trained = risk.model.module(run.params)
    assert type(trained) is type(module)
    assert {leaf.dtype for leaf in leaves_of(trained)} == {np.dtype("float32")}
    assert cross_entropy(outputs(trained)) == pytest.approx(run.final_loss.item(), rel=1e-5)
    assert run.final_loss.item() < run.loss[0].item()
    for old, new in zip(before, leaves_of(module), strict=True):
        np.testing.assert_array_equal(old, new)
    assert repr(module) == structure


@MODULES
def test_diagnose_takes_it(made):
    found = sd.diagnose(sd.EmpiricalRisk(made(), sd.losses.softmax_cross_entropy, ROWS, CLASSES), steps=50)
    assert found.objective.endswith("50 parameters")
    assert found.learning_rate > 0
    assert not found.certain


@MODULES
def test_parameters_of_many_runs_are_not_those_of_one(made):
    risk = sd.EmpiricalRisk(made(), sd.losses.softmax_cross_entropy, ROWS, CLASSES)
    sweep = sd.descend(risk, optax.sgd, learning_rate=[0.1, 0.5], steps=2)
    with pytest.raises(ValueError, match=r"sweep.best\(\).params"):
        risk.model.module(sweep.params)
    assert risk.model.module(sweep.best().params) is not None
    with pytest.raises(ValueError, match="structure and shapes"):
        risk.model.module({"weight": np.ones(3)})


@MODULES
def test_its_runs_are_kept_in_a_store(made, tmp_path):
    risk = sd.EmpiricalRisk(made(), sd.losses.softmax_cross_entropy, ROWS, CLASSES)
    call = {"learning_rate": [0.1, 0.5], "steps": 5, "progress": False}
    stored = sd.descend(risk, optax.sgd, store=tmp_path / "runs.zarr", **call)
    plain = sd.descend(risk, optax.sgd, **call)
    np.testing.assert_array_equal(stored.loss, plain.loss)
    np.testing.assert_array_equal(sd.open_runs(tmp_path / "runs.zarr").final_loss, plain.final_loss)
    again = sd.descend(risk, optax.sgd, store=tmp_path / "runs.zarr", **call)
    np.testing.assert_array_equal(again.loss, plain.loss)


@MODULES
def test_features_that_do_not_fit_are_told_in_a_sentence(made):
    with pytest.raises(ValueError, match=r"cannot be applied to x of shape \(40, 2\)"):
        sd.EmpiricalRisk(made(), sd.losses.softmax_cross_entropy, ROWS[:, :2], CLASSES)
    with pytest.raises(TypeError, match="give an instance"):
        sd.EmpiricalRisk(type(made()), sd.losses.softmax_cross_entropy, ROWS, CLASSES)


# Equinox


def test_equinox_layers_are_in_inference_mode_and_those_of_a_state_need_it():
    eqx = pytest.importorskip("equinox")

    class Net(eqx.Module):
        first: Any
        norm: Any
        drop: Any
        last: Any

        def __init__(self, key: Any) -> None:
            keys = jax.random.split(key)
            self.first, self.last = eqx.nn.Linear(3, 8, key=keys[0]), eqx.nn.Linear(8, 2, key=keys[1])
            self.norm, self.drop = eqx.nn.BatchNorm(8, axis_name="batch", mode="batch"), eqx.nn.Dropout(0.5)

        def __call__(self, row: Any, state: Any) -> Any:
            hidden, state = self.norm(self.first(row), state)
            return self.last(self.drop(jnp.tanh(hidden))), state

    module, state = eqx.nn.make_with_state(Net)(jax.random.key(1))
    # Statistics to speak of, as training would leave behind.
    first = jax.vmap(module.first)(jnp.asarray(ROWS, jnp.float32))
    _, state = jax.vmap(module.norm, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(first, state)
    with pytest.raises(ValueError, match=r"equinox\(module, state=state\)"):
        sd.EmpiricalRisk(module, sd.losses.softmax_cross_entropy, ROWS, CLASSES)
    model = sd.models.equinox(module, state=state)
    risk = sd.EmpiricalRisk(model, sd.losses.softmax_cross_entropy, ROWS, CLASSES)
    still = eqx.nn.inference_mode(module)
    expected = cross_entropy(jax.vmap(lambda row: still(row, state)[0])(jnp.asarray(ROWS, jnp.float32)))
    assert risk(model.start) == pytest.approx(expected, rel=1e-5)
    assert sd.descend(risk, optax.sgd, learning_rate=0.1, steps=20).final_loss < expected
    # What comes back is in the mode of the module given.
    assert not model.module(model.start).drop.inference


def test_an_equinox_module_of_whole_batches_is_wrapped():
    eqx = pytest.importorskip("equinox")

    class Whole(eqx.Module):
        weight: Any

        def __call__(self, x: Any) -> Any:
            return (x - x.mean(axis=0, keepdims=True)) @ self.weight

    module = Whole(jnp.ones(3))
    model = sd.models.equinox(module, by_row=False)
    risk = sd.EmpiricalRisk(model, sd.losses.mean_squared_error, ROWS, CLASSES.astype(float))
    expected = 0.5 * np.mean(((ROWS - ROWS.mean(axis=0)).sum(axis=1) - CLASSES) ** 2)
    assert risk(model.start) == pytest.approx(expected, rel=1e-12)


def test_a_function_wrapped_by_equinox_stays_a_function():
    eqx = pytest.importorskip("equinox")
    line = eqx.filter_jit(lambda params, x: x @ params)
    risk = sd.EmpiricalRisk(line, sd.losses.mean_squared_error, ROWS, CLASSES.astype(float), start=np.zeros(3))
    assert risk.model is line
    assert risk(np.zeros(3)) == pytest.approx(0.5 * CLASSES.mean())


def test_an_equinox_module_without_arrays_has_nothing_to_train():
    eqx = pytest.importorskip("equinox")
    with pytest.raises(ValueError, match="nothing to train"):
        sd.models.equinox(eqx.nn.Identity())
    with pytest.raises(TypeError, match=r"takes an equinox\.Module"):
        sd.models.equinox(len)


# Flax NNX


def test_nnx_statistics_and_generators_are_read_and_stay_as_found():
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs: Any) -> None:
            self.first, self.last = nnx.Linear(3, 8, rngs=rngs), nnx.Linear(8, 2, rngs=rngs)
            self.norm, self.drop = nnx.BatchNorm(8, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.last(self.drop(jnp.tanh(self.norm(self.first(x)))))

    module = Net(nnx.Rngs(0))
    module(jnp.asarray(ROWS, jnp.float32))  # in train mode: statistics to speak of
    held = jax.tree.map(np.array, nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngState))))
    drawn = module.drop.rngs.count[...].item()
    risk = sd.EmpiricalRisk(module, sd.losses.softmax_cross_entropy, ROWS, CLASSES)
    assert set(risk.model.start) == {"first", "last", "norm"}
    assert set(risk.model.start["norm"]) == {"scale", "bias"}
    twin = nnx.clone(module)
    twin.eval()
    assert risk(risk.model.start) == pytest.approx(cross_entropy(twin(jnp.asarray(ROWS, jnp.float32))), rel=1e-5)
    run = sd.descend(risk, optax.sgd, learning_rate=0.1, steps=20)
    trained = risk.model.module(run.params)
    # The running statistics are those of the module given; so is its mode.
    np.testing.assert_array_equal(trained.norm.mean[...], module.norm.mean[...])
    assert not trained.drop.deterministic
    trained.eval()
    assert cross_entropy(trained(jnp.asarray(ROWS, jnp.float32))) == pytest.approx(run.final_loss.item(), rel=1e-5)
    after = nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngState)))
    assert jax.tree.all(jax.tree.map(np.array_equal, held, after))
    assert module.drop.rngs.count[...].item() == drawn
    assert not module.norm.use_running_average


def test_nnx_parameters_that_are_shared_are_one():
    nnx = pytest.importorskip("flax.nnx")

    class Tied(nnx.Module):
        def __init__(self, rngs: Any) -> None:
            self.first = nnx.Linear(3, 3, use_bias=False, rngs=rngs)
            self.second = self.first

        def __call__(self, x: Any) -> Any:
            return self.second(jnp.tanh(self.first(x)))

    risk = sd.EmpiricalRisk(Tied(nnx.Rngs(0)), sd.losses.softmax_cross_entropy, ROWS, CLASSES)
    assert sd.theory.spectrum(risk).size == 9
    trained = risk.model.module({"first": {"kernel": np.eye(3)}})
    np.testing.assert_array_equal(trained.second.kernel[...], np.eye(3))


def test_an_nnx_module_without_parameters_has_nothing_to_train():
    nnx = pytest.importorskip("flax.nnx")
    with pytest.raises(ValueError, match="nothing to train"):
        sd.models.nnx(nnx.Dropout(0.5, rngs=nnx.Rngs(0)))
    with pytest.raises(TypeError, match=r"takes a flax\.nnx\.Module"):
        sd.models.nnx(len)


def test_neither_library_is_imported_where_none_is_used():
    code = """
import sys
import numpy as np
import steepest as sd
sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, np.ones((3, 2)), np.ones(3))
print(sorted({"equinox", "flax", "torch"} & set(sys.modules)))
sys.modules["equinox"] = None
try:
    sd.models.equinox(None)
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "equinox is not installed; install it with: pip install equinox"]
