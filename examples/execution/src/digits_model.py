"""The model function: a small classifier of handwritten digits.

It reads the dataset that its execution declares, and registers what it makes. All numbers come from
the configuration in ``configs/``.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import SGDClassifier

if TYPE_CHECKING:
    from aexp.execution import Execution

PIXEL_MAX = 16.0
"""The largest grey value."""


def read_table(path: Path) -> tuple[Any, Any]:
    """Return the images of a table as rows of 64 pixels in 0..1, and the digits they show."""
    rows = np.loadtxt(path, delimiter=",")
    return rows[:, :-1] / PIXEL_MAX, rows[:, -1].astype(int)


def train(execution: Execution, alpha: float, passes: int, seed: int = 0) -> float:
    """Train on the declared dataset, and return the accuracy on its validation part, 0 to 1.

    Args:
        execution: what it reads from and writes to.
        alpha: how strongly the weights are held down.
        passes: how often all images are gone through.
        seed: decides in which order.

    Raises:
        ValueError: there is nothing to learn from.
    """
    if passes < 1:
        raise ValueError(f"{passes} passes teach nothing")
    bag = execution.download_dataset_bag(execution.datasets[0])
    tables = {member.name: Path(member) for member in bag.list_dataset_members()["Table"]}
    images, labels = read_table(tables["train.csv"])
    val_images, val_labels = read_table(tables["val.csv"])

    model = SGDClassifier(loss="log_loss", alpha=alpha, random_state=seed)
    order = np.random.default_rng(seed)
    score = 0.0
    for number in range(passes):
        rows = order.permutation(len(images))
        model.partial_fit(images[rows], labels[rows], classes=np.arange(10))
        score = float(model.score(val_images, val_labels))
        with execution.metrics_file().open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": number, "val_accuracy": score}) + "\n")

    execution.asset_file_path("Model", "digits.pkl").write_bytes(pickle.dumps(model))
    wrong = val_labels[model.predict(val_images) != val_labels]
    table = execution.asset_file_path(
        "Table", "mistakes.csv", description="How many images of each digit were told wrong"
    )
    counts = np.bincount(wrong, minlength=10)
    table.write_text("".join(f"{digit},{n}\n" for digit, n in enumerate(counts)), "utf-8")
    return score
