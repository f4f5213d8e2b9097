// Line charts as SVG: a title, one or two lines over time, and their values under a pointer or the arrow keys.

const WIDTH = 400, HEIGHT = 100;

/** A chart in `parent`: `lines` are [key, name] of points, `show` makes text of a value. Returns what draws points.
 *
 * Up to its highest value, from 0 on, or from its lowest where `zero` is false: small changes are small, else. */
export function chart(parent, title, lines, show, duration, zero = true) {
  const figure = add(parent, "figure", { className: "card" });
  const caption = add(figure, "figcaption");
  add(caption, "b", { textContent: title });
  const keys = lines.map(([, name], at) => add(caption, "span", { className: `key line${at}`, textContent: name }));
  const svg = shape(figure, "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", tabindex: "0" });
  shape(svg, "line", { x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT });
  const paths = lines.map((_, at) => shape(svg, "path", { class: `line${at}` }));
  const cursor = shape(svg, "line", { class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
  const top = add(figure, "p", { className: "scale top" });
  figure.insertBefore(top, svg);
  const scale = add(figure, "p", { className: "scale" });
  const [bottom, to] = ["", ""].map(() => add(scale, "span"));
  const state = { points: [], at: null };

  function draw(points) {
    state.points = points;
    const values = points.flatMap(point => lines.map(([key]) => point[key])).filter(Number.isFinite);
    const [low, high] = bounds(values, zero);
    lines.forEach(([key], at) => paths[at].setAttribute("d", path(points, key, low, high)));
    top.textContent = values.length ? show(high) : "nothing yet";
    bottom.textContent = values.length ? show(low) : "";
    read();
  }

  function read() {
    const { points, at } = state;
    const point = points[at ?? points.length - 1];
    lines.forEach(([key, name], number) => { keys[number].textContent = `${name} ${point ? show(point[key]) : "–"}`; });
    cursor.setAttribute("visibility", at === null ? "hidden" : "visible");
    if (at !== null && point) {
      const x = place(points, point);
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      to.textContent = `${duration(point.seconds)} after the start`;
    } else to.textContent = points.length ? `from ${duration(points[0].seconds)} to ${duration(points.at(-1).seconds)} after the start` : "";
    svg.setAttribute("aria-label", `${title}: ${keys.map(key => key.textContent).join(", ")}; ${bottom.textContent} to ${top.textContent}`);
  }

  function move(at) {
    state.at = at === null || !state.points.length ? null : Math.min(state.points.length - 1, Math.max(0, at));
    read();
  }

  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect();
    move(nearest(state.points, (event.clientX - box.left) / box.width * WIDTH));
  });
  svg.addEventListener("pointerleave", () => move(null));
  svg.addEventListener("blur", () => move(null));
  svg.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    move((state.at ?? state.points.length) + step);
  });
  return draw;
}

function bounds(values, zero) {
  const low = Math.min(...values, ...(zero ? [0] : [])), high = Math.max(...values);
  return low === high ? [Math.min(0, low), high || 1] : [low, high];
}

function place(points, point) {
  const first = points[0].seconds, last = points.at(-1).seconds;
  return last > first ? (point.seconds - first) / (last - first) * WIDTH : WIDTH;
}

function nearest(points, x) {
  let best = 0;
  points.forEach((point, at) => {
    if (Math.abs(place(points, point) - x) < Math.abs(place(points, points[best]) - x)) best = at;
  });
  return best;
}

/** The line through all finite values; it is broken where there are none. */
function path(points, key, low, high) {
  let out = "", drawn = false;
  for (const point of points) {
    const value = point[key], known = Number.isFinite(value);
    const at = () => `${place(points, point).toFixed(1)} ${((high - value) / (high - low) * HEIGHT).toFixed(1)}`;
    if (known) out += drawn ? `L${at()}` : `M${at()}h.01`; // a value that stands alone is a dot
    drawn = known;
  }
  return out;
}

/** A new element of SVG at the end of `parent`. */
export function shape(parent, name, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return parent.appendChild(element);
}

/** A new element at the end of `parent`. Text goes in as text: it may come from strangers. */
export function add(parent, name, properties = {}) {
  return parent.appendChild(Object.assign(document.createElement(name), properties));
}
