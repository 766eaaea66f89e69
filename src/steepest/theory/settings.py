"""The best setting for constants that hold everywhere, with the theorem that guarantees it and the reason in words."""

from __future__ import annotations

import math

from steepest.theory.limits import Setting, best_heavy_ball, best_learning_rate, best_nesterov, contraction_factor

CUSTOMARY_MOMENTUM = 0.9
"""The momentum where nothing says which is best."""

# Where heavy ball may first rise further, it goes for a diverging run, and would be one for anybody who watches it.
_LARGEST_RISE = 1e3
_NESTEROV = "Nesterov 2004, theorem 2.2.3: the loss above the minimum shrinks by 1 − √(μ/L) a step"
_ENERGY = (
    "with η ≤ 1/L on a convex loss, loss + ‖last step‖²/(2η) never rises for any momentum up to 1, "
    "and the loss tends to its minimum (Attouch & Cabot 2018)"
)


def best_setting(
    smoothness: float, strong: float, quadratic: bool, momentum: float | None, nesterov: bool
) -> tuple[Setting, str, str]:
    """(setting, guarantee, reason) for a convex loss, from its smoothness L and strong convexity μ, 0 for none."""
    if momentum is not None:
        return setting_for_momentum(smoothness, strong, quadratic, momentum, nesterov)
    if quadratic and strong:
        pair = best_heavy_ball(smoothness, strong)
        rise = _rise(pair.contraction_factor)
        if rise > _LARGEST_RISE:
            why = f"the loss is a quadratic so ill-conditioned that heavy ball could first rise {rise:.2g}-fold"
            return best_nesterov(smoothness, strong), _NESTEROV, why
        guarantee = (
            "Polyak 1964: on a quadratic with eigenvalues in [μ, L] the error shrinks by √β a step in the long run"
        )
        why = "the loss is a quadratic whose smallest and largest curvature are known; on the way it may rise up to "
        return pair, guarantee, f"{why}{rise:.3g}-fold"
    if strong:
        return best_nesterov(smoothness, strong), _NESTEROV, "the loss is strongly convex"
    setting = rated(1 / smoothness, smoothness, strong, CUSTOMARY_MOMENTUM, True)
    return setting, _ENERGY, "the loss is convex, but in some direction as flat as can be"


def _rise(factor: float) -> float:
    """The largest of ((1 + (1 + r) t) rᵗ)² over t, which bounds the loss of heavy ball with the best pair."""
    if factor == 0:
        return 1.0
    steps = max(0.0, -1 / math.log(factor) - 1 / (1 + factor))
    return float(((1 + (1 + factor) * steps) * factor**steps) ** 2)


def setting_without_convexity(smoothness: float, momentum: float, nesterov: bool) -> tuple[Setting, str, str]:
    """(setting, guarantee, reason) for a loss of which nothing but its smoothness is known."""
    setting = rated((1 - momentum) / smoothness, smoothness, 0.0, momentum, nesterov)
    if momentum:
        return setting, "", "(1 − β)/L, cautious, as the loss is not convex"
    guarantee = (
        "Nesterov 2004, section 1.2.3: every step lowers the loss by η‖gradient‖²/2 or more, so that the gradient "
        "of a loss that is bounded below vanishes in the end; where, depends on the start"
    )
    return setting, guarantee, "1/L, safe wherever the loss is smooth"


def setting_for_momentum(
    smoothness: float, strong: float, quadratic: bool, momentum: float, nesterov: bool
) -> tuple[Setting, str, str]:
    """(setting, guarantee, reason) for a convex loss and a momentum that is given."""
    if not momentum:
        if strong:
            rate, guarantee = (
                best_learning_rate(smoothness, strong),
                "Nesterov 2004, theorem 2.1.15: the distance to the minimiser shrinks by (κ − 1)/(κ + 1) a step",
            )
        else:
            rate, guarantee = (
                1 / smoothness,
                "Beck & Teboulle 2009, theorem 3.1: after t steps the loss is at most ‖w₀ − w*‖² L/(2t) too high",
            )
        why = "2/(L + μ), the best of plain descent" if strong else "1/L, safe wherever the loss is convex"
    elif nesterov:
        rate, guarantee, why = 1 / smoothness, _ENERGY, "1/L, safe for Nesterov's method wherever the loss is convex"
    elif quadratic and strong:
        # Both ends of the spectrum contract alike, and no other learning rate makes the slower of them faster.
        rate = 2 * (1 + momentum) / (smoothness + strong)
        guarantee = "Polyak 1964: heavy ball on a quadratic converges for every η below 2 (1 + β)/L"
        why = "2 (1 + β)/(L + μ), the best of heavy ball with this momentum on a quadratic"
    else:
        rate = (1 - momentum) / smoothness
        guarantee = (
            "Ghadimi, Feyzmahdavian & Johansson 2015, theorem 1: the loss of the average iterate tends to the "
            "minimum like 1/t"
        )
        why = "(1 − β)/L, safe for heavy ball wherever the loss is convex"
    return rated(rate, smoothness, strong, momentum, nesterov), guarantee, why


def rated(rate: float, smoothness: float, strong: float, momentum: float, nesterov: bool) -> Setting:
    """A setting with the contraction factor that follows."""
    return Setting(rate, momentum, nesterov, contraction_factor(rate, smoothness, strong, momentum, nesterov))
