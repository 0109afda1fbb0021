// The viewer: one pane per view, with its slices, located points and reference lines.
const data = JSON.parse(document.getElementById("data").textContent);
const svg = (name, attributes, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
};
// Places of two series compare, unless both name their frame of reference and it is not the same.
const alike = (one, other) => !one.frame || !other.frame || one.frame === other.frame;
const across = () => Boolean(document.getElementById("across")?.checked);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

class Pane {
  constructor(element) {
    const find = (selector) => element.querySelector(selector);
    this.view = Number(element.dataset.view);
    this.title = find("h3").textContent;
    [this.stage, this.image, this.overlay] = [find(".stage"), find("img"), find(".overlay")];
    [this.range, this.where, this.choice] = [find(".slice"), find(".where"), find("select")];
    [this.window, this.level] = [find(".window"), find(".level")];
    this.series = Number(this.stage.dataset.first);
    this.slice = Math.floor((this.slices.length - 1) / 2);
    this.range.addEventListener("input", () => this.show(this.series, Number(this.range.value)));
    this.choice?.addEventListener("change", () => {
      const series = Number(this.choice.value);
      this.show(series, nearestSlice(this.current, data.series[series].slices));
    });
    for (const input of [this.window, this.level]) input.addEventListener("input", () => this.gray());
    find(".reset").addEventListener("click", () => this.gray(100, 50));
    this.stage.addEventListener("dblclick", () => this.gray(100, 50));
    this.listen();
    this.gray();
    new ResizeObserver(() => this.draw()).observe(this.stage);
  }

  get slices() { return data.series[this.series].slices; }
  get current() { return this.slices[this.slice]; }

  show(series, slice) {
    this.series = series;
    this.slice = clamp(slice, 0, this.slices.length - 1);
    drawAll();
  }

