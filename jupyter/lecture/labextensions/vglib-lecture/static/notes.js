// The lecturer's own window: notes, clock and the next slide. It belongs to the page that shows the
// slides, so it needs no JupyterLab of its own and saves nothing.

const NAME = "vglib-notes";
const PARTS = `
  <header><b id="clock"></b> <span id="minutes"></span> <span id="place"></span></header>
  <main id="notes"></main>
  <h2>Next</h2>
  <section id="next"></section>`;

export class Notes {
  // `onKey` takes the keys that are pressed in the window.
  constructor(onKey) {
    this.onKey = onKey;
    this.window = null;
    this.began = Date.now();
    setInterval(() => this.tick(), 1000);
  }

  // Open the window, or bring it to the front; return whether the browser has allowed it.
  open() {
    const opened = window.open("", NAME, "popup,width=900,height=760");
    if (!opened) return false;
    if (this.window !== opened) this.furnish(opened);
    opened.focus();
    return true;
  }

  furnish(opened) {
    this.window = opened;
    const page = opened.document;
    page.title = "Notes";
    page.body.className = `${document.body.className} vglib-notes`;
    for (const [key, value] of Object.entries(document.body.dataset)) {
      if (key !== "jpDeckMode") page.body.dataset[key] = value;
    }
    page.body.innerHTML = PARTS;
    opened.addEventListener("keydown", this.onKey, true);
    this.dress();
    this.tick();
  }

  // The page's styles: JupyterLab's, the formulas' and the figures'.
  dress() {
    const styles = document.querySelectorAll("style, link[rel='stylesheet']");
    this.window.document.head.replaceChildren(
      ...[...styles].map((style) => this.window.document.importNode(style, true)),
    );
  }

  get isOpen() {
    return Boolean(this.window && !this.window.closed);
  }

  tick() {
    if (!this.isOpen) return;
    const now = new Date();
    const time = now.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    this.write("clock", time);
    this.write("minutes", `${Math.floor((now - this.began) / 60000)} min`);
  }

  write(id, text) {
    this.window.document.getElementById(id).textContent = text;
  }

  // Show what belongs to the slide of a chapter that is on the screen.
  show(chapter) {
    if (!this.isOpen) return;
    this.dress();
    const steps = chapter.steps();
    const at = steps.indexOf(chapter.here());
    this.write("place", `${at + 1} of ${steps.length}`);
    this.put("notes", chapter.remarks(steps[at]));
    this.put("next", steps[at + 1] === undefined ? [] : chapter.screen(steps[at + 1]));
  }

  put(id, cells) {
    const copies = cells.map((cell) => this.window.document.importNode(cell.node, true));
    for (const copy of copies) {
      copy.removeAttribute("id");
      copy.classList.remove("jp-mod-active", "jp-mod-selected");
    }
    this.window.document.getElementById(id).replaceChildren(...copies);
  }
}
