"use strict";
// Renders the rows anew every two seconds, by the names and kinds of the columns' headings.
const PAUSE_MS = 2000;
const element = (name, text, attributes = {}) => {
  const made = document.createElement(name);
  if (text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const count = (value) => Number(value ?? 0).toLocaleString("en-US");
const bytes = (value) => {
  let number = Number(value ?? 0), unit = 0;
  for (; number >= 999.5 && unit < 5; unit++) number /= 1000;
  return `${number.toFixed(unit && number < 9.95 ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB", "PB"][unit]}`;
};
const duration = (value) => {
  if (value === null) return "";
  const seconds = Math.floor(value);
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
  return seconds >= 60 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s` : `${seconds} s`;
};
const isOpen = (row) => row.status === "pending" || row.status === "processing";
const stateOf = (row) => (isOpen(row) && { pause: "paused", cancel: "being cancelled" }[row.control]) || row.status;
const progress = (row) => {
  const done = row.processed_count + row.failed_count + row.cancelled_count, total = row.total_documents;
  const bar = element("progress", null, { max: total, value: done, "aria-label": `${count(done)} of ${count(total)} documents` });
  return [bar, ` ${count(done)}/${count(total)}`];
};
const time = (value) => value
  ? [element("time", `${value.slice(0, 10)} ${value.slice(11, 16)} UTC`, { datetime: value })] : [];
const KINDS = {
  text: (value) => [value ?? ""],
  id: (value) => [element("code", (value ?? "").slice(0, 8), { title: value ?? "" })],
  code: (value) => [element("code", value)],
  state: (value, row) => [stateOf(row)],
  progress: (value, row) => progress(row),
  count: (value) => [count(value)],
  bytes: (value) => [bytes(value)],
  duration: (value) => [duration(value)],
  time,
};
const fill = (table, rows) => {
  const columns = [...table.tHead.rows[0].cells].map((cell) => ({ ...cell.dataset, title: cell.textContent }));
  table.tBodies[0].replaceChildren(...rows.map((row) => {
    const line = element("tr", null, { role: "row" });
    line.append(...columns.map(({ name, kind, title }) => {
      const style = kind === "state" ? `state ${stateOf(row)}` : kind;
      const cell = element("td", null, { role: "cell", "data-title": title, class: style });
      cell.append(...KINDS[kind](row[name] ?? null, row));
      return cell;
    }));
    return line;
  }));
  const note = table.closest("section").querySelector(".note");
  if (note) note.hidden = rows.length > 0;
};
const say = (text, isGood) => {
  const state = document.getElementById("state");
  if (state.textContent !== text) state.textContent = text;
  state.className = isGood ? "good" : "bad";
};
const show = (status) => {
  for (const [name, value] of Object.entries(status.now)) document.getElementById(`now-${name}`).textContent = count(value);
  for (const table of document.querySelectorAll("table")) if (status[table.id]) fill(table, status[table.id]);
  say(status.is_ready ? "ready" : "not ready", status.is_ready);
};
const look = async () => {
  if (!document.hidden) {
    try {
      const answer = await fetch("/status.json" + location.search);
      const status = await answer.json();
      if (!answer.ok) throw new Error(status.error);
      show(status);
    } catch (error) {
      say(`no answer: ${error.message}`, false);
    }
  }
  setTimeout(look, PAUSE_MS);
};
setTimeout(look, PAUSE_MS);
