"""What compiled code depends on besides its source."""

from __future__ import annotations

import sys

import numba
from numba.core.registry import cpu_target


def target() -> str:
    """The interpreter, the compiler and the processor as one text; code that was compiled for another is of no use."""
    processor = cpu_target.target_context.codegen().magic_tuple()
    return f"{sys.implementation.cache_tag} numba {numba.__version__} {processor}"
