// The page of a node: listens to its events, shows them, and asks its model. All text from the node goes in as text.

import { add, chart } from "/page/charts.js";
import { wordMap } from "/page/map.js";

const API = `${location.origin}/api/v1`; // without the name and password that the address may hold
const SILENCE = 5000; // ms without an event, after which the page says so
const HISTORY_PAUSE = 10000; // ms at most between two looks at the history; fewer while it is short
const LISTED = 100; // rows of a list
const RATE_SECONDS = 20; // s over which a member's speed is taken
const $ = id => document.getElementById(id);

// --- numbers as people read them; what is no finite number is a dash

const known = (value, show) => (Number.isFinite(value) ? show(value) : "–");
const fixed = (value, digits) => value.toLocaleString("en", { maximumSignificantDigits: digits });
const unit = (value, names, step) => {
  let at = 0;
  while (Math.abs(value) >= step && at < names.length - 1) { value /= step; at += 1; }
  return `${fixed(value, 3)} ${names[at]}`.trim();
};
const count = value => known(value, n => (Math.abs(n) < 1e6 ? Math.round(n).toLocaleString("en") : unit(n / 1e6, ["M", "G", "T"], 1000)));
const size = value => known(value, n => unit(n, ["B", "kB", "MB", "GB", "TB"], 1000));
const percent = value => known(value, n => `${(100 * n).toFixed(1)} %`);
const decimal = value => known(value, n => fixed(n, 3));
const milliseconds = value => known(value, n => `${fixed(1000 * n, 2)} ms`);
const duration = value => known(value, n => {
  const seconds = Math.round(Math.max(0, n));
  for (const [whole, name, part, below] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]])
    if (seconds >= whole) return `${Math.floor(seconds / whole)} ${name} ${Math.floor(seconds % whole / part)} ${below}`;
  return `${seconds} s`;
});
const text = value => (value === null || value === undefined || value === "" ? "–" : String(value).slice(0, 600));
const short = id => text(id).slice(0, 12);
const list = value => (Array.isArray(value) ? value : []);
const record = value => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
const rows = value => list(value).map(record);

// --- parts of the page

