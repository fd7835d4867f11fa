// A trial's page.
import { trialButtons } from "./control.js";
import { el, fill, num, clock, when, bytes, esc, copy, css } from "./util.js";
import { layout, plot, stateColour } from "./chart.js";
import { points } from "./metrics.js";

function pairs(rows) {
  return el("dl", { class: "pairs" }, rows.filter(([, v]) => v !== null && v !== undefined && v !== "").map(([k, v]) => [el("dt", {}, k), el("dd", {}, v instanceof Node ? v : num(v))]));
}

function reserved({ cpus, gpus, memory, custom, accelerator_type: accelerator, gpu_memory: share, nodes, processes_per_node: processes }) {
  const more = Object.entries(custom || {}).map(([name, amount]) => `${num(amount)} ${name}`);
  return [`${num(cpus)} CPU`, `${num(gpus)} GPU${share ? ` (${bytes(share)} of its memory)` : ""}`, memory ? bytes(memory) : null, accelerator, ...more].filter(Boolean).join(", ")
    + (nodes > 1 ? ` on each of ${nodes} nodes` : "") + (processes > 1 ? ` for ${processes} processes` : "");
}

// What each node of a trial over several uses of its GPUs: `gpu_percent@1` is that of node 1.
function ofNodes(usage, t) {
  const hosts = t.tries[t.tries.length - 1]?.[8] || [], found = new Map();
  for (const [name, value] of Object.entries(usage || {})) {
    const [kind, node] = name.split("@");
    if (node !== undefined) (found.get(node) || found.set(node, {}).get(node))[kind] = value;
  }
  return [...found].map(([node, { gpu_percent: percent, gpu_memory_bytes: held }]) => [
    `node ${node}${hosts[node] ? ` (${hosts[node]})` : ""}`,
    [percent === undefined ? null : `${num(percent)} %`, held === undefined ? null : bytes(held)].filter(Boolean).join(", ")]);
}

const MOST_CHARTS = 24;
const goesOn = (t) => t.state === "Running" || t.state === "Queued" || t.state === "Paused";

// What the model expected, in words: its logarithm is for the search, not for people.
const inWords = (key, value) => key === "log_expected_improvement" && typeof value === "number"
  ? ["expected gain over the best so far", `about ${num(Math.exp(value))} standard deviations of the results so far`] : [key.replace(/_/g, " "), value];

export class TrialPage {
  constructor(store, source) { this.store = store; this.source = source; this.node = el("section", { class: "trial", role: "main", hidden: true }); this.number = null; this.logCard = null; this.plots = new Map(); }

  async show(number) {
    if (this.number !== number) { this.logCard = null; this.plots = new Map(); }
    this.number = number;
    const t = this.store.trials[number];
    this.node.hidden = false;
    if (!t) { fill(this.node, el("p", { class: "empty" }, `This run has no trial ${number}.`), el("a", { href: "#/" }, "All trials")); return; }
    let detail = null, problem = "";
    try { detail = await this.source.detail(number); } catch (error) { problem = error.message; }
    if (this.number !== number) return;
    this.detail = detail;
    this.draw(t, detail, problem);
  }

  hide() { this.number = null; this.logCard = null; this.plots = new Map(); this.node.hidden = true; this.node.replaceChildren(); }

  update() { if (this.number !== null && this.source.live) { const t = this.store.trials[this.number]; if (t && (t.state !== this.state || t.intervals !== this.intervals || JSON.stringify(this.store.usageNow(t)) !== this.usage)) this.show(this.number); } }

