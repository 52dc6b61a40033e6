// Follows a page while somebody looks at it: the server sends the pieces that have changed.

const RETRY_MS = 10_000;
const CURVES = 9;
const HEIGHT = 200;

const at = document.body.dataset.at;
const badge = document.getElementById("live");
const trouble = document.getElementById("trouble");
const plots = new Map();

// --- pieces --------------------------------------------------------------------------------------

/** Make one element like another one, and keep what its reader has done to it. */
function morph(old, made) {
  if (old.nodeName !== made.nodeName || old.dataset?.key !== made.dataset?.key) {
    old.replaceWith(made);
  } else if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== made.data) old.data = made.data;
  } else if (old.nodeType === Node.ELEMENT_NODE) {
    morphAttributes(old, made);
    if (!("keep" in old.dataset) && old.nodeName !== "TEXTAREA") morphChildren(old, made);
  }
}

function morphAttributes(old, made) {
  for (const { name, value } of made.attributes) {
    if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!made.hasAttribute(name) && name !== "open" && name !== "hidden") old.removeAttribute(name);
  }
}

function morphChildren(old, made) {
  const before = [...old.childNodes];
  const after = [...made.childNodes];
  after.forEach((node, place) => {
    if (place < before.length) morph(before[place], node);
    else old.append(node);
  });
  for (const node of before.slice(after.length)) node.remove();
}

/** Return whether somebody is typing in an element, so that it must stay as it is. */
function isWrittenIn(element) {
  const fields = element.querySelectorAll("details[open] textarea, details[open] input");
  return [...fields].some((field) => field.value !== field.defaultValue);
}

function put(id, html) {
  const old = document.getElementById(id);
  if (old === null || isWrittenIn(old)) return;
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  morph(old, template.content.firstElementChild);
}

async function fetchAnew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = document.getElementById("main");
  if (isWrittenIn(main)) return;
  for (const name of ["said", "trouble"]) made.querySelector(`main > .${name}`)?.remove();
  for (const name of ["said", "trouble"]) main.querySelector(`:scope > .${name}`)?.remove();
  morphChildren(main, made.getElementById("main"));
  drawAll();
  filterRows();
}

// --- charts --------------------------------------------------------------------------------------

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function inWords(value, unit) {
  if (value === null || value === undefined) return "-";
  if (unit !== "bytes") return `${value.toLocaleString("en", { maximumFractionDigits: 1 })}/s`;
  for (const name of ["B", "kB", "MB", "GB"]) {
    if (value < 1000) return `${value.toFixed(value < 10 && name !== "B" ? 1 : 0)} ${name}`;
    value /= 1000;
  }
  return `${value.toFixed(1)} TB`;
}

/** Return a moment for an axis that is a day long at most, or longer. */
function moment(time, { min, max }) {
  const text = new Date(time * 1000).toISOString();
  if (max - min > 86_400) return text.slice(5, 16).replace("T", " ");
  return text.slice(11, max - min > 600 ? 16 : 19);
}

function optionsFor(chart, box) {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 } };
  const curves = chart.curves.map((curve, place) => ({
    label: curve.name,
    stroke: colour(`--curve-${place % CURVES}`),
    width: 1.5,
    points: { show: false },
  }));
  return {
    width: box.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { setScale: false }, y: false },
    scales: { y: { range: (_, __, high) => [0, high > 0 ? high * 1.1 : 1] } },
    series: [{}, ...curves],
    // As everywhere on these pages.
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    axes: [
      { ...axis, values: (plot, ticks) => ticks.map((tick) => moment(tick, plot.scales.x)) },
      { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => inWords(tick, chart.unit)) },
    ],
    hooks: { setCursor: [(plot) => readOut(plot, chart, box)] },
  };
}

/** Say in words what is under the pointer. */
function readOut(plot, chart, box) {
  const place = plot.cursor.idx;
  const time = place === null || place === undefined ? undefined : plot.data[0][place];
  if (time === undefined) {
    box.title = "";
    return;
  }
  const lines = chart.curves.map(
    (curve, number) => `${curve.name}: ${inWords(plot.data[number + 1][place], chart.unit)}`,
  );
  box.title = [new Date(time * 1000).toISOString().slice(0, 19), ...lines].join("\n");
}

function draw(figure) {
  const text = figure.dataset.chart;
  const drawn = plots.get(figure);
  if (drawn?.text === text) return;
  const chart = JSON.parse(text);
  const data = [chart.times, ...chart.curves.map((curve) => curve.values)];
  const names = JSON.stringify(chart.curves.map((curve) => curve.name));
  if (drawn?.names === names) {
    drawn.plot.setData(data);
    drawn.text = text;
    return;
  }
  drawn?.plot.destroy();
  const box = figure.querySelector(".plot");
  const plot = new uPlot(optionsFor(chart, box), data, box);
  plots.set(figure, { plot, text, names });
  sizes.observe(box);
}

function drawAll() {
  for (const [figure, { plot }] of plots) {
    if (figure.isConnected) continue;
    plot.destroy();
    plots.delete(figure);
  }
  document.querySelectorAll("figure[data-chart]").forEach(draw);
}

function drawInNewColours() {
  for (const { plot } of plots.values()) plot.destroy();
  plots.clear();
  drawAll();
}

const sizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const drawn = plots.get(target.closest("figure"));
    if (drawn && contentRect.width) drawn.plot.setSize({ width: contentRect.width, height: HEIGHT });
  }
});

// --- following -----------------------------------------------------------------------------------

let source = null;
let again = 0;

function say(words, isLive) {
  badge.hidden = false;
  badge.textContent = words;
  badge.classList.toggle("on", isLive);
}

function follow() {
  stop();
  source = new EventSource(`/live?at=${encodeURIComponent(at)}`);
  source.addEventListener("parts", ({ data }) => {
    const parts = Object.entries(JSON.parse(data));
    // Something has come to be since the page was made.
    if (parts.some(([id]) => document.getElementById(id) === null)) fetchAnew();
    for (const [id, html] of parts) put(id, html);
    drawAll();
    filterRows();
    trouble.hidden = true;
    say("live", true);
  });
  source.addEventListener("anew", fetchAnew);
  source.addEventListener("trouble", ({ data }) => {
    trouble.textContent = JSON.parse(data);
    trouble.hidden = false;
  });
  source.addEventListener("error", () => {
    say("not live", false);
    if (source?.readyState === EventSource.CLOSED) again = setTimeout(follow, RETRY_MS);
  });
}

function stop() {
  clearTimeout(again);
  source?.close();
  source = null;
}

/** Nobody looks at a page that is hidden. */
function followWhileSeen() {
  if (document.visibilityState === "visible") follow();
  else stop();
}

// --- names ---------------------------------------------------------------------------------------

const filter = document.querySelector("input[data-filter]");

function filterRows() {
  if (filter === null) return;
  const words = filter.value.trim().toLowerCase();
  for (const row of document.querySelectorAll(`#${filter.dataset.filter} [data-name]`)) {
    row.hidden = !row.dataset.name.toLowerCase().includes(words);
  }
}

if (filter !== null) {
  filter.parentElement.hidden = false;
  filter.addEventListener("input", filterRows);
}
drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawInNewColours);
if (at) {
  document.addEventListener("visibilitychange", followWhileSeen);
  addEventListener("pagehide", stop);
  followWhileSeen();
}
