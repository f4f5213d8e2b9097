"""The event loop's pulse: it notices what holds the loop up."""

import asyncio
import time

from gossipw2v.system.pulse import PULSE, Pulse


async def test_a_loop_that_is_held_up_shows_it():
    pulse = Pulse()
    assert pulse.lag(0.99) is None
    watch = asyncio.create_task(pulse.watch())
    await asyncio.sleep(PULSE / 2)
    time.sleep(6 * PULSE)  # noqa: ASYNC251 - the very thing to be noticed
    while len(pulse.late) < 3:  # noqa: ASYNC110 - it has no event to give
        await asyncio.sleep(PULSE)
    watch.cancel()
    assert pulse.lag(1.0) >= 4 * PULSE
    assert pulse.lag(0.0) == min(pulse.late)
    assert pulse.cpu_seconds > 0
