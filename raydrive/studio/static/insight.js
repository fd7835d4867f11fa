// Importance of hyperparameters, slices of a model, and what another policy would have done.
import { el, fill, num, clock, rough, esc, css, select } from "./util.js";
import { layout, plot, Frame, fewLogTicks } from "./chart.js";

export class Importance {
  constructor(store) { this.store = store; this.node = el("div", { id: "importance" }); }

  update(what) {
    if (what === "selection") return;
    const found = this.store.analysis;
    if (!found) { fill(this.node, el("p", { class: "empty" }, "Being computed …")); return; }
    if (!found.importance.length) { fill(this.node, el("p", { class: "empty" }, `Not enough to tell yet: ${found.note}.`)); return; }
    const most = found.importance[0][1] || 1;
    fill(this.node, 
      el("div", { class: "bars" }, found.importance.slice(0, 16).map(([name, share]) => [el("span", { class: "name", title: name }, name),
        el("span", { class: "track" }, el("span", { class: "fill", style: { width: `${(100 * share) / most}%` } })), el("span", { class: "value" }, `${(100 * share).toFixed(0)} %`)])),
      el("p", { class: "hint" }, `Functional ANOVA of a Gaussian process over ${found.trials} trials, the model of the slices: the share of the differences across the whole search space that each explains by itself. The model predicts ${Math.max(0, Math.round(100 * found.explained))} % of the differences between trials that it has not seen.${found.note ? ` ${found.note}.` : ""}`));
  }
}

export class Slices {
  constructor(store) {
    this.store = store;
    this.grid = el("div", { class: "small-charts", id: "slices" });
    this.hint = el("p", { class: "hint", hidden: true }, "Through the best trial, along one hyperparameter at a time: what a Gaussian process expects, with a band of two standard deviations. Dots are trials.");
    this.node = el("div", {}, this.grid, this.hint);
    this.frame = new Frame(this.grid, () => this.draw());
  }

  update(what) { if (what !== "selection") this.frame.soil(); }

  draw() {
    const { store } = this, slices = store.analysis?.slices || [];
    this.hint.hidden = !slices.length;
    if (!slices.length) { fill(this.grid, el("p", { class: "empty" }, store.analysis ? "Not enough trials for a model." : "Being computed …")); return; }
    this.grid.replaceChildren();
    const ranked = store.ranked();
    for (const s of slices.slice(0, 6)) {
      const node = el("div", { class: "plot small" });
      this.grid.append(node);
      const x = s.category ? s.x.map((_, i) => i) : s.x, up = s.mean.map((m, i) => m + 2 * s.sd[i]), low = s.mean.map((m, i) => m - 2 * s.sd[i]), accent = css("--accent");
      const places = new Map(s.x.map((v, i) => [String(v), i])), dots = ranked.filter((t) => t.p[s.name] !== null && t.p[s.name] !== undefined);
      const traces = s.category
        ? [{ type: "scatter", mode: "markers", x, y: s.mean, error_y: { type: "data", array: s.sd.map((d) => 2 * d), color: accent, thickness: 1.5 }, marker: { size: 8, color: accent }, hovertemplate: "%{y:.5g}<extra></extra>" }]
        : [{ type: "scatter", mode: "lines", x: [...x, ...[...x].reverse()], y: [...up, ...[...low].reverse()], fill: "toself", fillcolor: css("--band"), line: { width: 0 }, hoverinfo: "skip" },
          { type: "scatter", mode: "lines", x, y: s.mean, line: { color: accent, width: 2 }, hovertemplate: "%{x:.4g}<br>%{y:.5g}<extra></extra>" }];
      traces.push({ type: "scatter", mode: "markers", x: dots.map((t) => (s.category ? places.get(String(t.p[s.name])) + (((t.number * 0.618034) % 1) - 0.5) * 0.4 : t.p[s.name])), y: dots.map((t) => t.best), customdata: dots.map((t) => t.number),
        marker: { size: 4, color: css("--faint"), opacity: dots.length > 300 ? 0.3 : 0.7 }, hovertemplate: "trial %{customdata}<br>%{y:.5g}<extra></extra>" });
      const seen = [...s.mean, ...dots.slice(0, Math.ceil(dots.length * 0.9)).map((t) => t.best)], inner = Math.max(...seen) - Math.min(...seen) || 1;
      // The band may leave a little more than what was seen; a diverged model must not press the rest flat.
      const a = Math.max(Math.min(...seen, ...low), Math.min(...seen) - 0.5 * inner), b = Math.min(Math.max(...seen, ...up), Math.max(...seen) + 0.5 * inner), pad = 0.06 * (b - a);
      plot(node, traces, layout({ showlegend: false, title: { text: esc(s.name, 40), font: { size: 13 }, x: 0.02, y: 0.97 }, margin: { l: 48, r: 12, t: 30, b: 30 },
        xaxis: s.category ? { tickvals: x, ticktext: s.x.map((v) => esc(num(v), 14)), range: [-0.5, x.length - 0.5] } : { type: s.log ? "log" : "linear", nticks: 5, ...(s.log ? fewLogTicks(s.x) : {}) },
        yaxis: { range: [a - pad, b + pad], nticks: 5 } }), `${store.label} that the model expects along ${s.name}`);
    }
  }
}