/** Put `value` where it differs, so that screen readers hear of changes alone. */
function say(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

function items(element, lines) {
  const shown = lines.slice(0, LISTED);
  while (element.children.length > shown.length) element.lastChild.remove();
  shown.forEach((line, at) => say(element.children[at] ?? add(element, "li"), line));
}

function facts(element, pairs) {
  pairs.forEach(([title, value], at) => {
    const cell = element.children[at] ?? add(element, "div");
    if (!cell.children.length) { add(cell, "dt"); add(cell, "dd"); }
    say(cell.children[0], title);
    say(cell.children[1], value);
  });
  while (element.children.length > pairs.length) element.lastChild.remove();
}

/** A table of `lines`; `columns` are [title, cell, whether it is a number]. */
function table(element, columns, lines) {
  element.replaceChildren();
  const head = add(element, "tr");
  columns.forEach(([title, , number]) => add(head, "th", { scope: "col", textContent: title, className: number ? "number" : "" }));
  for (const row of lines.slice(0, LISTED)) {
    const line = add(element, "tr");
    columns.forEach(([, cell, number]) => add(line, "td", { textContent: cell(row), className: number ? "number" : "" }));
  }
  if (!lines.length) add(add(element, "tr"), "td", { colSpan: columns.length, className: "soft", textContent: "none yet" });
}

// --- what a status says

function show(status) {
  const progress = record(status.progress), links = rows(status.links), load = record(status.load);
  document.body.className = "";
  document.title = `${percent(progress.ratio)} · ${text(status.job)} · gossipw2v`;
  say($("job"), text(status.job));
  say($("about"), `node ${short(status.node)}, gossipw2v ${text(status.version)}, up ${duration(status.uptime_seconds)}`);
  showState(text(status.state) + (status.degraded && !status.failure ? ", degraded" : ""), Boolean(status.failure || status.stuck));
  showTroubles(status);
  $("bar").value = Number.isFinite(progress.ratio) ? progress.ratio : 0;
  say($("ratio"), `${percent(progress.ratio)} trained by the swarm`);
  say($("tokens"), `${count(progress.swarm_trained_tokens)} of ${count(progress.swarm_total_tokens)} words`);
  say($("left"), `${duration(progress.eta_seconds)} left`);
  facts($("figures"), [
    ["words/s, swarm", count(progress.swarm_words_per_second)],
    ["words/s, this node", count(progress.words_per_second)],
    ["loss of training", decimal(progress.loss)],
    ["loss on held-out text", decimal(record(status.held_out).loss)],
    ["step size (alpha)", decimal(progress.alpha)],
    ["epoch here", `${count(progress.epoch)} of ${count(progress.epochs)}`],
    ["sent", size(record(status.traffic).sent_bytes)],
    ["received", size(record(status.traffic).received_bytes)],
    ["CPU", cores(load.process_cpu_seconds, status.uptime_seconds)],
    ["memory", size(load.resident_bytes)],
    ["event loop late, p99", milliseconds(load.loop_lag_p99_seconds)],
  ]);
  showOverlay(status, rows(status.members), links);
  showLinks(links);
  showProbes(rows(record(status.probe).sets));
  showRefusals(status);
  showDetails(status);
}

function showState(value, bad) {
  say($("state"), value);
  $("state").className = bad ? "state bad" : "state";
}

function showTroubles(status) {
  const problems = list(status.problems).map(text), waiting = record(status.waiting);
  $("problems").hidden = !problems.length;
  items($("problems").querySelector("ul"), problems);
  $("waiting").hidden = !status.waiting;
  say($("waiting").querySelector("p"), `waiting for ${text(waiting.for)}, for ${duration(waiting.seconds)}; ${list(waiting.found).length} found`);
  const told = (title, places) => Object.entries(record(places)).map(([place, why]) => `${title} ${place}: ${text(why)}`);
  items($("waiting").querySelector("ul"), [...told("no answer from", waiting.unanswered), ...told("refused", waiting.refused)]);
}

const lastLoad = { cpu: NaN, at: -Infinity, shown: "–" }; // CPU seconds of an event, and the node's uptime then
/** Cores that the node takes, by its own clock: events may come late, and two of them at once. */
function cores(cpu, seconds) {
  if (seconds >= lastLoad.at && seconds - lastLoad.at < 0.5) return lastLoad.shown;
  const shown = known((cpu - lastLoad.cpu) / (seconds - lastLoad.at), n => `${n.toFixed(2)} cores`);
  return Object.assign(lastLoad, { cpu, at: seconds, shown }).shown;
}

// --- the overlay: a list of lists, which screen readers can follow

const conditionOf = member =>
  member.state === "left" ? "left" : !member.alive ? "dead" : member.suspect ? "suspect" : text(member.state);
const speeds = new Map(); // by node: [seconds, trained words] of the last RATE_SECONDS

function showOverlay(status, members, links) {
  const here = members.filter(member => !["dead", "left"].includes(conditionOf(member)));
  const ids = new Set(here.map(member => member.node)), below = new Map();
  for (const member of here) {
    const parent = ids.has(member.parent) && member.parent !== member.node ? member.parent : null;
    below.set(parent, [...(below.get(parent) ?? []), member]);
  }
  const byPeer = new Map(links.map(link => [link.peer, link])), seen = new Set();
  const branch = (element, parent) => {
    for (const member of below.get(parent) ?? []) {
      if (seen.has(member.node)) continue;
      seen.add(member.node);
      const item = add(element, "li");
      showMember(add(item, "div", { className: "row" }), member, byPeer.get(member.node), status.uptime_seconds);
      if (below.has(member.node)) branch(add(item, "ul"), member.node);
    }
  };
  const tree = document.createElement("ul");
  branch(tree, null);
  for (const member of here) if (!seen.has(member.node)) branch(tree, member.parent); // a circle, for a moment
  $("overlay").replaceChildren(...tree.children);
  const counts = record(record(status.counts).conditions);
  say($("counts"), Object.entries(counts).map(([name, n]) => `${n} ${name}`).join(", "));
  const gone = members.filter(member => ["dead", "left", "suspect"].includes(conditionOf(member)));
  $("gone").hidden = !gone.length;
  items($("gone").querySelector("ul"), gone.map(member =>
    `${short(member.node)} is ${conditionOf(member)}: ${list(member.addresses).slice(0, 4).join(", ") || "no address"}; trained ${count(member.trained_tokens)} words`));
}

function showMember(row, member, link, seconds) {
  const share = member.total_tokens ? member.trained_tokens / member.total_tokens : NaN, state = conditionOf(member);
  add(row, "code", { textContent: short(member.node) });
  if (member.self) add(row, "strong", { textContent: "this node" });
  add(row, "span", { className: state === "suspect" ? "badge bad" : "badge", textContent: state });
  add(row, "progress", { max: 1, value: Number.isFinite(share) ? Math.min(1, share) : 0, ariaLabel: `trained by ${short(member.node)}` });
  add(row, "span", { textContent: percent(share) });
  const left = timeLeft(member, seconds);
  if (left !== null) add(row, "span", { className: "soft", textContent: `${duration(left)} left` });
  add(row, "span", { className: "soft", textContent: list(member.addresses).slice(0, 2).join(", ") });
  if (link) add(row, "span", { className: "soft", textContent: `link ${text(link.state)}: ${size(link.sent_bytes)} out, ${size(link.received_bytes)} in, ${count(link.pending_rows)} rows to share` });
}

/** Seconds until a member is through its own text at its present speed; null if that cannot be told. */
function timeLeft(member, seconds) {
  const past = (speeds.get(member.node) ?? []).filter(([at]) => at <= seconds && seconds - at <= RATE_SECONDS);
  past.push([seconds, member.trained_tokens]);
  speeds.set(member.node, past);
  const [at, trained] = past[0], rate = (member.trained_tokens - trained) / (seconds - at);
  return rate > 0 && member.total_tokens > member.trained_tokens ? (member.total_tokens - member.trained_tokens) / rate : null;
}

function showLinks(links) {
  table($("links"), [
    ["peer", link => short(link.peer)], ["role", link => text(link.role)], ["state", link => text(link.state)],
    ["exchanges", link => count(link.exchanges), true], ["sent", link => size(link.sent_bytes), true],
    ["received", link => size(link.received_bytes), true], ["rows sent", link => count(link.sent_rows), true],
    ["rows received", link => count(link.received_rows), true], ["to share", link => count(link.pending_rows), true],
    ["clipped", link => count(link.clipped_rows), true],
  ], links);
}

function showProbes(sets) {
  $("probes").hidden = !sets.length;
  table($("probes").querySelector("table"), [
    ["test set", row => text(row.name)], ["figure", row => text(row.figure)], ["last", row => decimal(row.last), true],
    ["best", row => decimal(row.best), true], ["known", row => count(row.known), true], ["of", row => count(row.total), true],
  ], sets);
}

function showRefusals(status) {
  const refused = Object.entries(record(status.refusals)).filter(([, n]) => n).map(([why, n]) => `${count(n)} refused: ${why}`);
  const cut = rows(record(status.standing).origins).filter(each => each.cut_off_seconds > 0)
    .map(each => `${text(each.origin)} is cut off for ${duration(each.cut_off_seconds)} more`);
  $("refused").hidden = !cut.length && !refused.length;
  items($("refusals"), [...cut, ...refused]);
}

function showDetails(status) {
  const corpus = record(status.corpus), vocabulary = record(status.vocabulary), addresses = record(status.addresses);
  facts($("details"), [
    ["vocabulary", `${count(vocabulary.words)} words` + (vocabulary.version ? `, version ${count(vocabulary.version)}` : "")],
    ["digest", short(vocabulary.digest)], ["text", size(corpus.bytes)],
    ["words of text", count(corpus.tokens)], ["listens on", text(addresses.listen) + (status.tls ? " (TLS)" : "")],
    ["bytes replaced", count(corpus.replaced_bytes)], ["times diverged", count(status.divergences)],
  ]);
}

// --- charts

const CHARTS = [
  ["Progress", [["ratio", "trained"]], percent],
  ["Words a second", [["swarm_words_per_second", "swarm"], ["words_per_second", "this node"]], count],
  ["Loss", [["held_out_loss", "held-out"], ["loss", "training"]], decimal],
  ["Bytes of exchanges", [["sent_bytes", "sent"], ["received_bytes", "received"]], size],
  ["Disagreement: rows not shared yet", [["unshared_ratio", "of all rows"]], percent],
  ["CPU", [["cpu_cores", "cores"]], decimal],
  ["Memory", [["resident_bytes", "resident"]], size],
  ["Event loop late", [["loop_lag_p99_seconds", "p99"]], milliseconds],
].map(([title, lines, form]) => chart($("charts"), title, lines, form, duration, title !== "Loss"));

async function drawHistory() {
  try {
    const { points } = await asked("/history");
    points.forEach((point, at) => {
      const before = points[at - 1];
      point.cpu_cores = before ? (point.cpu_seconds - before.cpu_seconds) / (point.seconds - before.seconds) : NaN;
    });
    CHARTS.forEach(draw => draw(points));
    return points.length;
  } catch { return 0; } // the events say that nobody answers
}

let historyDue = 0;
async function keepHistory() {
  if (performance.now() < historyDue) return;
  historyDue = performance.now() + 1000; // nobody asks twice at once
  const points = await drawHistory();
  historyDue = performance.now() + Math.min(HISTORY_PAUSE, 1000 + 20 * points);
}

// --- questions

async function asked(path, parameters = {}) {
  const answer = await fetch(`${API}${path}?${new URLSearchParams(parameters)}`, { signal: AbortSignal.timeout(20000) });
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(`${told.error}${told.hint ? `; ${told.hint}` : ""}`), { close: list(told.close) });
  return told;
}

