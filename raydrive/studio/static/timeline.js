// Where and when each trial trained: a lane per node and GPU, a bar per attempt, or for each node of an attempt.
import { el, esc, clock, css, fill, when } from "./util.js";
import { STATES } from "./store.js";
import { Frame, layout, plot, empty, stateColour } from "./chart.js";

const MOST_BARS = 3000, MOST_STEPS = 100;

export function lanes(trials, now) {
  const tries = [];
  for (const t of trials) {
    t.tries.forEach(([attempt, launched, began, ended, first, gpus, how, , nodes], i) => {
      if (began === null) return;
      const last = i === t.tries.length - 1, several = nodes?.length > 1;
      // Which GPUs the processes of other nodes have is not known: such a trial has a lane of each whole node.
      (several ? nodes : [first]).forEach((node, rank) => tries.push({ t, attempt, from: began, to: ended ?? now, node, gpus: several ? "" : gpus, how, state: last ? t.state : how.startsWith("paused") ? "Paused" : "Failed", wait: began - launched,
        rank, part: several ? `, node ${rank + 1} of ${nodes.length}` : "" }));
    });
  }
  tries.sort((a, b) => a.from - b.from);
  const free = new Map();
  for (const one of tries) {
    const place = `${one.node}\u0000${one.gpus}`;
    if (!free.has(place)) free.set(place, []);
    const ends = free.get(place);
    let lane = ends.findIndex((end) => end <= one.from + 1e-9);
    if (lane < 0) lane = ends.push(0) - 1;
    ends[lane] = one.to;
    one.place = place; one.lane = lane;
  }
  const rows = [...free.keys()].sort().flatMap((place) => free.get(place).map((_, lane) => ({ place, lane, last: lane === free.get(place).length - 1 })));
  const index = new Map(rows.map((row, i) => [`${row.place}\u0000${row.lane}`, i]));
  for (const one of tries) one.y = index.get(`${one.place}\u0000${one.lane}`);
  return { tries, rows };
}

export class Timeline {
  constructor(store) {
    this.store = store;
    this.plotNode = el("div", { class: "plot", id: "chart-timeline" });
    this.note = el("p", { class: "hint" });
    this.steps = el("ol", { class: "steps", id: "steps", hidden: true });
    this.node = el("div", {}, this.plotNode, this.note, this.steps);
    this.frame = new Frame(this.plotNode, () => this.draw());
  }

  update() {
    this.list(this.store.head.steering || []);
    this.frame.soil();
  }

  // What users changed, paused and noted: a line each, and a mark in the chart.
  list(steps) {
    this.steps.hidden = !steps.length;
    fill(this.steps, steps.slice(-MOST_STEPS).map((one) => el("li", {}, el("span", { class: "hint" }, `${when(one.at)} ${one.by} `), el("strong", {}, one.what),
      one.trial === null ? " " : el("a", { href: `#/trial/${one.trial}` }, ` trial ${one.trial} `), one.text)));
  }

  marks(steps, start, unit) {
    const shapes = steps.map((one) => ({ type: "line", xref: "x", yref: "paper", x0: (one.at - start) / unit, x1: (one.at - start) / unit, y0: 0, y1: 1, line: { color: css("--faint"), width: 1, dash: "dot" } }));
    const annotations = steps.map((one) => ({ xref: "x", yref: "paper", x: (one.at - start) / unit, y: 1, yanchor: "bottom", showarrow: false, text: esc(one.what, 12), hovertext: esc(one.text, 120), font: { size: 10 } }));
    return { shapes, annotations };
  }

  draw() {
    const { store } = this, { tries, rows } = lanes(store.trials, store.head.run.over ? store.head.run.last : store.head.now);
    if (!tries.length) return empty(this.plotNode, "No training process has begun yet.");
    const shown = tries.slice(-MOST_BARS), attempts = tries.filter((one) => one.rank === 0).length, start = store.head.run.started, busy = tries.reduce((sum, one) => sum + one.to - one.from, 0);
    const span = Math.max(...tries.map((one) => one.to)) - start, unit = span > 7200 ? [3600, "hours"] : span > 180 ? [60, "minutes"] : [1, "seconds"];
    const traces = STATES.map((state) => ({ state, of: shown.filter((one) => one.state === state) })).filter(({ of }) => of.length).map(({ state, of }) => ({
      type: "bar", orientation: "h", name: state, base: of.map((one) => (one.from - start) / unit[0]), x: of.map((one) => (one.to - one.from) / unit[0]), y: of.map((one) => one.y),
      width: 0.8, customdata: of.map((one) => one.t.number), hoverinfo: "text", textposition: "inside", insidetextanchor: "middle", constraintext: "none", textangle: 0,
      text: shown.length <= 60 ? of.map((one) => ((one.to - one.from) / span > 0.02 ? String(one.t.number) : "")) : null, textfont: { color: css("--on-state"), size: 11 },
      hovertext: of.map((one) => `<b>trial ${one.t.number}</b>${one.attempt > 1 ? ` attempt ${one.attempt}` : ""}  ${one.state}${one.part}<br>${clock(one.to - one.from)}, waited ${clock(one.wait)}<br>${esc(one.how || one.t.why, 120)}`),
      marker: { color: stateColour(state), opacity: of.map((one) => (store.isSelected(one.t.number) ? 0.9 : 0.15)), line: { width: 0 } } }));
    const label = (row) => { const [node, gpus] = row.place.split("\u0000"); return esc(`${node || "node"}${gpus ? ` · GPU ${gpus}` : ""}`, 30); };
    const seen = new Set(), ticks = rows.map((row, i) => ({ row, i })).filter(({ row }) => !seen.has(row.place) && seen.add(row.place));
    this.plotNode.style.height = `${Math.max(140, Math.min(620, 84 + rows.length * 22))}px`;
    plot(this.plotNode, traces, layout({ barmode: "overlay", bargap: 0, uirevision: "timeline", dragmode: "pan", margin: { l: 110, r: 36, t: (store.head.steering || []).length ? 22 : 8, b: 40 }, ...this.marks((store.head.steering || []).slice(-MOST_STEPS), start, unit[0]),
      xaxis: { title: { text: unit[1], standoff: 6 }, rangemode: "tozero" },
      yaxis: { tickvals: ticks.map(({ i }) => i), ticktext: ticks.map(({ row }) => label(row)), autorange: "reversed", zeroline: false } }), `which trial trained where and when: ${attempts} attempts in ${rows.length} lanes`);
    const share = rows.length && span > 0 ? ` Lanes were busy ${Math.round((100 * busy) / (rows.length * span))} % of the time.` : "";
    this.note.textContent = `${attempts} attempt${attempts === 1 ? "" : "s"} in ${rows.length} lane${rows.length === 1 ? "" : "s"}.${share}${tries.length > MOST_BARS ? ` The last ${MOST_BARS} are drawn.` : ""}`;
    if (!this.wired) {
      this.wired = true;
      this.plotNode.on("plotly_click", (event) => {
        const number = event.points[0]?.customdata;
        if (Number.isInteger(number)) this.store.toggle(number);
      });
    }
  }
}
