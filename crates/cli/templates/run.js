"use strict";
(() => {
// Everything foreign is set as text, never as markup; all of it was made harmless before it came here.
const source = document.getElementById("data");
const data = source && JSON.parse(source.textContent);
if (!data || !document.getElementById("process-rows")) return; // Nobody watched: the page is whole as it is.
const by = (id) => document.getElementById(id);
const { texts, processes, files, network, violations, origins } = data;
const uses = ["listed", "read", "executed", "changed", "written", "created", "renamed", "deleted"];
const NOT_UTF8 = 256;

const make = (tag, classes, text, ...children) => {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  if (text !== undefined && text !== null && text !== "") element.textContent = text;
  element.append(...children);
  return element;
};
const number = (n) => n.toLocaleString("en-US");
const many = (n, one, more) => number(n) + " " + (n === 1 ? one : more);
const time = (ms) => ms < 1000 ? ms + " ms" : ms < 120000 ? (ms / 1000).toFixed(1) + " s" : (ms / 60000).toFixed(1) + " min";
const bytes = (n) => {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (n >= 999.5 && unit < 5) { n /= 1000; unit++; }
  return (unit === 0 || n >= 99.5 ? n.toFixed(0) : n.toFixed(1)) + " " + units[unit];
};
const text = (at) => at < 0 ? "" : texts[at];
const last = (path) => path.slice(path.lastIndexOf("/") + 1) || path;
const short = (path) => path === data.base ? "." : path.startsWith(data.base + "/") && data.base.length > 1 ? path.slice(data.base.length + 1) : path;

// A list of which only the rows in sight exist. Rows are of one height, which the style sheet says.
class List {
  constructor(name, draw, open, key) {
    Object.assign(this, { name, draw, open, key, rows: [], active: -1, frame: 0 });
    this.box = by(name + "-rows");
    this.detail = by(name + "-detail");
    this.all = make("div", "all");
    this.seen = make("div", "seen");
    this.seen.setAttribute("role", "presentation");
    this.all.setAttribute("role", "presentation");
    this.all.append(this.seen);
    this.box.append(this.all);
    this.box.addEventListener("scroll", () => this.later());
    this.box.addEventListener("keydown", (event) => this.pressed(event));
    this.box.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (!row || event.target.closest("a, .twist")) return;
      this.select(Number(row.dataset.at), true);
    });
    addEventListener("resize", () => this.measure());
    this.measure();
  }
  measure() {
    this.height = parseFloat(getComputedStyle(this.box).getPropertyValue("--row")) || 30;
    this.show(this.rows);
  }
  show(rows) {
    this.rows = rows;
    this.active = Math.min(this.active, rows.length - 1);
    this.box.setAttribute("aria-rowcount", rows.length);
    this.all.style.height = rows.length * this.height + "px";
    this.paint();
  }
  later() {
    if (!this.frame) this.frame = requestAnimationFrame(() => { this.frame = 0; this.paint(); });
  }
  paint(from, to) {
    if (from === undefined) {
      const sight = this.box.clientHeight || 600;
      from = Math.max(0, Math.floor(this.box.scrollTop / this.height) - 8);
      to = Math.min(this.rows.length, Math.ceil((this.box.scrollTop + sight) / this.height) + 8);
    }
    const drawn = [];
    for (let at = from; at < to; at++) {
      const row = this.draw(this.rows[at], at);
      row.classList.add("row");
      row.id = this.name + "-row-" + at;
      row.dataset.at = at;
      row.setAttribute("role", "row");
      row.setAttribute("aria-rowindex", at + 1);
      row.setAttribute("aria-selected", at === this.active);
      if (at === this.active) row.classList.add("active");
      for (const cell of row.children) cell.setAttribute("role", "gridcell");
      drawn.push(row);
    }
    if (!drawn.length && !this.rows.length) drawn.push(make("div", "row faint", "Nothing matches."));
    this.seen.style.transform = "translateY(" + from * this.height + "px)";
    this.seen.replaceChildren(...drawn);
    if (this.active >= 0) this.box.setAttribute("aria-activedescendant", this.name + "-row-" + this.active);
    else this.box.removeAttribute("aria-activedescendant");
  }
  select(at, details) {
    if (at < 0 || at >= this.rows.length) return;
    this.active = at;
    const top = at * this.height;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + this.height > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + this.height - this.box.clientHeight;
    this.paint();
    if (details) this.detail.replaceChildren(...this.open(this.rows[at]));
  }
  pressed(event) {
    if (event.target !== this.box || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.height) - 1);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in moves) {
      this.select(Math.max(0, Math.min(this.rows.length - 1, this.active + moves[event.key])), false);
    } else if (event.key === "Enter" || event.key === " ") {
      this.select(Math.max(0, this.active), true);
    } else if (event.key === "Escape") {
      this.detail.replaceChildren();
    } else if (!this.key || this.active < 0 || !this.key(event.key, this.rows[this.active])) {
      return;
    }
    event.preventDefault();
  }
}