const asks = ({ word, a, b, c }) => (word ? `words near “${word}”` : `“${a}” is to “${b}” as “${c}” is to`);
let question = 0; // the last that was asked: an answer to an earlier one comes too late
async function answerTo(form, path, key) {
  const mine = ++question, out = $("answer"), parameters = Object.fromEntries(new FormData(form));
  try {
    const found = (await asked(path, parameters))[key];
    if (mine !== question) return;
    out.replaceChildren();
    add(out, "p", { className: "soft", textContent: `${asks(parameters)}, by cosine` });
    const shown = add(out, "ol");
    for (const row of found) {
      const item = add(shown, "li");
      add(item, "span", { textContent: row.word });
      add(item, "span", { className: "soft", textContent: row.similarity.toFixed(3) });
    }
  } catch (error) {
    if (mine !== question) return;
    out.replaceChildren();
    add(out, "p", { className: "bad", textContent: error.name === "TimeoutError" ? "no answer within 20 s; try again" : error.message });
  }
}

let completing = 0;
function complete(event) {
  clearTimeout(completing);
  completing = setTimeout(async () => {
    const prefix = event.target.value.trim();
    if (!prefix) return;
    try {
      const { words } = await asked("/words", { prefix, limit: 12 });
      $("words").replaceChildren(...words.map(word => Object.assign(document.createElement("option"), { value: word })));
    } catch { /* no model yet: the question itself says so */ }
  }, 150);
}

for (const [id, path, key] of [["neighbors", "/neighbors", "neighbors"], ["analogy", "/analogy", "words"]]) {
  $(id).addEventListener("submit", event => { event.preventDefault(); answerTo($(id), path, key); });
  $(id).addEventListener("input", complete);
}

// --- the map

const MAPPED = ["training", "draining", "complete"]; // states in which there is a model
const keepMap = wordMap($("map"), () => asked("/map"));

// --- events

let heardAt = performance.now();
function listen() {
  const events = new EventSource(`${API}/events`);
  events.addEventListener("status", event => {
    heardAt = performance.now();
    const status = JSON.parse(event.data);
    show(status);
    keepHistory();
    if (MAPPED.includes(status.state)) keepMap();
  });
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, SILENCE); // turned away: there were too many
  });
}

setInterval(() => {
  if (performance.now() - heardAt < SILENCE) return;
  document.body.className = "silent";
  showState("no answer", true);
}, 1000);
listen();
