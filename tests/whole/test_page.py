"""The page of a node in a real browser: while two daemons train, and with whatever a status may hold."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.browser import Tab, browsing, find_axe, find_browser
from support.daemons import Daemons, Status, addresses, write_texts

from gossipw2v.status import events
from gossipw2v.status.access import Access
from gossipw2v.status.server import Server, StatusSources, serve
from gossipw2v.system.metrics import Metrics
from gossipw2v.w2v.text.words import Words

pytestmark = pytest.mark.slow

BROWSER, AXE = find_browser(), find_axe()
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here (apt-get install chromium)")
needs_axe = pytest.mark.skipif(AXE is None, reason="no axe-core here (npm install --no-save axe-core)")
WIDE = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') && !e.closest('.skip')
    && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 100))"""
BARRIERS = """axe.run(document).then(found => found.violations.map(
    rule => [rule.id, rule.impact, ...rule.nodes.map(node => node.html.slice(0, 100))]))"""
NAMELESS = """[...document.querySelectorAll('input, button, progress, svg, a')].filter(e => !(e.ariaLabel
    || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).map(e => e.outerHTML.slice(0, 100))"""


@needs_browser
async def test_the_page_of_a_node_in_a_browser(tmp_path: Path) -> None:
    assert BROWSER is not None
    one, two = await asyncio.to_thread(write_texts, tmp_path, 2)
    with Daemons(tmp_path) as swarm:
        places = addresses(2)
        settings = {"until_complete": False, "epochs": 60, "peers": ",".join(places)}
        first, second = [
            swarm.start(text, listen=place, **settings) for text, place in zip((one, two), places, strict=True)
        ]
        await asyncio.to_thread(first.until, lambda status: status["links"] and status["state"] == "training")
        second_id = (await asyncio.to_thread(second.status))["node"]
        (tmp_path / "browser").mkdir()
        async with browsing(BROWSER, tmp_path / "browser") as tab:
            await tab.send("Page.navigate", url=await asyncio.to_thread(lambda: first.url))
            await tab.until("document.querySelectorAll('#overlay li').length === 2")
            await tab.until("document.querySelectorAll('#overlay li li').length === 1")  # one below the other
            await tab.until("/link open: [1-9].* out/.test(document.querySelector('#overlay').textContent)")
            await tab.until("document.querySelectorAll('#charts svg path')[0]?.getAttribute('d')?.includes('L')")
            await look_everywhere(tab, tmp_path)
            await ask(tab)
            await read_a_chart_by_keyboard(tab)
            await tab.evaluate("document.querySelector('#map').scrollIntoView()")
            await tab.until("document.querySelectorAll('#map g text').length > 3")
            second.process.kill()
            await tab.until(f"document.querySelector('#gone').innerText.includes('{second_id[:12]} is dead')")
            await tab.until("document.querySelectorAll('#overlay li').length === 1")
            assert tab.complaints == []
            first.process.kill()
            await tab.until("document.body.className === 'silent'")
            assert await tab.evaluate("document.getElementById('state').textContent") == "no answer"


