// Buttons that change a run, where the studio may (--allow-control): each asks before it acts, and shows the answer.
import { el } from "./util.js";

const LISTED = 8;

async function act(source, request, button) {
  if (button) button.disabled = true;
  try {
    const answer = await source.control(request);
    const lines = [...answer.recorded.slice(0, LISTED), ...answer.notes];
    if (answer.recorded.length > LISTED) lines.push(`and ${answer.recorded.length - LISTED} more`);
    alert(`${lines.join("\n")}\n\nRecorded. It takes effect: ${answer.effect}.`);
  } catch (error) { alert(error.message); }
  if (button) button.disabled = false;
}

function limits(source, head) {
  const { max_concurrent_runs: present } = head.run.config.limits;
  const text = prompt("Largest number of concurrent trials, and total number of trials, as two numbers", `${present} ${head.max_total}`);
  if (text === null) return null;
  const [atATime, total] = text.trim().split(/[\s,]+/).map(Number);
  if (!(atATime >= 1) || !(total === undefined || total >= 1)) { alert(`${text}: two whole numbers of 1 or more, such as ${present} ${head.max_total}`); return null; }
  return { do: "edit", patch: { limits: { max_concurrent_runs: atATime, max_total_runs: total } }, expect_revision: head.revision };
}

// What a viewer may do with the whole run.
export function runButtons(source, head) {
  if (!source.mayControl) return [];
  const button = (text, ask, kind) => el("button", { class: kind || null, onclick: (event) => {
    const request = ask();
    if (request) act(source, request, event.target);
  } }, text);
  const note = button("Note …", () => { const text = prompt("A note about this run"); return text ? { do: "note", text } : null; });
  if (head.run.over) return [note];
  const pauses = head.paused ? [button("Unpause", () => (confirm("Go on with this run?") ? { do: "unpause" } : null))] : [
    button("Pause", () => (confirm("Start no further trials until this run is unpaused? Running trials continue to their end.") ? { do: "pause" } : null)),
    button("Pause now", () => (confirm("Also pause all running trials? They continue later from their last checkpoints.") ? { do: "pause", now: true } : null))];
  return [...pauses, button("Limits …", () => limits(source, head)), note,
    button("Cancel run", () => (confirm("End this run and all its running trials?") ? { do: "cancel" } : null), "danger")];
}

// What a viewer may do with one trial.
export function trialButtons(source, t) {
  if (!source.mayControl) return null;
  const open = ["Running", "Queued", "Paused"].includes(t.state);
  const button = (text, ask, kind) => el("button", { class: kind || null, onclick: (event) => {
    const request = ask();
    if (request) act(source, { ...request, trial: t.number }, event.target);
  } }, text);
  const note = button("Note …", () => { const text = prompt(`A note about trial ${t.number}`); return text ? { do: "note", text } : null; });
  const stop = button("Stop as a policy …", () => { const why = prompt(`Stop trial ${t.number} as a policy would; its curve counts. Why?`); return why ? { do: "stop", why } : null; });
  const cancel = button("Cancel this trial", () => (confirm(`End trial ${t.number}?`) ? { do: "cancel" } : null), "danger");
  const retry = button("Try again", () => (confirm(`Try trial ${t.number} again, from its last checkpoint?`) ? { do: "retry", trials: [t.number] } : null));
  return el("p", { class: "controls" }, open ? [stop, note, cancel] : [retry, note]);
}
