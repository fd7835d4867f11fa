// The page: puts the views together and keeps them in step with the run.
import { el, fill, num, clock, rough, when, remembered, remember, esc } from "./util.js";
import { Store, STATES } from "./store.js";
import { openSource } from "./source.js";
import { MetricsChart, BestChart } from "./metrics.js";
import { ParallelChart } from "./parallel.js";
import { Scatter2, Scatter3 } from "./scatter.js";
import { runButtons } from "./control.js";
import { Repeats } from "./repeats.js";
import { Timeline } from "./timeline.js";
import { Table } from "./table.js";
import { TrialPage } from "./trial.js";
import { LineageView } from "./lineage.js";
import { Schedules } from "./schedules.js";
import { Importance, Slices, WhatIf } from "./insight.js";

const ANALYSE_EVERY_MS = 15000;
// Panels that are empty where no trial has a value.
const VALUES = new Set(["Metrics", "Best so far", "Parallel coordinates", "Scatter", "Scatter in 3-D", "What if another policy …", "Importance of hyperparameters", "What the model expects"]);

// On a phone a panel is folded to its title, but for what people look at first; elsewhere the title is no button.
function panel(title, view, { wide, hint, first } = {}) {
  const fold = el("button", { class: "fold", "aria-expanded": String(Boolean(first)), onclick: () => {
    const folded = section.classList.toggle("folded");
    fold.setAttribute("aria-expanded", String(!folded));
  } }, title);
  const kinds = ["card", wide && "wide", !first && "folded", VALUES.has(title) && "of-values"].filter(Boolean).join(" ");
  const section = el("section", { class: kinds }, el("h2", { title: hint }, el("span", { class: "title" }, title), fold), view.node);
  return section;
}