// Labels and values of what was chosen; a value is a text, an element, or a list of them.
const details = (pairs) => {
  const list = make("dl");
  for (const [label, value] of pairs) {
    if (value === undefined || value === null || value === "" || value.length === 0) continue;
    list.append(make("dt", "", label), make("dd", "mono", "", ...(Array.isArray(value) ? value : [value])));
  }
  return [list];
};
const lines = (list) => list.flatMap((item) => [item, make("br")]);

// Processes
const count = processes.length;
const children = Array.from({ length: count }, () => []);
const parents = new Int32Array(count).fill(-1);
const roots = [];
processes.forEach((process, at) => {
  const parent = process[1];
  if (parent >= 0 && parent < count && parent !== at) { parents[at] = parent; children[parent].push(at); }
});
const depth = new Int32Array(count).fill(-1);
const reach = (root) => {
  roots.push(root);
  const stack = [[root, 0]];
  while (stack.length) {
    const [at, level] = stack.pop();
    if (depth[at] >= 0) continue;
    depth[at] = level;
    for (const child of children[at]) stack.push([child, level + 1]);
  }
};
for (let at = 0; at < count; at++) if (parents[at] < 0) reach(at);
// Parents in a circle cannot be; should a record say so, they are still shown.
for (let at = 0; at < count; at++) if (depth[at] < 0) { parents[at] = -1; reach(at); }

const program = (at) => {
  let steps = 0;
  for (let p = at; p >= 0 && steps++ < count; p = parents[p]) {
    const programs = processes[p][6];
    if (programs.length) return [programs[programs.length - 1], p === at];
  }
  return [null, false];
};
const named = (at) => {
  if (at < 0 || at >= count) return "?";
  const [last_, own] = program(at);
  if (!last_) return "?";
  const script = text(last_[2]);
  const name = script ? last(script) + " (" + last(text(last_[0])) + ")" : last(text(last_[0]));
  return own ? name : "copy of " + name;
};
const ended = (process) => {
  const [, , , , kind, n] = process;
  return kind === 1 ? "exit " + n : kind === 2 ? "signal " + n : kind === 3 ? "time limit" : process[3] < 0 ? "did not end" : "end not seen";
};
const failed = (process) => process[4] === 1 ? process[5] !== 0 : process[4] > 1;
const against = (at) => violations[at] || 0;
const finish = (process) => process[3] < 0 ? data.length : process[3];

