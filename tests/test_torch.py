"""A PyTorch module's sharpness, noise scale and learning rate against closed forms, against ours, and left as found."""

from __future__ import annotations

import copy
import functools
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

import steepest as sd

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from steepest.torch.batches import Batches  # noqa: E402
from steepest.torch.diagnosing import _batch_size  # noqa: E402
from steepest.torch.noise import Units, noise_of  # noqa: E402
from steepest.torch.trial import noise_allowance  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors this small take far longer on several threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def half_squares(outputs: Any, y: Any) -> Any:
    """``sd.losses.mean_squared_error`` in PyTorch."""
    return 0.5 * nn.functional.mse_loss(outputs.squeeze(-1), y)


def table(rows: int = 60, features: int = 5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    x = generator.normal(size=(rows, features)) * np.linspace(0.5, 2, features)
    return x, x @ generator.normal(size=features) + generator.normal(size=rows)


def tensors(x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    return torch.tensor(x), torch.tensor(y)


def classes(rows: int = 64, features: int = 6, outputs: int = 3) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(rows, features, generator=generator)
    return x, (x[:, :outputs] + 0.5 * torch.randn(rows, outputs, generator=generator)).argmax(dim=1)


# Numbers that are known otherwise


def test_least_squares_has_the_curvature_of_its_second_moments():
    x, y = table()
    found = sd.torch.diagnose(nn.Linear(5, 1).double(), half_squares, tensors(x, y), tolerance=1e-10)
    design = np.column_stack([x, np.ones(len(x))])
    exact = np.linalg.eigvalsh(design.T @ design / len(x))
    assert found.sharpness == pytest.approx(exact[-1], rel=1e-12)
    assert found.learning_rate_limit == pytest.approx(2 / exact[-1], rel=1e-12)
    ours = sd.theory.spectrum(sd.EmpiricalRisk(sd.models.linear, sd.losses.mean_squared_error, x, y))
    assert found.sharpness == pytest.approx(ours.largest.value, rel=1e-12)
    assert found.spectrum.smallest.value == pytest.approx(exact[0], rel=1e-9)
    # Chapter 15.5: 2/(λmin + λmax), and 2 (1 + β)/(λmin + λmax) with momentum, as the loss is a quadratic.
    assert found.quadratic
    assert found.learning_rate == pytest.approx(2 / (exact[0] + exact[-1]), rel=1e-9)
    assert found.with_momentum.learning_rate == pytest.approx(3.8 / (exact[0] + exact[-1]), rel=1e-9)
    assert found.beyond.prediction == "diverges"
    assert found.beyond.as_predicted
    assert found.plain.trial.prediction == "goes down"
    assert found.plain.trial.as_predicted
    # Of a quadratic the first step is predicted to rounding.
    for trial in (found.plain.trial, found.with_momentum.trial, found.beyond):
        assert trial.first_measured == pytest.approx(trial.first_predicted, rel=1e-9)


def twin_of(risk: sd.EmpiricalRisk) -> tuple[nn.Module, Any]:
    """An mlp of PyTorch with the weights of ours, and those weights."""
    params = jax.tree.map(np.asarray, risk.initial(0, np.dtype("float64")))
    layers: list[nn.Module] = []
    for layer in params:
        linear = nn.Linear(*layer["weight"].shape).double()
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(layer["weight"].T))
            linear.bias.copy_(torch.tensor(layer["bias"]))
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1]), params


def test_an_mlp_is_as_sharp_and_as_noisy_as_ours_with_the_same_weights():
    features, targets = classes()
    x, y = features.double().numpy(), targets.numpy()
    risk = sd.EmpiricalRisk(sd.models.mlp((8,), "tanh"), sd.losses.softmax_cross_entropy, x, y)
    module, params = twin_of(risk)
    found = sd.torch.diagnose(module, nn.CrossEntropyLoss(), tensors(x, y), tolerance=1e-8, momentum=0.8)
    ours = sd.theory.spectrum(risk, params)
    assert found.spectrum.loss == pytest.approx(ours.loss, rel=1e-12)
    assert found.spectrum.gradient_norm == pytest.approx(ours.gradient_norm, rel=1e-10)
    assert found.sharpness == pytest.approx(ours.largest.value, rel=1e-10)
    assert found.noise_scale is not None
    noise = sd.theory.gradient_noise_scale(risk, params)
    assert found.noise_scale.simple == pytest.approx(noise.simple, rel=1e-8)
    assert found.noise_scale.trace == pytest.approx(noise.trace, rel=1e-8)
    assert found.batch_size == round(noise.simple)
    # The advice is the same rule; the trials may halve it.
    for recommended in (found.plain, found.with_momentum):
        advice = sd.theory.advise(risk, momentum=recommended.momentum, start=params)
        scaled = recommended.learning_rate * 2**recommended.halvings
        assert scaled == pytest.approx(advice.setting.learning_rate, rel=1e-7)
        assert recommended.limit == pytest.approx(advice.limit, rel=1e-7)
        assert recommended.trial.went_down
        assert recommended.certainty.startswith("Uncertain")
    assert not found.quadratic
    first = found.plain.trial
    assert first.first_predicted < first.start_loss
    assert first.first_measured == pytest.approx(first.first_predicted, rel=5e-2)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_limit_is_where_sgd_of_pytorch_turns_over(momentum):
    x, y = table()
    data = tensors(x, y)
    module = nn.Linear(5, 1).double()
    found = sd.torch.diagnose(module, half_squares, data, momentum=momentum, tolerance=1e-10, steps=5)

    def after(rate: float) -> float:
        twin = nn.Linear(5, 1).double()
        twin.load_state_dict(module.state_dict())
        method = torch.optim.SGD(twin.parameters(), lr=rate, momentum=momentum)
        for _ in range(600):
            method.zero_grad()
            half_squares(twin(data[0]), data[1]).backward()
            method.step()
        return float(half_squares(twin(data[0]), data[1]).detach())

    design = np.column_stack([x, np.ones(len(x))])
    least = 0.5 * np.mean((design @ np.linalg.lstsq(design, y)[0] - y) ** 2)
    assert after(0.95 * found.with_momentum.limit) == pytest.approx(least, rel=1e-9)
    assert not after(1.1 * found.with_momentum.limit) < 1e6


def test_the_trial_is_what_sgd_of_pytorch_does():
    """Batch after batch, with momentum, from the module's own parameters."""
    x, y = classes()
    module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    loader = DataLoader(TensorDataset(x.double(), y), batch_size=16)
    found = sd.torch.diagnose(module, nn.CrossEntropyLoss(), loader, steps=10)
    trial = found.with_momentum.trial
    method = torch.optim.SGD(module.parameters(), lr=trial.learning_rate, momentum=0.9)
    losses = []
    for step in range(10):
        batch = list(loader)[step % 4]
        method.zero_grad()
        loss = nn.functional.cross_entropy(module(batch[0]), batch[1])
        losses.append(float(loss.detach()))
        loss.backward()
        method.step()
    np.testing.assert_allclose(trial.losses, losses, rtol=1e-12)
    assert trial.end_loss == pytest.approx(float(nn.functional.cross_entropy(module(x.double()), y).detach()))


