// The map of frequent words as SVG: dragged, zoomed by wheel, buttons and keys, with names that do not overlap.

import { shape } from "/page/charts.js";

const PAUSE = 5000; // ms between two maps; the node makes none sooner
const SHORTEST = 500; // ms between two tries to get one
const STEP = 1.4, LARGEST = 60; // of zooming
const REACH = 40; // px from a pointer to the word that it names
const LETTER = 7, WIDE = 13, LINE = 15; // px of a name
const CUT = 24; // letters of a name on the map; the whole is below it

/** The map in `section`; `load` gets { words, share }, words with x and y. Returns what is to be called now and then. */
export function wordMap(section, load) {
  const svg = section.querySelector("svg"), told = section.querySelector("output");
  const dots = shape(svg, "path"), ring = shape(svg, "circle", { r: 6, visibility: "hidden" });
  const names = shape(svg, "g"), first = shape(svg, "text", { class: "near" });
  const view = { x: 0, y: 0, zoom: 1, reach: 1 }; // the point in the middle, and how far a whole map goes
  let words = [], places = [], visible = false, due = 0, drag = null, pointer = null;

  function draw() {
    const { width, height } = svg.getBoundingClientRect();
    if (!width || !height) return;
    const scale = view.zoom * Math.min(width, height) / 2 / view.reach;
    const inside = place => place.x >= 4 && place.y >= 4 && place.x <= width - 4 && place.y <= height - 4;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    places = words.map(({ word, x, y }) => ({ word, x: (x - view.x) * scale + width / 2, y: (view.y - y) * scale + height / 2 })).filter(inside);
    dots.setAttribute("d", places.map(({ x, y }) => `M${x.toFixed(1)} ${y.toFixed(1)}h.01`).join(""));
    write(width, height);
    point(pointer ?? { x: width / 2, y: height / 2, reach: Infinity }, width);
  }

  /** Names of as many words as have room, the most frequent first. */
  function write(width, height) {
    const taken = [];
    const shown = places.map(place => ({ ...place, wide: wideness(cut(place.word)) })).filter(({ x, y, wide }) => {
      const box = [x + 5, y - LINE / 2, x + 5 + wide, y + LINE / 2];
      const free = box[2] < width && box[1] > 0 && box[3] < height && !taken.some(other => overlap(box, other));
      if (free) taken.push(box);
      return free;
    });
    while (names.children.length > shown.length) names.lastChild.remove();
    shown.forEach(({ word, x, y }, at) => name(names.children[at] ?? shape(names, "text"), word, x + 5, y + 4));
  }

  /** Mark the word nearest to a place, and name it. */
  function point({ x, y, reach }, width) {
    const distance = place => Math.hypot(place.x - x, place.y - y);
    const near = places.reduce((best, place) => (distance(place) < (best ? distance(best) : reach) ? place : best), null);
    ring.setAttribute("visibility", near ? "visible" : "hidden");
    first.setAttribute("visibility", near ? "visible" : "hidden");
    say(near ? `${reach === Infinity ? "in the middle" : "here"}: ${near.word}` : words.length ? "" : "no map yet");
    if (!near) return;
    ring.setAttribute("cx", near.x);
    ring.setAttribute("cy", near.y);
    const left = near.x + 9 + wideness(cut(near.word)) > width;
    first.setAttribute("text-anchor", left ? "end" : "start");
    name(first, near.word, near.x + (left ? -9 : 9), near.y + 4);
  }

  function say(text) {
    if (told.textContent !== text) told.textContent = text;
  }

  function pan(x, y) {
    const { width, height } = svg.getBoundingClientRect(), scale = view.zoom * Math.min(width, height) / 2 / view.reach;
    view.x = bounded(view.x - x / scale, -view.reach, view.reach);
    view.y = bounded(view.y + y / scale, -view.reach, view.reach);
  }

  /** Zoom about a place of the picture, or its middle. */
  function zoom(factor, x = null, y = null) {
    const { width, height } = svg.getBoundingClientRect();
    const off = x === null ? [0, 0] : [x - width / 2, y - height / 2];
    pan(-off[0], -off[1]);
    view.zoom = bounded(view.zoom * factor, 1, LARGEST);
    pan(...off);
    draw();
  }

  function whole() {
    const far = words.map(({ x, y }) => Math.max(Math.abs(x), Math.abs(y)));
    Object.assign(view, { x: 0, y: 0, zoom: 1, reach: 1.1 * Math.max(...far, 1e-6) });
    draw();
  }

  const within = event => {
    const box = svg.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, reach: REACH };
  };
  svg.addEventListener("pointerdown", event => {
    drag = within(event);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", event => {
    pointer = within(event);
    if (drag) {
      pan(pointer.x - drag.x, pointer.y - drag.y);
      drag = pointer;
    }
    draw();
  });
  for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => { drag = null; });
  svg.addEventListener("pointerleave", () => { pointer = null; draw(); });
  svg.addEventListener("wheel", event => {
    event.preventDefault();
    const { x, y } = within(event);
    zoom(STEP ** (-Math.sign(event.deltaY)), x, y);
  }, { passive: false });
  svg.addEventListener("keydown", event => {
    const move = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
    const act = { "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP), "0": whole, Home: whole }[event.key];
    if ((!move && !act) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    pointer = null;
    if (move) { pan(...move); draw(); } else act();
  });
  const [nearer, farther, all] = section.querySelectorAll("button");
  nearer.addEventListener("click", () => zoom(STEP));
  farther.addEventListener("click", () => zoom(1 / STEP));
  all.addEventListener("click", whole);
  new ResizeObserver(draw).observe(svg);
  new IntersectionObserver(seen => { visible = seen.at(-1).isIntersecting; }).observe(svg);

  return async function keep() {
    if (!visible || document.hidden || performance.now() < due) return;
    due = performance.now() + PAUSE;
    const fresh = !words.length;
    try {
      const map = await load();
      words = map.words;
      section.querySelector("h2 span").textContent = `two directions, which hold ${(100 * map.share).toFixed(0)} % of the variance`;
    } catch { due = performance.now() + SHORTEST; } // no model, or too many ask
    if (fresh) whole(); else draw();
  };
}

const bounded = (value, low, high) => Math.min(high, Math.max(low, value));
const cut = word => ([...word].length > CUT ? `${[...word].slice(0, CUT - 1).join("")}…` : word);
const wideness = word => [...word].reduce((sum, letter) => sum + (letter.codePointAt(0) < 0x1100 ? LETTER : WIDE), 4);
const overlap = (one, other) => one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];

function name(element, word, x, y) {
  element.setAttribute("x", x.toFixed(1));
  element.setAttribute("y", y.toFixed(1));
  if (element.textContent !== cut(word)) element.textContent = cut(word);
}
