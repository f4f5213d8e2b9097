"""The page of a node in a real browser, while two daemons train."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.browser import Tab, browsing, find_browser
from support.daemons import Daemons, addresses, write_texts

pytestmark = pytest.mark.slow

BROWSER = find_browser()
WIDE = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') && !e.closest('.skip')
    && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 100))"""
NAMELESS = """[...document.querySelectorAll('input, button, progress, svg, a')].filter(e => !(e.ariaLabel
    || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).map(e => e.outerHTML.slice(0, 100))"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here (apt-get install chromium)")
async def test_the_page_of_a_node_in_a_browser(tmp_path: Path) -> None:
    assert BROWSER is not None
    one, two = await asyncio.to_thread(write_texts, tmp_path, 2)
    with Daemons(tmp_path) as swarm:
        places = addresses(2)
        settings = {"until_complete": False, "epochs": 60, "peers": ",".join(places)}
        first, _ = [swarm.start(text, listen=place, **settings) for text, place in zip((one, two), places, strict=True)]
        await asyncio.to_thread(first.until, lambda status: status["links"] and status["state"] == "training")
        (tmp_path / "browser").mkdir()
        async with browsing(BROWSER, tmp_path / "browser") as tab:
            await tab.send("Page.navigate", url=await asyncio.to_thread(lambda: first.url))
            await tab.until("document.querySelectorAll('#overlay li').length === 2")
            await tab.until("document.querySelectorAll('svg path')[0]?.getAttribute('d')?.includes('L')")
            await look_everywhere(tab, tmp_path)
            await ask(tab)
            await read_a_chart_by_keyboard(tab)
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
    await tab.evaluate("document.querySelector('svg').focus()")
    before = await tab.evaluate("document.querySelector('svg').ariaLabel")
    for _ in range(3):
        await tab.press("ArrowLeft")
    assert await tab.evaluate("document.querySelector('svg line.cursor').getAttribute('visibility')") == "visible"
    assert before.startswith("Progress: trained ")
