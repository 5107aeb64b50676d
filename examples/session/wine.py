"""A linear classifier of wines, trained pass by pass. It knows nothing of experiments.

The data are the 178 wines of three Italian growers, with 13 chemical measurements each, that come
with scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import confusion_matrix, log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True, slots=True)
class Wines:
    """Measurements, scaled to mean 0 and deviation 1, and the growers 0, 1 and 2."""

    train: Any
    train_grower: Any
    test: Any
    test_grower: Any
    names: list[str]


def load(seed: int = 0) -> Wines:
    """Return the data, a third of it for testing.

    Args:
        seed: decides which wines are tested with.
    """
    wines = load_wine()
    train, test, train_grower, test_grower = train_test_split(
        wines.data, wines.target, test_size=1 / 3, random_state=seed, stratify=wines.target
    )
    scaler = StandardScaler().fit(train)
    names = [str(name) for name in wines.feature_names]
    return Wines(scaler.transform(train), train_grower, scaler.transform(test), test_grower, names)


@dataclass(frozen=True, slots=True)
class Pass:
    """How good the model is after one pass over the training data.

    Attributes:
        number: of the pass, from 0.
        loss: mean log loss on the test wines.
        accuracy: the fraction of test wines told right, 0 to 1.
    """

    number: int
    loss: float
    accuracy: float


def train(model: SGDClassifier, wines: Wines, passes: int) -> Iterator[Pass]:
    """Train ``model`` in place, and yield after each pass over the data."""
    for number in range(passes):
        model.partial_fit(wines.train, wines.train_grower, classes=[0, 1, 2])
        loss = log_loss(wines.test_grower, model.predict_proba(wines.test))
        yield Pass(number, float(loss), float(model.score(wines.test, wines.test_grower)))


def new_model(alpha: float, seed: int) -> SGDClassifier:
    """Return an untrained model.

    Args:
        alpha: how strongly large weights are held down.
        seed: decides in which order it sees the wines.
    """
    return SGDClassifier(loss="log_loss", alpha=alpha, random_state=seed)


def confusion(model: SGDClassifier, wines: Wines) -> Any:
    """Return how many test wines of each grower (row) are taken for whose (column)."""
    return np.asarray(confusion_matrix(wines.test_grower, model.predict(wines.test)))
