// The list of runs: new every 15 seconds while somebody looks at it, without a reload that takes the focus away.
const EVERY_MS = 15000;

try {
  const choice = localStorage.getItem("raydrive.theme");
  if (choice === "dark" || choice === "light") document.documentElement.dataset.dark = choice === "dark" ? "yes" : "no";
} catch { /* no storage: the system's theme */ }

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("runs"), old = document.getElementById("runs");
    if (!fresh || fresh.innerHTML === old.innerHTML) return;
    const at = document.activeElement?.getAttribute("href"), inside = old.contains(document.activeElement);
    old.replaceWith(fresh);
    if (inside && at) [...fresh.querySelectorAll("a")].find((link) => link.getAttribute("href") === at)?.focus({ preventScroll: true });
  } catch { /* the server is away: what is there stays, the next time may do */ }
}

setInterval(renew, EVERY_MS);
document.addEventListener("visibilitychange", renew);