async def look_everywhere(tab: Tab, folder: Path) -> None:
    """Nothing is cut off at any width, and everything that can be used has a name, in light and dark."""
    papers = set()
    for width in (360, 1280):
        for dark in (False, True):
            await tab.look(width, dark)
            await tab.picture(folder / f"page-{width}-{'dark' if dark else 'light'}.png")
            assert await tab.evaluate("document.documentElement.scrollWidth") <= width
            assert await tab.evaluate(WIDE) == []
            assert await tab.evaluate(NAMELESS) == []
            papers.add(await tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(papers) == 2


async def ask(tab: Tab) -> None:
    """Completion, neighbours, an analogy, and an unknown word with what may have been meant."""
    word = await tab.evaluate("fetch('/api/v1/words?limit=1').then(a => a.json()).then(a => a.words[0])")
    await tab.evaluate(f"document.querySelector('#neighbors input').focus(); '{word}'")
    await tab.send("Input.insertText", text=word[:2])
    await tab.until("document.querySelectorAll('#words option').length > 1")
    await tab.evaluate("document.querySelector('#neighbors input').select()")
    await tab.send("Input.insertText", text=word)
    await tab.evaluate("document.querySelector('#neighbors').requestSubmit()")
    await tab.until("document.querySelectorAll('#answer li').length === 10")
    await tab.evaluate(
        f"""for (const input of document.querySelectorAll('#analogy input')) input.value = '{word}';
        document.querySelector('#analogy input').value = '{word}x';
        document.querySelector('#analogy').requestSubmit()"""
    )
    await tab.until(f"document.querySelector('#answer .bad')?.textContent.includes('close to it: {word}')")
    tab.complaints[:] = [each for each in tab.complaints if "404" not in each]  # the browser tells of it, as it should


async def read_a_chart_by_keyboard(tab: Tab) -> None:
    """The arrow keys move along a chart, whose label says what a reader of the screen would see."""
    await tab.evaluate("document.querySelector('#charts svg').focus()")
    before = await tab.evaluate("document.querySelector('#charts svg').ariaLabel")
    for _ in range(3):
        await tab.press("ArrowLeft")
    assert (
        await tab.evaluate("document.querySelector('#charts svg line.cursor').getAttribute('visibility')") == "visible"
    )
    assert before.startswith("Progress: trained ")


# --- the map

NAMES = """[...document.querySelectorAll('#map g text')].map(
    e => [e.textContent, Number(e.getAttribute('x')), Number(e.getAttribute('y'))])"""
TOLD = "document.querySelector('#map output').textContent"
BOX = "(({ x, y, width, height }) => [x, y, width, height])(document.querySelector('#map svg').getBoundingClientRect())"


@needs_browser
async def test_the_map_is_dragged_zoomed_and_read_by_pointer_wheel_keys_and_buttons(tmp_path: Path) -> None:
    assert BROWSER is not None
    rows = np.random.default_rng(1).standard_normal((200, 8)).astype(np.float32)
    model = Words.of([b"word%d" % row for row in range(200)]), rows
    sources = StatusSources(lambda: WELL, lambda: (0, iter(())), lambda: model)
    async with serving(sources) as server, browsing(BROWSER, tmp_path) as tab:
        await tab.send("Page.navigate", url=f"http://{server.address}/")
        await tab.until("document.querySelector('#job')?.textContent === 'default'")
        await tab.look(1280, dark=False)
        await tab.evaluate("document.querySelector('#map svg').scrollIntoView({ block: 'center' })")
        await tab.until("document.querySelectorAll('#map g text').length > 5")
        await hover_and_drag(tab)
        await use_keys_and_buttons(tab)
        assert tab.complaints == []


async def use_keys_and_buttons(tab: Tab) -> None:
    """Each of them changes the map, and 0 brings all of it back."""
    await tab.evaluate("document.querySelector('#map svg').focus()")
    await tab.press("0")
    whole = await names_by_word(tab)
    await tab.press("ArrowRight")
    moved = await names_by_word(tab)
    both = whole.keys() & moved.keys()
    assert both
    assert all(moved[word][0] < whole[word][0] for word in both)
    assert (await tab.evaluate(TOLD)).startswith("in the middle: word")  # which is in the middle
    for act in ("+", "-", "button:nth-of-type(1)", "button:nth-of-type(2)"):
        before = await names_by_word(tab)
        button = f"document.querySelector('#map {act}').click()"
        await (tab.evaluate(button) if act.startswith("button") else tab.press(act))
        assert await names_by_word(tab) != before, act
    await tab.press("0")
    assert await names_by_word(tab) == whole


async def hover_and_drag(tab: Tab) -> None:
    """Over a dot its word is told; a drag takes it along; the wheel leaves what is under the pointer where it is."""
    left, top, width, height = await tab.evaluate(BOX)
    before, names = await tab.evaluate(f"JSON.stringify({NAMES})"), await names_by_word(tab)
    off = {word: math.hypot(x - width / 2, y - height / 2) for word, (x, y) in names.items()}
    word = min(off, key=lambda each: abs(off[each] - 100))
    x, y = names[word][0] - 5, names[word][1] - 4  # a name stands beside its dot
    await tab.send("Input.dispatchMouseEvent", type="mouseMoved", x=left + x, y=top + y)
    await tab.until(f"{TOLD} === {json.dumps(f'here: {word}')}")
    await tab.send("Input.dispatchMouseEvent", type="mouseWheel", x=left + x, y=top + y, deltaX=0, deltaY=-100)
    await tab.until(f"JSON.stringify({NAMES}) !== {json.dumps(before)}")
    zoomed = await names_by_word(tab)
    assert zoomed.keys() != names.keys()
    assert math.dist(zoomed[word], names[word]) < off[word] / 5  # about the middle it would be 2 / 5
    for kind, step in (("mousePressed", 0), ("mouseMoved", 30), ("mouseReleased", 30)):
        place = {"x": left + x + step, "y": top + y, "button": "left", "buttons": 1, "clickCount": 1}
        await tab.send("Input.dispatchMouseEvent", type=kind, **place)
    dragged = await names_by_word(tab)
    assert dragged[word] == pytest.approx((zoomed[word][0] + 30, zoomed[word][1]), abs=1)
    await tab.send("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)


async def names_by_word(tab: Tab) -> dict[str, tuple[float, float]]:
    """Where names stand, in pixels of the map."""
    return {word: (x, y) for word, x, y in await tab.evaluate(NAMES)}


# --- a status of a server without a node


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
WELL: Status = {
    "version": "0.1.0", "node": "3fa2" * 8, "job": "default", "state": "training", "uptime_seconds": 12.0,
    "addresses": {"listen": "127.0.0.1:7411", "http": "127.0.0.1:7412"},
    "vocabulary": {"words": 67867, "digest": "9b1e" * 8, "tokens": 16718844},
    "progress": {"ratio": 0.42, "swarm_trained_tokens": 21000000, "eta_seconds": 200.0, "loss": 2.31},
    "members": [
        {"node": "3fa2" * 8, "state": "training", "alive": True, "addresses": ["1.2.3.4:7411"], "self": True},
        {"node": "81d0" * 8, "state": "training", "alive": True, "suspect": True, "addresses": [], "self": False},
        {"node": "aaaa" * 8, "state": "training", "alive": False, "addresses": [], "self": False},
    ],
    "links": [{"peer": "81d0" * 8, "role": "parent", "exchanges": 10, "sent_bytes": 81234567, "pending_rows": 5}],
    "held_out": {"loss": 2.6612}, "traffic": {"sent_bytes": 91234567, "received_bytes": 5},
    "refusals": {"magic": 3, "other": 0}, "problems": ["10.0.0.9 does not answer"],
    "probe": {"sets": [{"name": "simlex", "figure": "rho", "last": 0.31, "best": 0.33, "known": 9, "total": 10}]},
    "standing": {"origins": [{"origin": "10.0.0.3", "cut_off_seconds": 9.0}]},
    "waiting": {"for": "2 other nodes", "seconds": 61.0, "found": [{}],
                "unanswered": {"10.0.0.9:7411": "no answer in 3 s"}, "refused": {"10.0.0.8:7411": "another job"}},
}  # fmt: skip
SHOWN = (
    "42.0 %", "67,867 words", "3 min 20 s left", "81.2 MB", "91.2 MB", "1.2.3.4:7411",
    "3 refused: magic", "10.0.0.9 does not answer",
    "waiting for 2 other nodes, for 1 min 1 s; 1 found", "no answer from 10.0.0.9:7411: no answer in 3 s",
    "refused 10.0.0.8:7411: another job", "aaaaaaaaaaaa is dead", "81d081d081d0 is suspect", "simlex",
    "10.0.0.3 is cut off for 9 s more", "loss on held-out text\n2.66\n", "simlex\trho\t0.31\t0.33\t9\t10",
)  # fmt: skip
ODD: tuple[Any, ...] = (None, [], {}, "x", 7, [None, 7, "x", []], {"a": None, "b": [[]]})


@needs_browser
async def test_a_status_of_any_kind_is_shown_and_a_strangers_text_stays_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert BROWSER is not None
    monkeypatch.setattr(events, "PERIOD", 0.05)
    status = dict(WELL)
    rows = np.random.default_rng(1).standard_normal((9, 4)).astype(np.float32)
    model = Words.of([HOSTILE.replace(" ", "_").encode(), *(b"word%d" % row for row in range(8))]), rows
    sources = StatusSources(lambda: status, lambda: (0, iter(())), lambda: model)
    async with serving(sources) as server, browsing(BROWSER, tmp_path) as tab:
        await tab.send("Page.navigate", url=f"http://{server.address}/")
        await tab.until("document.querySelector('#job')?.textContent === 'default'")
        text = await tab.evaluate("document.body.innerText")
        assert [each for each in SHOWN if each not in text] == []
        await tab.evaluate("document.querySelector('#map svg').scrollIntoView()")
        await tab.until("document.querySelectorAll('#map text').length > 5")
        await read_cores(tab, status)
        await change(tab, status, json.loads(json.dumps(WELL), object_pairs_hook=strange))
        assert await tab.evaluate("document.querySelectorAll('main script, main img').length") == 0
        assert HOSTILE in await tab.evaluate("document.body.textContent")
        for number, odd in enumerate(ODD):
            await change(tab, status, {"version": f"odd{number}", **dict.fromkeys(WELL.keys() - {"version"}, odd)})
        for key in WELL.keys() - {"version"}:
            await change(tab, status, {**{each: WELL[each] for each in WELL if each != key}, "version": f"no {key}"})
        status.update({"probe": {"sets": []}, "held_out": {"loss": None}, "version": "nothing"})
        await tab.until("document.querySelector('#about').textContent.includes('nothing')")
        assert "loss on held-out text\n\u2013\n" in await tab.evaluate("document.body.innerText")
        assert await tab.evaluate("document.querySelector('#probes').hidden")
        assert tab.complaints == []


async def read_cores(tab: Tab, status: Status) -> None:
    """Cores are counted by the node's clock, whenever events come: here twenty a second, of ten seconds in all."""
    for version, seconds, cpu in (("early", 20.0, 10.0), ("late", 30.0, 15.0)):
        load = {"process_cpu_seconds": cpu}
        await change(tab, status, {**WELL, "version": version, "uptime_seconds": seconds, "load": load})
    await tab.until("document.querySelector('#figures').innerText.includes('0.50 cores')")


@needs_browser
async def test_the_page_of_a_node_with_a_token_shows_itself_to_those_who_have_it(tmp_path: Path) -> None:
    assert BROWSER is not None
    model = Words.of([b"a", b"b"]), np.eye(2, dtype=np.float32)
    sources = StatusSources(lambda: WELL, lambda: (0, iter(())), lambda: model)
    access = Access(b"token-of-this-test")
    async with serving(sources, access) as server, browsing(BROWSER, tmp_path) as tab:
        await tab.send("Page.navigate", url=f"http://anyone:token-of-this-test@{server.address}/")
        await tab.until("document.querySelector('#job')?.textContent === 'default'")
        await tab.until("document.querySelector('#charts svg')?.ariaLabel?.startsWith('Progress: trained 42.0 %')")
        assert tab.complaints == []


@needs_browser
@needs_axe
async def test_axe_finds_no_barrier_at_any_width_light_or_dark(tmp_path: Path) -> None:
    assert BROWSER is not None
    assert AXE is not None
    model = Words.of([b"word%d" % row for row in range(99)]), np.random.default_rng(1).random((99, 8), np.float32)
    sources = StatusSources(lambda: WELL, lambda: (0, iter(())), lambda: model)
    async with serving(sources) as server, browsing(BROWSER, tmp_path) as tab:
        await tab.send("Page.navigate", url=f"http://{server.address}/")
        await tab.until("document.querySelector('#job')?.textContent === 'default'")
        await tab.evaluate("document.querySelector('#neighbors input').value = 'word1'")
        await tab.evaluate("document.querySelector('#neighbors').requestSubmit()")
        await tab.evaluate("document.querySelector('#map').scrollIntoView()")
        await tab.until("document.querySelectorAll('#answer li, #map g text').length > 15")
        await tab.evaluate(f"{AXE.read_text('utf-8')}; 0")
        for width, dark in itertools.product((360, 1280), (False, True)):
            await tab.look(width, dark)
            assert await tab.evaluate(BARRIERS) == [], (width, dark)


@contextlib.asynccontextmanager
async def serving(sources: StatusSources, access: Access | None = None) -> AsyncIterator[Server]:
    server = await serve(("127.0.0.1", 0), sources, Metrics(), access=access)
    try:
        yield server
    finally:
        await server.close()


def strange(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What JSON makes of an object, with a stranger's text in place of each text."""
    texts = {key: HOSTILE if isinstance(value, str) else value for key, value in pairs}
    lists = {key: value for key, value in pairs if isinstance(value, list)}
    return texts | {key: [HOSTILE if isinstance(each, str) else each for each in value] for key, value in lists.items()}


async def change(tab: Tab, status: Status, wanted: Status) -> None:
    """Serve another status and wait until the page shows it."""
    status.clear()
    status.update(wanted)
    await tab.until(
        f"document.querySelector('#about').textContent.includes({json.dumps(str(wanted['version'])[:600])})"
    )
