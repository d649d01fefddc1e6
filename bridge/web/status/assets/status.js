// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Keeps the status page live: it asks for the same JSON as everybody can, and makes
// the same elements as the server does. Whatever the network named goes through text
// nodes and attributes of ours, never through markup.
"use strict";

const every = 5000; // ms between two answers
const patience = 10000; // ms for one answer
const columns = 7;
const $ = (id) => document.getElementById(id);

// Text.

const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;
const visible = (s) => String(s).replace(hidden, (c) => "\\u{" + c.codePointAt(0).toString(16) + "}");
const lines = (s) => String(s).split("\n").map(visible).join("\n");

// Numbers, as units.go writes them.

const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
function exact(v) {
  const [places, scale] = v < 9.995 ? [2, 100] : v < 99.95 ? [1, 10] : [0, 1];
  return (Math.floor(v * scale + 0.5) / scale).toFixed(places);
}
const digits = (v) => (v < 99.95 ? exact(v).replace(/\.?0+$/, "") : exact(v));
function inUnits(n, step, units) {
  let i = 0;
  for (; n >= step - 0.5 && i < units.length - 1; i++) n /= step;
  return (i ? exact(n) : digits(n)) + " " + units[i];
}
const size = (bytes) => inUnits(bytes, 1000, ["B", "kB", "MB", "GB", "TB", "PB", "EB"]);
const room = (bytes) => inUnits(bytes, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]);
const speed = (bytes) => size(bytes) + "/s";
function roundTrip(ns) {
  if (ns < 999.5e3) return digits(ns / 1e3) + " µs";
  if (ns < 999.5e6) return digits(ns / 1e6) + " ms";
  return digits(Math.min(ns / 1e9, 999)) + " s";
}
function span(seconds) {
  const s = Math.floor(Math.max(seconds, 0));
  if (s < 120) return s + " s";
  if (s < 7200) return Math.floor(s / 60) + " min";
  if (s < 172800) return Math.floor(s / 3600) + " h";
  return Math.floor(s / 86400) + " d";
}
const between = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;
const ago = (t, now) => span(between(t, now)) + " ago";
const share = (b) => (b.limit > 0 ? Math.floor(Math.min(Math.max((b.now * 100) / b.limit, 0), 100)) : 0);

// Elements.

const svgNames = new Set(["svg", "polygon", "polyline", "rect"]);
function el(name, attributes, ...children) {
  const e = svgNames.has(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== undefined && value !== "") e.setAttribute(key, value);
  }
  e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== ""));
  return e;
}
const text = (s) => el("span", { class: "v" }, visible(s));
const word = (kind, s) => el("span", { class: kind ? "word " + kind : "word" }, s);

// become makes old like fresh and touches only what differs, so that what a person
// selected, opened or focused stays.
function become(old, fresh) {
  if (old.nodeName !== fresh.nodeName) return void old.replaceWith(fresh);
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  fill(old, [...fresh.childNodes]);
}
function fill(parent, children) {
  const old = [...parent.childNodes];
  children.forEach((child, i) => {
    if (typeof child === "string") child = document.createTextNode(child);
    if (i < old.length) become(old[i], child);
    else parent.append(child);
  });
  old.slice(children.length).forEach((node) => node.remove());
}