def test_no_guarantee_and_half_the_rate_ends_no_lower():
    x, y = classes()
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))
    found = sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x, y), steps=40)
    first = 1 / (found.sharpness + found.spectrum.largest.residual)
    for kept in (found.plain, found.with_momentum):
        assert kept.learning_rate * 2**kept.halvings == pytest.approx(first)

        def end(rate: float, momentum: float = kept.momentum) -> float:
            twin = copy.deepcopy(module).double()
            method = torch.optim.SGD(twin.parameters(), lr=rate, momentum=momentum)
            for _ in range(40):
                method.zero_grad()
                nn.functional.cross_entropy(twin(x.double()), y).backward()
                method.step()
            return float(nn.functional.cross_entropy(twin(x.double()), y).detach())

        assert kept.trial.end_loss == pytest.approx(end(kept.learning_rate))
        assert end(kept.learning_rate / 2) >= kept.trial.end_loss
        if kept.halvings:
            assert end(2 * kept.learning_rate) > kept.trial.end_loss


# Which rows


def test_a_loader_that_shuffles_finds_what_the_tensors_do():
    x, y = classes()
    module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    whole = sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x, y), tolerance=1e-9, steps=3)
    # 64 rows in batches of 20: the last has four, and counts for four.
    for data in (DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True), list(zip(x.split(20), y.split(20)))):  # noqa: B905
        found = sd.torch.diagnose(module, nn.CrossEntropyLoss(), data, tolerance=1e-9, steps=3)
        assert found.sharpness == pytest.approx(whole.sharpness, rel=1e-9)
        assert found.spectrum.loss == pytest.approx(whole.spectrum.loss, rel=1e-12)
        assert found.noise_scale.simple == pytest.approx(whole.noise_scale.simple, rel=1e-9)
        assert "4 batches of the loader, 64 rows" in found.rows
    cut = sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x, y), batch_size=20, tolerance=1e-9, steps=3)
    assert cut.sharpness == pytest.approx(whole.sharpness, rel=1e-9)
    assert "in batches of 20" in cut.rows


def test_so_many_rows_and_no_more_are_used_and_the_result_says_so():
    x, y = classes()
    module = nn.Linear(6, 3)
    loader = DataLoader(TensorDataset(x, y), batch_size=20)
    found = sd.torch.diagnose(module, nn.CrossEntropyLoss(), loader, most_rows=30, steps=3)
    assert "the first 2 batches of the loader, 30 rows" in found.rows
    alone = sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x[:30], y[:30]), steps=3)
    assert found.sharpness == pytest.approx(alone.sharpness, rel=1e-9)
    drawn = sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x, y), most_rows=30, steps=3, seed=7)
    assert "30 of 64 rows, drawn with seed 7" in drawn.rows
    again = sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x, y), most_rows=30, steps=3, seed=7)
    assert drawn.to_dict() == again.to_dict()


def padded(outputs: Any, y: Any) -> Any:
    """Every fifth row counts for nothing, as padding does."""
    return nn.functional.cross_entropy(outputs, y, ignore_index=2)


@pytest.mark.parametrize("loss_fn", [nn.CrossEntropyLoss(weight=torch.tensor([1.0, 20.0, 1.0])), padded])
def test_a_loss_that_is_no_mean_over_rows_is_said_to_depend_on_its_batches(loss_fn):
    x, y = classes()
    module = nn.Linear(6, 3)
    whole = sd.torch.diagnose(module, loss_fn, (x, y), steps=3)
    cut = sd.torch.diagnose(module, loss_fn, (x, y), batch_size=10, steps=3)
    assert "not the mean over its rows" in cut.rows
    assert "the mean of the batches' losses" in cut.rows
    # One batch has nothing added to it, and its numbers are those of loss_fn.
    assert "mean" not in whole.rows
    twin = copy.deepcopy(module).double()
    taken = loss_fn.double() if isinstance(loss_fn, nn.Module) else loss_fn
    losses = [float(taken(twin(a.double()), b).detach()) for a, b in zip(x.split(10), y.split(10), strict=True)]
    shares = [len(a) / 64 for a in x.split(10)]
    assert cut.spectrum.loss == pytest.approx(float(np.dot(shares, losses)), rel=1e-12)
    assert whole.spectrum.loss == pytest.approx(float(taken(twin(x.double()), y).detach()), rel=1e-12)


