// A page of the course without a kernel: its labs move among stored frames, its questions are
// judged, its theme is the reader's.

import { Figure, put, unpack } from "../../vglib/lab/figure.js";

const CUSTOM = "—";
const GREY = "#8a8a8a";
// A lab is made when it is so near to what is seen.
const NEAR = "800px";

const make = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

// --- theme

const root = document.documentElement;
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const darkNow = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);

function wireTheme(labs) {
  const button = document.getElementById("theme");
  const show = () => {
    button.textContent = darkNow() ? "Light page" : "Dark page";
    for (const lab of labs) lab.figure.repaint();
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = darkNow() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // A browser that keeps nothing for a page that is a file.
    }
    show();
  });
  prefersDark.addEventListener("change", show);
  show();
}

// --- frames

// Read what Python's `frames` has written: see tools/site/frames.py.
async function read(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const raw = new Uint8Array(await new Response(stream).arrayBuffer());
  const length = new DataView(raw.buffer).getUint32(0, true);
  const found = JSON.parse(new TextDecoder().decode(raw.subarray(4, 4 + length)));
  const planes = raw.subarray(4 + length);
  const count = planes.length / 3;
  const singles = new Float32Array(count);
  const bits = new Uint32Array(singles.buffer);
  for (let i = 0; i < count; i++) {
    bits[i] = (planes[i] << 24) | (planes[count + i] << 16) | (planes[2 * count + i] << 8);
  }
  const whole = unpack(found, Float64Array.from(singles));
  whole.exact = rounding();
  for (const trace of whole.start.data) {
    for (const key of ["x", "y", "z"]) trace[key] = whole.exact(trace[key]);
  }
  return whole;
}

// Make a function that gives the numbers of five digits that three bytes stand for: 0.1, and not
// 0.0999985. The same place in the block gives the same array, so what has not changed is known.
function rounding() {
  const rounded = new Map();
  const exact = (value) => {
    if (Array.isArray(value)) return value.map(exact);
    if (!(value instanceof Float64Array)) return value;
    const place = `${value.byteOffset} ${value.length}`;
    if (!rounded.has(place)) {
      rounded.set(
        place,
        value.map((number) => Number(number.toPrecision(5))),
      );
    }
    return rounded.get(place);
  };
  return exact;
}

const kept = new Map();
// The frames of a lab, read once for all of its places on the page.
function framesOf(name) {
  if (!kept.has(name)) {
    const place = document.querySelector(`script.frames[data-lab="${name}"]`);
    kept.set(name, read(place.textContent));
  }
  return kept.get(name);
}

let loading = null;
function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = make("script", { src: "plotly.min.js" });
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("plotly.min.js is not there.")));
    document.head.append(script);
  });
  return loading;
}

const keyOf = (setting) => setting.join();

// The frame nearest to a setting: that control as it was moved, of the others as few moved back as
// can be, and these not far.
function nearest(frames, wanted, moved) {
  let best = null;
  for (const frame of frames) {
    const [setting, , changed] = frame;
    if (moved !== null && setting[moved] !== wanted[moved]) continue;
    const away = setting.map((stop, i) => Math.abs(stop - wanted[i]));
    // What cannot be shown is near to nothing.
    const others = changed ? away.filter(Boolean).length : away.length + 1;
    const cost = [others, away.reduce((sum, n) => sum + n, 0)];
    if (!best || cost[0] < best.cost[0] || (cost[0] === best.cost[0] && cost[1] < best.cost[1])) {
      best = { frame, cost };
    }
  }
  return best.frame;
}

// --- a lab

let count = 0;

class Lab {
  constructor(place, name, found, plot, themes) {
    Object.assign(this, { place, name, found });
    this.byKey = new Map(found.frames.map((frame) => [keyOf(frame[0]), frame]));
    this.frame = found.frames[0];
    this.theory = true;
    this.ghosts = [];
    this.resets = 1;
    this.id = `lab-${++count}`;
    this.build();
    const shown = make("div", { class: "vglib-figure" });
    this.place.append(shown);
    this.figure = new Figure(shown, plot, themes, darkNow);
    this.overlay = new Map();
  }