function spark(points, ticks) {
  if (!points || points.length < 2) return null;
  const most = Math.max(...points);
  const slots = Math.min(Math.max(ticks, 12), 60), first = slots - points.length, width = 2 * (slots - 1);
  const line = points.map((p, i) => 2 * (first + i) + "," + (22 - (most > 0 ? Math.floor((20 * p) / most + 0.5) : 0))).join(" ");
  return el("svg", { class: "spark", viewBox: "0 0 " + width + " 24", preserveAspectRatio: "none", "aria-hidden": "true" },
    el("polygon", { points: 2 * first + ",24 " + line + " " + width + ",24" }), el("polyline", { points: line }));
}
function bar(b, write) {
  if (!b.limit) return [el("p", { class: "note" }, "no limit")];
  return [
    el("svg", { class: "bar", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
      el("rect", { class: "full", width: "100", height: "4" }), el("rect", { class: "now", width: String(share(b)), height: "4" })),
    el("p", { class: "note" }, share(b) + " % of " + write(b.limit)),
  ];
}

// The parts of the page.

function showState(s) {
  const has = (state) => s.endpoints.some((e) => e.state === state);
  const [kind, title] = !s.ready ? ["bad", "Not ready"] : has("refusing") ? ["bad", "Samples refused"]
    : has("failing") ? ["bad", "Receiver failing"] : ["ok", "Ready"];
  fill($("state"), [el("span", { class: "pill " + kind }, title), " ", text(s.message === "ready" ? "" : s.message)]);
  const alerts = [];
  if (s.exactness_suspended) {
    alerts.push(el("p", { class: "alert" }, el("strong", {}, "Exactness is suspended."),
      " The disk under --storage.path is failing: a crash now loses what is not on disk. ", text(s.storage.trouble || "")));
  }
  for (const e of s.endpoints.filter((e) => e.state === "refusing")) {
    alerts.push(el("p", { class: "alert" }, el("strong", {}, "A receiver refused samples."), " ", text(e.url),
      " refused " + count(e.refused_samples) + " in the last 15 minutes, its latest error was " + ago(e.last_error_at || "0001-01-01T00:00:00Z", s.now) +
      ". They are not retried: live connections make up for it, " + size(e.lost_bytes) + " of ended ones are lost."));
  }
  for (const e of s.endpoints.filter((e) => e.retried_until)) {
    alerts.push(el("p", { class: "alert" }, el("strong", {}, "A receiver refuses samples."), " ", text(e.url),
      ": they are retried until " + new Date(e.retried_until).toISOString().slice(11, 19) + " UTC, then they are lost. ", text(e.remedy || "")));
  }
  if (s.clock_wait_seconds > 0) {
    alerts.push(el("p", { class: "alert" }, el("strong", {}, "The clock was set back."),
      " No samples for " + span(s.clock_wait_seconds) + ", until it has passed the last ones; counting continues."));
  }
  fill($("alerts"), alerts);
}

function showTiles(s, list) {
  const tile = (title, big, ...rest) => el("div", { class: "tile" }, el("h2", {}, title), el("p", { class: "big" }, big), ...rest);
  const note = (t) => el("p", { class: "note" }, t);
  const traffic = tile("Traffic", speed(list.rate.reduce((a, b) => a + b, 0)), spark(list.history, list.history_at.length), note("all connections, both directions"));
  traffic.setAttribute("class", "tile traffic");
  const store = s.storage;
  fill($("tiles"), [
    traffic,
    tile("Connections", count(s.bounds.connections.now), bar(s.bounds.connections, count)),
    tile("Series", count(s.bounds.series.now), bar(s.bounds.series, count)),
    tile("Flows", count(s.bounds.flows.now), bar(s.bounds.flows, count)),
    tile("Updates", digits(s.analyzers.reduce((n, a) => n + a.updates_per_second, 0)) + "/s", note("flow records from all analyzers")),
    store.durable
      ? tile("Disk", room(store.log.now), bar(store.log, room), note("and " + room(store.state) + " of counters and flows"))
      : tile("Backlog in memory", room(store.memory.now), bar(store.memory, room), note("lost at a restart: no --storage.path")),
  ]);
}

const facts = (...pairs) => el("dl", {}, pairs.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));
const words = (error, when, remedy) => (error ? el("p", { class: "error" }, when ? when + ": " : "", el("q", { class: "v" }, visible(error)),
  remedy ? [" ", text(remedy)] : []) : null);
const states = { ok: ["ok", "accepts"], refusing: ["bad", "refused samples lately"], failing: ["bad", "does not accept"] };