@pytest.mark.parametrize("loss_fn", [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loss_that_is_a_mean_over_rows_is_told_from_one_that_is_not(loss_fn, dtype):
    found = sd.torch.diagnose(nn.Linear(6, 3), loss_fn, classes(), batch_size=10, dtype=dtype, steps=3)
    assert "mean" not in found.rows


def test_padding_in_the_last_batch_alone_is_seen():
    x, y = classes()
    y = torch.cat([y[:63].clamp(max=1), torch.tensor([2])])
    y[:3] = torch.tensor([0, 1, 0])
    found = sd.torch.diagnose(nn.Linear(6, 3), padded, (x, y), batch_size=20, steps=3)
    assert "all 64 rows, in batches of 20; the loss of some batch is not the mean over its rows" in found.rows


def test_an_iterator_is_refused_and_not_used_up():
    pairs = iter([(X, Y)])
    with pytest.raises(TypeError, match=r"data is an iterator \(list_iterator\), .* list\(data\)"):
        sd.torch.diagnose(nn.Linear(6, 3), nn.CrossEntropyLoss(), pairs)
    assert next(pairs)[0] is X


# At a minimum


def at_its_optimum(kind: type[nn.Module], seed: int) -> tuple[nn.Module, tuple[Any, Any]]:
    """A small net and 100 rows, trained by L-BFGS until nothing is left to gain."""
    torch.manual_seed(seed)
    x = torch.randn(100, 4).double()
    y = torch.sin(x[:, :1]) + 0.5 * torch.randn(100, 1).double()
    module = nn.Sequential(nn.Linear(4, 8), kind(), nn.Linear(8, 1)).double()
    method = torch.optim.LBFGS(
        module.parameters(), lr=0.5, max_iter=2000, tolerance_grad=1e-8, tolerance_change=1e-14, history_size=30,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Any:
        method.zero_grad()
        loss = nn.functional.mse_loss(module(x), y)
        loss.backward()
        return loss

    method.step(closure)
    return module, (x, y)


@pytest.mark.parametrize("seed", range(4))
def test_at_a_minimum_the_noise_of_batches_is_not_taken_for_divergence(seed):
    module, data = at_its_optimum(nn.ReLU, seed)
    found = sd.torch.diagnose(module, nn.MSELoss(), data, batch_size=10)
    for kept in (found.plain, found.with_momentum):
        assert 1 / 4 <= kept.learning_rate * found.sharpness <= 1.01
    trial = found.plain.trial
    assert trial.end_loss <= trial.start_loss + trial.allowance
    if not trial.went_down:
        assert "no higher than the noise of batches explains" in found.plain.certainty
        assert "within the noise of its batches" in trial.sentence


def test_what_the_noise_of_batches_leaves_is_that_of_independent_steps():
    """η·trC·(1 + β)/(2 (1 − β)(2 (1 + β) − ηλ)) of a quadratic, by many runs; the allowance is above it."""
    generator = np.random.default_rng(0)
    curvature, spread = 3.0, 0.7
    for momentum in (0.0, 0.9):
        for share in (0.05, 0.5):
            rate = share * 2 * (1 + momentum) / curvature
            point, speed = np.zeros(20000), np.zeros(20000)
            for _ in range(300):
                speed = momentum * speed + curvature * point + spread * generator.normal(size=point.shape)
                point = point - rate * speed
            excess = float(np.mean(0.5 * curvature * point**2))
            factor = (1 + momentum) / (2 * (1 - momentum) * (2 * (1 + momentum) - rate * curvature))
            assert excess == pytest.approx(rate * spread**2 * factor, rel=0.05)
            assert excess <= 0.55 * noise_allowance(rate, momentum, spread**2)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_at_the_minimum_itself_rounding_is_not_taken_for_divergence(dtype):
    x, y = table()
    design = np.column_stack([x, np.ones(len(x))])
    best = np.linalg.lstsq(design, y)[0]
    module = nn.Linear(5, 1).double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor(best[None, :-1]))
        module.bias.copy_(torch.tensor(best[-1:]))
    found = sd.torch.diagnose(module, half_squares, tensors(x, y), dtype=dtype)
    for kept in (found.plain, found.with_momentum):
        assert kept.halvings == 0
        assert kept.trial.as_predicted is not False
    assert found.beyond.as_predicted is not False


def absolute(outputs: Any, y: Any) -> Any:
    """``nn.L1Loss`` of targets without a second axis."""
    return nn.functional.l1_loss(outputs.squeeze(-1), y)


@pytest.mark.parametrize("learning_rate", [None, 0.1])
def test_a_loss_without_curvature_has_no_limit_and_rates_that_were_tried(learning_rate):
    data = tensors(*table())
    found = sd.torch.diagnose(nn.Linear(5, 1).double(), absolute, data, learning_rate=learning_rate)
    assert found.sharpness == 0
    assert found.learning_rate_limit == float("inf")
    assert found.beyond is None
    assert not found.quadratic
    for kept in (found.plain, found.with_momentum):
        assert kept.trial.end_loss < 0.8 * kept.trial.start_loss
        assert kept.certainty.startswith("Uncertain")
        # A step along the straight line by the first rate would have taken the loss to zero.
        first = kept.learning_rate * 2**kept.halvings / (1 - kept.momentum)
        assert first * found.spectrum.gradient_norm**2 == pytest.approx(found.spectrum.loss)
    text = str(found)
    for words in ("no curvature", "no limit", "takes the loss to zero"):
        assert words in text
    assert "inf" not in text
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["beyond"] is None
    assert plain["learning_rate_limit"] is None
    assert (found.judgement is None) == (learning_rate is None)


# Modes, dtypes and all that modules are made of


class Memory(nn.Module):
    """A recurrent layer, its last output read out."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.out = nn.LSTM(1, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.recurrent(x[..., None])[0][:, -1])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, dropout=0.1)
        self.embed, self.out = nn.Linear(1, 4), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.layer(self.embed(x[..., None])).mean(dim=1))


class Pictures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Sequential(
            nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.SiLU(), nn.Dropout2d(0.2), nn.Flatten(), nn.Linear(6, 3)
        )

    def forward(self, x: Any) -> Any:
        return self.parts(x.view(-1, 1, 2, 3))


class Tied(nn.Module):
    """An autoencoder whose two layers are one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 3, bias=False), nn.Linear(6, 3, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: Any) -> Any:
        return torch.tanh(self.first(x)) + self.second(x)


MODULES = {
    "lstm": Memory,
    "attention": Attention,
    "pictures": Pictures,
    "tied": Tied,
    "weight norm": lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 3)), nn.GELU()),
    "spectral norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(6, 3)),
    "dropout": lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)),
    "batch norm": lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3)),
    "frozen": lambda: nn.Sequential(nn.Linear(6, 8).requires_grad_(False), nn.Tanh(), nn.Linear(8, 3)),
}


def exact_hessian(module: nn.Module, x: Any, y: Any) -> np.ndarray:
    """By PyTorch's own function, of a module in float64 and in the mode it is in."""
    names = [name for name, leaf in module.named_parameters() if leaf.requires_grad]
    start = dict(module.named_parameters())
    shapes = [start[name].shape for name in names]

    def loss(flat: Any) -> Any:
        parts = flat.split([shape.numel() for shape in shapes])
        named = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return nn.functional.cross_entropy(torch.func.functional_call(module, named, (x,)), y)

    flat = torch.cat([start[name].detach().reshape(-1) for name in names])
    return torch.autograd.functional.hessian(loss, flat).numpy()


def hessian_by_differences(module: nn.Module, x: Any, y: Any) -> np.ndarray:
    """Central differences of gradients, one parameter after the other."""
    leaves = [leaf for leaf in module.parameters() if leaf.requires_grad]
    columns = []
    for leaf in leaves:
        for place in range(leaf.numel()):
            sides = []
            for step in (1e-5, -2e-5):
                with torch.no_grad():
                    leaf.view(-1)[place] += step
                gradients = torch.autograd.grad(nn.functional.cross_entropy(module(x), y), leaves)
                sides.append(torch.cat([gradient.reshape(-1) for gradient in gradients]))
            with torch.no_grad():
                leaf.view(-1)[place] += 1e-5
            columns.append(((sides[0] - sides[1]) / 2e-5).numpy())
    return np.stack(columns)


