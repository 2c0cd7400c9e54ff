// A figure on the page: draws a plotly description and moves it. It knows no kernel. Whoever has the
// description, a widget's model or a page with stored frames, makes a `Figure` and tells it what
// changes; at the end of this file stands what makes it an anywidget.

// After so many milliseconds without a move plotly draws the figure anew: ticks, hover and zoom.
const SETTLE = 200;
// Lines of pixels that far outside a panel are cut, since a drawing in the browser has its limits.
const FAR = 1e5;
// Pixels of a line of a title.
const LINE = 23;
const CONFIG = {
  displaylogo: false,
  responsive: false,
  doubleClickDelay: 500, // milliseconds; plotly's 300 are too few for slow hands and busy machines
  modeBarButtonsToRemove: ["sendChartToCloud", "sendDataToCloud", "lasso2d", "select2d"],
};

export class Figure {
  // `dark` is a function that says whether the page is dark.
  constructor(element, plotly, templates, dark = () => false) {
    Object.assign(this, { element, plotly, templates, dark });
    element.figure = this;
    this.plot = document.createElement("div");
    element.append(this.plot);
    this.data = [];
    this.layout = {};
    this.timer = null;
    this.moved = new Set(); // traces that are written where plotly does not know of it yet
    this.extra = 0;
    this.width = 0;
    this.zoom = 1;
    this.text = "";
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(element);
    // A surface would keep the wheel, and whoever scrolls the page gets stuck on it.
    const keepWheel = (event) => event.stopPropagation();
    element.addEventListener("wheel", keepWheel, { capture: true, passive: true });
  }

  // Show a whole description: {data, layout}.
  show({ data, layout }) {
    this.data = data;
    this.layout = layout;
    return this.draw();
  }

