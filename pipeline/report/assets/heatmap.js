// The map of a sweep: a cell of the grid for each batch size and learning rate, which opens its curve and its command.
"use strict";
(() => {
  const { byId, make, number, decimals, address } = lab;
  const strings = lab.read("map-strings");
  const studies = lab.curves?.data.studies.filter(({ mapped }) => mapped) ?? [];
  if (!strings) return;
  if (!studies.length) return byId("map-section").remove();
  const part = Object.fromEntries(["study", "series", "grid", "key", "cell"].map((name) => [name, byId(`map-${name}`)]));
  // Viridis, dark where losses are low; ink that can be read on each.
  const COLOURS = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"];
  const inkOn = (step) => (step < 4 ? "#ffffff" : "#000000");
  const short = (value, digits) => (value < 10 ? decimals(value, digits) : number(value, 2));
  let chosen = null;
  const study = () => studies[Number(part.study.value)];
  const own = () => study().cells.filter(({ series }) => series === part.series.value);
  const lowest = (cells) => cells.reduce((best, cell) => ((cell.final ?? Infinity) < (best?.final ?? Infinity) ? cell : best), null);

  // Distances from the minimum, or from just below the lowest loss, on a logarithmic scale up to where runs begin.
  const scaleOf = () => {
    const finals = study().cells.map(({ final }) => final).filter((final) => final !== null);
    const least = Math.min(...finals);
    const begin = Math.max(...study().cells.map(({ loss }) => loss[0] ?? 0));
    const floor = study().minimum ?? least - (begin - least) / 1000;
    const distance = (final) => Math.log(Math.max(final - floor, 1e-12));
    const [from, to] = [distance(least), distance(Math.max(begin, least * 1.001))];
    const width = (to - from) / COLOURS.length || 1;
    const step = (final) => Math.max(0, Math.min(COLOURS.length - 1, Math.floor((distance(final) - from) / width)));
    const edge = (k) => floor + Math.exp(from + k * width);
    return { step, edge };
  };

  const open = (cell) => {
    chosen = cell;
    for (const button of part.grid.querySelectorAll("button")) {
      const pressed = button.dataset.cell === cell.id;
      button.setAttribute("aria-pressed", String(pressed));
      button.tabIndex = pressed ? 0 : -1;
    }
    const chart = make("div", undefined, { class: "small-chart", role: "img", "aria-label": strings.chart });
    const more = make("button", strings.show, { type: "button", class: "copy" });
    more.addEventListener("click", () => lab.curves.add(study().name, cell.id));
    part.cell.replaceChildren(chart, lab.curves.describe(cell, cell.loss.length - 1, true), more);
    const best = lowest(own());
    lab.curves.small(chart, study(), best && best !== cell ? [best, cell] : [cell]);
  };

  const show = () => {
    const cells = own();
    const upright = window.innerWidth < 800; // on a phone learning rates go down, where there is room for them
    const sorted = (key) => [...new Set(cells.map((cell) => cell[key]))].sort((one, other) => one - other);
    const [across, down] = upright ? ["batch_size", "lr"] : ["lr", "batch_size"];
    const [columns, rows] = [sorted(across), sorted(down)];
    const name = { batch_size: strings.b, lr: strings.lr };
    const { step, edge } = scaleOf();
    const best = lowest(cells);
    const head = make("tr");
    head.append(make("th", `${name[down]} \\ ${name[across]}`, { scope: "col" }));
    head.append(...columns.map((value) => make("th", number(value, 3), { scope: "col" })));
    const body = rows.map((value) => {
      const row = make("tr");
      row.append(make("th", number(value, 4), { scope: "row" }));
      for (const column of columns) {
        const place = make("td");
        const cell = cells.find((one) => one[across] === column && one[down] === value);
        row.append(place);
        if (!cell) continue;
        const never = cell.final === null;
        const first = cell === best;
        const line = !first && cell === lowest(cells.filter(({ batch_size: b }) => b === cell.batch_size));
        const text = never ? "×" : `${first ? "★" : ""}${short(cell.final, upright ? 3 : 4)}`;
        const words = [
          `${name.batch_size} ${number(cell.batch_size)}, ${name.lr} ${number(cell.lr, 4)}`,
          never ? strings.never : `${strings.final} ${number(cell.final)}`,
          ...(first ? [strings.best] : line ? [strings.bestOfB] : []),
          ...(cell.trouble ? [cell.trouble] : []),
        ];
        const button = make("button", text, { type: "button", tabindex: -1, "aria-label": words.join(", "), "data-cell": cell.id });
        button.title = words.join(", ");
        button.classList.add(...[never && "never", first && "first", line && "line", !never && cell.trouble && "some"].filter(Boolean));
        if (!never) {
          button.style.background = COLOURS[step(cell.final)];
          button.style.color = inkOn(step(cell.final));
        }
        button.addEventListener("click", () => (open(cell), keep()));
        place.append(button);
      }
      return row;
    });
    const [header, table] = [make("thead"), make("tbody")];
    header.append(head);
    table.append(...body);
    part.grid.replaceChildren(header, table);
    part.grid.dataset.upright = String(upright);
    part.key.replaceChildren(
      ...COLOURS.map((colour, k) => {
        const sample = make("span", short(edge(k), 4), { class: "key" });
        sample.style.background = colour;
        sample.style.color = inkOn(k);
        return sample;
      }),
      ...[["★", strings.best], ["▢", strings.bestOfB], ["×", strings.never], ["◥", strings.some]].map(([sign, words]) =>
        make("span", `${sign} ${words}`, { class: "sign" }),
      ),
    );
    open(cells.includes(chosen) ? chosen : (best ?? cells[0]));
  };

  part.grid.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const move = moves[event.key];
    const place = event.target.closest("td");
    if (!move || !place) return;
    event.preventDefault();
    const rows = [...part.grid.tBodies[0].rows];
    let [row, column] = [rows.indexOf(place.parentElement), place.cellIndex];
    do [row, column] = [row + move[0], column + move[1]];
    while (rows[row]?.cells[column]?.tagName === "TD" && !rows[row].cells[column].firstChild);
    rows[row]?.cells[column]?.querySelector("button")?.focus();
  });

  const keep = () => lab.remember({ map: chosen === beginning() ? null : chosen.id });
  const beginning = () => lowest(studies[0].cells);
  const fill = (series) => {
    const names = [...new Set(study().cells.map((cell) => cell.series))];
    part.series.replaceChildren(...names.map((name) => make("option", name, { value: name })));
    part.series.value = names.includes(series) ? series : (lowest(study().cells)?.series ?? names[0]);
  };
  const restore = () => {
    const number = studies.findIndex(({ cells }) => cells.some(({ id }) => id === address.get("map")));
    part.study.value = String(Math.max(number, 0));
    const cell = study().cells.find(({ id }) => id === address.get("map"));
    chosen = cell ?? null;
    fill(cell?.series);
    show();
  };
  part.study.replaceChildren(...studies.map(({ title }, i) => make("option", title, { value: i })));
  byId("map-study-field").hidden = studies.length < 2;
  part.study.addEventListener("change", () => (fill(), show(), keep()));
  part.series.addEventListener("change", () => (show(), keep()));
  addEventListener("resize", () => part.grid.dataset.upright !== String(window.innerWidth < 800) && show());
  restore();
  lab.restored(restore);
})();
