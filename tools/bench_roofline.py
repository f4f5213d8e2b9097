"""How near `bench_train`'s runs of this project come to what arithmetic and memory of one core allow."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numpy.typing import NDArray

from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.kernels.simd import machine_lanes

Point = tuple[str, float, float]  # what was run, operations per byte, operations a second of one core


def cost(counts: NDArray[np.int64], setting: dict[str, Any], pairs: float) -> tuple[float, float]:
    """Operations and bytes of one word of the text of word frequencies `counts`, of which `pairs` pairs are trained.

    An input and an output row cost 6 * size (dot product and two updates); CBOW sums its window and gives it the
    gradient. Bytes are rows read and written: inputs, true words, and noise for every block. At half of alpha.
    """
    size, sg = setting["size"], setting["sg"]
    alpha = setting["alpha"]
    plan = sgns.make_plan(sgns.Params(setting["window"], setting["negative"], alpha / 2, alpha), sg)
    kept = float((sgns.keep_table(counts, setting["sample"]) / 0xFFFFFFFF * counts).sum() / counts.sum())
    operations = 6 * size * pairs * (plan.noise + 1)
    inputs = pairs if sg else kept * (setting["window"] + 1)
    if not sg:
        operations += 4 * size * inputs
    return operations, (inputs + kept + pairs * plan.noise / plan.serves) * 2 * 4 * size


LANES = machine_lanes(*cpu_target.target_context.codegen().magic_tuple())  # with more, the sums leave the registers


@intrinsic
def _multiply_add(_context, n):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Repeat 48 independent multiply-adds of `LANES` floats n times."""

    def emit(_ctx, b, _signature, args):  # type: ignore[no-untyped-def]
        vector = ir.VectorType(ir.FloatType(), LANES)
        sums = [cgutils.alloca_once_value(b, ir.Constant(vector, [1.0 + i] * LANES)) for i in range(12)]
        factor, term = ir.Constant(vector, [0.999] * LANES), ir.Constant(vector, [0.001] * LANES)
        with cgutils.for_range(b, args[0]):
            for place in 4 * sums:
                product = b.fmul(b.load(place), factor, flags=("contract",))
                b.store(b.fadd(product, term, flags=("contract",)), place)
        total = b.load(sums[0])
        for place in sums[1:]:
            total = b.fadd(total, b.load(place))
        return b.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float32(types.int64), emit


def measure_peak() -> float:
    """Floating-point operations a second of one core that does nothing but fused multiply-adds: the best of five."""

    @njit
    def burn(n: int) -> float:
        return _multiply_add(n)

    burn(1)
    rounds, best = 2_000_000, 0.0
    for _ in range(5):
        start = time.perf_counter()
        burn(rounds)
        best = max(best, rounds * 48 * LANES * 2 / (time.perf_counter() - start))
    return best


def measure_bandwidth() -> float:
    """Bytes a second that one core moves between memory and itself, copying what fits in no cache: the best of five."""
    source, target, best = np.ones(1 << 26, np.float32), np.zeros(1 << 26, np.float32), 0.0
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, source)
        best = max(best, 2 * source.nbytes / (time.perf_counter() - start))
    return best


def print_points(points: list[Point], peak: float) -> None:
    """A table of operations a second against the peak."""
    print(f"\nOf one core of {peak / 1e9:.0f} GFLOP/s:\n")
    print("| | GFLOP/s | of the peak | operations per byte |")
    print("|---|---|---|---|")
    for name, intensity, speed in points:
        print(f"| {name} | {speed / 1e9:.0f} | {speed / peak:.0%} | {intensity:.0f} |")


def draw_roofline(points: list[Point], peak: float, path: Path) -> None:
    """Operations a second of one core against operations a byte, under what arithmetic and memory allow.

    Frequent rows stay in the caches, so a point may lie above the memory's slope. The file's ending says its format.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - not needed without --roofline

    figure = Figure(figsize=(8, 5))
    axes = figure.subplots()
    intensities = np.logspace(-1, 3, 200)
    bandwidth = measure_bandwidth()
    roof = np.minimum(peak, bandwidth * intensities) / 1e9
    label = f"roof: {peak / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.0f} GB/s, as measured"
    axes.plot(intensities, roof, color="black", label=label)
    for n, (name, intensity, speed) in enumerate(points):
        axes.scatter(intensity, speed / 1e9, marker="o^sDvP"[n % 6], label=f"{name}: {speed / peak:.0%} of the peak")
    axes.set(xscale="log", yscale="log", xlabel="operations per byte of rows", ylabel="GFLOP/s of one core")
    axes.set(ylim=(1, 2 * peak / 1e9), title="word2vec with negative sampling under the roofline")
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=120)
