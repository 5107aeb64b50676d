"""Draw accuracy over the learning rate, from the table that ``aexp sweep table`` wrote.

Started as ``python plot.py table.csv accuracy.png``.
"""

from __future__ import annotations

import sys

import pandas as pd
from matplotlib.figure import Figure


def main(source: str, target: str) -> None:
    """Read the table, and draw one line for each width, with the spread of its repeats."""
    table = pd.read_csv(source)
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    for width, rows in table.groupby("width"):
        accuracy = rows.groupby("lr")["accuracy"]
        middle = accuracy.mean()
        axes.plot(middle.index, middle, marker="o", label=f"{width} neurons")
        axes.fill_between(middle.index, accuracy.min(), accuracy.max(), alpha=0.2)
    axes.set(xscale="log", xlabel="learning rate", ylabel="test images told right")
    axes.legend()
    figure.savefig(target)
    print(f"{target}: {len(table)} points")


if __name__ == "__main__":
    main(*sys.argv[1:])
