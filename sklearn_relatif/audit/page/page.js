"use strict";
const every = (what, where = document) => [...where.querySelectorAll(what)];
const make = (tag, text, settings = {}) =>
  Object.assign(document.createElement(tag), {textContent: text, ...settings});
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

// --- files ----------------------------------------------------------------------------------

function save(name, lines) {
  const quote = text => /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const text = lines.map(line => line.map(value => quote(String(value))).join(",") + "\r\n");
  // The mark at the beginning tells spreadsheets that it is UTF-8.
  const blob = new Blob(["\ufeff", ...text], {type: "text/csv;charset=utf-8"});
  const link = make("a", "", {href: URL.createObjectURL(blob), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// All rows, which the page holds once, compressed: a list of texts or numbers a column, or the
// steps between whole numbers.
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}
function sums(steps) {
  let sum = 0;
  return steps.map(step => sum += step);
}
async function saveAll(button, source) {
  try {
    const {names, columns: packed} = await unpack(source.textContent);
    const columns = packed.map(column => column.steps ? sums(column.steps) : column);
    const rows = columns[0].map((_, place) => columns.map(column => column[place] ?? ""));
    save(source.dataset.file, [names, ...rows]);
  } catch (error) {
    button.after(make("span", ` This browser cannot unpack the rows (${error.message}).`));
  }
}
for (const place of every("[data-download]")) {
  const source = document.getElementById(place.dataset.download);
  const button = make("button", place.textContent, {type: "button"});
  button.addEventListener("click", () => saveAll(button, source));
  place.replaceWith(button);
}

// --- tables ---------------------------------------------------------------------------------

class Table {
  constructor(box) {
    this.box = box;
    this.table = box.querySelector("table");
    this.headings = [...this.table.tHead.rows[0].cells];
    this.records = [...this.table.tBodies];
    this.first = Number(box.dataset.first);
    this.isOpen = this.records.length <= this.first + 1;
    // Each number says what it means, as the heading of its column does.
    for (const record of this.records) {
      [...record.rows[0].cells].forEach((cell, n) => { cell.title ||= this.headings[n].title; });
    }
    this.count = make("span", "", {className: "count"});
    this.opener = make("button", "", {type: "button"});
    this.opener.addEventListener("click", () => { this.isOpen = !this.isOpen; this.show(); });
    const saver = make("button", "Download CSV", {type: "button"});
    saver.addEventListener("click", () => save(box.dataset.file, this.lines()));
    const tools = make("div", "", {className: "tools"});
    tools.append(this.count, this.opener, saver);
    box.append(tools);
    // (Headings are no buttons, because browsers do not repeat those on each page of a print.)
    for (const heading of this.headings) {
      const button = heading.querySelector("span");
      button.addEventListener("click", () => this.sort(heading));
      button.addEventListener("keydown", event => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          this.sort(heading);
        }
      });
    }
    this.show();
  }

  // The records that hold all words, or the first ones where none are asked for.
  show(words = this.words ?? []) {
    this.words = words;
    const found = this.records.filter(record => {
      record.text ??= record.textContent.toLowerCase();
      return words.every(word => record.text.includes(word));
    });
    const shown = new Set(this.isOpen || words.length ? found : found.slice(0, this.first));
    for (const record of this.records) record.hidden = !shown.has(record);
    const total = plural(this.records.length, "row");
    this.count.textContent =
      shown.size === this.records.length ? total : `${shown.size.toLocaleString("en")} of ${total}`;
    this.opener.textContent = this.isOpen ? "Show fewer" : `Show all ${this.records.length}`;
    this.opener.hidden = words.length > 0 || this.records.length <= this.first + 1;
    return shown.size;
  }

  // A click on a heading sorts by its column; a second one turns round.
  sort(heading) {
    const column = this.headings.indexOf(heading);
    const isNumber = !heading.classList.contains("text"), order = heading.getAttribute("aria-sort");
    const rises = order === null ? !isNumber : order === "descending";
    for (const other of this.headings) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", rises ? "ascending" : "descending");
    const key = record => record.rows[0].cells[column].dataset.value;
    this.records.sort((a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      const difference = isNumber ? x - y : x.localeCompare(y, undefined, {numeric: true});
      return rises ? difference : -difference;
    });
    this.table.append(...this.records);
    this.show();
  }

  // The table as it is in a file: its columns, then what stands below each record.
  lines() {
    const below = this.records.map(record => {
      const said = record.querySelector(".why");
      const cells = every("[data-cell]", record).map(cell => [cell.dataset.cell, cell.dataset.value]);
      return new Map([...(said ? [["why", said.textContent]] : []), ...cells]);
    });
    const more = [...new Set(below.flatMap(cells => [...cells.keys()]))];
    const names = this.headings.map(heading => heading.dataset.name);
    const lines = this.records.map((record, n) => [
      ...[...record.rows[0].cells].map(cell => cell.dataset.value),
      ...more.map(name => below[n].get(name) ?? ""),
    ]);
    return [[...names, ...more], ...lines];
  }
}
const tables = every(".table").map(box => new Table(box));

// --- the search -----------------------------------------------------------------------------

const input = make("input", "", {type: "search", placeholder: "Search the listed rows"});
input.setAttribute("aria-label", "Search the rows of all tables of this page");
const left = make("output", "");
const search = make("div", "", {className: "search"});
search.setAttribute("role", "search");
search.append(input, left);
if (tables.length) document.querySelector(".toolbar").append(search);
input.addEventListener("input", () => {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = tables.map(table => table.show(words)).reduce((a, b) => a + b, 0);
  const all = tables.map(table => table.records.length).reduce((a, b) => a + b, 0);
  left.textContent =
    words.length ? `${shown.toLocaleString("en")} of ${plural(all, "listed row")} left` : "";
});

// --- the command, and paper -----------------------------------------------------------------

for (const command of every(".command")) {
  const button = make("button", "Copy", {type: "button"});
  button.addEventListener("click", async () => {
    const code = command.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
  });
  command.append(button);
}
// On paper, what is behind details is shown; but of predictions, only what was opened, and no lists
// of names that fill a page.
const MOST_LISTED = 600;
let opened = [];
addEventListener("beforeprint", () => {
  opened = every("details:not([open])").filter(e => !e.closest(".explained:not([open])")
    && !(e.matches(".listed") && e.textContent.length > MOST_LISTED));
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => { for (const details of opened) details.open = false; });