const closed = new Set();
let processText = "", processState = "";
let kept = null;
const linkTo = (at) => {
  const link = make("a", "", named(at) + " (process " + at + ")");
  link.href = "#p-" + at;
  return link;
};
const drawProcess = (at) => {
  const process = processes[at];
  const [last_, own] = program(at);
  const parent = children[at].length > 0;
  const name = make("span", "");
  const level = Math.min(depth[at], 22);
  name.style.paddingLeft = "calc(var(--indent) * " + level + ")";
  const twist = make(parent ? "button" : "span", "twist", parent ? (closed.has(at) ? "▶" : "▼") : "·");
  if (parent) {
    twist.tabIndex = -1;
    twist.setAttribute("aria-hidden", "true");
    twist.addEventListener("click", () => toggle(at));
  }
  name.append(twist, make("span", own ? "name" : "name copy", named(at)));
  const state = make("span", "ended");
  if (against(at)) state.append(make("span", "pill bad", "✗ " + many(against(at), "violation", "violations")), " ");
  state.append(make("span", failed(process) ? "pill none" : "faint", (failed(process) ? "! " : "") + ended(process)));
  const bar = make("span", "time");
  const inside = make("i");
  const left = Math.max(0, Math.min(100, process[2] / data.length * 100));
  inside.style.left = left + "%";
  inside.style.width = Math.max(0, Math.min(100 - left, (finish(process) - process[2]) / data.length * 100)) + "%";
  bar.append(inside);
  bar.title = "from " + time(Math.max(0, process[2])) + " to " + time(Math.max(0, finish(process)));
  const took = make("span", "n", time(Math.max(0, finish(process) - process[2])));
  const words = make("span", "args mono", own && last_ ? text(last_[3]) : "");
  const row = make("div", "", "", name, words, state, took, bar);
  row.setAttribute("aria-level", depth[at] + 1);
  if (parent) row.setAttribute("aria-expanded", !closed.has(at));
  if (failed(process)) row.classList.add("failed");
  if (against(at)) row.classList.add("against");
  if (kept && kept[at] !== 2) row.classList.add("aside");
  return row;
};
const openProcess = (at) => {
  const process = processes[at];
  const parts = details([
    ["process", named(at) + ", number " + at + ", pid " + process[0]],
    ["parent", parents[at] >= 0 ? linkTo(parents[at]) : depth[at] === 0 && at === 0 ? "provost" : "not known"],
    ["ended", ended(process)],
    ["time", time(Math.max(0, process[2])) + " to " + time(Math.max(0, finish(process))) + " after the start"],
    ["violations", against(at) ? number(against(at)) : ""],
  ]);
  for (const [path, digest, script, words, directory, when] of process[6]) {
    parts.push(...details([
      ["executed", text(path)],
      ["script", text(script)],
      ["arguments", text(words)],
      ["in", text(directory)],
      ["SHA-256", digest || "not taken"],
      ["at", time(Math.max(0, when))],
    ]));
  }
  const wrote = files.reduce((n, file) => n + (file[5].includes(at) ? 1 : 0), 0);
  if (wrote) {
    const button = make("button", "", "Show " + many(wrote, "file that it wrote", "files that it wrote"));
    button.addEventListener("click", () => { fileProcess = at; showFiles(); by("files").scrollIntoView(); by("file-rows").focus({ preventScroll: true }); });
    parts.push(make("p", "", "", button));
  }
  return parts;
};
const processList = new List("process", drawProcess, openProcess, (key, at) => {
  if (key === "ArrowRight" && children[at].length && closed.has(at)) return toggle(at), true;
  if (key === "ArrowLeft") {
    if (children[at].length && !closed.has(at)) return toggle(at), true;
    if (parents[at] >= 0) return processList.select(processList.rows.indexOf(parents[at]), false), true;
  }
  return false;
});
const toggle = (at) => {
  if (!closed.delete(at)) closed.add(at);
  showProcesses();
  processList.select(processList.rows.indexOf(at), false);
};
const matches = (at) => {
  if (processState === "failed" && !failed(processes[at])) return false;
  if (processState === "against" && !against(at)) return false;
  if (!processText) return true;
  if (String(processes[at][0]) === processText) return true;
  return processes[at][6].some(([path, , script, words]) =>
    text(path).toLowerCase().includes(processText) || text(script).toLowerCase().includes(processText) || text(words).toLowerCase().includes(processText));
};
const showProcesses = () => {
  kept = null;
  let found = count;
  if (processText || processState) {
    kept = new Uint8Array(count);
    found = 0;
    for (let at = 0; at < count; at++) {
      if (!matches(at)) continue;
      found++;
      kept[at] = 2;
      for (let p = parents[at], steps = 0; p >= 0 && !kept[p] && steps++ < count; p = parents[p]) kept[p] = 1;
    }
  }
  const rows = [];
  const stack = roots.slice().reverse();
  while (stack.length) {
    const at = stack.pop();
    if (kept && !kept[at]) continue;
    rows.push(at);
    if (closed.has(at)) continue;
    for (let child = children[at].length - 1; child >= 0; child--) stack.push(children[at][child]);
  }
  by("process-shown").textContent = kept ? number(found) + " of " + many(data.all[0], "process", "processes") : many(data.all[0], "process", "processes");
  processList.show(rows);
};
const showProcess = (at) => {
  if (!(at >= 0 && at < count)) return;
  processText = processState = by("process-text").value = by("process-state").value = "";
  for (let p = parents[at], steps = 0; p >= 0 && steps++ < count; p = parents[p]) closed.delete(p);
  showProcesses();
  by("processes").scrollIntoView();
  processList.select(processList.rows.indexOf(at), true);
  processList.box.focus({ preventScroll: true });
};

