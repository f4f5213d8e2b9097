"""What compiled code is told of the machine."""

import llvmlite.binding as llvm
import pytest
from numba.core import config
from numba.core.registry import cpu_target

from gossipw2v.w2v.kernels.simd import machine_lanes


@pytest.mark.parametrize(
    ("cpu", "features", "lanes"),
    [
        ("znver5", "+avx,+avx2,+avx512f,+avx512vl,+fma", 16),
        ("haswell", "+avx2,+fma", 8),
        ("znver3", "+avx,+avx2,-avx512f,+fma", 8),  # as numba lists what the host has not
        ("haswell", "+avx512f", 16),  # NUMBA_CPU_NAME alone leaves the host's features
        ("generic", "", 8),
        ("apple-m1", "+neon", 8),
    ],
)
def test_vectors_are_as_wide_as_registers_that_hold_a_tile(cpu, features, lanes):
    assert machine_lanes("any-triple", cpu, features) == lanes


@pytest.mark.skipif(config.CPU_NAME is not None or config.CPU_FEATURES is not None, reason="another machine is set")
def test_numba_compiles_for_the_host():
    wide = llvm.get_host_cpu_features().get("avx512f")
    assert machine_lanes(*cpu_target.target_context.codegen().magic_tuple()) == (16 if wide else 8)