@pytest.mark.parametrize("kind", MODULES)
def test_modules_of_all_kinds_have_the_curvature_of_their_hessian(kind):
    x, y = classes(24)
    module = MODULES[kind]().double().eval()
    found = sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x.double(), y), tolerance=1e-7, steps=3)
    matrix = exact_hessian(module, x.double(), y)
    if not np.allclose(matrix, matrix.T, rtol=0, atol=1e-12):
        # Of PyTorch 2.13: its weight normalisation has a wrong second derivative.
        assert "double backward gives a Hessian that is not symmetric" in found.products
        matrix = hessian_by_differences(module, x.double(), y)
    values = np.linalg.eigvalsh(matrix)
    assert found.spectrum.size == len(values)
    assert found.sharpness == pytest.approx(values[-1], rel=1e-8 if "differences" in found.products else 1e-10)
    assert found.noise_scale is not None
    assert "24 rows" in found.noise_words


@pytest.mark.parametrize("kind", ["batch norm", "pictures", "spectral norm", "attention", "lstm"])
def test_in_train_mode_too(kind):
    x, y = classes(24)
    module = MODULES[kind]().double().eval()
    found = sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x.double(), y), mode="train", batch_size=12, steps=3)
    assert found.mode == "train"
    assert found.noise_scale is not None
    assert found.noise_scale.simple > 0
    assert "train mode" in str(found)


def test_batch_norm_in_train_mode_takes_the_statistics_of_the_batch():
    x, y = classes(24)
    module = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.Tanh(), nn.Linear(8, 3))
    exact = np.linalg.eigvalsh(exact_hessian(module.double(), x.double(), y))[-1]
    tracking = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3)).double()
    tracking.load_state_dict(module.state_dict(), strict=False)
    settings = {"tolerance": 1e-8, "steps": 3}
    train = sd.torch.diagnose(tracking, nn.CrossEntropyLoss(), (x, y), mode="train", **settings)
    assert train.sharpness == pytest.approx(exact, rel=1e-9)
    # Rows that meet in a batch have no gradients of their own, and of one batch nothing is known.
    assert train.noise_scale is None
    assert train.batch_size is None
    assert "no gradients of their own" in str(train)
    held = sd.torch.diagnose(tracking, nn.CrossEntropyLoss(), (x, y), **settings)
    assert held.sharpness != pytest.approx(exact, rel=1e-3)


def test_dropout_draws_the_same_mask_in_every_product():
    """Otherwise the Hessian would not be symmetric, and Lanczos' residual would never be small."""
    x, y = classes()
    module = MODULES["dropout"]()
    settings = {"mode": "train", "tolerance": 1e-9, "steps": 3}
    found = sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x, y), **settings)
    assert found.spectrum.converged
    assert found.sharpness == sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x, y), **settings).sharpness
    other = sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x, y), seed=1, **settings)
    assert other.sharpness != pytest.approx(found.sharpness, rel=1e-3)
    # In eval mode there is no mask, and no seed.
    held = [sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x, y), steps=3, seed=seed).sharpness for seed in (0, 1)]
    assert held[0] == pytest.approx(held[1], rel=1e-6)


def test_the_noise_of_batches_is_that_of_rows():
    """E Σ b‖G_b − G‖²/(K − 1) = tr Σ of batches drawn from one distribution; 200 batches show it to some percent."""
    x, y = classes(1600)
    module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.0), nn.Linear(8, 3))
    rows = sd.torch.diagnose(module, nn.CrossEntropyLoss(), (x, y), batch_size=8, steps=2)
    assert "each of 1,600 rows" in rows.noise_words

    class Together(nn.Module):
        """The same outputs, but rows are forbidden to come alone."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: Any) -> Any:
            if len(x) < 2:
                raise RuntimeError("one row alone")
            return self.inner(x)

    batches = sd.torch.diagnose(Together(), nn.CrossEntropyLoss(), (x, y), batch_size=8, steps=2)
    assert "200 batches" in batches.noise_words
    assert batches.noise_scale.simple == pytest.approx(rows.noise_scale.simple, rel=0.15)


def rows_of_one_distribution(rows: int) -> tuple[nn.Module, tuple[Any, Any]]:
    """Noise scale about 1,400 rows: after some steps of descent the gradient is small beside its noise."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(rows, 4, generator=generator).double()
    y = (x[:, 0] + 2 * torch.randn(rows, generator=generator)).double()
    module = nn.Linear(4, 1).double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.1]]))
        module.bias.zero_()
    return module, (x, y)


def test_the_noise_scale_of_rows_that_were_drawn_agrees_with_that_of_all():
    """Its square of the gradient norm has no bias: over 40 draws its mean is that of all rows."""
    module, data = rows_of_one_distribution(20000)
    settings = {"steps": 1, "most_products": 5}
    whole = sd.torch.diagnose(module, half_squares, data, most_rows=20000, **settings).noise_scale
    known = [noise_of(*drawn_rows(module, data, 512, seed)) for seed in range(40)]
    squares = np.array([found.squared_gradient_norm for found, _, _ in known])
    error = squares.std(ddof=1) / len(squares) ** 0.5
    assert abs(squares.mean() - whole.squared_gradient_norm) < 3 * error
    # With its bias it would have been far off.
    assert whole.trace / 512 > 6 * error
    # The spread stated is that over the draws, and each estimate is within it of all rows'.
    spreads = np.array([spread for _, spread, _ in known])
    assert np.median(spreads) == pytest.approx(squares.std(ddof=1), rel=0.5)
    assert (abs(squares - whole.squared_gradient_norm) < 3 * spreads).mean() > 0.9
    traces = np.array([found.trace for found, _, _ in known])
    assert np.median([spread for _, _, spread in known]) == pytest.approx(traces.std(ddof=1), rel=0.5)
    assert abs(traces.mean() - whole.trace) < 4 * traces.std(ddof=1) / len(traces) ** 0.5


def drawn_rows(module: nn.Module, data: Any, rows: int, seed: int) -> tuple[Units, int]:
    """Of rows drawn with a seed, their gradients in closed form: the residual times the row."""
    order = np.random.default_rng(seed).permutation(len(data[0]))[:rows]
    x, y = data[0][order], data[1][order]
    design = torch.column_stack([x, torch.ones(rows)])
    with torch.no_grad():
        gradients = (module(x)[:, 0] - y)[:, None] * design
    gradient = gradients.mean(dim=0)
    parts = (torch.ones(rows).double(), (gradients**2).sum(dim=1), gradients @ gradient)
    return Units(*parts, float(gradient @ gradient)), len(data[0])


def test_few_rows_give_a_bound_or_a_spread_and_all_rows_neither():
    module, data = rows_of_one_distribution(20000)
    settings = {"steps": 1, "most_products": 5}
    whole = sd.torch.diagnose(module, half_squares, data, most_rows=20000, **settings)
    assert "spread" not in whole.noise_words
    many = sd.torch.diagnose(module, half_squares, data, most_rows=16000, **settings)
    assert "within their spread" in many.noise_words
    low, high = (int(many.noise_words.split(word)[1].split()[0].replace(",", "")) for word in ("between ", " and "))
    assert low < whole.noise_scale.simple < high
    few = sd.torch.diagnose(module, half_squares, data, most_rows=64, **settings)
    assert few.noise_scale is None
    assert few.batch_size is None
    least = int(few.noise_words.split("at least ")[1].split()[0].replace(",", ""))
    assert 1 < least < whole.noise_scale.simple
    assert "most_rows" in few.noise_words
    one = sd.torch.diagnose(module, half_squares, data, most_rows=2, **settings)
    assert one.noise_scale is None


