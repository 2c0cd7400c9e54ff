// A chapter in a lecture: its slides, the place in them, and its labs.

const VISIBLE = "jp-deck-mod-visible";
const VIEW = "application/vnd.jupyter.widget-view+json";
const PICTURE = "image/png";

export const presenting = () => document.body.dataset.jpDeckMode === "presenting";
const slideType = (cell) => cell.model.getMetadata("slideshow")?.slide_type;

export class Chapter {
  constructor(panel) {
    this.panel = panel;
    this.notebook = panel.content;
    this.stills = new Map(this.code().flatMap((cell) => stillsOf(cell)));
    this.errors = new Map(); // by a cell's id, a sentence
    this.progress = null;
    this.lost = false; // whether a kernel was lost, and with it the labs
    this.last = null;
    this.presets = new WeakMap();
    this.entered = null; // the control that the keys are on their way to
  }

  // Under which the page remembers the place, for a reload.
  get key() {
    return `vglib-lecture:${this.panel.context.path}`;
  }

  code() {
    return this.notebook.widgets.filter((cell) => cell.model.type === "code");
  }

  // The cells with which something new comes onto the screen: slides, labs below them, fragments.
  steps() {
    const shown = ["slide", "subslide", "fragment"];
    return this.notebook.widgets.flatMap((c, i) => (shown.includes(slideType(c)) ? [i] : []));
  }

  // The step on the screen. The active cell may be another one, on no slide: "Run All Cells" makes
  // the last cell active.
  here() {
    const steps = this.steps();
    const { activeCellIndex, widgets } = this.notebook;
    if (steps.includes(activeCellIndex)) return activeCellIndex;
    return this.last ?? steps.findLast((i) => widgets[i].hasClass(VISIBLE)) ?? steps[0];
  }

  go(way) {
    const steps = this.steps();
    const at = steps.indexOf(this.here());
    const to = { next: at + 1, previous: at - 1, first: 0, last: steps.length - 1 }[way];
    this.show(steps[Math.min(Math.max(to, 0), steps.length - 1)]);
  }

  show(step) {
    this.notebook.deselectAll();
    this.notebook.activeCellIndex = step;
    this.focus();
  }

  // Give the keys to the slide; what was opened in an editor is text again.
  focus() {
    this.entered = null;
    for (const cell of this.onScreen()) if (cell.model.type === "markdown") cell.rendered = true;
    this.notebook.mode = "command";
    this.notebook.activeCell?.node.focus({ preventScroll: true });
  }

  // The active cell has changed: note the step that is shown, and go back to it from a cell on no
  // slide; return whether it is another step.
  settle() {
    const { activeCell, activeCellIndex } = this.notebook;
    if (!this.steps().includes(activeCellIndex)) {
      if (this.last !== null && !activeCell.hasClass(VISIBLE)) {
        this.notebook.activeCellIndex = this.last;
      }
      return false;
    }
    const moved = this.last !== activeCellIndex;
    this.last = activeCellIndex;
    return moved;
  }

  // The cells on the screen now.
  onScreen() {
    return this.notebook.widgets.filter((cell) => cell.hasClass(VISIBLE));
  }

  // The remarks for the lecturer that go with the slide of a step.
  remarks(step) {
    const [from, to] = this.extent(step);
    return this.notebook.widgets.slice(from, to).filter((cell) => slideType(cell) === "notes");
  }

  // The cells that are on the screen at a step.
  screen(step) {
    const [from] = this.extent(step);
    const to = this.steps().find((i) => i > step);
    const hidden = ["skip", "notes"];
    return this.notebook.widgets
      .slice(from, to)
      .filter((cell) => !hidden.includes(slideType(cell)));
  }

  // Where the slide of a step begins and where the next one does.
  extent(step) {
    const { widgets } = this.notebook;
    const begins = this.steps().filter((i) => slideType(widgets[i]) !== "fragment");
    const next = begins.find((i) => i > step) ?? widgets.length;
    return [begins.findLast((i) => i <= step) ?? 0, next];
  }

  labs() {
    return this.code().filter((cell) => (cell.model.getMetadata("tags") ?? []).includes("lab"));
  }

  // The labs that are pictures, or whose kernel is gone.
  dead() {
    const living = ".vglib-lab:not(.jupyter-widgets-disconnected)";
    return this.labs().filter((cell) => !cell.node.querySelector(living));
  }

