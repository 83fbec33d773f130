// The page around its charts: theme, sortable tables, and figures beside claims.
"use strict";
(() => {
  const { byId, make } = lab;

  // -- theme: that of the system, until somebody chooses
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.addEventListener("click", () => {
      const choice = button.dataset.themeChoice;
      if (choice === "system") document.documentElement.removeAttribute("data-theme");
      else document.documentElement.dataset.theme = choice;
      for (const other of document.querySelectorAll("[data-theme-choice]"))
        other.setAttribute("aria-pressed", String(other === button));
    });
  }

  // -- tables: a button in each header that sorts; a box that filters
  const sortKey = (cell) => {
    const value = cell?.dataset.value;
    if (value === undefined) return cell?.textContent.trim() ?? "";
    return value === "nan" ? NaN : value === "inf" ? Infinity : Number(value);
  };
  const compare = (one, other, direction) => {
    if (typeof one === "string" || typeof other === "string")
      return direction * String(one).localeCompare(String(other), document.documentElement.lang, { numeric: true });
    if (Number.isNaN(one) || Number.isNaN(other)) return Number.isNaN(one) - Number.isNaN(other); // unknown: last
    return one === other ? 0 : direction * (one < other ? -1 : 1);
  };
  const makeSortable = (table) => {
    const headers = [...table.querySelectorAll("thead th[data-column]")];
    for (const header of headers) {
      const button = make("button", undefined, { type: "button", class: "sort" });
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => {
        const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        for (const other of headers) other.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        const column = Number(header.dataset.column);
        const rows = [...table.tBodies[0].rows].map((row) => [sortKey(row.cells[column]), row]);
        rows.sort((one, other) => compare(one[0], other[0], direction));
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    }
  };
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  for (const box of document.querySelectorAll("input[data-filters]")) {
    const count = byId(box.dataset.count);
    let texts = null;
    box.addEventListener("input", () => {
      texts ??= new Map([...byId(box.dataset.filters).tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]));
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const [row, text] of texts) {
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      count.textContent = count.dataset.text.replace("{n}", shown).replace("{total}", texts.size);
    });
  }

  // -- a claim's figure: the page has each picture once, so it is put beside the claim when that is opened
  for (const details of document.querySelectorAll("details[data-figure]")) {
    details.addEventListener("toggle", () => {
      const original = document.querySelector(`#${details.dataset.figure} img`);
      if (!original || !details.open || details.querySelector("img")) return;
      details.append(make("img", undefined, { src: original.src, alt: original.alt, class: "beside" }));
    });
  }
  // A link to what lies in a closed section opens it.
  const reveal = () => {
    let element = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
    for (; element; element = element.parentElement) if (element.tagName === "DETAILS") element.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