  get setting() {
    return this.frame[0];
  }

  build() {
    const controls = make("div", { class: "row" });
    this.inputs = this.found.inputs.map((input, place) => {
      const { element, row } = this.control(input, place);
      controls.append(row);
      return element;
    });
    const tools = make("div", { class: "row" });
    const names = Object.keys(this.found.presets);
    if (names.length) {
      this.presets = make("select", { id: `${this.id}-preset` });
      for (const name of [CUSTOM, ...names]) this.presets.append(make("option", {}, name));
      this.presets.addEventListener("change", () => this.preset(this.presets.value));
      const label = make("label", { for: this.presets.id }, "preset");
      tools.append(make("span", { class: "control" }, label, this.presets));
    }
    const button = (text, title, act) => {
      const made = make("button", { type: "button", title }, text);
      made.addEventListener("click", act);
      tools.append(made);
    };
    button("Hold", "Keep the present curve as a ghost to compare with.", () => this.hold());
    const seed = this.found.inputs.findIndex(({ kind }) => kind === "seed");
    if (seed >= 0) button("Reseed", "Draw new random weights.", () => this.reseed(seed));
    button("Reset", "Go back to the start.", () => this.reset());
    if (this.found.start.data.some(({ meta }) => meta === "theory")) {
      this.box = make("input", { type: "checkbox", id: `${this.id}-theory` });
      this.box.checked = true;
      this.box.addEventListener("change", () => {
        this.theory = this.box.checked;
        this.show(this.frame);
      });
      const label = make("label", { for: this.box.id }, "theory");
      tools.append(make("span", { class: "control" }, this.box, label));
    }
    this.verdict = make("p", { class: "vglib-verdict" });
    this.note = make("p", { class: "note" });
    this.error = make("div", { class: "vglib-error", role: "alert" });
    if (this.found.scored) {
      tools.append(make("span", { class: "note" }, "Register and its score: in the live lab."));
    }
    const said = make("div", { role: "status", "aria-live": "polite" }, this.verdict, this.note);
    this.place.append(controls, tools, said, this.error);
  }

  control({ name, kind, label, tip, texts }, place) {
    const id = `${this.id}-${name}`;
    const named = make("label", { for: id }, label);
    if (kind === "list") {
      const element = make("select", { id, title: tip });
      for (const text of texts) element.append(make("option", {}, text));
      element.addEventListener("change", () => this.move(place, element.selectedIndex));
      return { element, row: make("span", { class: "control" }, named, element) };
    }
    if (kind === "box") {
      const element = make("input", { type: "checkbox", id, title: tip });
      element.addEventListener("change", () => this.move(place, Number(element.checked)));
      return { element, row: make("span", { class: "control" }, element, named) };
    }
    if (kind === "seed") {
      const bounds = { min: texts[0], max: texts.at(-1) };
      const element = make("input", { type: "number", id, title: tip, ...bounds });
      element.addEventListener("change", () => {
        const stop = texts.indexOf(element.value);
        if (stop >= 0) this.move(place, stop);
        else
          this.complain(`Here the seeds are ${texts.join(", ")}; live, any whole number is one.`);
      });
      return { element, row: make("span", { class: "control" }, named, element) };
    }
    const range = { type: "range", min: 0, max: texts.length - 1, step: 1 };
    const element = make("input", { ...range, id, title: tip });
    element.addEventListener("input", () => this.move(place, Number(element.value)));
    const reads = make("span", { class: "reads", "aria-hidden": "true" });
    return { element, row: make("span", { class: "control slider" }, named, element, reads) };
  }

  // --- what a reader does

  move(place, stop) {
    const wanted = this.setting.with(place, stop);
    this.go(wanted, place);
    if (this.presets) this.presets.value = CUSTOM;
  }

  preset(name) {
    if (name === CUSTOM) return;
    const set = this.found.presets[name];
    const seed = this.found.inputs.findIndex(({ kind }) => kind === "seed");
    const wanted = seed < 0 ? set : set.with(seed, this.setting[seed]);
    this.go(wanted, null, this.byKey.get(keyOf(set)));
    this.presets.value = name;
  }