  draw(t, detail, problem) {
    const { store } = this, run = store.head.run, params = Object.entries(detail?.params || t.p);
    this.state = t.state; this.intervals = t.intervals;
    const now = store.usageNow(t), usage = now || detail?.usage; this.usage = JSON.stringify(now);
    const charts = el("div", { class: "small-charts" });
    // What is looked at stays where it is while the trial goes on: charts keep their zoom, the log its place.
    const place = this.logCard?.area.scrollTop, log = this.log(t, detail);
    const steps = (way) => { const at = store.trials[t.number + way]; return at ? el("a", { href: `#/trial/${at.number}` }, way < 0 ? "‹ previous" : "next ›") : null; };
    fill(this.node, 
      el("nav", { class: "trail" }, el("a", { href: "#/" }, "‹ All trials"), el("span", { class: "spring" }), steps(-1), steps(1)),
      el("h2", { tabIndex: -1 }, `Trial ${t.number} `, el("span", { class: `state ${t.state.toLowerCase()}` }, t.state), store.head.best?.trial === t.number ? el("span", { class: "star" }, " ★ the best") : null),
      t.why ? el("p", { class: "why" }, t.why) : null,
      detail?.notes?.length ? el("ul", { class: "notes" }, detail.notes.map((text) => el("li", {}, text))) : null,
      problem ? el("p", { class: "problem" }, problem) : null,
      el("div", { class: "columns" },
        el("div", { class: "card" }, el("h3", {}, "Hyperparameters"), pairs(params.map(([k, v]) => [k.replace(/^-+/, "") || k, v]))),
        el("div", { class: "card" }, el("h3", {}, "Result"), pairs([
          [store.label, t.best === null ? "none logged" : `${num(t.best)} at interval ${t.best_at}`], ["rank", this.rank(t)], ["intervals", t.intervals],
          ...store.head.metrics.map((name, i) => [name, t.extras[i]]), ...Object.entries(detail?.texts || {}),
        ])),
        el("div", { class: "card" }, el("h3", {}, "Where and when"), pairs([
          ["suggested", when(t.created)], ["began", when(t.began)], ["ended", when(t.ended)], ["training time", clock(t.seconds)], ["node", detail?.ranks?.length ? null : t.node], ["GPU", t.gpus],
          ["GPU use", usage?.gpu_percent === undefined ? null : `${num(usage.gpu_percent)} % ${now ? "now" : "on average"}`],
          ["GPU memory", usage?.gpu_memory_bytes === undefined ? null : `${bytes(usage.gpu_memory_bytes)} ${now ? "now" : "at most"}`],
          ...ofNodes(usage, t).map(([node, used]) => [`GPUs of ${node}`, used]),
          ["reserved", reserved(run.config.trial.resources)], ["attempts", t.attempt], ...Object.entries(detail?.tags || {})])),
        el("div", { class: "card" }, el("h3", {}, "Why this configuration"), this.reason(t))),
      el("div", { class: "card" }, el("h3", {}, "Metrics"), charts), this.ofRanks(t, detail), this.places(t, detail),
      this.command(detail), this.attempts(t), this.verdicts(t, detail), log, this.earlier(detail), this.files(detail),
      trialButtons(this.source, t));
    if (place !== undefined && this.logCard) this.logCard.area.scrollTop = place;
    this.metrics(charts, t, detail);
  }

  rank(t) {
    const ranked = this.store.ranked(), at = ranked.indexOf(t);
    return at < 0 ? "–" : `${at + 1} of ${ranked.length}`;
  }

  reason(t) {
    const origins = { random: "drawn at random from the search space", sobol: "the next point of a Sobol sequence", grid: "the next point of the grid",
      initial: "one of the first points, before there is a model", model: "proposed by the model of the results so far", resumed: "continues a trial of an earlier run", given: "given by a user" };
    const rows = [["origin", `${t.origin || "unknown"}${origins[t.origin] ? `: ${origins[t.origin]}` : ""}`]];
    const continued = this.store.head.lineage?.continued[t.number];
    if (continued) rows.push(["continues", continued.text], ["note", continued.note]);
    else for (const [key, value] of Object.entries(t.note || {})) rows.push(inWords(key, value));
    const mean = t.note?.predicted_mean, deviation = t.note?.predicted_deviation;
    if (typeof mean === "number" && t.best !== null) {
      const off = deviation > 0 ? `, ${num(Math.abs(t.best - mean) / deviation)} deviations ${t.best >= mean ? "above" : "below"} what was predicted` : "";
      rows.push(["it reached", `${num(t.best)}${off}`]);
    }
    return pairs(rows);
  }

  metrics(host, t, detail) {
    this.charts(host, t, detail?.metrics || { [this.store.metric]: t.curve });
    if (!host.children.length) host.append(el("p", { class: "empty" }, "It logged no metric."));
  }

  // What other processes than that of rank 0 logged, drawn when somebody opens it.
  ofRanks(t, detail) {
    const found = detail?.rank_metrics || {}, texts = Object.entries(detail?.rank_texts || {}), names = Object.keys(found).length + texts.length;
    if (!names) return null;
    const host = el("div", { class: "small-charts" }), more = Object.keys(found).length - MOST_CHARTS;
    const draw = () => { if (this.ranksOpen && !host.children.length) this.charts(host, t, found); };
    const card = el("details", { class: "card", id: "rank-metrics", open: Boolean(this.ranksOpen), ontoggle: () => { this.ranksOpen = card.open; draw(); } },
      el("summary", {}, `Logged by other ranks: ${names} name${names === 1 ? "" : "s"}`), host, more > 0 ? el("p", { class: "hint" }, `and ${more} more, which exports have`) : null, pairs(texts));
    requestAnimationFrame(draw);
    return card;
  }

