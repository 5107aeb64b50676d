"""Write the handwritten digits that come with scikit-learn as two tables, for a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

FOLDER = Path("data/digits/Table")


def main() -> None:
    """Write ``train.csv`` and ``val.csv``: 64 pixels of 0..16 and the digit, one image a row."""
    digits = load_digits()
    rows = np.column_stack([digits.data, digits.target]).astype(int)
    train, val = train_test_split(rows, test_size=0.25, random_state=0, stratify=digits.target)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", train), ("val", val)):
        np.savetxt(FOLDER / f"{name}.csv", part, fmt="%d", delimiter=",")
        print(f"{name}: {len(part)} images")


if __name__ == "__main__":
    main()