  // Change what is shown: a list of [trace, path, value], with -1 for the layout.
  move(changes) {
    const quick = this.drawn && changes.every((change) => this.isMove(change));
    for (const [trace, path, value] of changes) {
      put(trace < 0 ? this.layout : this.data[trace], path, value);
    }
    if (!quick) return this.draw();
    const axes = changes.filter(([trace]) => trace < 0).map(([, path, value]) => [path, value]);
    // plotly then draws the points as it knows them, so all that has moved is to be written again.
    if (axes.length) this.plotly.relayout(this.plot, Object.fromEntries(axes));
    for (const [trace] of changes) if (trace >= 0) this.moved.add(trace);
    if (![...this.moved].every((trace) => this.write(trace))) return this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(), SETTLE);
    return Promise.resolve();
  }

  // Say in words what the figure shows, to those who do not see it. plotly draws in several layers,
  // beside which its buttons stand: the lowest speaks for all of them.
  label(text = this.text) {
    this.text = text;
    this.plot.querySelectorAll(".main-svg").forEach((layer, i) => {
      layer.setAttribute(i ? "aria-hidden" : "role", i ? "true" : "img");
      if (!i) layer.setAttribute("aria-label", text);
    });
  }

  // Whether a change only moves the points of a plain line, or an axis by which they are drawn. The
  // legend, which names what is there, can wait until the rest.
  isMove([index, path, value]) {
    if (index < 0) return value && /^[xy]axis\d*\.(range|dtick)$/.test(path);
    const trace = this.data[index];
    if (path === "showlegend") return true;
    return (
      (path === "x" || path === "y") &&
      trace.type === "scatter" &&
      !trace.mode.includes("text") &&
      (trace.line?.shape ?? "linear") === "linear" &&
      value?.length !== undefined
    );
  }

  // Write the points of a trace into plotly's own drawing, by the axes that are drawn; return
  // whether it had the right parts for them. plotly's way to the same picture takes three times as
  // long, most of it for what has not changed. There is no public way to an axis' scale or to the
  // nodes of a trace, so this is the one place that knows plotly's insides.
  write(index) {
    const trace = this.data[index];
    if (trace.visible === false) return true;
    const group = this.plot.querySelector(`.scatterlayer .trace${trace.uid}`);
    const [across, up] = [trace.xaxis, trace.yaxis].map(
      (name) => this.plot._fullLayout[name.replace(/^(.)/, "$1axis")],
    );
    if (!across || !up) return false;
    const places = [];
    let path = "";
    for (let i = 0, pen = "M"; i < trace.y.length; i++) {
      const x = across.d2p(trace.x[i]);
      const y = up.d2p(trace.y[i]);
      if (Number.isFinite(x) && Number.isFinite(y)) {
        places.push([x, Math.max(-FAR, Math.min(FAR, y))]);
        path += `${pen}${x.toFixed(2)},${places.at(-1)[1].toFixed(2)}`;
        pen = "L";
      } else pen = "M";
    }
    if (!group) return !places.length;
    const lines = group.querySelectorAll(".lines > .js-line");
    const points = [...group.querySelectorAll(".points > path")];
    const wantsLine = trace.mode.includes("lines") && path !== "";
    const wantsPoints = trace.mode.includes("markers") ? places.length : 0;
    if ((wantsLine && !lines.length) || (wantsPoints && !points.length)) return false;
    lines.forEach((line, i) => {
      line.setAttribute("d", i || !wantsLine ? "M0,0" : path);
    });
    // New points look like the last, so one is kept, out of sight, where there is none to show: the
    // curve of a training that begins anew is back in a moment.
    while (points.length > Math.max(1, wantsPoints)) points.pop().remove();
    while (points.length < wantsPoints) {
      points.push(points.at(-1).parentNode.appendChild(points.at(-1).cloneNode()));
    }
    points.forEach((point, i) => {
      point.setAttribute("transform", `translate(${wantsPoints ? places[i] : [-FAR, -FAR]})`);
    });
    return true;
  }

  // Let plotly draw all of it.
  async draw() {
    clearTimeout(this.timer);
    this.moved.clear();
    const width = this.element.clientWidth;
    this.width = width;
    this.zoom = this.element.currentCSSZoom ?? 1;
    if (!width) {
      // Not on the page now. `fit` draws it once it is, but is not told of what is gone and back
      // within a frame, as when JupyterLab changes its theme.
      this.timer = setTimeout(() => this.fit(), 100);
      return;
    }
    this.magnify();
    const data = this.data.map((trace, i) => ({ ...trace, uid: (trace.uid ??= `vg${i}`) }));
    await this.plotly.react(this.plot, data, this.arranged(width), CONFIG);
    this.drawn = true;
    this.label();
    const extra = this.missing();
    if (extra !== this.extra) {
      this.extra = extra;
      await this.plotly.react(this.plot, data, this.arranged(width), CONFIG);
    }
  }

  // Where a page is zoomed, as slides are, the drawing is scaled instead: plotly finds the pointer
  // through a transform, through a zoom it does not.
  magnify() {
    const zoomed = this.zoom !== 1;
    const style = zoomed
      ? { zoom: 1 / this.zoom, transform: `scale(${this.zoom})` }
      : { zoom: "", transform: "" };
    Object.assign(this.plot.style, style, { transformOrigin: "0 0" });
  }

  // The layout for this width: side by side where the panels have room, else below one another.
  arranged(width) {
    const layout = structuredClone(this.layout);
    const ways = layout.meta?.arrangements ?? [];
    const way = ways.find(({ needs }) => needs <= width) ?? ways.at(-1);
    for (const [path, value] of Object.entries(way?.layout ?? {})) put(layout, path, value);
    delete layout.meta;
    const lines = this.wrapTitles(layout, width);
    layout.template = this.templates[this.dark() ? "dark" : "light"];
    layout.uirevision ??= 1; // zoom, camera and legend are the reader's until the lab is reset
    const { t, b } = layout.margin;
    const inner = (way?.height ?? layout.height) - t - b;
    const spread = this.spreadRows(layout, inner, lines.above + lines.below);
    layout.margin = { ...layout.margin, t: t + lines.above, b: b + lines.below + this.extra };
    const height = inner + spread + layout.margin.t + layout.margin.b;
    this.element.style.height = this.zoom === 1 ? "" : `${height}px`;
    return { ...layout, width, height };
  }

  // Push rows of panels so many pixels apart; return what that adds to the height of them all.
  spreadRows(layout, inner, gap) {
    const places = Object.entries(layout).flatMap(([name, part]) => {
      if (/^yaxis\d*$/.test(name)) return [[part, "domain"]];
      return /^scene\d*$/.test(name) ? [[part.domain, "y"]] : [];
    });
    const tops = [...new Set(places.map(([part, key]) => part[key][1]))].sort((a, b) => b - a);
    const added = gap * (tops.length - 1);
    if (added <= 0) return 0;
    const moved = (y, top) => 1 - ((1 - y) * inner + tops.indexOf(top) * gap) / (inner + added);
    for (const [part, key] of places) part[key] = part[key].map((y, _, [, top]) => moved(y, top));
    for (const { colorbar } of Object.values(layout).filter((part) => part?.colorbar)) {
      const top = tops.find((y) => Math.abs(y - colorbar.y - colorbar.len) < 1e-6);
      const bottom = moved(colorbar.y, top);
      Object.assign(colorbar, { y: bottom, len: moved(top, top) - bottom });
    }
    return added;
  }

  // Break the titles that are wider than their panel; return the pixels that the new lines take
  // above and below each row of panels.
  wrapTitles(layout, width) {
    const { font } = this.templates.light.layout;
    const pen = document.createElement("canvas").getContext("2d");
    const inner = width - layout.margin.l - layout.margin.r;
    const more = { above: 0, below: 0 };
    const wrapped = (text, size, room) => {
      pen.font = `${size}px ${font.family}`;
      const fits = (line) => pen.measureText(line.replace(/<[^>]*>/g, "")).width <= room;
      return text.split(" ").reduce((lines, word) => {
        const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
        return !lines.length || fits(longer) ? [...lines.slice(0, -1), longer] : [...lines, word];
      }, []);
    };
    for (const [name, axis] of Object.entries(layout)) {
      if (!/^xaxis\d*$/.test(name) || !axis.title?.text) continue;
      const [left, right] = axis.domain ?? [0, 1];
      const room = (right - left) * inner;
      const size = this.templates.light.layout.xaxis.title.font.size;
      const below = wrapped(axis.title.text, size, room + 2 * layout.margin.r);
      axis.title.text = below.join("<br>");
      const ticks = (axis.ticktext ?? []).map((text) => `${text}`.split("<br>").length);
      more.below = Math.max(more.below, LINE * (below.length + Math.max(1, ...ticks) - 2));
      const title = layout.annotations?.find(
        (note) => note.xref === `${axis.anchor.replace("y", "x")} domain`,
      );
      if (!title) continue;
      const above = wrapped(title.text, title.font.size, room + layout.margin.r);
      title.text = above.join("<br>");
      title.align = "left";
      more.above = Math.max(more.above, LINE * (above.length - 1));
    }
    return more;
  }

  // The pixels that a legend of several rows needs below the axes beyond the room that one has.
  missing() {
    const legend = this.plot.querySelector(".legend .bg");
    if (!legend) return 0;
    return Math.max(0, Math.round(legend.getBBox().height) - 30);
  }

  // Draw again where the room has changed.
  fit() {
    const zoomed = (this.element.currentCSSZoom ?? 1) !== this.zoom;
    const wider = Math.abs(this.element.clientWidth - this.width) > 1;
    if (this.data.length && (wider || zoomed)) this.draw();
  }

  // Take the theme of the page.
  repaint() {
    if (this.drawn) this.draw();
  }

  remove() {
    clearTimeout(this.timer);
    this.resize.disconnect();
    this.plotly.purge(this.plot);
  }
}

