// What the page around a lab is told: which keys are its own, what its sliders are called, and that
// its kernel is gone.

const GONE =
  "The kernel that moved this lab has ended: run all cells again to bring the lab to life.";

// JupyterLab's shortcuts take arrow keys and Escape away unless the focused element says no.
const claimKeys = (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true");

// ipywidgets gives a slider over a list no name, and for its value the place in the list.
function nameSliders(lab) {
  for (const slider of lab.querySelectorAll(".widget-hslider")) {
    const handle = slider.querySelector(".noUi-handle");
    const set = (name, value) => {
      if (handle && handle.getAttribute(name) !== value) handle.setAttribute(name, value);
    };
    set("aria-label", slider.querySelector(".widget-label")?.textContent ?? "");
    set("aria-valuetext", slider.querySelector(".widget-readout")?.textContent ?? "");
  }
}

// Without its kernel a control would move over a figure that no longer follows.
function sayGone(lab) {
  const gone = lab.classList.contains("jupyter-widgets-disconnected");
  for (const row of lab.querySelectorAll(".vglib-row")) row.inert = gone;
  let line = lab.querySelector(":scope > .vglib-gone");
  if (gone && !line) {
    line = document.createElement("div");
    line.className = "vglib-gone";
    line.setAttribute("role", "alert");
    line.textContent = GONE;
    lab.prepend(line);
  }
  if (!gone) line?.remove();
}

function attach(lab) {
  const sliders = new MutationObserver(() => nameSliders(lab));
  const names = { subtree: true, childList: true, characterData: true };
  for (const row of lab.querySelectorAll(".vglib-row")) {
    sliders.observe(row, { ...names, attributes: true, attributeFilter: ["aria-valuetext"] });
  }
  const kernel = new MutationObserver(() => sayGone(lab));
  kernel.observe(lab, { attributes: true, attributeFilter: ["class"] });
  lab.addEventListener("focusin", claimKeys);
  nameSliders(lab);
  sayGone(lab);
  return () => {
    sliders.disconnect();
    kernel.disconnect();
    lab.removeEventListener("focusin", claimKeys);
  };
}

export default {
  render({ el }) {
    let detach = () => {};
    let timer = null;
    // The lab's box is put round this element only after it is made.
    const look = () => {
      const lab = el.closest(".vglib-lab");
      if (lab) detach = attach(lab);
      else timer = setTimeout(look, 50);
    };
    timer = setTimeout(look, 0);
    return () => {
      clearTimeout(timer);
      detach();
    };
  },
};