const FIELDS = {
  bandit: [["slack_factor", "slack factor", 0.1], ["slack_amount", "or slack amount", ""], ["evaluation_interval", "every", 1], ["delay_evaluation", "from interval", 5]],
  median_stopping: [["evaluation_interval", "every", 1], ["delay_evaluation", "from interval", 5]],
  truncation_selection: [["truncation_percentage", "worst %", 20], ["evaluation_interval", "every", 1], ["delay_evaluation", "from interval", 5]],
  successive_halving: [["min_intervals", "from interval", 1], ["max_intervals", "whole training", ""], ["reduction_factor", "one of", 3], ["brackets", "brackets", 1]],
  auto: [],
  none: [],
};

export class WhatIf {
  constructor(store, source) {
    this.store = store; this.source = source;
    this.form = el("div", { class: "controls" });
    this.result = el("div", { id: "whatif-result" });
    this.node = el("div", { class: "whatif" }, this.form, this.result);
    this.built = false;
  }

  update(what) {
    if (!this.built && !this.store.trials.length) fill(this.result, el("p", { class: "empty" }, "No trials yet."));
    if (what !== "selection" && !this.built && this.store.trials.length) {
      this.built = true;
      fill(this.result);
      if (this.source.live) this.build("bandit"); else this.choices();
    }
  }

  choices() {
    const all = this.source.whatifs();
    if (!all.length) {
      fill(this.result, el("p", { class: "empty" }, this.store.head.reports ? "This run is too large to try every policy in advance. Ask: raydrive whatif RUN --policy '{\"type\": \"bandit\", \"slack_factor\": 0.2}', or open it in the studio." : "No trial has logged the metric: there is nothing to play again."));
      return;
    }
    fill(this.form, select("Policy", all.map((o, i) => [String(i), `${o.text}${i === 0 ? " (as it was)" : ""}`]), "0", (v) => this.show(all[Number(v)])),
      el("span", { class: "hint" }, "Any other: raydrive whatif, or the studio."));
    this.show(all[0]);
  }

  build(type) {
    const inputs = {};
    const go = el("button", { class: "primary", onclick: async () => {
      const policy = { type };
      for (const [key] of FIELDS[type]) if (inputs[key].value !== "") policy[key] = Number(inputs[key].value);
      go.disabled = true;
      fill(this.result, el("p", { class: "empty" }, "Playing the run again on virtual time …"));
      try { this.show(await this.source.whatif(policy)); } catch (error) { fill(this.result, el("p", { class: "problem" }, error.message)); }
      go.disabled = false;
    } }, "What if?");
    fill(this.form, select("Policy", Object.keys(FIELDS).map((k) => [k, k.replace("_", " ")]), type, (v) => this.build(v)),
      ...FIELDS[type].map(([key, label, value]) => el("label", { class: "pick" }, el("span", {}, label), inputs[key] = el("input", { type: "number", step: "any", min: 0, value, "aria-label": label, class: "short" }))), go);
    if (!this.result.children.length) this.result.append(el("p", { class: "hint" }, "Choose a policy and see, on this run's recorded curves, which trials it would have stopped, what that would have saved, and whether the best would have been lost."));
  }

  show(o) {
    const numbers = o.stopped.map(([n]) => n), tile = (label, value, note, tone) => el("div", { class: `tile ${tone || ""}` }, el("span", { class: "label" }, label), el("strong", {}, value), el("span", { class: "hint" }, note));
    const found = o.best === null ? "nothing" : num(o.best);
    fill(this.result, 
      el("p", {}, el("strong", {}, o.text)),
      el("div", { class: "tiles" },
        tile("would stop", `${o.stopped.length} trials`, `of ${this.store.trials.length}`),
        tile("training time", clock(o.trained_s), `of ${clock(o.all_s)} without a policy`),
        tile("saves", rough(o.saved_s), `between ${rough(o.saved_low_s)} and ${rough(o.saved_high_s)}, and ${Math.round(100 * o.saved_share)} % of the intervals`, o.saved_s > 0 ? "good" : ""),
        tile("best found", found, o.lost_best ? `lost: the run had ${num(o.recorded_best)} (trial ${o.recorded_best_trial})` : o.best === null ? "" : `kept: trial ${o.best_trial}`, o.lost_best ? "bad" : "good")),
      o.unknown ? el("p", { class: "hint" }, `${o.unknown} trials were stopped in this run and would have gone on under this policy. What they would have reached is unknown; ${o.no_estimate ? `so is what they would have cost further: ${o.no_estimate}` : `their further cost, ${clock(o.beyond_s)}, is an estimate`}.`) : null,
      numbers.length ? el("div", { class: "controls" }, el("button", { onclick: () => this.store.select("whatif", { set: numbers }) }, "Select these trials")) : null,
      numbers.length ? el("details", {}, el("summary", {}, "Which trials, when and why"), el("ul", { class: "reasons" }, o.stopped.slice(0, 300).map(([n, k, why]) => el("li", {}, el("a", { href: `#/trial/${n}` }, `trial ${n}`), ` at interval ${k}: ${why}`)))) : null);
  }
}