  // Which processes train on which node, with the log of each.
  places(t, detail) {
    const nodes = [], per = this.store.head.run.config.trial.resources.processes_per_node || 1;
    for (const [rank, node, log] of detail?.ranks || []) (nodes[Math.floor(rank / per)] ||= { node, ranks: [] }).ranks.push([rank, log]);
    if (!nodes.length) return null;
    const link = ([rank, log]) => {
      const href = this.source.live && detail.files.some(([name]) => name === log) ? this.source.file(t.number, log) : null;
      return [href ? el("a", { href, download: "", title: `Log of rank ${rank}` }, String(rank)) : String(rank), " "];
    };
    return el("div", { class: "card", id: "places" }, el("h3", {}, "Nodes and ranks"), el("div", { class: "scroll", tabIndex: 0, role: "group", "aria-label": "Nodes and ranks" }, el("table", {},
      el("thead", {}, el("tr", {}, ["node", "host", this.source.live ? "ranks, with their logs" : "ranks"].map((h) => el("th", {}, h)))),
      el("tbody", {}, nodes.map(({ node, ranks }, k) => el("tr", {}, el("td", {}, String(k)), el("td", {}, node || "not known yet"), el("td", {}, ranks.flatMap(link))))))));
  }

  charts(host, t, found) {
    for (const [name, curve] of Object.entries(found).slice(0, MOST_CHARTS)) {
      const [k, v] = points(curve);
      if (!k.length) continue;
      const node = this.plots.get(name) || el("div", { class: "plot small" });
      this.plots.set(name, node);
      host.append(node);
      const traces = [{ type: "scatter", mode: k.length > 60 ? "lines" : "lines+markers", x: k, y: v, line: { color: stateColour(t.state), width: 2 }, marker: { size: 4 },
        hovertemplate: "%{x}<br>%{y:.6g}<extra></extra>" }];
      if (name === this.store.metric && this.store.head.policy.k.length) {
        const { policy } = this.store.head, last = k[k.length - 1], upto = policy.k.filter((one) => one <= last * 1.3 + 1).length;
        traces.push({ type: "scatter", mode: "lines", x: policy.k.slice(0, upto), y: policy.v.slice(0, upto), line: { dash: "dash", width: 1.5, color: css("--policy") }, hoverinfo: "skip" });
        if (t.cut && t.cut[1] !== null) traces.push({ type: "scatter", mode: "markers", x: [t.cut[0]], y: [t.cut[1]], marker: { symbol: "line-ew-open", size: 16, line: { width: 3 }, color: "#d1495b" }, hoverinfo: "text", hovertext: ["the policy's line when it was stopped"] });
      }
      plot(node, traces, layout({ showlegend: false, uirevision: name, title: { text: esc(name, 40), font: { size: 13 }, x: 0.02, y: 0.97 }, margin: { l: 48, r: 12, t: 30, b: 30 } }), `${name} of trial ${t.number} over ${k.length} intervals: ${num(v[v.length - 1])} at the end`);
    }
  }

  command(detail) {
    if (!detail) return el("p", { class: "hint" }, "The command, log and files of this trial are not in this report: raydrive logs and raydrive studio show them.");
    const button = el("button", { onclick: async () => { await copy(detail.command); button.textContent = "Copied"; setTimeout(() => { button.textContent = "Copy"; }, 1200); } }, "Copy");
    return el("div", { class: "card" }, el("h3", {}, "Command ", button), el("pre", { class: "command" }, detail.command));
  }

  attempts(t) {
    return el("div", { class: "card" }, el("h3", {}, "Attempts"), el("div", { class: "scroll", tabIndex: 0, role: "group", "aria-label": "Attempts" }, el("table", {}, el("thead", {}, el("tr", {}, ["attempt", "queued", "waited", "trained", "node", "GPU", "went on from", "how it ended"].map((h) => el("th", {}, h)))),
      el("tbody", {}, t.tries.map(([attempt, launched, began, ended, node, gpus, how, from, nodes]) => el("tr", {}, [attempt, when(launched), began === null ? "–" : clock(began - launched),
        began === null ? "–" : clock((ended ?? this.store.head.now) - began), nodes?.length > 1 ? nodes.join(", ") : node, gpus, from ? `checkpoint ${from}` : "the beginning", how || "running"].map((v) => el("td", {}, String(v)))))))));
  }

