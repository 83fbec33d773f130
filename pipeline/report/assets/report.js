// The page's own script: theme, sortable tables, figures beside claims, and the loss curves on four clocks.
// It reads what it needs from the element #curves-data, and puts texts into the page as text, never as markup.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  document.documentElement.classList.add("scripted");

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

  // -- the loss curves
  const source = byId("curves-data");
  if (!source) return;
  const { studies, charts, styles, strings, locale } = JSON.parse(source.textContent);
  const clocks = { epochs: "", steps: "", examples: "", seconds: "s" };
  const part = Object.fromEntries(
    ["study", "view", "cell", "reading", "chart", "tip", "details", "ranking", "note", "status", "legend"].map((name) => [
      name,
      byId(`curves-${name}`),
    ]),
  );
  const state = { clock: "epochs", kind: "linear", cell: null, reading: 0, focused: false };
  let view = null;
  let points = [];
  const study = () => studies[Number(part.study.value)];
  const group = () => study().views[Number(part.view.value)];
  const number = (value, digits = 5) =>
    value === null || value === undefined
      ? "–"
      : new Intl.NumberFormat(locale.tag, { maximumSignificantDigits: digits }).format(value);
  const seconds = (value) => {
    if (value === null || value === undefined) return "–";
    const [scale, unit] = value >= 0.9995 ? [1, "s"] : value >= 0.9995e-3 ? [1e3, "ms"] : [1e6, "µs"];
    return `${number(value * scale, 3)}\u00a0${unit}`;
  };
  const above = () => state.kind === "log" && study().minimum !== null;

  const pointsOf = (cell, series) => {
    const xs = cell[state.clock];
    if (!xs) return [];
    const base = above() ? study().minimum : 0;
    const lift = (value) => (value === null ? null : above() ? Math.max(value - base, 1e-9) : value);
    return xs
      .map((x, i) => ({ x, y: lift(cell.loss[i]), low: lift(cell.low[i]), high: lift(cell.high[i]), i }))
      .filter(({ x, y }) => x > 0 && y > 0)
      .map((point) => ({ ...point, high: point.high ?? 1e300, series, id: cell.id }));
  };
  const gather = () => {
    const { cells, colour, kind } = group();
    return cells.flatMap((position) => {
      const cell = study().cells[position];
      const name = { label: cell.label, optimizer: cell.optimizer, batch_size: `b = ${cell.batch_size}` }[colour];
      return pointsOf(cell, kind === "optimizer" && colour === "label" ? cell.label.replace(/^\w+, (?=b = )/, "") : name);
    });
  };
  // The axis of losses begins below the lowest curve, and ends where the curves come in: what diverges leaves it above.
  const limits = () => {
    const initial = Math.max(...group().cells.map((i) => study().cells[i].loss[0] ?? 0)) - (above() ? study().minimum : 0);
    const entries = new Map();
    for (const point of points) if (!entries.has(point.id)) entries.set(point.id, point.y);
    const lowest = Math.min(...points.map(({ y }) => y), above() || study().minimum === null ? Infinity : study().minimum);
    const top = Math.min(Math.max(...entries.values(), lowest * 1.02), 1.2 * initial || Infinity);
    return above() ? [Math.max(lowest / 2, 5e-8), top * 2] : [lowest - (top - lowest) * 0.06, top + (top - lowest) * 0.06];
  };

  const term = (list, name, value, code) => {
    list.append(make("dt", name));
    const entry = make("dd");
    entry.append(code ? make("code", value) : value);
    list.append(entry);
  };
  const describe = (cell, i) => {
    const list = make("dl");
    term(list, strings.cell, cell.trouble ? `${cell.label} (${cell.trouble})` : cell.label);
    const places = [
      `${number(cell.epochs[i], 4)} ${strings.epochs}`,
      `${number(cell.step[i], 9)} ${strings.steps}`,
      `${number(cell.examples[i], 9)} ${strings.examples}`,
    ];
    if (cell.seconds) places.push(seconds(cell.seconds[i]));
    term(list, strings.reading, places.join(" · "));
    term(list, strings.loss, `${number(cell.loss[i])} [${number(cell.low[i])}; ${cell.high[i] === null ? "∞" : number(cell.high[i])}]`);
    term(list, strings.seed, strings.seedText.replace("{seed}", cell.seed[i]).replace("{seeds}", cell.seeds));
    term(list, strings.command, cell.command ?? strings.noCommand, cell.command !== null);
    term(list, strings.mlflow, cell.mlflow, true);
    return list;
  };

  const show = () => {
    const cell = study().cells[state.cell];
    part.details.replaceChildren(describe(cell, state.reading));
    part.reading.max = cell.loss.length - 1;
    part.reading.value = state.reading;
    part.reading.setAttribute("aria-valuetext", `${number(cell[state.clock]?.[state.reading], 4)} ${strings[state.clock]}`);
    part.cell.value = String(state.cell);
    if (!view) return;
    const marked = points.filter((point) => point.id === cell.id && point.i === state.reading);
    view.signal("selected", state.focused ? cell.id : "").data("chosen", marked).run();
  };
  // Round numbers along a logarithmic axis: 1, 2, 5 where there is room, else powers of ten.
  const ticks = (values) => {
    const [first, last] = [Math.min(...values), Math.max(...values)].map(Math.log10);
    const steps = last - first < (part.chart.clientWidth < 600 ? 1.6 : 3.2) ? [1, 2, 5] : [1];
    const found = [];
    for (let power = Math.floor(first); power <= last; power++)
      found.push(...steps.map((step) => Number(`${step}e${power}`)).filter((tick) => Math.log10(tick) >= first - 1e-9));
    return found;
  };
  const legend = () => {
    const names = [...new Set(points.map(({ series }) => series))];
    part.legend.replaceChildren(
      ...names.map((name, i) => {
        const { colour, dash } = styles[i % styles.length];
        const sample = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        sample.setAttribute("viewBox", "0 0 40 6");
        const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
        const look = { d: "M0 3H40", stroke: colour, "stroke-width": 3, "stroke-dasharray": dash.join(" ") };
        for (const [key, value] of Object.entries(look)) line.setAttribute(key, value);
        sample.append(line);
        const item = make("li");
        item.append(sample, name);
        return item;
      }),
    );
  };
  // The chart is made anew for each clock: Vega-Lite has no axis whose title or kind could change.
  const embed = async () => {
    const spec = structuredClone(charts[above() ? "log" : "linear"]);
    const [bottom, top] = limits();
    const given = { unit: clocks[state.clock], bottom, top };
    for (const param of spec.params) if (param.name in given) param.value = given[param.name];
    const x = { title: `${strings.axis[state.clock]}, ${strings.logScale}`, values: ticks(points.map((point) => point.x)) };
    const y = above()
      ? { title: `${strings.aboveMinimum}, ${strings.logScale}`, values: ticks([bottom, top]) }
      : { title: study().lossName };
    for (const { encoding } of spec.layer) {
      Object.assign(encoding.x.axis, x);
      Object.assign(encoding.y.axis, y);
    }
    spec.datasets = { points, chosen: [] };
    view?.finalize();
    const options = { ast: true, renderer: "svg", actions: false, tooltip: false, formatLocale: locale.format,
      logLevel: 1 }; // Vega's Error: no warnings that an empty data set has no extent
    const result = await vegaEmbed(part.chart, spec, options);
    part.chart.querySelector("svg")?.setAttribute("aria-hidden", "true"); // its text equivalent stands below it
    return result.view;
  };
  const update = async () => {
    points = gather();
    part.ranking.textContent = study().ranking[state.clock];
    const derived = state.clock === "seconds" && study().seconds === "derived";
    part.note.textContent = [study().note, derived ? strings.derived : ""].filter(Boolean).join(" ");
    legend();
    view = await embed();
    part.chart.dataset.clock = state.clock;
    show();
  };

  const fillViews = () => {
    const name = { all: strings.allCells, optimizer: "", batch_size: "b = " };
    part.view.replaceChildren(
      ...study().views.map(({ kind, value }, i) => make("option", `${name[kind]}${value}`, { value: i })),
    );
    part.view.value = String(Math.max(study().views.findIndex(({ value }) => value === study().start), 0));
    byId("curves-view-field").hidden = study().views.length < 2;
    byId("curves-kind-field").hidden = study().minimum === null;
    byId("curves-clock-seconds").disabled = study().seconds === "none";
    if (study().seconds === "none" && state.clock === "seconds") byId("curves-clock-epochs").click();
  };
  const fillCells = () => {
    const cells = group().cells;
    part.cell.replaceChildren(...cells.map((i) => make("option", study().cells[i].label, { value: i })));
    [state.cell] = cells;
    state.focused = false;
    state.reading = Math.max(study().cells[state.cell].loss.length - 1, 0);
  };

  part.study.addEventListener("change", () => (fillViews(), fillCells(), update()));
  part.view.addEventListener("change", () => (fillCells(), update()));
  part.cell.addEventListener("change", () => {
    [state.cell, state.focused] = [Number(part.cell.value), true];
    state.reading = Math.min(state.reading, study().cells[state.cell].loss.length - 1);
    show();
  });
  part.reading.addEventListener("input", () => ((state.reading = Number(part.reading.value)), show()));
  for (const radio of document.querySelectorAll("input[name=curves-clock]"))
    radio.addEventListener("change", () => ((state.clock = radio.value), update()));
  for (const radio of document.querySelectorAll("input[name=curves-kind]"))
    radio.addEventListener("change", () => ((state.kind = radio.value), update()));

  // The reading next to the pointer, within a finger's width.
  const nearest = (event) => {
    const svg = part.chart.querySelector("svg");
    if (!view || !svg) return null;
    const box = svg.getBoundingClientRect();
    const [[left, top], padding] = [view.origin(), view.padding()];
    const [x, y] = [event.clientX - box.left - left - padding.left, event.clientY - box.top - top - padding.top];
    const [xs, ys] = [view.scale("x"), view.scale("y")];
    let found = null;
    let least = 32 ** 2;
    for (const point of points) {
      const distance = (xs(point.x) - x) ** 2 + (ys(point.y) - y) ** 2;
      if (distance < least) [least, found] = [distance, point];
    }
    return found && { ...found, cell: study().cells.findIndex(({ id }) => id === found.id) };
  };
  part.chart.addEventListener("pointermove", (event) => {
    const point = event.pointerType === "touch" ? null : nearest(event);
    part.tip.hidden = !point;
    if (!point) return;
    part.tip.replaceChildren(describe(study().cells[point.cell], point.i));
    const { innerWidth: width, innerHeight: height } = window;
    const { offsetWidth, offsetHeight } = part.tip;
    part.tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, width - offsetWidth - 24))}px`;
    part.tip.style.top = `${event.clientY + 18 + offsetHeight < height ? event.clientY + 18 : Math.max(8, event.clientY - offsetHeight - 18)}px`;
  });
  part.chart.addEventListener("pointerleave", () => (part.tip.hidden = true));
  part.chart.addEventListener("click", (event) => {
    const point = nearest(event);
    if (!point) return;
    [state.cell, state.reading, state.focused] = [point.cell, point.i, true];
    show();
    part.status.textContent = study().cells[point.cell].label;
  });

  fillViews();
  fillCells();
  update().then(() => performance.mark("curves-drawn"));
})();