function theme(choice) {
  const dark = choice === "dark" || (choice === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.dark = dark ? "yes" : "no";
}

class Header {
  constructor(store, source) { this.store = store; this.source = source; this.node = el("header", {}); this.connected = true; }

  draw(changeTheme) {
    const { head } = this.store, { run, counts, saving, failing } = head;
    const order = ["auto", "light", "dark"], now = remembered("theme", "auto");
    const title = run.display_name || run.experiment;
    document.title = `${title} · ${run.state} · raydrive`;
    const bar = el("div", { class: "progress", role: "img", "aria-label": STATES.map((s) => `${counts[s]} ${s}`).join(", ") },
      STATES.map((s) => (counts[s] ? el("span", { class: s.toLowerCase(), title: `${counts[s]} ${s}`, style: { width: `${(100 * counts[s]) / Math.max(head.max_total, head.total)}%` } }) : null)));
    const best = head.best, gpu = saving.gpus ? `, ${num(saving.gpus * saving.seconds / 3600)} GPU hours` : "", none = saving.seconds === null;
    const without = none ? `how long they would have trained on cannot be estimated: ${saving.why}` : `saved, summed over parallel trials, between ${rough(saving.low_s)} and ${rough(saving.high_s)}, and ${Math.round(100 * saving.share)} % of the intervals${gpu}; without it about ${rough(saving.trained_s + saving.seconds)}`;
    // A count is a link to its trials.
    const shown = STATES.filter((s) => counts[s]).flatMap((s, i) => [i ? ", " : "", el("a", { href: `#/trials/${s.toLowerCase()}`, title: "List them" }, `${counts[s]} ${s.toLowerCase()}`)]);
    const tile = (label, value, note, extra) => el("div", { class: "tile" }, el("span", { class: "label" }, label), el("strong", {}, value), el("span", { class: "hint" }, note), extra || null);
    fill(this.node, 
      el("div", { class: "top" },
        el("div", { class: "names" }, el("h1", {}, title), el("p", { class: "hint" }, `${run.experiment} / ${run.id}`)),
        el("span", { class: `state big ${failing && run.state === "Completed" ? "failed" : run.state.toLowerCase()}`, id: "run-state" }, run.state),
        el("span", { class: "spring" }),
        this.source.live ? el("span", { class: `live ${this.connected ? "on" : ""}`, id: "live" }, run.over ? "final" : this.connected ? "live" : "reconnecting …") : null,
        this.source.live && this.source.base ? el("a", { href: "/" }, "All runs") : null,
        ...runButtons(this.source, head),
        el("button", { id: "theme", title: "Light or dark", onclick: () => { remember("theme", order[(order.indexOf(now) + 1) % 3]); changeTheme(); } }, { auto: "◐ auto", light: "☀ light", dark: "☾ dark" }[now])),
      failing ? el("section", { class: "problem", id: "failing" },
        el("p", {}, `${failing.text[0].toUpperCase()}${failing.text.slice(1)} `, el("a", { href: `#/trial/${failing.trial}` }, `Trial ${failing.trial}`)),
        failing.log.length ? el("pre", { class: "log" }, failing.log.join("\n")) : el("p", { class: "hint" }, "It has printed nothing."),
        el("p", { class: "hint" }, "Look further: ", ...failing.commands.map((line) => el("code", {}, `${line}    `)))) : null,
      head.missing_metric ? el("p", { class: "problem", id: "missing-metric" }, head.missing_metric) : null,
      head.paused ? el("p", { class: "problem", id: "paused" }, `${head.paused[0].toUpperCase()}${head.paused.slice(1)}.`) : null,
      ...(head.finish_when || []).map((rule) => el("p", { class: "hint finish-when" }, `Ends by ${rule.text}.`)),
      head.best_notice ? el("p", { class: "hint", id: "best-notice" }, `${head.best_notice[0].toUpperCase()}${head.best_notice.slice(1)}.`) : null,
      run.why ? el("p", { class: "why" }, run.state === "Running" ? `Ending: ${run.why}` : `Ended: ${run.why}`) : null,
      ...[run.trouble, head.trouble].filter(Boolean).map((text) => el("p", { class: "problem" }, text)),
      run.waiting.length ? el("p", { class: "hint" }, `Waiting: ${run.waiting.join("; ")}`) : null,
      head.notices.length ? el("p", { class: "hint" }, head.notices.join("; ")) : null,
      el("div", { class: "tiles" },
        tile(`best ${run.label}`, best ? num(best.value) : "–", best ? el("a", { href: `#/trial/${best.trial}` }, `trial ${best.trial}, interval ${best.interval}`) : `no value yet; to ${run.goal}`),
        tile("trials", `${head.done} of ${head.max_total}`, shown.length ? shown : "none yet", bar),
        tile("elapsed", clock(run.elapsed_s), `since ${when(run.started)}`),
        tile("training time", clock(saving.trained_s), `${head.reports} reports`),
        tile("early termination", saving.stopped ? (none ? "no estimate" : `≈ ${rough(saving.seconds)}`) : "–",
          saving.stopped ? `${without}; ${saving.stopped} trials stopped` : saving.policy)),
      (head.configurations || []).length ? configurationsTable(head.configurations) : null);
  }
}

/** Configurations that are tried several times, the best means first. */
function configurationsTable(found) {
  const names = ["mean", "standard error", "values", "may be best", "trials", "parameters"];
  const value = (one) => typeof one === "number" ? num(one) : JSON.stringify(one);
  const cells = (one) => [one.mean === null ? "–" : num(one.mean), one.standard_error === null ? "–" : num(one.standard_error),
    String(one.values), one.contends ? "yes" : "no",
    el("span", {}, ...one.trials.map((trial) => el("a", { href: `#/trial/${trial}` }, `${trial} `))),
    Object.entries(one.params).map(([name, given]) => `${name}=${value(given)}`).join(" ")];
  return el("section", { class: "configurations" }, el("h2", {}, "Configurations, each tried several times"),
    el("table", {}, el("thead", {}, el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...found.slice(0, 8).map((one) => el("tr", {}, ...cells(one).map((cell) => el("td", {}, cell)))))),
    found.length > 8 ? el("p", { class: "hint" }, `${found.length - 8} more: raydrive trials RUN --by-configuration`) : null);
}

class SelectionBar {
  constructor(store) { this.store = store; this.node = el("section", { class: "selection", hidden: true, id: "selection", "aria-label": "Selection" }); }
  draw() {
    const { store } = this, chosen = store.selected();
    this.node.hidden = !store.selecting;
    if (!store.selecting) return;
    const values = chosen.map((t) => t.best).filter((v) => v !== null), from = { parallel: "parallel coordinates", scatter: "the scatter chart", table: "the table or a chart", whatif: "what-if" }[store.selection.source];
    const top = store.ranked().find((t) => store.isSelected(t.number));
    fill(this.node, el("strong", {}, `${chosen.length} of ${store.trials.length} selected`), el("span", { class: "hint" }, `by ${from}`),
      values.length ? el("span", {}, `best ${num(top.best)} (`, el("a", { href: `#/trial/${top.number}` }, `trial ${top.number}`), ")") : null,
      chosen.length === 1 && !values.length ? el("a", { href: `#/trial/${chosen[0].number}` }, `open trial ${chosen[0].number}`) : null,
      el("span", { class: "spring" }), el("button", { id: "clear-selection", onclick: () => store.clear() }, "Clear"));
  }
}

function facts(store) {
  const { config, uri, tags } = store.head.run, { sampling, policy, limits, trial, metric, seed, versions } = config;
  const line = (k, v) => [el("dt", {}, k), el("dd", {}, typeof v === "object" && v !== null ? el("code", {}, JSON.stringify(v)) : num(v))];
  const origins = {};
  for (const t of store.trials) origins[t.origin || "unknown"] = (origins[t.origin || "unknown"] || 0) + 1;
  const resumed = store.trials.filter((t) => t.tries.some((one) => one[7]));
  const { space, ...how } = sampling;
  return el("dl", { class: "pairs" }, line("metric", `${metric.name}, ${metric.goal}${metric.value ? `, ${metric.value}` : ""}`), line("sampling", how),
    Object.entries(space || {}).map(([name, one]) => line(`  ${name}`, one)), line("policy", policy), line("limits", limits),
    line("trial", trial.command || trial.script || trial.kind), line("resources", trial.resources), line("seed", seed), line("tags", tags), line("versions", versions), line("storage", uri),
    line("where its points come from", Object.entries(origins).map(([k, v]) => `${v} ${k}`).join(", ") || "–"),
    line("drivers", store.head.epochs.map(([epoch, at]) => `${epoch}: ${when(at)}`).join("; ")),
    resumed.length ? line("trials that continued from a checkpoint", resumed.slice(0, 50).map((t) => t.number).join(", ")) : null);
}

function main() {
  theme(remembered("theme", "auto"));
  const store = new Store(), source = openSource(), open = (number) => { location.hash = `#/trial/${number}`; };
  const header = new Header(store, source), bar = new SelectionBar(store), trial = new TrialPage(store, source);
  const charts = [new MetricsChart(store, source, open), new BestChart(store), new ParallelChart(store), new Scatter2(store, open), new Scatter3(store, open), new Table(store, open),
    new Repeats(store, open), new Importance(store), new WhatIf(store, source), new Slices(store), new Timeline(store), new LineageView(store, source), new Schedules(store)];
  const [metrics, best, parallel, two, three, table, repeats, importance, whatif, slices, timeline, lineage, schedules] = charts;
  const about = el("div");
  const overview = el("main", {},
    panel("Metrics", metrics, { first: true, hint: "A line per trial; click one to select it" }), panel("Best so far", best), panel("Configurations and their repeats", repeats, { wide: true, hint: "Click a mean to select its trials" }), panel("Parallel coordinates", parallel, { wide: true }),
    panel("Scatter", two), panel("Scatter in 3-D", three), panel("Trials", table, { wide: true, first: true }), panel("What if another policy …", whatif), panel("Importance of hyperparameters", importance),
    panel("What the model expects", slices, { wide: true }), panel("Hyperparameters over intervals", schedules, { wide: true }), panel("Timeline", timeline, { wide: true }), panel("Where this run comes from", lineage, { wide: true }),
    el("section", { class: "card wide" }, el("details", {}, el("summary", {}, "Configuration"), about)));
  const skip = el("nav", { "aria-label": "Skip" }, el("a", { class: "skip", href: "#/trials" }, "Skip to the trials"));
  fill(document.getElementById("app"), skip, header.node, bar.node, overview, trial.node);

  const redraw = (what) => {
    header.draw(() => { theme(remembered("theme", "auto")); redraw("theme"); });
    bar.draw();
    if (what !== "selection") fill(about, facts(store));
    // A run that is over without a value has nothing to draw: its trials and what they printed come first.
    const empty = store.head.run.over && !store.head.best && !store.head.metrics.length;
    const grows = overview.classList.contains("empty") && !empty;
    overview.classList.toggle("empty", empty);
    if (grows) for (const chart of charts) chart.frame?.refresh();
    for (const chart of charts) chart.update(what);
    if (what === "theme" && trial.number !== null) trial.show(trial.number); else trial.update();
  };
  store.on((what) => { if (store.head) redraw(what); });

  const route = () => {
    const found = location.hash.match(/^#\/trial\/(\d+)$/);
    overview.hidden = Boolean(found);
    bar.node.hidden = Boolean(found) || !store.selecting;
    if (found) {
      if (store.head) { trial.show(Number(found[1])).then(() => trial.node.querySelector("h2")?.focus({ preventScroll: true })); scrollTo(0, 0); }
      return;
    }
    trial.hide();
    for (const chart of charts) chart.frame?.refresh();
    const listed = location.hash.match(/^#\/trials(?:\/([a-z]+))?$/);
    if (listed && store.head) table.go(listed[1] ? `state:${listed[1]}` : null);
  };
  addEventListener("hashchange", route);
  // In a notebook's frame a link to a fragment leads to the notebook: go there by hand.
  addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#/"]');
    if (!link) return;
    event.preventDefault();
    if (location.hash === link.getAttribute("href")) route(); else location.hash = link.getAttribute("href");
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { theme(remembered("theme", "auto")); if (store.head) redraw("theme"); });

  let analysing = false, analysed = -1, last = 0;
  const analyse = async () => {
    const ended = store.trials.filter((t) => t.best !== null).length;
    if (analysing || ended === analysed || (source.live && Date.now() - last < ANALYSE_EVERY_MS && analysed >= 0)) return;
    analysing = true;
    try { store.analysis = await source.analysis(); analysed = ended; store.tell("analysis"); } catch (error) { console.warn(error.message); }
    analysing = false; last = Date.now();
  };
  let first = true;
  source.start((document, whole) => {
    store.take(document, whole);
    if (first) { first = false; route(); }
    analyse();
  }, (up) => { header.connected = up; if (store.head) header.draw(() => { theme(remembered("theme", "auto")); redraw("theme"); }); });
  window.raydrive = { store, charts: { metrics, best, parallel, two, three, table, repeats, importance, whatif, slices, timeline, schedules } };
}

main();
