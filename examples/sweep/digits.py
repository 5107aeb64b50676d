"""A classifier of handwritten digits. It knows nothing of experiments.

The data are the 1,797 images of 8 by 8 pixels that come with scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

DIGITS = range(10)


def load(seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Return training images and test images, pixels in 0..1, and what both of them show.

    Args:
        seed: decides which third of the images is for testing.
    """
    digits = load_digits()
    images, test_images, labels, test_labels = train_test_split(
        digits.data / 16.0,
        digits.target,
        test_size=1 / 3,
        random_state=seed,
        stratify=digits.target,
    )
    return images, test_images, labels, test_labels


def train(lr: float, width: int, seed: int, passes: int) -> Iterator[tuple[int, float, Any]]:
    """Train a network, and yield after each pass over the images.

    Args:
        lr: the learning rate.
        width: the neurons of the one hidden layer.
        seed: decides its first weights, and in which order it sees the images.
        passes: how many.

    Yields:
        the pass, from 1; the fraction of test images told right; which were taken for what.
    """
    images, test_images, labels, test_labels = load()
    network = MLPClassifier((width,), learning_rate_init=lr, random_state=seed)
    for number in range(1, passes + 1):
        network.partial_fit(images, labels, classes=DIGITS)
        told = network.predict(test_images)
        yield number, float(np.mean(told == test_labels)), (test_labels, told)