def test_the_batch_size_is_capped_by_the_rows_there_are_and_not_by_those_used():
    for available, size in ((None, 700), (600, 600), (5000, 700)):
        assert _batch_size(700.0, Batches((), 500, available, "")) == size


class Cubed(torch.autograd.Function):
    """x³ without a rule for forward mode, its gradient written by hand."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return 3 * ctx.saved_tensors[0] ** 2 * gradient


class Power(nn.Module):
    def __init__(self, by_hand: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer, self.by_hand = nn.Linear(6, 3), by_hand

    def forward(self, x: Any) -> Any:
        found = self.layer(x)
        return Cubed.apply(found) if self.by_hand else found**3


@pytest.mark.parametrize("batch_size", [None, 20])
def test_double_backward_stands_in_where_forward_mode_has_no_rule(batch_size):
    data = classes()
    settings = {"tolerance": 1e-9, "steps": 3, "batch_size": batch_size}
    forward = sd.torch.diagnose(Power(by_hand=False), nn.CrossEntropyLoss(), data, **settings)
    backward = sd.torch.diagnose(Power(by_hand=True), nn.CrossEntropyLoss(), data, **settings)
    assert forward.products == "forward mode over reverse mode"
    assert backward.products.startswith("double backward; forward mode over reverse mode fails: ")
    assert backward.sharpness == pytest.approx(forward.sharpness, rel=1e-10)
    assert backward.noise_scale.simple == pytest.approx(forward.noise_scale.simple, rel=1e-10)


class Once(Cubed):
    """The same with a gradient that cannot be differentiated."""

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Any) -> Any:
        return 3 * ctx.saved_tensors[0] ** 2 * gradient


class OncePower(Power):
    def forward(self, x: Any) -> Any:
        return Once.apply(self.layer(x))


def test_differences_stand_in_where_a_gradient_has_no_derivative():
    data = classes()
    settings = {"tolerance": 1e-6, "steps": 3}
    exact = sd.torch.diagnose(Power(by_hand=False), nn.CrossEntropyLoss(), data, **settings)
    found = sd.torch.diagnose(OncePower(by_hand=True), nn.CrossEntropyLoss(), data, **settings)
    assert found.products.startswith("differences of gradients; ")
    assert "double backward fails" in found.products
    assert found.sharpness == pytest.approx(exact.sharpness, rel=1e-7)
    assert found.spectrum.converged


class SingleOnly(nn.Module):
    """Computes in float32 whatever it is given."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return self.layer(x.to(torch.float32))


def test_precision_is_double_where_that_works_and_the_result_says_which():
    data = classes()
    single = sd.torch.diagnose(SingleOnly(), nn.CrossEntropyLoss(), data, steps=3)
    double = sd.torch.diagnose(SingleOnly().layer, nn.CrossEntropyLoss(), data, steps=3)
    asked = sd.torch.diagnose(SingleOnly().layer, nn.CrossEntropyLoss(), data, dtype=torch.float32, steps=3)
    assert single.precision.startswith("float32, its own, as in float64 it fails: ")
    assert double.precision == "float64, on a copy of the module"
    assert asked.precision == "float32, as asked for"
    for found in (single, asked):
        assert found.spectrum.converged
        assert found.sharpness == pytest.approx(double.sharpness, rel=1e-5)
        assert found.spectrum.largest.residual <= 1e-2 * found.sharpness
        assert found.noise_scale.simple == pytest.approx(double.noise_scale.simple, rel=1e-3)


def test_parameters_of_several_dtypes():
    data = classes()
    module = nn.Sequential(nn.Linear(6, 8).double(), nn.Tanh(), nn.Linear(8, 3))
    uniform = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    uniform.load_state_dict(module.state_dict())
    found = sd.torch.diagnose(module, nn.CrossEntropyLoss(), data, tolerance=1e-9, steps=3)
    same = sd.torch.diagnose(uniform, nn.CrossEntropyLoss(), data, tolerance=1e-9, steps=3)
    assert found.sharpness == pytest.approx(same.sharpness, rel=1e-9)
    half = nn.Linear(6, 3).bfloat16()
    assert sd.torch.diagnose(half, nn.CrossEntropyLoss(), data, steps=3).spectrum.converged


# What is left behind


def state_of(module: nn.Module, loader: Any) -> dict[str, Any]:
    """Everything that a diagnosis could change, as bytes and plain values."""
    found: dict[str, Any] = {}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        found[name] = (tensor.detach().numpy().tobytes(), tensor.dtype, tensor.requires_grad, id(tensor))
        found[f"{name}.grad"] = None if tensor.grad is None else (tensor.grad.numpy().tobytes(), id(tensor.grad))
        found[f"{name}._version"] = tensor._version
    for name, part in module.named_modules():
        found[f"{name}: mode"] = part.training
        found[f"{name}: attributes"] = sorted(vars(part))
    found["torch"] = torch.get_rng_state().numpy().tobytes()
    found["numpy"] = str(np.random.get_state())  # noqa: NPY002
    found["python"] = random.getstate()
    found["loader"] = loader.generator.get_state().numpy().tobytes()
    found["settings"] = (
        torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype(),
        torch.backends.cuda.flash_sdp_enabled(), torch.backends.mkldnn.enabled,
    )  # fmt: skip
    return found