function showPeers(s) {
  const missing = (s.missing_analyzers || []).map((m) => el("article", {},
    el("h3", {}, text(m.host_id)),
    el("p", {}, word("bad", "exists, and is not subscribed to"), m.hidden ? ": one of several that answer at " : ": a peer of ", text(m.known_by),
      ". Flows are missing: list each analyzer in skydive.analyzers, or a name that has all their addresses.")));
  fill($("analyzers"), s.analyzers.map((a) => el("article", {},
    el("h3", {}, text(a.url), a.host_id ? [" ", el("small", { class: "v" }, visible(a.host_id))] : []),
    el("p", {}, a.same_as ? [word("ok", "the same analyzer"), " as ", text(a.same_as)]
      : a.connected ? word("ok", "subscribed") : word("bad", "not subscribed"), a.since ? " for " + span(between(a.since, s.now)) : ""),
    facts(["Updates", digits(a.updates_per_second) + "/s"], ["Latest message", a.last_message ? ago(a.last_message, s.now) : "none yet"],
      ["Reconnects", count(a.reconnects)], ["Messages dropped", count(a.shed)]),
    words(a.last_error, a.last_error_at ? ago(a.last_error_at, s.now) : ""))).concat(missing));
  fill($("topology"), s.topology.map((t) => el("article", {},
    el("h3", {}, "Names from ", text(t.url)),
    el("p", {}, t.ok ? [word("ok", "known"), " " + count(t.nodes) + " nodes, answered " + ago(t.answered, s.now)]
      : t.last_error ? word("bad", "not known") : word("", "not queried yet")),
    words(t.last_error))));
  fill($("endpoints"), s.endpoints.length ? s.endpoints.map((e) => el("article", {},
    el("h3", {}, text(e.url)),
    el("p", {}, e.retried_until ? word("bad", "refuses samples, retried") : word(...(states[e.state] || ["", "not contacted yet"])),
      e.name ? [" ", el("small", {}, "remote_name ", text(e.name))] : []),
    facts(["Latest success", e.last_success ? ago(e.last_success, s.now) : "none yet"], ["Lag", span(e.lag_seconds)],
      ["Backlog", count(e.backlog_ticks) + " ticks, " + count(e.backlog_samples) + " samples"], ["Last 15 minutes", count(e.refused_samples) + " samples refused, " + size(e.lost_bytes) + " lost"], ["Remote-write", visible(e.version)]),
    words(e.last_error, e.last_error_at ? ago(e.last_error_at, s.now) : "", e.remedy)))
    : [el("p", { class: "note" }, "None configured: scrape the metrics.")]);
}

function showBounds(s) {
  const row = (name, sub, ...numbers) => el("tr", {}, el("th", { scope: "row" }, text(name), sub === null ? "" : [" ", el("small", { class: "v" }, visible(sub))]),
    numbers.map((n) => el("td", { class: "number" }, n)));
  fill($("labels"), s.labels.map((l) => row(l.name, null, count(l.values), count(l.series_without))));
  fill($("nodes"), s.nodes.map((n) => row(n.name || "", n.node_tid, count(n.series), size(n.overflow_bytes))));
  fill($("overflow"), s.overflow.map((o) => row(o.reason, null, size(o.bytes), count(o.connections))));
  if ($("config").textContent !== lines(s.config)) $("config").textContent = lines(s.config);
  if ($("up") && s.started) fill($("up"), [span(between(s.started, s.now))]);
}

function endOf(c, end) {
  if (c.overflow) return ["others", ""];
  const names = c.names || {};
  let address = c.labels[end + "_ip"] || "";
  const port = c.labels[end + "_port"] || "";
  if (!address && port) address = "port " + port;
  else if (port && address.includes(":")) address = "[" + address + "]:" + port;
  else if (port) address += ":" + port;
  const shown = [c.labels[end + "_name"] || names[end], address, c.labels[end + "_network"]].filter(Boolean);
  return shown.length ? [shown[0], shown.slice(1).join(" · ")] : ["any", ""];
}
function whereOf(c) {
  const names = c.names || {}, l = c.labels;
  let node = l.node_name || names.node || "";
  if (!node && !c.overflow && l.node_tid) node = l.node_tid.length === 36 ? l.node_tid.slice(0, 8) + "…" : l.node_tid;
  const join = (...parts) => parts.filter(Boolean).join(" · ");
  return [join(l.protocol, l.application, l.flow_class), join(node, l.node_type, l.host || names.host, l.capture_id)];
}

function showList(list) {
  const cell = (kind, [main, sub]) => el("td", { class: kind }, text(main), " ", el("small", { class: "v" }, visible(sub)));
  const both = (values, write) => values.flatMap((v, i) => [el("span", { class: "dir" + i }, write(v)), " "]);
  const rows = list.connections.map((c) => el("tr", { class: c.overflow ? "overflow" : "" },
    cell("end", endOf(c, "initiator")), cell("end to", endOf(c, "target")), cell("where", whereOf(c)),
    el("td", { class: "number" }, both(c.rate, speed)), el("td", { class: "trend" }, spark(c.history, list.history_at.length)),
    el("td", { class: "number wide" }, both(c.bytes, size)), el("td", { class: "number wide" }, c.rtt_nanoseconds ? roundTrip(c.rtt_nanoseconds) : "")));
  if (!rows.length) {
    rows.push(el("tr", {}, el("td", { class: "none", colspan: columns }, list.total ? "No matches." : "None yet: they appear after the first tick.")));
  }
  fill($("rows"), rows);
  const n = list.connections.length;
  const where = (n ? count(list.offset + 1) + "–" + count(list.offset + n) + " of " : "") + count(list.matched) +
    (list.matched !== list.total ? ", of " + count(list.total) + " in total" : "") +
    (list.left_out ? " (" + count(list.left_out) + " not listed)" : "");
  const link = (rel, title, offset) => el("a", { rel, href: linkTo({ offset: String(Math.max(0, offset)) }) }, title);
  fill($("pager"), [el("span", {}, where), " ",
    list.offset > 0 ? link("prev", "Previous", Math.min(list.offset, list.matched) - list.limit) : "", " ",
    list.offset + list.limit < list.matched ? link("next", "Next", list.offset + list.limit) : ""]);
  showColumns(list);
}