// Set a value deep in a tree: put(layout, "xaxis.range", [0, 1]); undefined takes it away.
export function put(tree, path, value) {
  const keys = path.split(".");
  const last = keys.pop();
  const place = keys.reduce((inner, key) => (inner[key] ??= {}), tree);
  if (value === null || value === undefined) delete place[last];
  else place[last] = value;
}

// Put the numbers, which travel as one block of bytes, back into their places in a description.
export function unpack(tree, bytes) {
  const view = bytes.buffer ? bytes : new DataView(bytes);
  const numbers = new Float64Array(
    view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength),
  );
  const table = (start, [size, ...inner]) => {
    if (!inner.length) return numbers.subarray(start, start + size);
    const step = inner.reduce((product, n) => product * n, 1);
    return Array.from({ length: size }, (_, i) => table(start + i * step, inner));
  };
  const fill = (part) => {
    if (Array.isArray(part)) return part.map(fill);
    if (part === null || typeof part !== "object") return part;
    if (part.numbers) return table(...part.numbers);
    return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, fill(value)]));
  };
  return fill(tree);
}

// plotly's JavaScript, five megabytes, is read once a page: every figure looks at one model.
async function plotlyOf(model) {
  const shared = await model.widget_manager.get_model(model.get("plotly"));
  if (!shared.evaluated) {
    const parts = ["const module = {exports: {}};", shared.get("source")];
    parts.push("\nexport default module.exports;");
    const address = URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));
    shared.evaluated = import(address).then((module) => module.default);
  }
  return shared.evaluated;
}