  // The mouse's wheel, a drag of the mouse in any direction, a swipe of a finger to the sides; a tap selects a point.
  listen() {
    let [turned, changed, start] = [0, -Infinity, null];
    this.stage.addEventListener("wheel", (event) => {
      const next = this.slice + Math.sign(event.deltaY);
      const inside = next >= 0 && next < this.slices.length;
      if (!inside && event.timeStamp - changed > 400) return;  // At the end of the stack the page goes on scrolling.
      event.preventDefault();
      turned += event.deltaMode ? 40 * Math.sign(event.deltaY) : event.deltaY;
      if (Math.abs(turned) < 30) return;
      turned = 0;
      changed = event.timeStamp;
      if (inside) this.show(this.series, next);
    }, { passive: false });
    this.stage.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      start = { x: event.clientX, y: event.clientY, slice: this.slice, moved: false };
      this.stage.setPointerCapture(event.pointerId);
      this.range.focus({ preventScroll: true });
      event.preventDefault();
    });
    this.stage.addEventListener("pointermove", (event) => {
      if (!start) return;
      const [dx, dy] = [event.clientX - start.x, event.clientY - start.y];
      const way = event.pointerType === "touch" ? dx : Math.abs(dx) > Math.abs(dy) ? dx : dy;
      start.moved ||= Math.abs(way) > 5;
      const step = clamp(this.stage.clientWidth / this.slices.length / 1.5, 5, 20);
      if (start.moved) this.show(this.series, start.slice + Math.round(way / step));
    });
    this.stage.addEventListener("pointerup", (event) => {
      if (start && !start.moved) this.tap(event);
      start = null;
    });
    this.stage.addEventListener("pointercancel", () => { start = null; });
  }

  tap(event) {
    const box = this.stage.getBoundingClientRect();
    const away = (point) => Math.hypot(point.x - event.clientX + box.left, point.y - event.clientY + box.top);
    const nearest = this.points().filter((point) => !point.near).sort((one, two) => away(one) - away(two))[0];
    if (nearest && away(nearest) < 16) select(nearest.target.slug, false);
  }

  gray(window = Number(this.window.value), level = Number(this.level.value)) {
    [this.window.value, this.level.value] = [window, level];
    this.window.setAttribute("aria-valuetext", `${window} percent`);
    this.level.setAttribute("aria-valuetext", `${level} percent`);
    for (const part of this.stage.querySelectorAll(".filter [type=linear]")) {
      part.setAttribute("slope", (100 * data.headroom) / window);
      part.setAttribute("intercept", 0.5 - level / window);
    }
  }

  // Where the picture lies in the pane, in px: as large as it can be, square millimeters square.
  get box() {
    const [width, height] = this.current.mm;
    const scale = Math.min(this.stage.clientWidth / width, this.stage.clientHeight / height);
    return {
      scale, width: width * scale, height: height * scale,
      left: (this.stage.clientWidth - width * scale) / 2, top: (this.stage.clientHeight - height * scale) / 2,
    };
  }

  at([x, y]) {
    const box = this.box;
    return { x: box.left + x * box.width, y: box.top + y * box.height };
  }

  // The points on this slice and, `near`, on its neighbors; of other views only the selected one, as `guest`.
  points() {
    const result = [];
    for (const target of data.targets) {
      const place = target.at[this.view];
      if (!place || place[0] !== this.series || target.status === "not seen") continue;
      const [away, guest] = [Math.abs(place[1] - this.slice), target.view !== this.view];
      if (away > 1 || (guest && (away || target.slug !== chosen || !this.knows(target)))) continue;
      result.push({ target, guest, near: away === 1, ...this.at([place[2], place[3]]), side: place[2] });
    }
    return result.sort((one, two) => two.near - one.near);
  }

  // Whether this pane can tell where a target of another view is, as for lines.
  knows(target) {
    const own = target.at[target.view];
    return !own || alike(data.series[this.series], data.series[own[0]]) || across();
  }

  draw() {
    const { slices, slice, current, box, series } = this;
    if (this.image.getAttribute("src") !== current.src) this.image.src = current.src;
    Object.assign(this.image.style, {
      left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px`, height: `${box.height}px`,
    });
    const text = `slice ${slice + 1} of ${slices.length}${current.where ? `, ${current.where}` : ""}`;
    this.where.textContent = text[0].toUpperCase() + text.slice(1);
    this.range.max = slices.length - 1;
    this.range.value = slice;
    this.range.disabled = slices.length < 2;
    this.range.setAttribute("aria-valuetext", text);
    if (this.choice) this.choice.value = series;
    const points = this.points();
    const named = points.filter((point) => !point.near).map(({ target }) => `${target.level} ${target.status}`);
    this.image.alt = `${this.title}, ${text}. ${named.length ? `Marked: ${named.join(", ")}.` : "Nothing is marked on it."}`;
    this.overlay.replaceChildren(...this.lines(), ...this.frame(), ...points.flatMap((point) => this.mark(point)));
  }

  // The letters of the edges, and the scale.
  frame() {
    const { box, current } = this;
    const { oriented, measured } = data.series[this.series];
    const [left, right, top, bottom] = current.edges.map((letter) => letter + (oriented ? "" : "?"));
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    const letter = (text, across, down, anchor) =>
      svg("text", { x: across, y: down, "text-anchor": anchor, class: "letter-of-edge" }, text);
    const [from, low] = [box.left + 12, box.top + box.height - 14];
    const length = 50 * box.scale;
    return [
      letter(left, box.left + 6, y + 5, "start"), letter(right, box.left + box.width - 6, y + 5, "end"),
      letter(top, x, box.top + 18, "middle"), letter(bottom, x, box.top + box.height - 8, "middle"),
      svg("path", { d: `M${from} ${low - 5}v5h${length}v-5`, class: "bar-of-mm" }),
      svg("text", { x: from, y: low - 10, class: "quiet" }, `50 mm${measured ? "" : "?"}`),
    ];
  }

  // Where the current slices of the other views cut this one.
  lines() {
    if (!document.getElementById("lines").checked) return [];
    const seen = data.series[this.series];
    return panes.filter((pane) => pane !== this).flatMap((pane) => {
      const other = data.series[pane.series];
      const compare = alike(seen, other);
      if (!seen.placed || !other.placed || !(compare || across())) return [];
      const line = cutLine(this.current, pane.current);
      if (!line) return [];
      const [one, two] = line.map((point) => this.at(point));
      const place = { x1: one.x, y1: one.y, x2: two.x, y2: two.y };
      return [svg("line", { ...place, class: compare ? "cut" : "cut far", "data-from": pane.view })];
    });
  }

  mark({ target, guest, near, x, y, side }) {
    const selected = target.slug === chosen;
    const kind = `${target.status}${near ? " near" : ""}${selected && !near ? " chosen" : ""}`;
    const tick = `M${x} ${y - 15}v7M${x} ${y + 8}v7M${x - 15} ${y}h7M${x + 8} ${y}h7`;
    const ticks = selected && !near ? [svg("path", { d: tick, class: "cross halo" }), svg("path", { d: tick, class: "cross" })] : [];
    if (guest) return ticks;
    const ring = svg("circle", {
      cx: x, cy: y, r: near ? 4 : 6, class: `${kind} g${target.grade ?? ""}`, "data-slug": target.slug,
    });
    const halo = svg("circle", { cx: x, cy: y, r: near ? 4 : 6, class: "halo" });
    if (near) return [halo, ring];
    const outward = data.series[this.series].view === 2 && side < 0.5 ? -1 : 1;
    const label = `${target.level} ${target.letter}`.trim() + (target.status === "unsure" ? "?" : "");
    const name = svg("text", {
      x: x + outward * 19, y: y + 4, "text-anchor": outward < 0 ? "end" : "start", class: target.status === "unsure" ? "quiet" : "",
    }, label);
    return [halo, ring, ...ticks, name];
  }
}

let chosen = document.querySelector(".cell[aria-pressed=true]").dataset.slug;
const panes = [...document.querySelectorAll(".view")].filter((view) => view.querySelector("img")).map((view) => new Pane(view));
const views = document.querySelector(".views");
const tabs = [...document.querySelectorAll("[data-tab]")];
const cells = [...document.querySelectorAll(".cell")];
const narrow = matchMedia("(max-width: 62rem)");
function drawAll() { panes.forEach((pane) => pane.draw()); }

function tab(view) {
  views.dataset.shown = view;
  tabs.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.tab === String(view))));
  drawAll();
}

// Select a target: its cell, what is said of it, and, unless it was tapped on its image, its place in all views.
function select(slug, jump = true) {
  const target = data.targets.find((item) => item.slug === slug);
  if (!target) return;
  chosen = slug;
  cells.forEach((cell) => cell.setAttribute("aria-pressed", String(cell.dataset.slug === slug)));
  document.querySelectorAll(".target").forEach((article) => { article.hidden = article.id !== slug; });
  if (jump) {
    for (const pane of panes) {
      if (target.at[pane.view]) [pane.series, pane.slice] = target.at[pane.view];
    }
    tab(target.view);
  }
  drawAll();
}

tabs.forEach((button) => button.addEventListener("click", () => tab(Number(button.dataset.tab))));
document.querySelectorAll(".switches input").forEach((input) => input.addEventListener("change", drawAll));
cells.forEach((cell, place) => {
  cell.addEventListener("click", (event) => {
    select(cell.dataset.slug);
    // Where the place lies below the grades, a tap leads there; the keyboard stays in the table.
    if (event.detail && narrow.matches) document.getElementById("place").scrollIntoView();
    document.getElementById("said").textContent = `Shown: ${document.getElementById(chosen).getAttribute("aria-label")}`;
    history.replaceState(null, "", `#${chosen}`);
  });
  cell.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -5, ArrowDown: 5 }[event.key];
    if (!step || (Math.abs(step) === 1 && Math.floor(place / 5) !== Math.floor((place + step) / 5))) return;
    cells[place + step]?.focus();
    event.preventDefault();
  });
});
const asked = decodeURIComponent(location.hash.slice(1));
select(data.targets.some((target) => target.slug === asked) ? asked : chosen);
