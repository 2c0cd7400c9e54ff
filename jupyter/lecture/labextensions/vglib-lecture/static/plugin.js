// A lecture: keys that always move the slides, type that grows with the screen, a chapter that runs
// itself, a line that says when a kernel is gone, and the lecturer's notes.

import { Bar, situation } from "./bar.js";
import { Chapter, presenting } from "./chapter.js";
import { meaning, onSlides } from "./keys.js";
import { Notes } from "./notes.js";
import { Size } from "./size.js";

const DEAD = ["autorestarting", "restarting", "dead"];

class Lecture {
  constructor(app, tracker) {
    this.app = app;
    this.tracker = tracker;
    this.chapters = new WeakMap();
    this.size = new Size();
    this.bar = new Bar(() => this.run());
    this.notes = new Notes((event) => this.onKey(event));
    this.picked = null; // a list that the pointer has opened
    // Before JupyterLab, which listens at the document.
    window.addEventListener("keydown", (event) => this.onKey(event), true);
    window.addEventListener("pointerdown", (event) => this.onPointer(event), true);
    window.addEventListener("change", (event) => this.onChoice(event));
    window.addEventListener("click", (event) => this.onChoice(event));
    window.addEventListener("click", (event) => this.onArrow(event), true);
    setInterval(() => this.look(), 1000);
  }

  // The chapter on the slides, if there are slides.
  get chapter() {
    return presenting() ? this.chapters.get(this.tracker.currentWidget) : undefined;
  }

  async take(panel) {
    await panel.context.ready;
    if (this.chapters.has(panel)) return this.chapters.get(panel);
    const chapter = new Chapter(panel);
    this.chapters.set(panel, chapter);
    // After the slides, which move when the active cell does.
    panel.content.activeCellChanged.connect(() => setTimeout(() => this.turned(chapter)));
    panel.sessionContext.statusChanged.connect((_, status) => {
      if (!DEAD.includes(status)) return;
      chapter.lost = true;
      this.look();
      if (status === "autorestarting" && presenting()) dismiss();
    });
    return chapter;
  }

  // The notebook with which the page opens is shown as slides, where it was left, and runs.
  async open(panel) {
    const chapter = await this.take(panel);
    await this.app.commands.execute("deck:start");
    const place = Number(sessionStorage.getItem(chapter.key));
    if (chapter.steps().includes(place)) chapter.show(place);
    await panel.sessionContext.ready;
    if (!(await chapter.revives(10))) await this.run();
  }

  // Another cell is active.
  turned(chapter) {
    if (chapter !== this.chapter || !chapter.settle()) return;
    sessionStorage.setItem(chapter.key, chapter.last);
    this.look();
  }

  // Look at what is on the screen: fit it, and say what there is to say.
  look() {
    const chapter = this.chapter;
    this.bar.say(...(chapter ? situation(chapter) : [""]));
    if (chapter && this.size.take(chapter.onScreen())) this.notes.show(chapter);
  }

  async run() {
    const chapter = this.chapter;
    if (!chapter || chapter.progress !== null) return;
    await chapter.runAll(() => this.look());
    // A page that is loaded anew finds the labs only in a notebook that is saved.
    if (!chapter.lost) await chapter.panel.context.save();
  }

  onKey(event) {
    const chapter = this.chapter;
    const elsewhere = event.target.ownerDocument !== document && event.target !== window;
    if (!chapter || !(elsewhere || onSlides(event.target, chapter.panel))) return;
    const meant = meaning(event);
    if (!meant || (meant === "control" && !chapter.control())) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.act(meant, chapter);
  }

  act(meant, chapter) {
    const acts = {
      slide: () => chapter.focus(),
      control: () => chapter.enter(),
      preset: () => chapter.preset(1),
      "preset back": () => chapter.preset(-1),
      notes: () => this.openNotes(chapter),
      run: () => this.bar.offers && this.run(),
      black: () => {},
      nothing: () => {},
    };
    const { classList } = document.body;
    classList.toggle("vglib-black", meant === "black" && !classList.contains("vglib-black"));
    (acts[meant] ?? (() => chapter.go(meant)))();
  }

  // The arrows in the corner would pass by the labs.
  onArrow(event) {
    const ways = { forward: "next", back: "previous" };
    for (const [arrow, way] of Object.entries(ways)) {
      if (!event.target.closest?.(`.jp-deck-mod-direction-${arrow}`)) continue;
      event.stopImmediatePropagation();
      this.chapter?.go(way);
    }
  }

  openNotes(chapter) {
    if (this.notes.open()) this.notes.show(chapter);
    else this.bar.say("The browser keeps the second window closed: allow this page to open it.");
  }

  onPointer({ target }) {
    this.picked = target.closest?.("select") ?? null;
  }

  // What the pointer has chosen is done, and the next key is for the slides. Keys on a list or a
  // button leave the focus where it is.
  onChoice({ target, type, detail }) {
    const pressed = type === "click" && detail && target.closest?.("button, [type='checkbox']");
    const chosen = type === "change" && target === this.picked;
    if ((pressed || chosen) && target.closest(".vglib-lab")) this.chapter?.focus();
  }
}

// JupyterLab says in a dialog that the kernel has died, which would keep all keys to itself.
async function dismiss() {
  for (let tries = 0; tries < 50; tries++) {
    const button = document.querySelector(".jp-Dialog .jp-mod-accept");
    if (button) return button.click();
    await new Promise((done) => setTimeout(done, 100));
  }
}

export const makePlugin = ({ INotebookTracker, NotebookActions }) => ({
  id: "vglib-lecture:plugin",
  description: "Slides in class: keys, size of type, notes, and a chapter that runs itself.",
  autoStart: true,
  requires: [INotebookTracker],
  activate(app, tracker) {
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = new URL("lecture.css", import.meta.url);
    document.head.append(style);
    const lecture = new Lecture(app, tracker);
    tracker.widgetAdded.connect((_, panel) => void lecture.take(panel));
    const opened = (_, panel) => {
      if (!panel) return;
      tracker.currentChanged.disconnect(opened);
      void lecture.open(panel);
    };
    void app.restored.then(() => {
      tracker.currentChanged.connect(opened);
      opened(tracker, tracker.currentWidget);
    });
    NotebookActions.executed.connect((_, { notebook, cell, success, error }) => {
      const chapter = lecture.chapters.get(notebook.parent);
      if (!chapter || cell.model.type !== "code") return;
      if (success) chapter.errors.delete(cell.model.id);
      else chapter.failed(cell, { ename: error?.errorName, evalue: error?.errorValue });
      lecture.look();
    });
  },
});