// What is looked at is in the address, so that it can be kept and shared.

const wanted = new URLSearchParams(location.search);
for (const key of [...wanted.keys()]) if (!["sort", "order", "filter", "offset", "limit"].includes(key)) wanted.delete(key);

function linkTo(change) {
  const to = new URLSearchParams(wanted);
  for (const [key, value] of Object.entries(change)) {
    if (value === "" || (key === "offset" && value === "0")) to.delete(key);
    else to.set(key, value);
  }
  to.sort(); // as the server writes it
  return "?" + to;
}
function go(link) {
  const to = new URLSearchParams(link.replace(/^.*\?/, ""));
  for (const key of [...wanted.keys()]) wanted.delete(key);
  for (const [key, value] of to) wanted.set(key, value);
  history.replaceState(null, "", "?" + wanted);
  refresh();
}
function showColumns(list) {
  for (const th of $("columns").children) {
    const a = th.querySelector("a");
    if (!a) continue;
    const sort = new URLSearchParams(a.getAttribute("href")).get("sort");
    const numeric = ["rate", "bytes", "packets", "rtt"].includes(sort);
    const is = sort === list.sort;
    const ascending = is ? list.order === "desc" : !numeric;
    a.setAttribute("href", linkTo({ sort, order: ascending ? "asc" : "desc", offset: "" }));
    if (is) th.setAttribute("aria-sort", list.order === "asc" ? "ascending" : "descending");
    else th.removeAttribute("aria-sort");
  }
}

// Asking.

let timer = 0, asking = null, paused = false, latest = 0;

async function ask(path, signal) {
  const answer = await fetch(path, { signal, cache: "no-store", credentials: "same-origin", headers: { Accept: "application/json" } });
  if (answer.status === 400) return { refused: await answer.text() };
  if (!answer.ok) throw new Error("HTTP status " + answer.status);
  return answer.json();
}

async function refresh() {
  clearTimeout(timer);
  if (asking) asking.abort();
  const mine = (asking = new AbortController());
  const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(patience)]);
  try {
    const [status, list] = await Promise.all([ask("api/v1/status", signal), ask("api/v1/connections?" + wanted, signal)]);
    if (mine !== asking) return;
    $("filter-error").textContent = list.refused ? visible(list.refused.trim()) : "";
    showState(status);
    showPeers(status);
    showBounds(status);
    if (!list.refused) {
      showTiles(status, list);
      showList(list);
    }
    latest = Date.now();
    $("live").textContent = "as of " + status.now.slice(11, 19) + " UTC";
    document.querySelector(".live").classList.remove("late");
  } catch (error) {
    if (mine !== asking) return;
    $("live").textContent = "no answer from the bridge" + (latest ? " for " + span((Date.now() - latest) / 1000) : "");
    document.querySelector(".live").classList.add("late");
  }
  asking = null;
  if (!paused && !document.hidden) timer = setTimeout(refresh, every);
}
function halt() {
  clearTimeout(timer);
  if (asking) asking.abort();
  asking = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? halt() : paused || refresh()));
addEventListener("pageshow", (event) => event.persisted && !paused && refresh());

$("pause").hidden = false;
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  if (paused) halt();
  else refresh();
});

document.addEventListener("click", (event) => {
  const a = event.target.closest("#columns a, #pager a");
  if (!a || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(a.getAttribute("href"));
  if (a.closest("#pager")) $("connections").scrollIntoView();
});

let typing = 0;
const filter = $("filter-text");
const useFilter = () => {
  clearTimeout(typing);
  if ((wanted.get("filter") || "") !== filter.value) go(linkTo({ filter: filter.value, offset: "" }));
};
filter.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(useFilter, 250);
});
$("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  useFilter();
});

refresh();