const isDark = () => document.body.dataset.jpThemeLight === "false";

// One view: the words, and the figure below them.
async function makeView(model, element) {
  const line = (name, attributes) => {
    const made = document.createElement("div");
    made.className = name;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    element.append(made);
    return made;
  };
  const verdict = line("vglib-verdict", { role: "status", "aria-live": "polite" });
  const error = line("vglib-error", { role: "alert" });
  const figure = new Figure(
    line("vglib-figure", {}),
    await plotlyOf(model),
    model.get("templates"),
    isDark,
  );
  const theme = new MutationObserver(() => figure.repaint());
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  return {
    figure,
    say(words) {
      verdict.setAttribute("aria-busy", String(words.busy));
      if (verdict.textContent !== words.verdict) verdict.textContent = words.verdict;
      if (error.textContent !== words.error) error.textContent = words.error;
      figure.label(words.verdict);
    },
    remove() {
      theme.disconnect();
      figure.remove();
    },
  };
}

export default () => {
  const views = new Set();
  // What is shown now, for views to come; views that are there share its arrays.
  let shown = null;
  return {
    initialize({ model }) {
      const take = () => {
        const { tree, bytes, number, words } = model.get("state");
        shown = { ...unpack(tree, bytes), number, words };
        for (const view of views) {
          view.say(words);
          view.figure.show(structuredClone(shown));
        }
      };
      model.on("change:state", take);
      model.on("msg:custom", (message, [bytes]) => {
        if (message.number > shown.number + 1) model.send({ ask: "state" });
        if (message.number !== shown.number + 1) return;
        const changes = unpack(message.changes, bytes);
        for (const [trace, path, value] of changes) {
          put(trace < 0 ? shown.layout : shown.data[trace], path, value);
        }
        Object.assign(shown, { number: message.number, words: message.words });
        for (const view of views) {
          view.say(message.words);
          view.figure.move(changes);
        }
      });
      take();
    },
    async render({ model, el }) {
      const view = await makeView(model, el);
      views.add(view);
      view.say(shown.words);
      view.figure.show(structuredClone(shown));
      return () => {
        views.delete(view);
        view.remove();
      };
    },
  };
};
