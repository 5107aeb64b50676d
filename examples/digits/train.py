"""Train a classifier on the handwritten digits that come with scikit-learn.

The script works the same alone and under ``aexp run``: ``aexp.current_run()`` is None when nobody
records, and otherwise the run to log into.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import aexp

PIXEL_MAX = 16.0
"""The largest grey value in the data set."""


class Classifier(Protocol):
    """What the script needs of a trained model."""

    def score(self, images: Any, labels: Any) -> float:
        """Return the fraction of ``images`` that are told right, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Split:
    """Images as rows of 64 pixels in 0..1, and the digits they show."""

    train_images: Any
    train_labels: Any
    val_images: Any
    val_labels: Any


def load(seed: int, train_fraction: float) -> Split:
    """Return the data: a quarter for validation, and a fraction of the rest for training.

    Args:
        seed: decides which images go where.
        train_fraction: how much of the training part is used, above 0 and up to 1.
    """
    digits = load_digits()
    train_x, val_x, train_y, val_y = train_test_split(
        digits.data / PIXEL_MAX,
        digits.target,
        test_size=0.25,
        random_state=seed,
        stratify=digits.target,
    )
    if train_fraction < 1.0:
        train_x, _, train_y, _ = train_test_split(
            train_x, train_y, train_size=train_fraction, random_state=seed, stratify=train_y
        )
    return Split(train_x, train_y, val_x, val_y)


def linear_epochs(
    loss: str, split: Split, *, C: float, epochs: int, seed: int
) -> Iterator[Classifier]:
    """Yield a linear model after each pass of stochastic gradient descent over the data."""
    model = SGDClassifier(loss=loss, alpha=1.0 / (C * len(split.train_labels)), random_state=seed)
    order = np.random.default_rng(seed)
    for _ in range(epochs):
        rows = order.permutation(len(split.train_labels))
        model.partial_fit(split.train_images[rows], split.train_labels[rows], classes=range(10))
        yield model


def growing_forest(
    split: Split, *, n_estimators: int, steps: int, seed: int
) -> Iterator[Classifier]:
    """Yield a random forest after each of ``steps`` equal portions of its trees."""
    model = RandomForestClassifier(warm_start=True, random_state=seed)
    for trees in np.linspace(0, n_estimators, steps + 1, dtype=int)[1:]:
        model.set_params(n_estimators=max(1, int(trees)))
        model.fit(split.train_images, split.train_labels)
        yield model


def training(options: argparse.Namespace, split: Split) -> Iterator[Classifier]:
    """Yield the chosen model after each step of its training."""
    if options.model == "forest":
        return growing_forest(
            split, n_estimators=options.n_estimators, steps=options.steps, seed=options.seed
        )
    loss = {"logreg": "log_loss", "svm": "hinge"}[options.model]
    return linear_epochs(loss, split, C=options.C, epochs=options.steps, seed=options.seed)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", choices=["logreg", "svm", "forest"], default="logreg")
    parser.add_argument("--C", type=float, default=10.0, help="inverse regularization (linear)")
    parser.add_argument("--n-estimators", type=int, default=50, help="trees (forest)")
    parser.add_argument("--steps", type=int, default=8, help="epochs, or portions of the forest")
    parser.add_argument("--train-fraction", type=float, default=1.0, help="of the training images")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Train, and log the validation accuracy of every step."""
    options = parse_arguments()
    split = load(options.seed, options.train_fraction)
    run = aexp.current_run()
    if run is not None:
        run.log_parameter("model", options.model)
        run.log_parameter("n_train", len(split.train_labels))

    val_acc = train_acc = 0.0
    for step, model in enumerate(training(options, split), start=1):
        val_acc = float(model.score(split.val_images, split.val_labels))
        train_acc = float(model.score(split.train_images, split.train_labels))
        print(f"step {step}: train_acc {train_acc:.3f}  val_acc {val_acc:.3f}")
        if run is not None:
            run.log_metric("val_acc", val_acc, step=step)
    print(f"{options.model} on {len(split.train_labels)} images: val_acc {val_acc:.4f}")


if __name__ == "__main__":
    main()