  reseed(place) {
    const { values } = this.found.inputs[place];
    this.move(place, (this.setting[place] + 1) % values.length);
  }

  reset() {
    this.theory = true;
    if (this.box) this.box.checked = true;
    if (this.presets) this.presets.value = CUSTOM;
    this.ghosts = [];
    this.resets += 1;
    this.note.textContent = "";
    this.show(this.found.frames[0], true);
  }

  hold() {
    const name = `held: ${this.label()}`;
    const held = this.figure.data.filter((t) => t.type === "scatter" && t.meta === "measured");
    this.ghosts = held.map(({ type, x, y, xaxis, yaxis }, i) => ({
      type,
      x,
      y,
      xaxis,
      yaxis,
      name,
      showlegend: !i,
      mode: "lines",
      line: { color: GREY, width: 2, dash: "dot" },
      legendgroup: "held",
      meta: "ghost",
      hoverinfo: "skip",
    }));
    this.show(this.frame, true);
  }

  // --- what it then shows

  go(wanted, moved, instead = null) {
    this.asked = wanted;
    const frame =
      this.byKey.get(keyOf(wanted)) ?? instead ?? nearest(this.found.frames, wanted, moved);
    const others = frame[0].flatMap((stop, i) => (stop === wanted[i] ? [] : [this.words(i, stop)]));
    this.note.textContent = others.length
      ? `This is the nearest setting that is stored here: with ${others.join(", ")}. ` +
        "The live lab has every combination."
      : "";
    this.show(frame);
  }

  words(place, stop) {
    const { label, texts } = this.found.inputs[place];
    return `${label} ${texts[stop]}`;
  }

  // The values by which what is shown is named.
  label() {
    const start = this.found.frames[0][0];
    const always = ["depth", "weight_scale"];
    const named = this.found.inputs.flatMap(({ name, texts }, i) => {
      const stop = this.setting[i];
      return always.includes(name) || stop !== start[i] ? [`${name}=${texts[stop]}`] : [];
    });
    return named.join(", ");
  }

  complain(error) {
    this.error.textContent = `⚠ ${error} The figure still shows ${this.label()}.`;
  }

  // Show a frame; `whole` where traces come or go.
  show(frame, whole = false) {
    const [, verdict, changed] = frame;
    if (!changed) {
      // As live, the control stays where it was moved.
      this.say(frame[0]);
      this.complain(verdict);
      return Promise.resolve();
    }
    this.frame = frame;
    this.error.textContent = "";
    if (this.verdict.textContent !== verdict) this.verdict.textContent = verdict;
    this.say();
    this.figure.label(verdict);
    const before = this.overlay;
    this.overlay = this.laid(changed);
    if (whole || !this.figure.drawn) return this.figure.show(this.description());
    return this.figure.move(this.between(before));
  }

  // Let the controls say where they are.
  say(setting = this.setting) {
    this.found.inputs.forEach(({ kind, texts }, i) => {
      const [element, stop] = [this.inputs[i], setting[i]];
      if (kind === "box") element.checked = Boolean(stop);
      else if (kind === "list") element.selectedIndex = stop;
      else if (kind === "seed") element.value = texts[stop];
      else {
        element.value = stop;
        element.setAttribute("aria-valuetext", texts[stop]);
        element.nextElementSibling.textContent = texts[stop];
      }
    });
  }

  // What a frame lays over the start's drawing, the reader's wishes included.
  laid(changed) {
    const overlay = new Map();
    const lay = (trace, path, value) => overlay.set(`${trace} ${path}`, [trace, path, value]);
    for (const [trace, path, value] of changed) lay(trace, path, this.found.exact(value));
    if (!this.theory) {
      this.found.start.data.forEach(({ meta }, i) => {
        if (meta === "theory") lay(i, "visible", false);
      });
    }
    lay(-1, "uirevision", this.resets);
    for (const [axis, range] of this.room(overlay)) lay(-1, `${axis}.range`, range);
    return overlay;
  }

