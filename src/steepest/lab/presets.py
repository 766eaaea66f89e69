"""The chapter's figures as states of the lab: a name, the state, and what to look for."""

from __future__ import annotations

from typing import NamedTuple

from steepest.lab.state import State


class Preset(NamedTuple):
    """A state with a name.

    Attributes:
        name: section and subject.
        state: what the page then shows.
        words: what to look for.
    """

    name: str
    state: State
    words: str


PRESETS = (
    Preset(
        "15.3 Steps downhill on a bowl",
        State("bowl", starts=((4.0, 2.5),), learning_rate=0.05, steps=100),
        "The steep direction is done at once, the flat one takes the rest.",
    ),
    Preset(
        "15.4 Several minima",
        State("himmelblau", starts=((-1.0, -1.0), (0.0, 0.0), (1.0, 1.0), (-3.0, 0.5)), learning_rate=0.01, steps=300),
        "Where a run ends depends on where it starts: see the basins.",
    ),
    Preset(
        "15.4 A saddle",
        State("saddle", starts=((0.5, 0.0), (0.5, 1e-6)), learning_rate=0.1, steps=100),
        "On the ridge descent runs into the saddle; a millionth beside it, away from it.",
    ),
    Preset(
        "15.5 Too large a learning rate",
        State("steep_bowl", starts=((4.0, 2.5),), learning_rate=0.105, steps=200),
        "The limit is 2/20 = 0.1; beyond it the run diverges. Drag the learning rate across it.",
    ),
    Preset(
        "15.5 The best learning rate",
        State("steep_bowl", starts=((4.0, 2.5),), learning_rate=2 / 22, steps=200),
        "At 2/(L + μ) both directions shrink by 9/11 a step: predicted and measured agree.",
    ),
    Preset(
        "15.5 Momentum in a valley",
        State("rosenbrock", starts=((-1.5, 2.0),), method="heavy ball", learning_rate=0.001, momentum=0.9, steps=2000),
        "Without momentum the run creeps along the valley; compare by the method.",
    ),
    Preset(
        "15.7 Batches of 32 on a line",
        State("regression", starts=((-1.0, -2.0),), learning_rate=0.05, batch_size=32, steps=300),
        "The path of batches wavers, that of all rows does not: set the batch size to 0.",
    ),
    Preset(
        "15.7 Single rows",
        State("regression", starts=((-1.0, -2.0),), learning_rate=0.02, batch_size=1, steps=1000),
        "The noise does not vanish at the minimum; a schedule of 1/t calms it.",
    ),
    Preset(
        "15.7 Noise on a rippled surface",
        State("rippled_bowl", starts=((2.5, -1.5),), learning_rate=0.05, noise=2.0, steps=600, seed=1),
        "Without noise the run settles in one of two minima; noise carries it from one to the other and back.",
    ),
    Preset(
        "15.8 A convex loss, a long run",
        State("plateau", starts=((3.0, 2.0),), learning_rate=0.1, steps=2000),
        "The loss curve on logarithmic axes tells a rate from a standstill.",
    ),
    Preset(
        "Spirals: a network in a plane",
        State("spirals", starts=((-0.5, 1.0), (1.5, -1.0)), learning_rate=0.02, steps=500),
        "A loss of 51 weights, cut along two directions.",
    ),
    Preset(
        "Digits: softmax regression in a plane",
        State("digits", starts=((-0.2, 0.1),), learning_rate=0.006, batch_size=64, steps=500),
        "300 digits, ten classes, two directions.",
    ),
)
"""In the order of the chapter, then two of data."""
