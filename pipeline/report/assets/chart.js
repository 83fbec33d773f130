// A chart of loss curves, drawn as SVG: it knows lines, a target and a place, and nothing of the page around it.
"use strict";
lab.chart = (() => {
  const { draw } = lab;
  const ZERO = 30; // pixels between 0 and where the logarithmic axis begins
  let charts = 0;

  // Round numbers along a logarithmic axis: 1, 2, 5 where there is room, else powers of ten.
  const logTicks = (first, last, room) => {
    const [low, high] = [Math.log10(first), Math.log10(last)];
    const marks = (high - low) * 3 <= room ? [1, 2, 5] : [1];
    const every = Math.max(1, Math.ceil((high - low) / room));
    const found = [];
    for (let power = Math.floor(low); power <= high; power++)
      if (marks.length > 1 || power % every === 0)
        found.push(...marks.map((mark) => Number(`${mark}e${power}`)));
    return found.filter((tick) => Math.log10(tick) >= low - 1e-9 && Math.log10(tick) <= high + 1e-9);
  };
  const linearTicks = (first, last, room) => {
    const raw = (last - first) / room;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((mark) => mark * power).find((one) => one >= raw);
    const found = [];
    for (let k = Math.ceil(first / step); k * step <= last; k++) found.push(Number((k * step).toPrecision(12)));
    return found;
  };

  // Labels at the ends of their lines, moved down or up until none lies on another.
  const spread = (labels, top, bottom) => {
    labels.sort((one, other) => one.y - other.y);
    const meets = (one, other) => one.x < other.x + other.width && other.x < one.x + one.width;
    const push = (order, direction) => {
      for (const [k, label] of order.entries())
        for (const earlier of order.slice(0, k))
          if (meets(label, earlier) && direction * (label.at - earlier.at) < 14) label.at = earlier.at + direction * 14;
    };
    for (const label of labels) label.at = Math.min(Math.max(label.y, top + 6), bottom - 4);
    push(labels, 1);
    for (const label of labels) label.at = Math.min(label.at, bottom - 4);
    push([...labels].reverse(), -1);
  };

  /**
   * Draw lines into an element, as large as it is.
   * lines: [{id, name, colour, dash, label, faint, wide, points: [{x, y, low, high, i}]}], the last one on top;
   * y: {log, ends}; x, y: {title, format}; target: {y, text}; place: a point that gets a ring.
   * Returns {svg, nearest(clientX, clientY)}.
   */
  return (host, { lines, x, y, target, place }) => {
    const width = Math.max(host.clientWidth, 240);
    const height = Math.max(host.clientHeight, 200);
    const small = width < 480;
    const measure = (text) => text.length * 6.6 + 4;
    const all = lines.flatMap((line) => line.points);
    const positive = all.map((point) => point.x).filter((value) => value > 0);
    const [first, last] = [Math.min(...positive), Math.max(...positive)];
    const zero = all.some((point) => point.x === 0) ? ZERO : 0;
    const [bottom, top] = y.ends;
    const yTicks = (y.log ? logTicks : linearTicks)(bottom, top, Math.max(3, height / 55));
    const frame = { left: 12 + Math.max(...yTicks.map((tick) => measure(y.format(tick)))), top: 26, bottom: height - 40 };
    // Room on the right for the labels of lines that end there.
    const reach = (line) => line.points.at(-1)?.x ?? 0;
    const long = lines.filter((line) => line.label && reach(line) > last / 3).map((line) => measure(line.label));
    frame.right = width - Math.min(small ? width / 3.2 : 170, Math.max(12, ...long) + 8);

    const yOf = (value) => {
      const share = y.log ? Math.log(value / bottom) / Math.log(top / bottom) : (value - bottom) / (top - bottom);
      return frame.bottom - share * (frame.bottom - frame.top);
    };
    const span = Math.log(last / first) || 1;
    const begin = frame.left + zero;
    const xOf = (value) => (value > 0 ? begin + ((frame.right - begin) * Math.log(value / first)) / span : frame.left);
    const clip = `clip-${charts++}`;
    const svg = draw("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", class: "chart" });
    const put = (tag, attributes, text) => svg.appendChild(draw(tag, attributes, text));
    const box = { x: frame.left - 3, y: frame.top, width: frame.right - frame.left + 6, height: frame.bottom - frame.top };
    put("clipPath", { id: clip }).append(draw("rect", box));

    // axes
    for (const tick of yTicks) {
      put("line", { class: "grid", x1: frame.left, x2: frame.right, y1: yOf(tick), y2: yOf(tick) });
      put("text", { x: frame.left - 7, y: yOf(tick) + 4, "text-anchor": "end" }, y.format(tick));
    }
    let free = -Infinity;
    const xTicks = [...(zero ? [0] : []), ...logTicks(first, last, Math.max(2, (frame.right - begin) / 62))];
    for (const tick of xTicks) {
      put("line", { class: "grid", x1: xOf(tick), x2: xOf(tick), y1: frame.top, y2: frame.bottom });
      const half = measure(x.format(tick)) / 2;
      if (xOf(tick) - half < free) continue;
      free = xOf(tick) + half;
      put("text", { x: xOf(tick), y: frame.bottom + 16, "text-anchor": "middle" }, x.format(tick));
    }
    put("line", { class: "axis", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom });
    if (zero) put("path", { class: "axis break", d: `M${begin - 14} ${frame.bottom + 4}l4 -8m3 8l4 -8` });
    put("text", { class: "title", x: (frame.left + frame.right) / 2, y: height - 5, "text-anchor": "middle" }, x.title);
    put("text", { class: "title", x: 2, y: 13 }, y.title);

    // seeds, lines, and their ends
    const inside = put("g", { "clip-path": `url(#${clip})` });
    const pixels = new Map();
    const path = (points) => points.map(([px, py], k) => `${k ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
    const capped = (value) => Math.min(Math.max(yOf(value), frame.top - 50), frame.bottom + 50);
    for (const line of lines) {
      const upper = line.points.map((point) => [xOf(point.x), capped(point.high)]);
      const lower = line.points.map((point) => [xOf(point.x), capped(point.low)]);
      const band = { class: "band", fill: line.colour, d: `${path([...upper, ...lower.reverse()])}Z` };
      if (!line.faint && line.points.length > 1) inside.append(draw("path", band));
    }
    const labels = [];
    for (const line of lines) {
      const own = line.points.map((point) => [xOf(point.x), capped(point.y)]);
      pixels.set(line, own);
      const look = { stroke: line.colour, "stroke-dasharray": line.dash.join(" "), class: ["line", line.faint && "faint", line.wide && "wide"].filter(Boolean).join(" ") };
      inside.append(draw("path", { ...look, d: path(own) }));
      if (!own.length || line.faint) continue;
      // Where it ends, or leaves the chart above or below.
      const out = ([, py]) => py < frame.top || py > frame.bottom;
      const gone = out(own.at(-1)) ? own.findLastIndex((pixel) => !out(pixel)) : own.length - 1;
      if (gone < 0) continue;
      const [px, py] = own[gone];
      const arrow = gone === own.length - 1 ? "" : own[gone + 1][1] < frame.top ? " ↑" : " ↓";
      if (!arrow) inside.append(draw("circle", { class: "end", cx: px, cy: py, r: 3.5, stroke: line.colour }));
      if (!line.label) continue;
      const room = width - px - 8;
      const fits = Math.floor((Math.max(room, width - frame.right) - 4) / 6.6);
      const whole = `${line.label}${arrow}`;
      const text = whole.length > fits ? `${whole.slice(0, fits - 1)}…` : whole;
      labels.push({ px, py, y: py, x: px + 8, width: measure(text), text, colour: line.colour });
    }
    if (target && target.y > bottom && target.y < top) {
      const at = yOf(target.y);
      put("line", { class: "target", x1: frame.left, x2: frame.right, y1: at, y2: at });
      put("text", { class: "target", x: frame.left + 4, y: at - 5 }, target.text);
    }
    spread(labels, frame.top, frame.bottom);
    for (const { px, py, x: left, at, text, colour } of labels) {
      if (Math.abs(at - py) > 5) put("path", { class: "leader", stroke: colour, d: `M${px} ${py}L${left - 1} ${at}` });
      put("text", { class: "label", x: left, y: at + 4, style: `--line: ${colour}` }, text);
    }
    if (place && yOf(place.y) >= frame.top)
      put("circle", { class: "ring", cx: xOf(place.x), cy: yOf(place.y), r: 7 });
    host.replaceChildren(svg);

    // The reading next to a point of the window, within a finger's width.
    const nearest = (clientX, clientY) => {
      const { left, top: above } = svg.getBoundingClientRect();
      let found = null;
      let least = 32 ** 2;
      for (const [line, own] of pixels)
        for (const [k, [px, py]] of own.entries()) {
          const distance = (px - clientX + left) ** 2 + (py - clientY + above) ** 2 + (line.faint ? 400 : 0);
          if (distance < least) [least, found] = [distance, { id: line.id, i: line.points[k].i }];
        }
      return found;
    };
    return { svg, nearest };
  };
})();
