// One line at the foot of a slide: what is going on, and the key that helps.

export class Bar {
  constructor(run) {
    this.node = document.createElement("div");
    this.node.className = "vglib-bar";
    this.node.setAttribute("role", "status");
    this.text = document.createElement("span");
    this.button = document.createElement("button");
    this.button.textContent = "Run everything (R)";
    this.button.addEventListener("click", run);
    this.node.append(this.text, this.button);
    document.body.append(this.node);
  }

  // Say something, and offer the button; nothing hides the line.
  say(words, offers = false) {
    if (this.text.textContent !== words) this.text.textContent = words;
    this.node.hidden = !words;
    this.button.hidden = !offers;
  }

  get offers() {
    return !this.node.hidden && !this.button.hidden;
  }
}

// What there is to say of a chapter, and whether running everything helps.
export function situation(chapter) {
  if (chapter.progress !== null) {
    return [`The chapter runs: ${Math.round(100 * chapter.progress)}%`, false];
  }
  const dead = chapter.dead();
  const failed = (cell) => chapter.errors.get(cell.model.id);
  if (chapter.lost && dead.length) {
    return ["The kernel has ended. The figures stand as they were.", true];
  }
  if (dead.some((cell) => !failed(cell))) {
    const all = dead.length === chapter.labs().length;
    return [`${all ? "The" : "Some"} labs are pictures until every cell has run.`, true];
  }
  const here = chapter.onScreen().find(failed);
  if (here) {
    const still = chapter.stills.has(here.model.id) ? " Its stored picture stands here." : "";
    return [failed(here) + still, true];
  }
  return ["", false];
}