class Remembering(nn.Module):
    """Layers that write into their buffers, and a forward that writes into the module."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 8))
        self.norm, self.drop = nn.BatchNorm1d(8), nn.Dropout(0.3)
        self.last = nn.Linear(8, 3)
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.calls, self.seen = 0, None

    def forward(self, x: Any) -> Any:
        self.calls += 1
        self.seen = self.drop(torch.tanh(self.norm(self.frozen(self.first(x)))))
        return self.last(self.seen)


class EndedError(Exception):
    pass


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("ending", [None, EndedError, KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("grad_mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_everything_is_left_as_found(mode, ending, grad_mode):
    x, y = classes()
    loader = DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True, generator=torch.Generator().manual_seed(9))
    module = Remembering()
    nn.functional.cross_entropy(module(x), y).backward()  # gradients, and an attribute with a history
    module.norm.eval()  # a mixture of modes
    kept = module.seen
    random.seed(4), np.random.seed(4)  # noqa: NPY002
    calls = 0

    def loss_fn(outputs: Any, targets: Any) -> Any:
        nonlocal calls
        calls += 1
        np.random.rand(), random.random()  # noqa: NPY002
        if ending is not None and calls == 30:
            raise ending("stop")
        return nn.functional.cross_entropy(outputs, targets)

    with grad_mode():
        before = state_of(module, loader)
        if ending is None:
            sd.torch.diagnose(module, loss_fn, loader, mode=mode, steps=3)
        else:
            with pytest.raises(ending):
                sd.torch.diagnose(module, loss_fn, loader, mode=mode, steps=3)
        after = state_of(module, loader)
    assert calls >= 30
    assert {name for name in before if before[name] != after[name]} == set()
    assert before.keys() == after.keys()
    assert module.calls == 1
    assert module.seen is kept


def test_the_next_batches_of_a_loader_are_those_it_would_have_given():
    x, y = classes()

    def loader() -> Any:
        torch.manual_seed(11)
        return DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True)

    untouched, diagnosed = loader(), None
    expected = torch.cat([batch[0] for batch in untouched])
    diagnosed = loader()
    sd.torch.diagnose(nn.Linear(6, 3), nn.CrossEntropyLoss(), diagnosed, steps=3)
    torch.manual_seed(11)
    torch.testing.assert_close(torch.cat([batch[0] for batch in diagnosed]), expected, rtol=0, atol=0)


def test_a_loss_that_is_a_module_is_copied_too():
    x, y = classes()
    weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))
    found = sd.torch.diagnose(nn.Linear(6, 3), weighted, (x, y), steps=3)
    assert found.precision.startswith("float64")
    assert weighted.weight.dtype == torch.float32
    # A mean that weighs rows is no mean of what single rows give.
    assert found.noise_scale is None


@pytest.mark.parametrize("kind", ["closure", "partial", "bound", "list", "global"])
def test_a_module_that_the_loss_holds_is_left_as_found_too(kind):
    x, y = classes()
    teacher = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3)) if kind != "global" else TEACHER
    teacher(x).sum().backward()
    held = [teacher]

    def distilled(teacher: Any, outputs: Any, targets: Any) -> Any:
        teacher.train()
        with torch.no_grad():
            taught = teacher(x).mean(dim=0)
        return nn.functional.cross_entropy(outputs, targets) + ((outputs - taught) ** 2).mean()

    class Holder:
        def __init__(self) -> None:
            self.teacher = teacher

        def loss(self, outputs: Any, targets: Any) -> Any:
            return distilled(self.teacher, outputs, targets)

    loss_fn = {
        "closure": lambda a, b: distilled(teacher, a, b),
        "partial": functools.partial(distilled, teacher),
        "bound": Holder().loss,
        "list": lambda a, b: distilled(held[0], a, b),
        "global": lambda a, b: distilled(TEACHER, a, b),
    }[kind]
    teacher[1].eval()
    before = {name: part.clone() for name, part in teacher.state_dict().items()}
    grads = [leaf.grad for leaf in teacher.parameters()]
    values = [grad.clone() for grad in grads]
    sd.torch.diagnose(nn.Linear(6, 3), loss_fn, (x, y), steps=3)
    assert [part.training for part in teacher.modules()] == [True, True, False]
    for name, part in teacher.state_dict().items():
        assert part.dtype == before[name].dtype
        torch.testing.assert_close(part, before[name], rtol=0, atol=0)
    for leaf, grad, value in zip(teacher.parameters(), grads, values, strict=True):
        assert leaf.grad is grad
        assert torch.equal(grad, value)


def test_a_loss_with_a_parameter_of_its_own_gives_no_warning_of_pytorch():
    scale = torch.ones((), requires_grad=True)
    found = sd.torch.diagnose(nn.Linear(6, 3), lambda a, b: scale * LOSS(a, b), classes(), steps=3)
    assert found.spectrum.converged


# Words


def test_it_prints_itself_and_becomes_json():
    x, y = classes()
    found = sd.torch.diagnose(nn.Linear(6, 3), nn.CrossEntropyLoss(), (x, y), learning_rate=100.0, steps=3)
    text = str(found)
    for words in (
        "Linear with CrossEntropyLoss, 21 trainable parameters", "all 64 rows", "eval mode", "Sharpness", "Limit",
        "Momentum", "Batch size", "Uncertain", "diverges",
    ):  # fmt: skip
        assert words in text
    assert repr(found) == text
    assert "<table>" in found._repr_html_()
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["sharpness"] == found.sharpness
    assert plain["plain"]["learning_rate"] == found.learning_rate
    assert plain["judgement"]["verdict"] == "diverges"
    assert set(found.spectrum.at) == {"weight", "bias"}
    assert found.spectrum.leading_direction["weight"].shape == (3, 6)


def test_a_budget_that_is_too_small_says_so():
    found = sd.torch.diagnose(nn.Linear(6, 3), nn.CrossEntropyLoss(), classes(), most_products=2, steps=3)
    assert not found.spectrum.converged
    assert found.spectrum.products == 2
    assert "not converged" in str(found)


X, Y = classes(8)
LINE = nn.Linear(6, 3)
LOSS = nn.CrossEntropyLoss()
TEACHER = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3))


class Flat(nn.Module):
    """Outputs that are the parameters; their mean has a slope and no curvature."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x: Any) -> Any:
        return x[:, :3] * 0 + self.weight