// Files
const paths = texts.map((path) => path.toLowerCase());
let fileText = "", fileOrigin = -1, fileUse = -1, fileOrder = "", fileProcess = -1;
const path = (file) => text(file[0]) + "/" + file[1];
const digest = (file) => file[7] && file[7] !== "=" ? file[7] : file[6][file[6].length - 1] || "";
const fileList = new List("file", (at) => {
  const file = files[at];
  const where = make("span", "path mono");
  const folder = short(text(file[0]));
  if (folder !== ".") where.append(make("span", "faint", folder + "/"));
  where.append(file[1]);
  where.title = path(file);
  const use = make("span", "", uses.filter((_, bit) => file[2] >> bit & 1).join(", "));
  const mark = file[10] >= 0 ? make("span", "pill none", "! no certain digest") : file[6].length > 1 ? make("span", "mono faint", digest(file).slice(0, 8) + "… of " + file[6].length) : make("span", "mono faint", digest(file).slice(0, 12));
  const who = make("span", "who faint", file[5].length ? named(file[5][file[5].length - 1]) : "");
  if (file[10] >= 0) mark.title = text(file[10]);
  return make("div", "", "", where, use, make("span", "n", (file[2] & 255) === 1 ? "" : bytes(file[8])), mark, who);
}, (at) => {
  const file = files[at];
  return details([
    ["path", path(file)],
    ["name", file[2] & NOT_UTF8 ? "is not UTF-8: its bytes are percent-encoded" : ""],
    ["from", origins[file[9]]],
    ["uses", uses.filter((_, bit) => file[2] >> bit & 1).join(", ")],
    ["first use", [time(Math.max(0, file[3])) + " after the start, by ", linkTo(file[4])]],
    ["written by", lines(file[5].map(linkTo))],
    ["size", bytes(file[8]) + (file[8] < 1000 ? "" : " (" + number(file[8]) + " bytes)")],
    ["SHA-256 at use", file[6].length ? lines(file[6]) : "not taken"],
    ["SHA-256 at end", file[7] === "=" ? file[6][file[6].length - 1] : file[7]],
    ["problem", text(file[10])],
  ]);
});
const showFiles = () => {
  const hex = /^[0-9a-f]{6,64}$/.test(fileText);
  const slash = fileText.includes("/");
  const rows = [];
  for (let at = 0; at < files.length; at++) {
    const file = files[at];
    if (fileOrigin >= 0 && file[9] !== fileOrigin) continue;
    if (fileUse >= 0 && !(file[2] >> fileUse & 1)) continue;
    if (fileProcess >= 0 && !file[5].includes(fileProcess)) continue;
    if (fileText) {
      const found = slash ? (paths[file[0]] + "/" + file[1].toLowerCase()).includes(fileText)
        : paths[file[0]].includes(fileText) || file[1].toLowerCase().includes(fileText);
      if (!found && !(hex && (file[7].startsWith(fileText) || file[6].some((d) => d.startsWith(fileText))))) continue;
    }
    rows.push(at);
  }
  if (fileOrder === "size") rows.sort((a, b) => files[b][8] - files[a][8]);
  if (fileOrder === "time") rows.sort((a, b) => files[a][3] - files[b][3]);
  const all = many(data.all[1], "file", "files");
  by("file-shown").textContent = rows.length === files.length ? all : number(rows.length) + " of " + all;
  const chip = by("file-process");
  chip.hidden = fileProcess < 0;
  chip.textContent = fileProcess < 0 ? "" : "written by " + named(fileProcess) + " (process " + fileProcess + ") ×";
  by("file-origin").value = fileOrigin;
  by("file-use").value = fileUse;
  for (const button of by("file-counts").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", Number(button.dataset.origin) === fileOrigin && Number(button.dataset.use) === fileUse);
  }
  fileList.active = -1;
  fileList.box.scrollTop = 0;
  fileList.show(rows);
};

