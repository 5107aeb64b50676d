"""Train once, with the parameters of the command line: what a point of `widths.yaml` runs.

    python train.py --lr 0.01 --width 16

Alone it prints; in a sweep it records its curve, and leaves a table of each digit's accuracy.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from digits import DIGITS, train

import aexp


def main() -> None:
    """Train, print the accuracy of each pass, and record it where a run is going on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a folder for digits.csv")
    options = parser.parse_args()

    run = aexp.current_run()  # None when nobody records
    last: tuple[Any, Any] | None = None
    for number, accuracy, told in train(options.lr, options.width, options.seed, options.passes):
        last = told
        print(f"pass {number}: {accuracy:.3f}")
        if run is not None:
            run.log_metric("accuracy", accuracy, step=number)
    if options.out is not None and last is not None:
        write_digits(options.out / "digits.csv", *last)


def write_digits(path: Path, shown: Any, told: Any) -> None:
    """Write which fraction of the images of each digit was told right."""
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["digit", "told_right"])
        for digit in DIGITS:
            table.writerow([digit, float((told[shown == digit] == digit).mean())])


if __name__ == "__main__":
    main()
