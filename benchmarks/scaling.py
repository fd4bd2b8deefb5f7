"""Time a step against the number of accounts, on one plot."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import seaborn as sns

from benchmarks.common import Row, seconds
from benchmarks.plain_mesa import PlainModel
from benchmarks.step import our_engine, start

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
PLAIN_SIZES = (1_000, 3_000, 10_000, 30_000)
STEPS, PLAIN_STEPS = 100, 20
PLOT = Path(__file__).parent / "step_time.png"


def our_step(accounts: int) -> float:
    """Seconds a step of the compiled market."""
    world = start(accounts)
    taken = seconds(
        lambda engine: engine.run_to(STEPS), lambda: our_engine(world), repetitions=5
    )
    return taken / STEPS


def plain_step(accounts: int) -> float:
    """Seconds a step of the one written with plain Mesa agents."""
    world = start(accounts)
    taken = seconds(
        lambda model: [model.step() for _ in range(PLAIN_STEPS)],
        lambda: PlainModel(world, 1),
        repetitions=5,
    )
    return taken / PLAIN_STEPS


def plot(ours: list[float], plain: list[float]) -> None:
    """Draw both curves on logarithmic axes and save them to :data:`PLOT`."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sns.set_theme(style="whitegrid", context="talk")
    figure, axes = plt.subplots(figsize=(9, 6))
    axes.plot(PLAIN_SIZES, [1e6 * s for s in plain], "s--", label="plain Mesa agents")
    axes.plot(SIZES, [1e6 * s for s in ours], "o-", label="compiled step")
    axes.set(xscale="log", yscale="log", xlabel="accounts", ylabel="microseconds a step")
    axes.set_title("Time of one step of one market (one core)")
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(PLOT, dpi=150)
    plt.close(figure)


def run() -> list[Row]:
    """Measure, draw, and give the step at a million accounts as a row."""
    ours = [our_step(size) for size in SIZES]
    plot(ours, [plain_step(size) for size in PLAIN_SIZES])
    per_account = [1e9 * taken / size for taken, size in zip(ours, SIZES, strict=True)]
    return [
        Row(
            what=f"a step of {SIZES[-1]:,} accounts",
            ours=f"{1e3 * ours[-1]:.2f} ms",
            peer="",
            ratio=None,
            bar="",
            met=None,
            same_work=f"{PLOT.name}; {per_account[0]:.1f} ns an account at {SIZES[0]:,}, "
            f"{per_account[-1]:.1f} at {SIZES[-1]:,}",
        )
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
