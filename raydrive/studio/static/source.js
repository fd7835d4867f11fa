// Where data comes from: the document inside a report, or a live server.

function embedded(id) {
  const node = document.getElementById(id);
  return node ? JSON.parse(node.textContent) : null;
}

export class ReportSource {
  constructor(bundle) { this.bundle = bundle; this.live = false; }
  start(take) { take(this.bundle.document, true); }
  async analysis() { return this.bundle.analysis; }
  async detail(number) { return this.bundle.details[number] || null; }
  async series(name) { return this.bundle.series[name] || null; }
  whatifs() { return this.bundle.whatif; }
}

export class LiveSource {
  constructor(base, mayControl) { this.base = base; this.live = true; this.mayControl = mayControl; this.connected = false; }

  async get(path, options) {
    const answer = await fetch(`${this.base}${path}`, options);
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error || answer.statusText);
    return body;
  }

  // The browser reconnects by itself and sends the last event id, so nothing is missed and nothing comes twice.
  start(take, status) {
    const events = new EventSource(`${this.base}/events`);
    events.addEventListener("whole", (event) => { take(JSON.parse(event.data), true); status(true); });
    events.addEventListener("changes", (event) => { take(JSON.parse(event.data), false); status(true); });
    events.addEventListener("open", () => status(true));
    events.addEventListener("error", () => status(false));
    this.events = events;
  }

  analysis() { return this.get("/analysis"); }
  detail(number) { return this.get(`/trials/${number}`); }
  // What a log has from a byte on, without one its end; rank "all" is the end of the logs of all processes.
  log(number, from, rank = "") { return this.get(`/trials/${number}/log?from=${from}&rank=${rank}`); }
  series(name) { return this.get(`/series?name=${encodeURIComponent(name)}`); }
  // Null for a name that no address can hold (half of a surrogate pair).
  file(number, name) {
    try { return `${this.base}/trials/${number}/file?name=${encodeURIComponent(name)}`; } catch { return null; }
  }
  whatif(policy) { return this.get(`/whatif?policy=${encodeURIComponent(JSON.stringify(policy))}`); }
  control(request) {
    return this.get("/control", { method: "POST", headers: { "X-Raydrive": "control", "Content-Type": "application/json" }, body: JSON.stringify(request) });
  }
}

export function openSource() {
  const bundle = embedded("raydrive-report");
  if (bundle) return new ReportSource(bundle);
  const place = embedded("raydrive-live");
  return new LiveSource(place.base, place.may_control);
}