  verdicts(t, detail) {
    if (!detail?.verdicts.length) return null;
    const note = t.cut ? `Stopped at interval ${t.cut[0]}${t.cut[1] === null ? "" : `, where the line was ${num(t.cut[1])}`}: ${t.why}.` : "The policy never stopped it.";
    return el("div", { class: "card" }, el("h3", {}, "What the policy says of it"), el("p", {}, note),
      el("p", { class: "hint" }, "By the curves as they are now, last intervals first:"),
      el("ul", {}, detail.verdicts.map(([k, stop, why]) => el("li", {}, `${k}: ${stop ? "stop" : "continue"}; ${why}`))));
  }

  log(t, detail) {
    if (!detail) return null;
    const key = `${detail.log_attempt} ${t.state}`;
    if (this.logCard?.key === key) return this.logCard.card;
    if (detail.log === null) return el("div", { class: "card" }, el("h3", {}, "Log"), el("p", { class: "hint" }, "Not in this report."));
    const area = el("pre", { class: "log", tabIndex: 0 }, detail.log || "(empty)");
    const head = el("h3", {}, `Log of attempt ${detail.log_attempt} `), several = detail.ranks?.length > 1;
    if (several && this.source.live) {
      const choices = [["all", "all ranks, by time"], ...detail.ranks.map(([rank, node]) => [String(rank), `rank ${rank}${node ? ` on ${node}` : ""}`])];
      head.append(el("select", { id: "log-rank", "aria-label": "Whose log", onchange: (event) => this.pick(t, area, event.target.value) }, choices.map(([value, text]) => el("option", { value }, text))));
    }
    if (detail.log_from > 0) head.append(el("span", { class: "hint" }, `the last ${bytes(detail.log_to - detail.log_from)} of ${bytes(detail.log_to)}`));
    const card = el("div", { class: "card" }, head, area);
    this.logCard = { key, card, area, rank: several ? "all" : "" };
    requestAnimationFrame(() => { area.scrollTop = area.scrollHeight; });
    if (this.source.live && goesOn(t)) this.tail(t.number, area, detail.log_to, this.logCard.rank);
    return card;
  }

  // The log of one rank in place of that of all, or the other way round.
  async pick(t, area, rank) {
    this.logCard.rank = rank;
    let found = null;
    try { found = await this.source.log(t.number, "", rank); } catch (error) { found = { text: `(the log cannot be read: ${error.message})` }; }
    if (this.logCard?.area !== area || this.logCard.rank !== rank) return;
    area.textContent = found.text || "(empty)";
    area.scrollTop = area.scrollHeight;
    if (goesOn(t)) this.tail(t.number, area, found.to, rank);
  }

  earlier(detail) {
    return (detail?.earlier_logs || []).map(([attempt, text]) => el("details", { class: "card" }, el("summary", {}, `The end of the log of attempt ${attempt}`), el("pre", { class: "log", tabIndex: 0 }, text || "(empty)")));
  }

  async tail(number, area, from, rank) {
    while (this.number === number) {
      await new Promise((done) => setTimeout(done, 1000));
      if (this.number !== number || this.logCard?.area !== area || this.logCard.rank !== rank) return;
      try {
        const more = await this.source.log(number, rank === "all" ? "" : from, rank);
        if (this.logCard?.area !== area || this.logCard.rank !== rank) return;
        from = more.to;
        const follow = area.scrollHeight - area.scrollTop - area.clientHeight < 40, grown = rank === "all" ? more.text && more.text !== area.textContent : more.text;
        if (grown) {
          if (rank === "all") area.textContent = more.text;
          else area.append(more.text);
          if (follow) area.scrollTop = area.scrollHeight;
        }
        if (rank === "all" && more.over && !grown) return;
        if (more.over && !more.text) return;
      } catch (error) { area.append(`\n(the log is no longer followed: ${error.message})\n`); return; }
    }
  }

  files(detail) {
    if (!detail) return null;
    const made = detail.checkpoints.map(([name, interval, at]) => el("li", {}, `checkpoint ${name} at interval ${interval}, ${when(at)}`));
    const files = detail.files.map(([name, size]) => {
      const href = this.source.live ? this.source.file(detail.number, name) : null;
      const shown = el("code", {}, name);
      return el("li", {}, href ? el("a", { href, download: "", title: "Download" }, shown) : shown, ` ${bytes(size)}`);
    });
    return el("div", { class: "card" }, el("h3", {}, "Outputs and checkpoints"), el("p", { class: "hint" }, "In ", el("code", {}, detail.folder)), detail.files_note ? el("p", { class: "hint" }, detail.files_note) : null,
      files.length + made.length ? el("ul", { class: "files" }, made, files) : el("p", { class: "hint" }, "None."));
  }
}
