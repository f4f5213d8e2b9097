"""`python -m support.kernels` compiles all that tests need into the cache that they share.

Otherwise each of their processes would find the cache of a fresh clone empty and compile the same.
"""

import asyncio

from gossipw2v.system.launch import prepare_machine

prepare_machine()

from gossipw2v.node.compiler import compile_apart  # noqa: E402 - its libraries read what was prepared
from support.daemons import SMALL  # noqa: E402


async def main() -> None:
    """Both trainings, one after the other: most of the code is the same."""
    for sg in (1, 0):
        await compile_apart(int(SMALL["vector-size"]), sg)


if __name__ == "__main__":
    asyncio.run(main())