  // Whether labs that have run come to life, as after a reload of a notebook whose kernel has stayed.
  async revives(seconds) {
    const outputs = (cell) => cell.model.outputs.toJSON();
    const viewed = this.labs().filter((cell) => outputs(cell).some(({ data }) => data?.[VIEW]));
    const alive = () => !this.dead().some((cell) => viewed.includes(cell));
    for (let tries = 0; tries < 10 * seconds && !alive(); tries++) await pause(100);
    if (!viewed.length || !alive()) return false;
    const ran = this.dead().filter((cell) => cell.model.executionCount !== null);
    for (const cell of ran) this.errors.set(cell.model.id, "This cell has failed.");
    return true;
  }

  // Run every cell, whatever becomes of the one before it, on a new kernel where one was lost.
  async runAll(say) {
    this.errors.clear();
    const cells = this.code().filter((cell) => cell.model.sharedModel.source.trim());
    const tell = (done) => {
      this.progress = done / cells.length;
      say();
    };
    tell(0);
    try {
      if (this.lost) await this.kernel();
      for (const [done, cell] of cells.entries()) {
        await this.run(cell);
        tell(done + 1);
      }
      this.lost = false;
    } catch {
      this.lost = true; // the kernel has ended, or somebody has restarted it
    }
    // A lab's box is put on the page some time after its cell has run.
    const failed = (cell) => this.errors.has(cell.model.id);
    for (let tries = 0; tries < 100 && !this.dead().every(failed); tries++) await pause(100);
    this.progress = null;
    say();
  }

  // Have a kernel: the server starts another one for most that end.
  async kernel() {
    const context = this.panel.sessionContext;
    const status = () => context.session?.kernel?.status;
    for (let tries = 0; tries < 100; tries++) {
      if (status() === "idle") return;
      if (!status() || status() === "dead") break;
      await pause(100);
    }
    await context.restartKernel();
  }

  // Run one cell; throws when the kernel ends meanwhile.
  async run(cell) {
    const reply = await cell.constructor.execute(cell, this.panel.sessionContext);
    if (reply && reply.content.status !== "ok") this.failed(cell, reply.content);
  }

  // A cell has failed or was left out: what it showed before the lecture stands in its place again.
  failed(cell, { ename, evalue }) {
    const why = `This cell has failed: ${ename}: ${evalue}`.split("\n")[0];
    const left = "This cell has not run, since one before it has failed.";
    this.errors.set(cell.model.id, ename ? why : left);
    const still = this.stills.get(cell.model.id);
    if (still) cell.model.outputs.fromJSON(still);
  }

  // The first control of the lab on the screen.
  control() {
    const found = ".vglib-lab :is([role='slider'], select, input)";
    return this.onScreen().flatMap((cell) => [...cell.node.querySelectorAll(found)])[0];
  }

  // Give the keys to the first control. Its cell becomes the active one, and JupyterLab gives them to
  // a cell that does, some time later; meanwhile the lecturer may have gone on.
  async enter() {
    const control = this.control();
    const cell = this.onScreen().find(({ node }) => node.contains(control));
    this.notebook.activeCellIndex = this.notebook.widgets.indexOf(cell);
    this.entered = control;
    for (let tries = 0; tries < 6 && this.entered === control; tries++) {
      control.focus();
      await pause(40);
      if (document.activeElement === control) return;
    }
  }

  // Choose the next preset of the lab on the screen, or the one before. A slider that was moved in
  // between does not send the lecturer back to the first.
  preset(step) {
    const named = this.onScreen()
      .flatMap((cell) => [...cell.node.querySelectorAll(".vglib-lab .widget-dropdown")])
      .find((row) => row.querySelector(".widget-label")?.textContent === "preset");
    const select = named?.querySelector("select");
    if (!select) return;
    const from = select.selectedIndex || (this.presets.get(select) ?? 0);
    const to = Math.min(Math.max(from + step, 1), select.options.length - 1);
    this.presets.set(select, to);
    select.selectedIndex = to;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// The pictures that a cell has before the lecture, as [[id, outputs]].
function stillsOf(cell) {
  const pictured = ({ data }) => data?.[PICTURE] || `${data?.["text/html"]}`.includes("<img");
  const outputs = cell.model.outputs.toJSON().filter(pictured);
  for (const { data } of outputs) delete data[VIEW];
  return outputs.length ? [[cell.model.id, outputs]] : [];
}
