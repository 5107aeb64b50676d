"""How strongly should large weights be held down? One session with a run for each answer.

    python study.py --passes 10

It can be stopped at any time: ``python study.py --resume`` goes on behind the last run that ended.
"""

from __future__ import annotations

import argparse

import pandas as pd
from matplotlib.figure import Figure
from wine import Pass, Wines, confusion, load, new_model, train

from aexp.experiment import ArrayCodec, Experiment, Run

NAME = "wine-alpha"
ALPHAS = [1e-4, 1e-3, 1e-2, 1e-1]


def record(run: Run, wines: Wines, passes: int) -> float:
    """Train with the run's parameters, log everything worth keeping, return the last loss."""
    alpha, seed = run.parameters["alpha"], run.parameters["seed"]
    model = new_model(alpha, seed)
    curve: list[Pass] = []
    for done in train(model, wines, passes):
        run.log_metrics({"loss": done.loss, "accuracy": done.accuracy}, step=done.number)
        curve.append(done)
    run.log_with_codec(ArrayCodec, "confusion", confusion(model, wines))
    weights = pd.DataFrame(model.coef_.T, index=wines.names, columns=["grower 0", "1", "2"])
    run.log_table("weights", weights)
    run.log_figure("curve", draw(curve, f"alpha = {alpha:g}"))
    return curve[-1].loss


def draw(curve: list[Pass], title: str) -> Figure:
    """Return a picture of a learning curve."""
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot([done.number for done in curve], [done.loss for done in curve])
    axes.set(title=title, xlabel="pass", ylabel="loss on test wines")
    return figure


def main() -> None:
    """Record one run for each alpha that has none, and seal the session."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passes", type=int, default=10)
    parser.add_argument("--resume", action="store_true", help="go on with a session that broke off")
    options = parser.parse_args()

    wines = load()
    experiment = Experiment.restore_from_checkpoint(NAME) if options.resume else Experiment(NAME)
    with experiment:
        if not options.resume:
            sizes = {"train": len(wines.train), "test": len(wines.test)}
            experiment.log_json("dataset", {"name": "wine", "sizes": sizes, "columns": wines.names})
        done = {run.parameters["alpha"] for run in experiment.runs if run.status == "complete"}
        for alpha in ALPHAS:
            if alpha in done:
                continue
            with experiment.run(alpha=alpha, seed=0) as run:
                loss = record(run, wines, options.passes)
            print(f"alpha {alpha:g}: loss {loss:.3f}")


if __name__ == "__main__":
    main()