// Network
const answers = [["ok", "✓ allowed"], ["bad", "✗ refused"], ["none", "! let through"]];
let networkText = "", networkState = "", networkKind = "";
const kindOf = (event) => text(event[2]) === "name" ? "name" : ["tcp", "udp", "raw", "packet"].includes(text(event[3])) ? "internet" : "local";
const differs = (event) => event[6] >= 0 && event[7] >= 0 && event[6] !== event[7];
const grouped = new Map();
network.forEach((event, at) => {
  if (!grouped.has(event[0])) grouped.set(event[0], []);
  grouped.get(event[0]).push(at);
});
for (const events of grouped.values()) events.sort((a, b) => network[a][1] - network[b][1]);
const networkList = by("network-rows") && new List("network", (row) => {
  if (row.process !== undefined) {
    const name = make("span", "", row.process >= 0 ? named(row.process) + " (process " + row.process + ")" : "by an unknown process");
    const refused = row.refused ? make("span", "pill bad", "✗ " + row.refused + " refused") : "";
    return make("div", "group", "", name, make("span", "faint", "", many(row.all, "event", "events") + " ", refused));
  }
  const event = network[row.event];
  const answer = make("span", "pill " + answers[event[5]][0], answers[event[5]][1]);
  const question = text(event[2]) === "name";
  const where = question ? text(event[6]) : (event[6] >= 0 ? text(event[6]) + " → " : "") + text(event[4]);
  const result = question ? text(event[4]) : event[8] >= 0 ? "handed to " + text(event[8]) + ": not seen further" : text(event[9]);
  const kind = (question ? "asked for " : text(event[2]) + " ") + text(event[3]);
  const when = (event[10] > 1 ? event[10] + "× " : "") + time(Math.max(0, event[1]));
  return make("div", event[5] ? "against" : "", "", answer, make("span", "faint", kind), make("span", "where mono", where), make("span", "asked mono", differs(event) ? "≠ " + text(event[7]) : text(event[7])), make("span", "said mono faint", result), make("span", "n faint", when));
}, (row) => {
  if (row.process !== undefined) return row.process >= 0 ? details([["process", linkTo(row.process)]]) : [];
  const event = network[row.event];
  const question = text(event[2]) === "name";
  return details([
    ["answer", ["allowed", "refused", "against the guard, and let through: it only detects"][event[5]]],
    ["kind", text(event[2]) + ", " + text(event[3])],
    [question ? "answers" : "where", text(event[4])],
    [question ? "name" : "for the name", text(event[6])],
    ["really asked for", text(event[7]) && text(event[7]) + " (TLS server name or HTTP host)" + (differs(event) ? ", which is another than the name" : "")],
    ["handed to", text(event[8])],
    ["came of it", text(event[9])],
    ["times", number(event[10])],
    ["first at", time(Math.max(0, event[1])) + " after the start"],
    ["by", event[0] >= 0 ? linkTo(event[0]) : "not known"],
  ]);
});
const showNetwork = () => {
  if (!networkList) return;
  const rows = [];
  let shown = 0;
  for (const [process, events] of grouped) {
    const who = process >= 0 ? named(process).toLowerCase() : "";
    const found = events.filter((at) => {
      const event = network[at];
      if (networkState !== "" && event[5] !== Number(networkState)) return false;
      if (networkKind && kindOf(event) !== networkKind) return false;
      return !networkText || who.includes(networkText) || [4, 6, 7, 8].some((field) => event[field] >= 0 && paths[event[field]].includes(networkText));
    });
    if (!found.length) continue;
    shown += found.length;
    rows.push({ process, all: found.length, refused: found.filter((at) => network[at][5] === 1).length });
    for (const event of found) rows.push({ event });
  }
  const all = many(data.all[2] + data.all[3], "event", "events");
  by("network-shown").textContent = shown === network.length ? all : number(shown) + " of " + all;
  networkList.active = -1;
  networkList.box.scrollTop = 0;
  networkList.show(rows);
};