  // Ranges wide enough for the ghosts too.
  room(overlay) {
    const ranges = new Map();
    for (const { yaxis, y } of this.ghosts) {
      const axis = yaxis.replace("y", "yaxis");
      const range = ranges.get(axis) ?? overlay.get(`-1 ${axis}.range`)?.[2];
      const [low, high] = range ?? this.found.start.layout[axis]?.range ?? [];
      const seen = Array.from(y).filter(Number.isFinite);
      if (low === undefined || !seen.length) continue;
      const ends = [Math.floor(Math.min(...seen)), Math.ceil(Math.max(...seen))];
      ranges.set(axis, [Math.min(low, ends[0]), Math.max(high, ends[1])]);
    }
    return ranges;
  }

  description() {
    const { data, layout } = structuredClone(this.found.start);
    for (const [trace, path, value] of this.overlay.values()) {
      put(trace < 0 ? layout : data[trace], path, value);
    }
    return { data: [...data, ...structuredClone(this.ghosts)], layout };
  }

  // The changes that lead from what was laid before to what is laid now.
  between(before) {
    const changes = [...this.overlay.values()].filter(
      ([trace, path, value]) => before.get(`${trace} ${path}`)?.[2] !== value,
    );
    for (const [key, [trace, path]] of before) {
      if (this.overlay.has(key)) continue;
      const at = trace < 0 ? this.found.start.layout : this.found.start.data[trace];
      changes.push([trace, path, path.split(".").reduce((part, name) => part?.[name], at)]);
    }
    return changes;
  }
}

async function open(place, labs, themes) {
  const name = place.dataset.lab;
  const still = place.querySelector(".still");
  try {
    const [plot, found] = await Promise.all([plotly(), framesOf(name)]);
    const lab = new Lab(place, name, found, plot, themes);
    const preset = place.dataset.preset;
    await lab.show(lab.found.frames[0], true);
    if (preset) lab.preset(preset);
    labs.push(lab);
    place.classList.add("moves");
    place.lab = lab;
  } catch (error) {
    still?.after(
      make("p", { class: "note" }, `This browser cannot move the lab: ${error.message}`),
    );
  }
}

function wireLabs(labs) {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        open(target, labs, themes);
      }
    },
    { rootMargin: NEAR },
  );
  for (const place of document.querySelectorAll(".lab")) near.observe(place);
}

// --- questions

function judged(judge, answer) {
  if (!("expected" in judge)) return judge[answer] ?? "○ Choose one of them first.";
  const number = Number(answer.replace(",", "."));
  if (!answer.trim() || !Number.isFinite(number)) return "✗ Write one number, such as 0.5 or 2e-3.";
  const close = (target) => Math.abs(number - target) <= judge.atol + judge.rtol * Math.abs(target);
  if (close(judge.expected)) return judge.right;
  const [, hint] = judge.near.find(([wrong]) => close(wrong)) ?? [0, judge.hint];
  return `✗ ${Number(number.toPrecision(4))} is not right. ${hint}`.trim();
}

function wireAnswers() {
  for (const form of document.querySelectorAll("form.answer")) {
    const judge = JSON.parse(form.dataset.judge);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const field = form.querySelector("input:checked") ?? form.querySelector("input[type=text]");
      const said = judged(judge, field?.value ?? "");
      const line = form.querySelector("[role=status]");
      line.textContent = said;
      line.className = said.startsWith("✓") ? "right" : "wrong";
    });
  }
}

// --- the page

// What is wider than the page is moved by the arrow keys, once it has the focus.
function wireScrolling() {
  const look = () => {
    for (const part of document.querySelectorAll("p, li, pre, .scroll, math[display=block]")) {
      if (part.scrollWidth > part.clientWidth + 1) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    }
  };
  new ResizeObserver(look).observe(document.body);
}

function foldContents() {
  const list = document.querySelector(".contents details");
  if (list && matchMedia("(max-width: 1150px)").matches) list.open = false;
}

const labs = [];
wireTheme(labs);
wireAnswers();
wireScrolling();
foldContents();
wireLabs(labs);