BAD: dict[str, tuple[tuple[Any, Any, Any], dict[str, Any], type[Exception], str]] = {
    "no module": ((len, LOSS, (X, Y)), {}, TypeError, "module must be a torch.nn.Module"),
    "a class": ((nn.Linear, LOSS, (X, Y)), {}, TypeError, "give an instance"),
    "no loss": ((LINE, "mse", (X, Y)), {}, TypeError, "loss_fn must be a function"),
    "a class of a loss": ((LINE, nn.MSELoss, (X, Y)), {}, TypeError, r"write MSELoss\(\)"),
    "no parameters": ((nn.ReLU(), LOSS, (X, Y)), {}, ValueError, "no parameters to train"),
    "all frozen": ((nn.Linear(6, 3).requires_grad_(False), LOSS, (X, Y)), {}, ValueError, "requires_grad=True"),
    "lazy": ((nn.LazyLinear(3), LOSS, (X, Y)), {}, ValueError, "run the module once"),
    "meta": ((nn.Linear(6, 3, device="meta"), LOSS, (X, Y)), {}, ValueError, "device 'meta'"),
    "meta data": ((LINE, LOSS, (X.to("meta"), Y)), {}, ValueError, "device 'meta'"),
    "complex": ((nn.Linear(6, 3, dtype=torch.complex64), LOSS, (X, Y)), {}, ValueError, "complex"),
    "an empty loader": ((LINE, LOSS, []), {}, ValueError, "data is empty"),
    "no rows": ((LINE, LOSS, (X[:0], Y[:0])), {}, ValueError, "no rows"),
    "rows that differ": ((LINE, LOSS, (X, Y[:3])), {}, ValueError, "same number of rows"),
    "three tensors": ((LINE, LOSS, (X, Y, Y)), {}, TypeError, r"data must be \(x, y\), got a tuple of 3"),
    "batches of three": ((LINE, LOSS, [(X, Y, Y)]), {}, TypeError, r"batch 0 of data must be \(x, y\)"),
    "batches that are dicts": ((LINE, LOSS, [{"x": X, "y": Y}]), {}, TypeError, "got a dict of 2"),
    "arrays": ((LINE, LOSS, (X.numpy(), Y.numpy())), {}, TypeError, "batch 0 of data"),
    "lists of tensors": ((LINE, LOSS, [([X], Y)]), {}, TypeError, "must be two tensors"),
    "one tensor": ((LINE, LOSS, X), {}, TypeError, "features and targets"),
    "a dataset": ((LINE, LOSS, TensorDataset(X, Y)), {}, TypeError, "DataLoader"),
    "a number": ((LINE, LOSS, 3), {}, TypeError, "features and targets"),
    "NaN": ((LINE, LOSS, (X * float("nan"), Y)), {}, ValueError, "the loss on the first batch is nan"),
    "a loss a row": ((LINE, nn.CrossEntropyLoss(reduction="none"), (X, Y)), {}, ValueError, "the mean over the rows"),
    "a sum": ((LINE, nn.CrossEntropyLoss(reduction="sum"), (X, Y)), {}, ValueError, "adds over rows"),
    "a loss that is a number": ((LINE, lambda a, b: 1.0, (X, Y)), {}, TypeError, "a tensor of one number"),
    "detached": ((LINE, lambda a, b: LOSS(a.detach(), b), (X, Y)), {}, ValueError, "does not depend on the param"),
    "features that do not fit": ((LINE, LOSS, (X[:, :2], Y)), {}, ValueError, "Linear fails on the first batch"),
    "targets that do not fit": ((LINE, LOSS, (X, Y[:, None].float())), {}, ValueError, "loss_fn.* fails on the first"),
    "neither slope nor curvature": ((Flat(), lambda a, b: (0 * a).mean(), (X, Y)), {}, ValueError, "neither slope nor"),
    "a mode": ((LINE, LOSS, (X, Y)), {"mode": "trian"}, ValueError, "did you mean 'train'"),
    "a dtype": ((LINE, LOSS, (X, Y)), {"dtype": "float16"}, ValueError, "unknown dtype"),
    "a momentum": ((LINE, LOSS, (X, Y)), {"momentum": 1.0}, ValueError, "momentum must be"),
    "a tolerance": ((LINE, LOSS, (X, Y)), {"tolerance": -1.0}, ValueError, "tolerance must be"),
    "steps": ((LINE, LOSS, (X, Y)), {"steps": 0}, ValueError, "steps must be"),
    "a seed": ((LINE, LOSS, (X, Y)), {"seed": -1}, ValueError, "seed must be"),
    "a batch size of a loader": ((LINE, LOSS, [(X, Y)]), {"batch_size": 4}, ValueError, "a DataLoader has its own"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_in_a_sentence(case):
    arguments, settings, kind, words = BAD[case]
    with pytest.raises(kind, match=words):
        sd.torch.diagnose(*arguments, **settings)


def test_a_module_that_cannot_be_copied_is_refused():
    module = nn.Linear(6, 3)
    module.handle = (part for part in ())  # a generator cannot be copied
    with pytest.raises(TypeError, match="cannot be copied"):
        sd.torch.diagnose(module, LOSS, (X, Y))


# What a loss, its data or its arguments hide


def regression(rows: int = 128) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(rows, 5, generator=generator)
    return x, x.sum(dim=1, keepdim=True) + torch.randn(rows, 1, generator=generator)


class Penalised(nn.Module):
    """Squared error and a penalty on a module that it holds, as a child or out of PyTorch's sight."""

    def __init__(self, held: nn.Module, hidden: bool) -> None:
        super().__init__()
        self.held = [held] if hidden else held

    def forward(self, outputs: Any, y: Any) -> Any:
        held = self.held[0] if isinstance(self.held, list) else self.held
        return nn.functional.mse_loss(outputs, y) + 10 * held.weight.square().sum()


@pytest.mark.parametrize("kind", ["function", "a child", "hidden"])
def test_a_penalty_on_the_modules_own_parameters_is_refused_as_the_copy_would_not_see_it(kind):
    module = nn.Linear(5, 1)
    loss_fn = {
        "function": lambda o, t: nn.functional.mse_loss(o, t) + 10 * sum(p.square().sum() for p in module.parameters()),
        "a child": Penalised(module, hidden=False),
        "hidden": Penalised(module, hidden=True),
    }[kind]
    with pytest.raises(ValueError, match=r"loss_fn uses the module's own parameter 'weight'.*weight_decay"):
        sd.torch.diagnose(module, loss_fn, regression())
    assert module.weight.grad is None
    # Of another module, or of one that is frozen, it is the constant that it is in training too.
    other = nn.Linear(5, 1)
    assert sd.torch.diagnose(module, Penalised(other, hidden=False), regression(), steps=5).sharpness > 0


class WithPenalty(nn.Module):
    """A line that returns its penalty beside its outputs."""

    def __init__(self, line: nn.Linear) -> None:
        super().__init__()
        self.line = line

    def forward(self, x: Any) -> Any:
        return self.line(x), 10 * sum(part.square().sum() for part in self.line.parameters())


def test_a_penalty_that_the_module_returns_makes_the_loss_sharper_by_its_curvature():
    line = nn.Linear(5, 1)
    plain = sd.torch.diagnose(line, nn.MSELoss(), regression(), tolerance=1e-8)
    found = sd.torch.diagnose(
        WithPenalty(line), lambda o, t: nn.functional.mse_loss(o[0], t) + o[1], regression(), tolerance=1e-8
    )
    assert found.sharpness == pytest.approx(plain.sharpness + 20, rel=1e-7)
    assert not found.findings


@pytest.mark.parametrize("weight", [0.0, 50.0, -3.0])
def test_a_sum_is_refused_whatever_is_added_to_it(weight):
    def loss_fn(outputs: Any, y: Any) -> Any:
        return nn.functional.mse_loss(outputs, y, reduction="sum") + weight * outputs.mean() ** 2 + weight

    with pytest.raises(ValueError, match="adds over rows"):
        sd.torch.diagnose(nn.Linear(5, 1), loss_fn, regression())


def test_a_loss_that_grows_with_its_rows_otherwise_says_so():
    found = sd.torch.diagnose(nn.Linear(5, 1), lambda o, t: (o - t).norm(), regression(), steps=5)
    assert [finding.kind for finding in found.findings] == ["no mean"]
    assert "1.41 times" in str(found).replace("\n", " ")
    assert not sd.torch.diagnose(nn.Linear(5, 1), nn.MSELoss(), regression(), steps=5).findings


def negative(outputs: Any, y: Any) -> Any:
    return -nn.functional.mse_loss(outputs, y)


def negative_entropy(outputs: Any, y: Any) -> Any:
    return -nn.functional.cross_entropy(outputs, (y[:, 0] > 0).long())


@pytest.mark.parametrize("loss_fn", [negative, negative_entropy])
def test_a_loss_that_is_curved_downwards_alone_has_no_minimum_and_no_limit(loss_fn):
    outputs = 1 if loss_fn is negative else 2
    found = sd.torch.diagnose(nn.Linear(5, outputs), loss_fn, regression(), steps=20, learning_rate=0.1)
    (finding,) = found.findings
    assert finding.kind == "negative curvature"
    assert ("has no minimum" in finding.what) == (loss_fn is negative)
    assert "sign" in finding.remedy
    assert found.beyond is None
    assert found.plain.limit == found.with_momentum.limit == found.learning_rate_limit == float("inf")
    assert found.judgement.verdict == "no limit"
    assert "multiplied by 1 a step" not in found.judgement.sentence
    assert json.dumps(found.to_dict(), allow_nan=False)
    assert "Warning" in str(found)


def test_a_quadratic_with_a_saddle_has_no_minimum_and_one_limit():
    def loss_fn(outputs: Any, y: Any) -> Any:
        return outputs[:, 0].square().mean() - 3 * outputs[:, 1].square().mean()

    found = sd.torch.diagnose(nn.Linear(5, 2), loss_fn, regression(), steps=5)
    assert "has no minimum" in found.findings[0].what
    assert found.plain.limit == pytest.approx(found.learning_rate_limit)


def test_a_last_batch_that_batch_norm_cannot_take_is_named_with_a_remedy():
    x, y = classes(33)
    network = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    with pytest.raises(ValueError, match=r"fails on batch 1 of data, x of shape \(1, 6\).*drop_last=True.*mode='eval'"):
        sd.torch.diagnose(network, nn.CrossEntropyLoss(), (x, y), mode="train", batch_size=32)
    assert sd.torch.diagnose(network, nn.CrossEntropyLoss(), (x, y), batch_size=32, steps=5).sharpness > 0


@pytest.mark.parametrize("part", ["x", "y"])
def test_what_is_not_finite_in_a_later_batch_is_named_with_its_batch_and_row(part):
    x, y = regression()
    (x if part == "x" else y)[100, 0] = float("nan")
    with pytest.raises(
        ValueError, match=rf"the loss on batch 1 of data is nan: {part} .*in row 36 of it .*row 100 of all used"
    ):
        sd.torch.diagnose(nn.Linear(5, 1), nn.MSELoss(), (x, y), batch_size=64)


@pytest.mark.parametrize("rate", ["fast", -1, float("nan"), True])
def test_a_learning_rate_that_is_none_is_refused_before_the_work(rate, monkeypatch):
    def never(*_: Any) -> None:
        raise AssertionError("the work was begun")

    monkeypatch.setattr("steepest.torch.diagnosing.collected", never)
    with pytest.raises((TypeError, ValueError), match="learning_rate must be"):
        sd.torch.diagnose(nn.Linear(5, 1), nn.MSELoss(), regression(), learning_rate=rate)


@pytest.mark.parametrize("seed", [2**70, 2**32])
def test_a_seed_that_generators_do_not_take_is_refused(seed):
    with pytest.raises(ValueError, match=rf"seed must be a whole number from 0 to {2**32 - 1}, got {seed}"):
        sd.torch.diagnose(nn.Linear(5, 1), nn.MSELoss(), regression(), seed=seed)
    assert sd.torch.diagnose(nn.Linear(5, 1), nn.MSELoss(), regression(), seed=2**32 - 1, steps=5, batch_size=64)


@pytest.mark.parametrize("loss_fn", [nn.MSELoss(), nn.L1Loss(), lambda o, t: (o - t).square().mean()])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_targets_that_meet_every_output_are_refused_with_both_shapes(loss_fn, turned):
    x, y = regression()
    module = nn.Sequential(nn.Linear(5, 1), nn.Flatten(0)) if turned else nn.Linear(5, 1)
    with torch.no_grad():
        module.get_parameter("0.weight" if turned else "weight").zero_()
    told = (r"\(128,\), y \(128, 1\).*y\[:, 0\]") if turned else (r"\(128, 1\), y \(128,\).*y\[:, None\]")
    with pytest.raises(ValueError, match=told):
        sd.torch.diagnose(module, loss_fn, (x, y if turned else y[:, 0]))


def test_features_on_different_scales_are_said_to_be_standardised():
    x, y = regression()
    scaled = x * torch.tensor([1e-6, 1.0, 1.0, 1e6, 0.0])
    found = sd.torch.diagnose(nn.Linear(5, 1), nn.MSELoss(), (scaled, y), steps=5, batch_size=64)
    (finding,) = found.findings
    assert finding.kind == "scales"
    assert "x[:, 0]" in finding.what
    assert "x[:, 3]" in finding.what
    assert "standardise" in finding.remedy
    assert found.to_dict()["findings"][0]["kind"] == "scales"


# Without PyTorch, and on other devices

WITHOUT = """
import sys
sys.modules["torch"] = None
import steepest as sd
try:
    sd.torch.diagnose(None, None, None)
except ModuleNotFoundError as error:
    print(error)
"""

LAZY = """
import sys
import steepest as sd
sd.torch, sd.torch.diagnose, sd.torch.ModuleDiagnosis
print("torch" in sys.modules)
"""


def in_a_new_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_without_pytorch_a_sentence_says_how_to_install_it():
    assert in_a_new_process(WITHOUT).endswith("install it with: pip install 'steepest[torch]'")


def test_pytorch_is_imported_when_it_is_used_and_not_before():
    assert in_a_new_process(LAZY) == "False"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_cuda_device():
    x, y = classes()
    module = Remembering()
    host = sd.torch.diagnose(module, LOSS, (x, y), tolerance=1e-8, steps=3)
    before = torch.cuda.get_rng_state()
    device = sd.torch.diagnose(module.cuda(), LOSS, (x, y), tolerance=1e-8, steps=3)
    assert torch.equal(before, torch.cuda.get_rng_state())
    assert device.sharpness == pytest.approx(host.sharpness, rel=1e-6)
    assert next(module.parameters()).device.type == "cuda"
