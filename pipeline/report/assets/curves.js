// The loss curves on four clocks: what is drawn, what a reading says, and what the address keeps of it.
// It reads what it needs from the element #curves-data, and puts texts into the page as text, never as markup.
"use strict";
lab.curves = (() => {
  const { byId, make, draw, number, seconds, address } = lab;
  const data = lab.read("curves-data");
  if (!data) return null;
  const { studies, styles, strings } = data;
  // A command of the same series, with another batch size, learning rate and stack.
  const commandOf = ({ cells }, { series, batch_size: b, lr, stack }) => {
    const known = cells.find((one) => one.series === series && one.command);
    if (!known) return null;
    const words = known.command.split(" ").filter((word) => !/^(batch_size|lr|stack)=/.test(word));
    const place = words.indexOf("pipeline.train") + 1;
    const groups = words.slice(place).findLastIndex((word) => /^(data|model|optimizer|schedule|sampling)=/.test(word)) + 1;
    words.splice(place + groups, 0, `batch_size=${b}`, `lr=${lr}`);
    return [...words, ...(stack && known.command.includes(" stack=") ? [`stack=${stack}`] : [])].join(" ");
  };
  for (const study of studies)
    for (const cell of study.cells) {
      Object.assign(cell, study.grids[cell.grid]);
      cell.mlflow = `tags.cell_id = "${cell.id}"`;
      if (cell.command === undefined) cell.command = commandOf(study, cell);
    }
  // The groups of cells that are drawn together: all of them, unless so many that only groups can be read.
  const viewsOf = (study) => {
    const cells = study.cells.slice(0, study.drawn);
    const everything = cells.map((_, i) => i);
    const few = styles.length;
    const groups = (kind) => Map.groupBy(everything, (i) => cells[i][kind]);
    const kinds = ["optimizer", "batch_size"].filter((kind) => groups(kind).size > 1);
    const whole = { kind: "all", value: "", cells: everything };
    if (cells.length <= few) return [{ ...whole, colour: "label" }];
    const found = [];
    if (cells.length <= 3 * few || !kinds.length)
      found.push({ ...whole, colour: kinds.find((kind) => groups(kind).size <= few) ?? "batch_size" });
    for (const kind of kinds) {
      const ordered = [...groups(kind)].sort(([one], [other]) => (one < other ? -1 : 1));
      const other = kind === "optimizer" ? "batch_size" : "optimizer";
      for (const [value, own] of ordered)
        found.push({ kind, value: String(value), colour: own.length <= few ? "label" : other, cells: own });
    }
    return found;
  };
  for (const study of studies) study.views = viewsOf(study);
  const names = ["study", "view", "cell", "reading", "chart", "tip", "details", "ranking", "note", "status", "legend"];
  const part = Object.fromEntries(names.map((name) => [name, byId(`curves-${name}`)]));
  const all = (name) => [...document.querySelectorAll(`input[name=curves-${name}]`)];
  const state = { clock: "epochs", kind: "log", cell: 0, reading: 0, only: null, pinned: false, focused: false, extra: null };
  let chart = null;
  const study = () => studies[Number(part.study.value)];
  const group = () => study().views[Number(part.view.value)];
  const shown = () => (state.extra === null ? group().cells : [...new Set([...group().cells, state.extra])]);
  const above = () => state.kind === "log" && study().minimum !== null;
  const onClock = (value, digits = 3) =>
    state.clock === "seconds" ? seconds(value, digits) : number(value, Math.max(digits, 4));

  const seriesOf = (cell) => {
    const { colour, kind } = group();
    if (cell === study().cells[state.extra] && !group().cells.includes(state.extra)) return cell.label;
    const name = { label: cell.label, optimizer: cell.optimizer, batch_size: `b = ${cell.batch_size}` }[colour];
    if (colour !== "label") return name;
    // What all of a group share need not be said of each.
    const shared = { optimizer: /^.+?, (?=b = )/, batch_size: /, b = \d+(?=, lr )/ }[kind];
    return shared ? cell.label.replace(shared, "") : name;
  };
  const pointsOf = (cell) => {
    const xs = cell[state.clock];
    if (!xs) return [];
    const base = above() ? study().minimum : 0;
    const lift = (value) => (value === null ? 1e300 : above() ? Math.max(value - base, 1e-9) : value);
    return cell.loss.map((loss, i) => ({ x: xs[i], y: lift(loss), low: lift(cell.low[i]), high: lift(cell.high[i]), i }));
  };
  const linesOf = () => {
    const cells = shown().map((position) => study().cells[position]);
    const series = [...new Set(cells.map(seriesOf))];
    const lines = cells.map((cell) => {
      const name = seriesOf(cell);
      const faint = state.only !== null && state.only !== name;
      return { id: cell.id, name, label: series.length === cells.length ? name : "", faint, points: pointsOf(cell),
        ...styles[series.indexOf(name) % styles.length] };
    });
    // What goes on for longer lies below, so that a line that it repeats is seen on it; what is singled out is on top.
    const length = (line) => line.points.at(-1)?.x ?? 0;
    lines.sort((one, other) => other.faint - one.faint || length(other) - length(one));
    const repeats = (one, other) => one.points.length > 2 && one.points.every(({ x, y }, k) => other.points[k]?.x === x && other.points[k].y === y);
    for (const [k, line] of lines.entries()) line.wide = lines.slice(k + 1).some((other) => repeats(other, line));
    return [series, lines];
  };
  // The axis of losses ends where runs begin, and well below the target: what goes beyond leaves it.
  const limits = (lines) => {
    const points = lines.flatMap((line) => line.points.filter(({ y }) => y < 1e300));
    const lowest = Math.min(...points.map(({ y }) => y), ...(above() ? [] : [study().minimum ?? Infinity]));
    const top = Math.max(...lines.map((line) => line.points[0]?.y ?? 0), lowest * 1.02);
    const floor = Math.max(5e-8, (study().target - study().minimum) / 100);
    return above() ? [Math.max(lowest / 1.5, floor), top * 1.5] : [lowest - (top - lowest) * 0.05, top * 1.02];
  };

  const copy = (text) => make("button", strings.copy, { type: "button", class: "copy", "data-copy": text });
  const describe = (cell, i, brief = false) => {
    const list = make("dl");
    const term = (name, value, code) => {
      const entry = make("dd");
      entry.append(code ? make("code", value) : value);
      if (code) entry.append(" ", copy(value));
      list.append(make("dt", name), entry);
    };
    term(strings.cell, cell.trouble ? `${cell.label} (${cell.trouble})` : cell.label);
    const places = [
      `${number(cell.epochs[i], 4)} ${strings.epochs}`,
      `${number(cell.steps[i], 9)} ${strings.steps}`,
      `${number(cell.examples[i], 9)} ${strings.examples}`,
    ];
    if (cell.seconds) places.push(seconds(cell.seconds[i]));
    if (!brief) term(strings.reading, places.join(" · "));
    const high = cell.high[i] === null ? "∞" : number(cell.high[i]);
    term(strings.loss, `${number(cell.loss[i])} [${number(cell.low[i])}; ${high}]`);
    if (!brief) term(strings.seed, strings.seedText.replace("{seed}", cell.seed[i]).replace("{seeds}", cell.seeds));
    term(strings.command, cell.command ?? strings.noCommand, cell.command !== null);
    term(strings.mlflow, cell.mlflow, true);
    return list;
  };

  const legend = (series) => {
    part.legend.replaceChildren(
      ...series.map((name, i) => {
        const { colour, dash } = styles[i % styles.length];
        const sample = draw("svg", { viewBox: "0 0 40 6", "aria-hidden": "true" });
        sample.append(draw("path", { d: "M0 3H40", stroke: colour, "stroke-width": 3, "stroke-dasharray": dash.join(" ") }));
        const button = make("button", undefined, { type: "button", "aria-pressed": String(state.only === name) });
        button.append(sample, name);
        button.addEventListener("click", () => {
          state.only = state.only === name ? null : name;
          redraw();
          keep();
          [...part.legend.querySelectorAll("button")].find((one) => one.textContent === name)?.focus();
        });
        const item = make("li");
        item.append(button);
        return item;
      }),
    );
  };
  const drawn = () => {
    const [series, lines] = linesOf();
    const at = state.clock === "seconds" ? (value) => seconds(value, 2) : (value) => number(value, 4);
    const title = above() ? strings.aboveMinimum.replace("{minimum}", number(study().minimum)) : study().lossName;
    const goal = study().target - (above() ? study().minimum : 0);
    const own = lines.find((line) => line.id === study().cells[state.cell]?.id);
    chart = lab.chart(part.chart, {
      lines,
      x: { title: `${strings.axis[state.clock]}, ${strings.logScale}`, format: at },
      y: { title, format: (value) => number(value, 3), log: above(), ends: limits(lines) },
      target: { y: goal, text: strings.target.replace("{target}", number(study().target)) },
      place: state.focused && own?.points.find(({ i }) => i === state.reading),
    });
    part.chart.dataset.clock = state.clock;
    return series;
  };
  const readOut = () => {
    const cell = study().cells[state.cell];
    part.details.replaceChildren(describe(cell, state.reading));
    part.reading.max = cell.loss.length - 1;
    part.reading.value = state.reading;
    part.reading.setAttribute("aria-valuetext", `${onClock(cell[state.clock]?.[state.reading])} ${strings[state.clock]}`);
    part.cell.value = String(state.cell);
  };
  const redraw = () => {
    const derived = state.clock === "seconds" && study().seconds === "derived";
    part.ranking.textContent = study().ranking[state.clock];
    part.note.textContent = [study().note, derived ? strings.derived : "", study().readEvery].filter(Boolean).join(" ");
    for (const name of ["clock", "kind"]) for (const radio of all(name)) radio.checked = radio.value === state[name];
    legend(drawn());
    readOut();
  };

  // The address: what differs from how the page opens.
  const keep = () => {
    const { kind, value } = group();
    const first = part.study.value === "0";
    const own = Number(part.view.value) === beginning();
    lab.remember({
      study: first ? null : study().name,
      view: own ? null : `${kind}:${value}`,
      clock: state.clock === "epochs" ? null : state.clock,
      loss: state.kind === "log" ? null : state.kind,
      only: state.only,
      cell: state.focused ? study().cells[state.cell].id : null,
      reading: state.pinned ? state.reading : null,
    });
  };
  const beginning = () => Math.max(study().views.findIndex(({ value }) => value === study().start), 0);
  const fillViews = () => {
    const name = { all: strings.allCells, optimizer: "", batch_size: "b = " };
    part.view.replaceChildren(
      ...study().views.map(({ kind, value }, i) => make("option", `${name[kind]}${value}`, { value: i })),
    );
    part.view.value = String(beginning());
    byId("curves-view-field").hidden = study().views.length < 2;
    byId("curves-kind-field").hidden = study().minimum === null;
    byId("curves-clock-seconds").disabled = study().seconds === "none";
    if (study().seconds === "none" && state.clock === "seconds") state.clock = "epochs";
  };
  const fillCells = () => {
    const cells = shown();
    part.cell.replaceChildren(...cells.map((i) => make("option", study().cells[i].label, { value: i })));
    if (!cells.includes(state.cell)) [state.cell] = cells;
    state.reading = Math.max(study().cells[state.cell].loss.length - 1, 0);
  };
  const choose = (number) => {
    part.study.value = String(number);
    Object.assign(state, { cell: -1, only: null, extra: null, focused: false });
    unpin();
    fillViews();
    fillCells();
  };
  const restore = () => {
    choose(Math.max(studies.findIndex(({ name }) => name === address.get("study")), 0));
    state.clock = strings.axis[address.get("clock")] ? address.get("clock") : "epochs";
    if (state.clock === "seconds" && study().seconds === "none") state.clock = "epochs";
    state.kind = address.get("loss") === "linear" ? "linear" : "log";
    const view = study().views.findIndex(({ kind, value }) => `${kind}:${value}` === address.get("view"));
    if (view >= 0) part.view.value = String(view);
    const cell = study().cells.findIndex(({ id }) => id === address.get("cell"));
    if (cell >= 0) [state.cell, state.focused, state.extra] = [cell, true, group().cells.includes(cell) ? null : cell];
    fillCells();
    state.only = address.get("only") ?? null;
    const reading = Number(address.get("reading") ?? NaN);
    if (cell >= 0 && reading >= 0 && reading < study().cells[cell].loss.length) {
      state.reading = reading;
      redraw();
      return pin();
    }
    return redraw();
  };

  // The card of a reading: it follows the pointer, and a click leaves it beside the point.
  const unpin = () => {
    state.pinned = false;
    part.tip.hidden = true;
  };
  const card = (cell, i, x, y) => {
    part.tip.replaceChildren(describe(cell, i));
    part.tip.classList.toggle("pinned", state.pinned);
    part.tip.setAttribute("aria-hidden", String(!state.pinned));
    if (state.pinned) {
      const close = make("button", "×", { type: "button", class: "close", "aria-label": strings.close });
      close.addEventListener("click", () => (unpin(), keep()));
      part.tip.prepend(close);
    }
    part.tip.hidden = false;
    // Below the point or above it, wherever there is room, and never over it nor under what sticks to the top.
    const { innerWidth: wide, innerHeight: high } = window;
    const ceiling = Math.max(0, document.querySelector("header")?.getBoundingClientRect().bottom ?? 0) + 6;
    part.tip.style.maxHeight = "none";
    const { offsetWidth, offsetHeight: wanted } = part.tip;
    const [over, under] = [y - 16 - ceiling, high - y - 24];
    const below = under >= wanted || under >= over;
    const room = Math.min(wanted, Math.max(below ? under : over, 120));
    part.tip.style.maxHeight = `${room}px`;
    part.tip.style.left = `${Math.max(8, Math.min(x + 14, wide - offsetWidth - 24)) + scrollX}px`;
    part.tip.style.top = `${(below ? y + 16 : y - 16 - room) + scrollY}px`;
  };
  const pin = () => {
    state.pinned = true;
    const ring = part.chart.querySelector(".ring")?.getBoundingClientRect();
    const { left, top } = ring ?? part.chart.getBoundingClientRect();
    card(study().cells[state.cell], state.reading, left + 7, top + 7);
  };
  document.body.append(part.tip);
  part.chart.addEventListener("pointermove", (event) => {
    if (state.pinned || event.pointerType === "touch") return;
    const point = chart.nearest(event.clientX, event.clientY);
    part.tip.hidden = !point;
    if (point) card(study().cells.find(({ id }) => id === point.id), point.i, event.clientX, event.clientY);
  });
  part.chart.addEventListener("pointerleave", () => state.pinned || (part.tip.hidden = true));
  part.chart.addEventListener("click", (event) => {
    const point = chart.nearest(event.clientX, event.clientY);
    if (!point) return (unpin(), keep());
    [state.cell, state.reading, state.focused] = [study().cells.findIndex(({ id }) => id === point.id), point.i, true];
    redraw();
    pin();
    part.status.textContent = study().cells[state.cell].label;
    return keep();
  });
  addEventListener("keydown", (event) => event.key === "Escape" && state.pinned && (unpin(), keep()));

  const changed = (element, change) =>
    element.addEventListener("change", () => {
      unpin();
      change();
      redraw();
      keep();
    });
  changed(part.study, () => choose(part.study.value));
  changed(part.view, () => (Object.assign(state, { cell: -1, only: null, extra: null, focused: false }), fillCells()));
  changed(part.cell, () => {
    [state.cell, state.focused] = [Number(part.cell.value), true];
    state.reading = Math.min(state.reading, study().cells[state.cell].loss.length - 1);
  });
  for (const name of ["clock", "kind"]) for (const radio of all(name)) changed(radio, () => (state[name] = radio.value));
  part.reading.addEventListener("input", () => {
    unpin();
    [state.reading, state.focused] = [Number(part.reading.value), true];
    drawn();
    readOut();
  });

  // A chart of a few cells, for elsewhere on the page: by epochs, the last one in full and the others faint.
  const small = (host, { minimum, target, lossName }, cells) => {
    const base = minimum ?? 0;
    const lift = (value) => (value === null ? 1e300 : minimum === null ? value : Math.max(value - base, 1e-9));
    const lines = cells.map((cell, k) => ({
      ...styles[k === cells.length - 1 ? 0 : 1],
      id: cell.id,
      label: cell.label.replace(/^.+?, (?=b = )/, ""),
      points: cell.loss.map((y, i) => ({ x: cell.epochs[i], y: lift(y), low: lift(cell.low[i]), high: lift(cell.high[i]), i })),
    }));
    const ys = [target - base, ...lines.flatMap(({ points }) => points.map(({ y }) => y))].filter((y) => y > 0 && y < 1e300);
    const first = Math.max(...lines.map(({ points }) => points[0]?.y ?? 0));
    const log = minimum !== null;
    const ends = log ? [Math.min(...ys) / 1.5, first * 1.5] : [Math.min(...ys) - first * 0.02, first * 1.05];
    const draw = () => lab.chart(host, {
      lines,
      x: { title: strings.epochs, format: (value) => number(value, 4) },
      y: { title: log ? strings.aboveMinimum.replace("{minimum}", number(minimum)) : lossName, format: (value) => number(value, 3), log, ends },
      target: { y: target - base, text: strings.target.replace("{target}", number(target)) },
    });
    let { clientWidth: width } = host;
    draw();
    new ResizeObserver(() => {
      if (host.clientWidth === width) return;
      width = host.clientWidth;
      draw();
    }).observe(host);
  };
  const find = (name, id) => {
    const number = studies.findIndex((one) => one.name === name);
    return [number, studies[number]?.cells.findIndex((one) => one.id === id) ?? -1];
  };
  const has = (name, id) => find(name, id)[1] >= 0;
  /** Draw one more cell of a study, on top of the others, and go there. */
  const add = (name, id) => {
    const [number, cell] = find(name, id);
    if (number !== Number(part.study.value)) choose(number);
    unpin();
    [state.cell, state.extra, state.only] = [cell, group().cells.includes(cell) ? null : cell, null];
    fillCells();
    state.focused = true;
    redraw();
    keep();
    byId("curves").scrollIntoView({ block: "start" });
  };

  restore();
  lab.restored(restore);
  let { clientWidth } = part.chart;
  new ResizeObserver(() => {
    if (part.chart.clientWidth === clientWidth) return;
    ({ clientWidth } = part.chart);
    unpin();
    drawn();
  }).observe(part.chart);
  performance.mark("curves-drawn");
  return { add, has, describe, small, data };
})();
