"use strict";
// Draws the two charts of a report; all else on the page needs no script.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures");
  const axis = read("axis");
  const HEIGHT = 220;
  // Seconds between two marks of the axis of time; its labels tell no less than one.
  const STEPS = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
    172800, 604800, 2592000, 7776000, 31536000,
  ];
  const LEFT = 60;
  const COLOURS = 6;

  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  // As in axis.py: pauses between runs are cut short.
  const spanAt = (at) => axis.spans.findLast(([begin]) => begin <= at) || axis.spans[0];
  const place = (at) => {
    const [begin, end, left] = spanAt(at);
    return left + Math.max(0, Math.min(at, end) - begin);
  };
  const moment = (where) => {
    const [begin, end, left] = axis.spans.findLast((span) => span[2] <= where) || axis.spans[0];
    return new Date(1000 * Math.min(end, begin + Math.max(0, where - left)));
  };

  const isLong = axis.spans.length > 0 && axis.spans.at(-1)[1] - axis.spans[0][0] > 20 * 3600;
  const clock = (where) => {
    const text = moment(where).toISOString();
    return isLong ? `${text.slice(5, 10)} ${text.slice(11, 16)}` : text.slice(11, 19);
  };

  const digits = (value) => (value >= 100 ? value.toFixed(0) : String(+value.toPrecision(3)));
  const scaled = (value, units) => {
    let number = value;
    for (const unit of units.slice(0, -1)) {
      if (number < 1000) return digits(number) + unit;
      number /= 1000;
    }
    return digits(number) + units.at(-1);
  };
  const perSecond = (value) => scaled(value, ["", "k", "M", "G"]);
  const bytes = (value) => scaled(value, [" B", " kB", " MB", " GB", " TB"]);

  // Between two runs there is a moment without values, so that no line leads across.
  const joined = (pick) =>
    figures.course.flatMap((run, number) => (number ? [null, ...pick(run)] : pick(run)));
  const places = () =>
    figures.course.flatMap((run, number) => {
      const own = run.at.map(place);
      return number ? [own[0], ...own] : own;
    });

  const stages = figures.stages.map((stage) => stage.stage);
  const ofStage = (name, field) =>
    joined((run) => {
      const stage = run.stages.find((one) => one.stage === name);
      return stage ? stage[field] : run.at.map(() => null);
    });
  // A rate is that of the time before its moment, so the first one is that up to the second.
  const rateOf = (name) =>
    ofStage(name, "rate").map((value, n, all) => (value === null ? (all[n + 1] ?? null) : value));

  const resumes = (chart) => {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.strokeStyle = colour("quiet");
    ctx.globalAlpha = 0.7;
    ctx.setLineDash([3 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    for (const share of axis.resumes) {
      const x = Math.round(chart.valToPos(share * axis.length, "x", true));
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
    }
    ctx.stroke();
    ctx.restore();
  };

  const series = (label, number, shown, stepped) => ({
    label,
    stroke: () => colour(`series-${1 + (number % COLOURS)}`),
    dash: number < COLOURS ? undefined : [6, 4],
    width: 2,
    points: { show: false },
    paths: stepped ? uPlot.paths.stepped({ align: -1 }) : undefined,
    value: (_, value) => (value === null || value === undefined ? "–" : shown(value)),
  });
  const scale = (values, more) => ({
    stroke: () => colour("quiet"),
    grid: { stroke: () => colour("line"), width: 1 },
    ticks: { stroke: () => colour("line"), width: 1 },
    ...more,
    values,
  });

  const draw = (id, shown, lines, stepped) => {
    const target = document.getElementById(id);
    if (!target || !figures.course.length) return;
    const chart = new uPlot(
      {
        width: target.clientWidth,
        height: HEIGHT,
        padding: [12, 10, 0, 0],
        cursor: { drag: { x: true, y: false } },
        scales: {
          x: { time: false, range: (_, low, high) => [low ?? 0, high ?? axis.length] },
          y: { range: (_, low, high) => [0, (high || 1) * 1.1] },
        },
        axes: [
          scale((_, splits) => splits.map(clock), { space: isLong ? 110 : 90, incrs: STEPS }),
          scale((_, splits) => splits.map(shown), { size: LEFT }),
        ],
        series: [
          { label: "time", value: (_, where) => (where === null ? "–" : clock(where)) },
          ...lines.map(([label, number]) => series(label, number, shown, stepped)),
        ],
        hooks: { draw: [resumes] },
      },
      [places(), ...lines.map(([, , values]) => values)],
      target,
    );
    chart.setScale("x", { min: 0, max: axis.length });
    new ResizeObserver(() => {
      if (target.clientWidth !== chart.width) {
        chart.setSize({ width: target.clientWidth, height: HEIGHT });
      }
    }).observe(target);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.redraw());
    matchMedia("print").addEventListener("change", () => chart.redraw());
  };

  draw("throughput", perSecond, stages.map((name, n) => [name, n, rateOf(name)]), true);
  draw("memory", bytes, [
    ...stages.map((name, n) => [`workers of ${name}`, n, ofStage(name, "rss")]),
    ["broker", stages.length, joined((run) => run.broker_rss)],
  ]);
  document.documentElement.dataset.drawn = "yes";
})();