// Controls
const on = (id, event, run) => { const element = by(id); if (element) element.addEventListener(event, () => run(element)); };
let waiting = 0;
const soon = (run) => { clearTimeout(waiting); waiting = setTimeout(run, 60); };
on("process-text", "input", (box) => { processText = box.value.trim().toLowerCase(); closed.clear(); soon(showProcesses); });
on("process-state", "change", (box) => { processState = box.value; closed.clear(); showProcesses(); });
on("process-open", "click", () => { closed.clear(); showProcesses(); });
on("process-close", "click", () => { for (let at = 0; at < count; at++) if (children[at].length && depth[at] > 0) closed.add(at); showProcesses(); });
on("file-text", "input", (box) => { fileText = box.value.trim().toLowerCase(); soon(showFiles); });
on("file-origin", "change", (box) => { fileOrigin = Number(box.value); showFiles(); });
on("file-use", "change", (box) => { fileUse = Number(box.value); showFiles(); });
on("file-order", "change", (box) => { fileOrder = box.value; showFiles(); });
on("file-process", "click", () => { fileProcess = -1; showFiles(); });
on("network-text", "input", (box) => { networkText = box.value.trim().toLowerCase(); soon(showNetwork); });
on("network-state", "change", (box) => { networkState = box.value; showNetwork(); });
on("network-kind", "change", (box) => { networkKind = box.value; showNetwork(); });

const option = (value, label) => { const element = make("option", "", label); element.value = value; return element; };
by("file-origin").append(option(-1, "From anywhere"), ...origins.map((name, at) => option(at, name)));
by("file-use").append(option(-1, "Any use"), ...uses.map((name, at) => option(at, name)));
for (const row of by("file-counts").tBodies[0].rows) {
  const origin = origins.indexOf(row.cells[0].textContent);
  Array.from(row.cells).slice(1).forEach((cell, column) => {
    if (cell.classList.contains("zero")) return;
    const use = column < 7 ? column + 1 : -1;
    const button = make("button", "", number(Number(cell.textContent)));
    button.dataset.origin = origin;
    button.dataset.use = use;
    button.setAttribute("aria-label", button.textContent + " files from " + origins[origin] + (use < 0 ? "" : ", " + uses[use]) + ": show them");
    button.addEventListener("click", () => { fileOrigin = origin; fileUse = use; showFiles(); });
    cell.replaceChildren(button);
  });
}
for (const place of document.querySelectorAll("[data-process]")) {
  const at = Number(place.dataset.process);
  if (at >= count) continue;
  const link = make("a", "", place.textContent);
  link.href = "#p-" + at;
  place.replaceChildren(link);
}
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#p-"]');
  if (!link) return;
  event.preventDefault();
  history.replaceState(null, "", link.hash);
  showProcess(Number(link.hash.slice(3)));
});

for (const part of document.querySelectorAll("[data-drawn]")) part.hidden = false;
const lists = [processList, fileList, networkList].filter(Boolean);
lists.forEach((list) => list.measure());
showProcesses();
showFiles();
showNetwork();
if (/^#p-\d+$/.test(location.hash)) showProcess(Number(location.hash.slice(3)));

// On paper there is no scrolling: the first rows of each list stand there whole.
const PAPER = 400;
let opened = [];
addEventListener("beforeprint", () => { opened = Array.from(document.querySelectorAll("details:not([open])")); opened.forEach((part) => { part.open = true; }); });
addEventListener("afterprint", () => opened.forEach((part) => { part.open = false; }));
addEventListener("beforeprint", () => lists.forEach((list) => {
  list.paint(0, Math.min(PAPER, list.rows.length));
  if (list.rows.length > PAPER) list.seen.append(make("div", "row faint", "… and " + number(list.rows.length - PAPER) + " more rows, on the screen only"));
}));
addEventListener("afterprint", () => lists.forEach((list) => list.paint()));
document.documentElement.dataset.ready = Math.round(performance.now());
})();
