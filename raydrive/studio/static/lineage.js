// Where a run comes from: its family as a drawing, and what each earlier run brought.
import { el, fill, num, cut } from "./util.js";

const WIDE = 250, HIGH = 62, GAP_X = 150, GAP_Y = 22;

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export class LineageView {
  constructor(store, source) {
    this.store = store; this.source = source;
    this.drawing = el("div", { class: "scroll", id: "lineage", tabIndex: 0, role: "group", "aria-label": "Earlier runs" });
    this.list = el("div");
    this.node = el("div", {}, this.drawing, this.list);
    this.drawn = "";
  }

  update(what) {
    const { lineage } = this.store.head, now = JSON.stringify([lineage, this.store.head.best, this.store.head.run.state]);
    this.node.parentElement.hidden = !lineage;
    if (what === "selection" || !lineage || now === this.drawn) return;
    this.drawn = now;
    fill(this.drawing, this.family(lineage));
    fill(this.list, this.brought(lineage));
  }

  family(lineage) {
    const { head } = this.store, generations = Math.max(...lineage.runs.map((r) => r.generation)), columns = new Map(), places = new Map();
    for (const run of lineage.runs) {
      const column = columns.get(run.generation) || [];
      columns.set(run.generation, column);
      column.push(run);
    }
    const rows = Math.max(...[...columns.values()].map((c) => c.length)), high = rows * (HIGH + GAP_Y), wide = (generations + 1) * (WIDE + GAP_X) - GAP_X + 4;
    const boxes = [], ties = [];
    for (const [generation, column] of columns) {
      column.forEach((run, i) => {
        const x = 2 + (generations - generation) * (WIDE + GAP_X), y = (high - column.length * (HIGH + GAP_Y)) / 2 + i * (HIGH + GAP_Y) + GAP_Y / 2;
        places.set(run.run, { x, y });
        const own = generation === 0, best = own ? head.best : run.best === null || run.best === undefined ? null : { value: run.best, trial: run.best_trial };
        const second = best ? `best ${num(best.value)}, trial ${best.trial}` : own ? "no value yet" : "", third = [own ? "this run" : run.state, own ? head.run.state : run.trials ? `${run.trials} trials` : ""].filter(Boolean).join(", ");
        const title = svg("title", {}), lines = [[run.run, "name"], [second, ""], [third, "faint"]].map(([text, kind], k) => {
          const line = svg("text", { x: x + 12, y: y + 19 + 17 * k, class: kind });
          line.textContent = cut(text, 34);
          return line;
        });
        title.textContent = `${run.experiment} / ${run.run}`;
        boxes.push(svg("g", { class: own ? "own" : "" }, title, svg("rect", { x, y, width: WIDE, height: HIGH, rx: 8 }), ...lines));
      });
    }
    for (const [from, to, text] of lineage.ties) {
      const a = places.get(from), b = places.get(to);
      if (!a || !b) continue;
      const x1 = a.x + WIDE, y1 = a.y + HIGH / 2, x2 = b.x, y2 = b.y + HIGH / 2, middle = (x1 + x2) / 2;
      ties.push(svg("path", { d: `M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2},${y2}`, class: "tie" }));
      text.split("; ").flatMap((part) => part.split(", ")).forEach((part, k, all) => {
        const label = svg("text", { x: x1 + 8, y: b.y < a.y ? y1 + 15 + 13 * k : y1 - 6 - 13 * (all.length - 1 - k), class: "faint small" });
        label.textContent = cut(part, 22);
        ties.push(label);
      });
    }
    return svg("svg", { width: wide, height: high, viewBox: `0 0 ${wide} ${high}`, class: "family", role: "img", "aria-label": `${lineage.runs.length - 1} earlier runs` }, ...ties, ...boxes);
  }

  brought(lineage) {
    const link = (run) => (this.source.base && run.here ? el("a", { href: `/runs/${encodeURIComponent(run.experiment)}/${encodeURIComponent(run.run)}` }, run.run) : run.run);
    const parents = lineage.parents.map((one) => el("tr", {}, el("td", {}, link(one)), el("td", {}, one.state), el("td", { class: "right" }, num(one.best)), el("td", { class: "right" }, `${one.compared} of ${one.trials}`),
      el("td", { class: "right" }, one.learned === null ? "this sampler does not learn" : String(one.learned)),
      el("td", { class: "wide" }, [...Object.entries(one.left_out).map(([why, count]) => `${count}: ${why}`), one.ignored.length ? `not in this search space: ${one.ignored.join(", ")}` : ""].filter(Boolean).join("; ")))),
    head = ["earlier run", "state", "best", "curves compared with", "trials learned from", "left out"];
    return [
      parents.length ? el("div", { class: "scroll", tabIndex: 0, role: "group", "aria-label": "What earlier runs brought" }, el("table", {}, el("thead", {}, el("tr", {}, head.map((h, i) => el("th", { class: i > 1 && i < 5 ? "right" : "" }, h)))), el("tbody", {}, parents))) : null,
      lineage.continued.length ? el("ul", { class: "reasons" }, lineage.continued.map((one, number) => el("li", {}, el("a", { href: `#/trial/${number}` }, `trial ${number}`), ` continues ${one.text}${one.note ? ` (${one.note})` : ""}`))) : null,
    ];
  }
}
