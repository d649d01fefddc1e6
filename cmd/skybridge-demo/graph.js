
'use strict';
const find = id => document.getElementById(id);
const queries = JSON.parse(find('queries').textContent);
const shown = 20;
let turn = 0;

function make(parent, name, attributes, text) {
  const svg = parent.namespaceURI === 'http://www.w3.org/2000/svg';
  const element = svg ? document.createElementNS(parent.namespaceURI, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return parent.appendChild(element);
}

function short(value) {
  for (const [unit, size] of [['T', 1e12], ['G', 1e9], ['M', 1e6], ['k', 1e3]]) {
    if (Math.abs(value) >= size) return (value / size).toPrecision(3) + ' ' + unit;
  }
  return Number(value.toPrecision(3)).toString();
}

function title(metric) {
  const { __name__: name = '', ...labels } = metric;
  return name + '{' + Object.entries(labels).map(([key, value]) => `${key}="${value}"`).join(', ') + '}';
}

// What has a value at the graph's end comes first, highest first; what ended
// before, after it.
function ranked(result, step, end) {
  return result.map(s => {
    const points = s.values.map(([t, v]) => [t, Number(v)]).filter(p => Number.isFinite(p[1]));
    const last = points[points.length - 1];
    return { title: title(s.metric), points, last: last && last[1], ended: !last || last[0] < end - step / 2 };
  }).filter(s => s.points.length > 0).sort((a, b) => a.ended - b.ended || b.last - a.last);
}

// A line for each stretch without a step missing; a point alone is a dot.
function outline(points, step, x, y) {
  let path = '', before = -Infinity;
  for (const [t, v] of points) {
    const at = x(t).toFixed(1) + ',' + y(v).toFixed(1);
    path += t - before > step * 1.5 ? `M${at}h0` : `L${at}`;
    before = t;
  }
  return path;
}

function draw(series, start, end, step) {
  const graph = find('graph'), legend = find('legend');
  graph.replaceChildren();
  legend.replaceChildren();
  const left = 70, right = 990, top = 15, bottom = 330;
  const highest = Math.max(0, ...series.flatMap(s => s.points.map(p => p[1]))) || 1;
  const x = t => left + (right - left) * (t - start) / (end - start);
  const y = v => bottom - (bottom - top) * v / highest;
  for (let i = 0; i <= 4; i++) {
    const value = highest * i / 4, time = start + (end - start) * i / 4;
    make(graph, 'line', { x1: left, x2: right, y1: y(value), y2: y(value) });
    make(graph, 'text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, short(value));
    make(graph, 'text', { x: x(time), y: 350, 'text-anchor': i === 4 ? 'end' : 'middle' }, new Date(time * 1000).toLocaleTimeString());
  }
  series.forEach((s, i) => {
    const colour = `hsl(${i * 137.5 % 360} 65% 50%)`;
    make(graph, 'path', { stroke: colour, d: outline(s.points, step, x, y) });
    const row = make(legend, 'tr', s.ended ? { class: 'ended' } : {});
    const mark = make(make(row, 'td'), 'b', {}, '■');
    mark.style.color = colour;
    make(row, 'td', {}, s.title);
    make(row, 'td', {}, s.ended ? 'ended' : short(s.last));
  });
}

async function refresh() {
  const mine = ++turn, query = find('query').value, range = Number(find('range').value);
  const step = Math.max(range / 150, 2), end = Math.floor(Date.now() / 1000 / step) * step, start = end - range;
  const form = new URLSearchParams({ query, start, end, step });
  let answer;
  try {
    answer = await (await fetch('/api/v1/query_range', { method: 'POST', body: form })).json();
  } catch (error) {
    answer = { status: 'error', error: 'Prometheus does not answer: ' + error.message };
  }
  if (mine !== turn) return;
  if (answer.status !== 'success') {
    find('note').textContent = answer.error;
    return;
  }
  const all = ranked(answer.data.result, step, end);
  find('note').textContent = all.length === 0 ? 'Nothing to draw yet.' : `${all.length} series` + (all.length > shown ? `, the first ${shown} drawn` : '');
  draw(all.slice(0, shown), start, end, step);
}

find('form').addEventListener('submit', event => { event.preventDefault(); refresh(); });
find('range').addEventListener('change', refresh);
for (const { Name, Query } of queries) {
  make(find('presets'), 'button', { type: 'button', title: Query }, Name)
    .addEventListener('click', () => { find('query').value = Query; refresh(); });
}
find('query').value = queries.length > 0 ? queries[0].Query : 'up';
refresh();
setInterval(() => { if (!document.hidden) refresh(); }, 5000);
