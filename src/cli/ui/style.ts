/** How the page looks, in the light and in the dark, on a phone and on a wide screen. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: #f5f7f6;
  --surface: #ffffff;
  --sunk: #eef2f0;
  --ink: #17211e;
  --soft: #55635e;
  --line: #d9e1dd;
  --edge: #7d8c86;
  --accent: #0f766e;
  --accent-ground: #dff3f0;
  --warn: #8a4b00;
  --warn-ground: #fdf0dc;
  --bad: #b3261e;
  --bad-ground: #fdeae8;
  --shadow: 0 1px 2px rgb(23 33 30 / 6%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1413;
    --surface: #171d1b;
    --sunk: #1f2725;
    --ink: #e6edea;
    --soft: #a0aea8;
    --line: #2b3532;
    --edge: #71817b;
    --accent: #5cd3c4;
    --accent-ground: #12332f;
    --warn: #f2bb69;
    --warn-ground: #382a12;
    --bad: #ff9a91;
    --bad-ground: #421d1a;
    --shadow: none;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0;
  background: var(--ground);
  color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif;
}
h1, h2, h3, p, figure, ul, pre, dl, dd { margin: 0; padding: 0; }
h2 { font-size: 1rem; font-weight: 600; }
h3 { font-size: 0.8125rem; font-weight: 600; color: var(--soft); margin-top: 0.75rem; }
ul { list-style: none; }
a { color: var(--accent); }
code, .mono, pre { font: 0.8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
main:focus { outline: none; }
.quiet {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}
.skip { position: absolute; left: -9999px; }
.skip:focus { left: 1rem; top: 0.5rem; z-index: 10; padding: 0.25rem 0.75rem; background: var(--surface); border-radius: 6px; }

.top {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0.25rem 2rem;
  padding: 0.5rem clamp(1rem, 3vw, 2rem) 0;
  background: var(--surface);
  border-bottom: 1px solid var(--line);
}
.brand { display: flex; align-items: center; gap: 0.625rem; min-width: 0; padding-bottom: 0.5rem; }
.brand .name { font-weight: 650; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.mark { width: 0.875rem; height: 0.875rem; border-radius: 4px; background: var(--accent); flex: none; }
nav { display: flex; gap: 0.25rem; overflow-x: auto; scrollbar-width: none; }
nav a {
  padding: 0.5rem 0.75rem 0.625rem;
  border-bottom: 3px solid transparent;
  color: var(--soft);
  text-decoration: none;
  white-space: nowrap;
}
nav a:hover { color: var(--ink); }
nav a:focus-visible { outline-offset: -2px; }
nav a[aria-current] { color: var(--ink); font-weight: 600; border-color: var(--accent); }
.pill {
  flex: none;
  padding: 0 0.5rem;
  border-radius: 999px;
  font-size: 0.8125rem;
  background: var(--sunk);
  color: var(--soft);
}
.pill.good { background: var(--accent-ground); color: var(--accent); }
.pill.warn { background: var(--warn-ground); color: var(--warn); }
.pill.bad { background: var(--bad-ground); color: var(--bad); }
.notice { padding: 0.625rem clamp(1rem, 3vw, 2rem); background: var(--bad-ground); color: var(--bad); }
.notice .mono { overflow-wrap: anywhere; }

main { display: grid; gap: 1rem; padding: 1rem clamp(1rem, 3vw, 2rem) 3rem; max-width: 110rem; margin: 0 auto; }
main > * { min-width: 0; }
.card {
  min-width: 0;
  padding: 1rem;
  background: var(--surface);
  border: 1px solid var(--line);
  border-radius: 10px;
  box-shadow: var(--shadow);
}
.narrow { max-width: 34rem; }
.note, .hint { color: var(--soft); }
.hint { font-size: 0.8125rem; }
.error { color: var(--bad); overflow-wrap: anywhere; }
.empty { display: grid; gap: 0.5rem; justify-items: start; }
.command {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0.5rem;
  max-width: 100%;
  padding: 0.375rem 0.625rem;
  background: var(--sunk);
  border-radius: 6px;
}
.command code { overflow-wrap: anywhere; }

.tiles { display: grid; gap: 1rem; grid-template-columns: repeat(2, minmax(0, 1fr)); }
@media (min-width: 52rem) { .tiles { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
@media (min-width: 84rem) { .tiles { grid-template-columns: repeat(6, minmax(0, 1fr)); } }
.tile { display: flex; flex-direction: column; }
.tile h2 { font-size: 0.875rem; color: var(--soft); }
.figure { font-size: clamp(1.5rem, 5vw, 2rem); line-height: 1.3; white-space: nowrap; font-weight: 600; font-variant-numeric: tabular-nums; }
.spark { margin-top: auto; padding-top: 0.75rem; }
.spark svg { display: block; width: 100%; height: 3.5rem; overflow: visible; }
.spark .base { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.spark .line { fill: none; stroke: var(--accent); stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; vector-effect: non-scaling-stroke; }
.spark .area { fill: var(--accent); opacity: 0.12; }
.spark figcaption { display: flex; justify-content: space-between; margin-top: 0.25rem; font-size: 0.75rem; color: var(--soft); }
.columns { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(32rem, 100%), 1fr)); align-items: start; }

.scroll { overflow-x: auto; margin-top: 0.5rem; }
table { width: 100%; border-collapse: collapse; font-size: 0.875rem; }
th, td { max-width: 28rem; padding: 0.375rem 1.5rem 0.375rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tr:last-child > * { border-bottom: 0; }
thead th { font-weight: 500; color: var(--soft); white-space: nowrap; }
tbody th { font-weight: 600; }
tbody th:not(:has(button)) { min-width: 7.5rem; }
.prose { min-width: 16rem; }
tbody th, td { overflow-wrap: break-word; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }

.toolbar { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 0.75rem; }
.toolbar .summary { margin-right: auto; }
.toolbar .field { grid-auto-flow: column; align-items: center; gap: 0.5rem; flex: none; max-width: 100%; }
input, select, button, textarea { font: inherit; color: inherit; }
input, select {
  min-width: 0;
  padding: 0.375rem 0.625rem;
  background: var(--surface);
  border: 1px solid var(--edge);
  border-radius: 6px;
}
input::placeholder { color: var(--soft); opacity: 1; }
button {
  padding: 0.375rem 0.875rem;
  background: var(--accent-ground);
  color: var(--accent);
  border: 1px solid transparent;
  border-radius: 6px;
  font-weight: 600;
  cursor: pointer;
}
button:hover { border-color: var(--accent); }
button:disabled { opacity: 0.6; cursor: default; }
button.small { padding: 0 0.5rem; font-size: 0.8125rem; }
button.danger { background: var(--bad-ground); color: var(--bad); }
button.danger:hover { border-color: var(--bad); }
button.link { padding: 0; border: 0; background: none; text-align: left; overflow-wrap: anywhere; }
button.link:hover { text-decoration: underline; }
.row { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; }
.row > input { flex: 1 1 12rem; }
.field { display: grid; gap: 0.125rem; flex: 1 1 10rem; }
.field > span { font-size: 0.8125rem; color: var(--soft); }
form.card { display: grid; gap: 0.75rem; }

.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); align-items: start; }
.worker h2 { overflow-wrap: anywhere; }
.worker .hint { overflow-wrap: anywhere; }
.worker.nobody { border-color: var(--warn); }
.chips { display: flex; flex-wrap: wrap; gap: 0.375rem; margin-top: 0.625rem; }
.chip {
  position: relative;
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0 0.375rem;
  max-width: 100%;
  padding: 0.125rem 0.625rem;
  background: var(--sunk);
  border: 1px solid var(--line);
  border-radius: 6px;
  font-size: 0.875rem;
  font-variant-numeric: tabular-nums;
}
.chip-name { overflow-wrap: anywhere; }
.chip .sign { color: var(--soft); }
.chip.running .sign { color: var(--accent); }
.chip.restoring, .chip.created { background: var(--warn-ground); border-color: var(--warn); color: var(--warn); }
.chip.restoring .sign, .chip.created .sign { color: var(--warn); }
.chip.moved { border-color: var(--accent); box-shadow: 0 0 0 2px var(--accent-ground); flex-basis: 100%; }
.chip .news { flex-basis: 100%; font-size: 0.8125rem; color: var(--soft); }
.chip.standby { background: none; border-style: dashed; border-color: var(--edge); }
.badge { font-size: 0.8125rem; color: var(--soft); }
.badge.lag { color: var(--warn); }
.chip.restoring .badge, .chip.created .badge { color: var(--warn); }
.many .chips { gap: 3px; }
.many .chip { padding: 0 0.25rem; min-width: 2.25rem; justify-content: center; font-size: 0.75rem; border-radius: 4px; flex-basis: auto; }
.many .chip.running { background: var(--accent-ground); border-color: transparent; }
.many .chip.behind { border-color: var(--warn); }

.entries li { display: grid; grid-template-columns: minmax(6rem, 14rem) 1fr; gap: 1rem; padding: 0.25rem 0; border-bottom: 1px solid var(--line); }
.entries + button { margin-top: 0.75rem; }
.cut { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
input[type='checkbox'] { accent-color: var(--accent); }
.graph { display: block; max-width: none; }
.graph text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.graph .kind { font-size: 11px; fill: var(--soft); }
.graph .node rect { fill: var(--surface); stroke: var(--edge); stroke-width: 1.25; }
.graph .state rect, .graph .table rect { fill: var(--accent-ground); stroke: var(--accent); }
.graph .repartition rect, .graph .broadcast rect { stroke-dasharray: 5 3; }
.graph .step rect, .graph .call rect, .graph .timer rect { fill: var(--sunk); stroke: var(--line); }
.graph .edge { fill: none; stroke: var(--edge); stroke-width: 1.5; }
.graph .edge.read { stroke-dasharray: 3 4; }
.graph .tip { fill: var(--edge); }
.graph .flow { font-size: 11.5px; fill: var(--soft); paint-order: stroke; stroke: var(--surface); stroke-width: 4px; }
.graph .flow.behind { fill: var(--warn); }
dialog {
  width: min(40rem, calc(100vw - 2rem));
  padding: 1rem;
  background: var(--surface);
  color: var(--ink);
  border: 1px solid var(--line);
  border-radius: 10px;
}
dialog::backdrop { background: rgb(0 0 0 / 45%); }
dialog form { display: grid; gap: 0.75rem; }
pre.value {
  overflow: auto;
  max-height: 32rem;
  padding: 0.75rem;
  background: var(--sunk);
  border-radius: 6px;
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}
dl.facts { display: grid; grid-template-columns: fit-content(16rem) 1fr; gap: 0.25rem 1.5rem; margin-top: 0.5rem; font-size: 0.875rem; }
dl.facts dt { color: var(--soft); overflow-wrap: anywhere; min-width: 5rem; }
dl.facts dd { overflow-wrap: anywhere; min-width: 0; }
@media (max-width: 40rem) {
  .brand { flex-basis: 100%; }
  nav { flex-basis: 100%; margin: 0 -0.75rem; }
  dl.facts { grid-template-columns: 1fr; gap: 0; }
  dl.facts dd { margin-bottom: 0.5rem; }
}
@media (prefers-reduced-motion: reduce) {
  * { transition: none !important; }
}
`
