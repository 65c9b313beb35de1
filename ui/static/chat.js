// Runs once for each of the page's parts (head, log, current, article). Gradio gives `element`, `trigger`, `watch`.
// Text is never turned into HTML here: the server sends finished, escaped HTML, and this only moves and marks it.

const desk = document.body;
const pane = () => document.getElementById("reading");

function showPlace() {
  const mark = pane()?.querySelector("mark");
  if (!mark) return;
  const top = mark.getBoundingClientRect().top - pane().getBoundingClientRect().top;
  pane().scrollTop += top - pane().clientHeight / 4;
}

function openSheet(button) {
  pane().opener = button;
  desk.classList.add("sheet-open");
  if (matchMedia("(max-width: 60rem)").matches) pane().querySelector("[data-back]").focus({ preventScroll: true });
  document.querySelectorAll("[aria-current]").forEach((b) => b.removeAttribute("aria-current"));
  for (const b of button.closest(".turn")?.querySelectorAll("[data-doc]") ?? []) {
    if (["doc", "start", "end"].every((key) => b.dataset[key] === button.dataset[key])) {
      b.setAttribute("aria-current", "true");
    }
  }
}

function closeSheet() {
  desk.classList.remove("sheet-open");
  pane().opener?.focus();
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("doc" in button.dataset) {
    openSheet(button);
    showPlace();
    trigger("click", { ...button.dataset });
  } else if ("ask" in button.dataset) {
    trigger("select", { question: button.dataset.ask });
  } else if ("again" in button.dataset) {
    trigger("clear");
  } else if ("shelf" in button.dataset) {
    openSheet(button);
  } else if ("back" in button.dataset) {
    closeSheet();
  }
});

element.addEventListener("change", (event) => {
  if (event.target.matches("select")) trigger("click", { doc: event.target.value });
});

element.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeSheet();
});

function afterArticle() {
  const list = element.querySelector("select");
  list.value = list.dataset.chosen;
  if (element.querySelector("mark")) showPlace();
  else pane().scrollTop = 0;
}

// A new question is brought to the top once; after that the page stays where the reader puts it.
let shown = "";
function afterAnswer() {
  const question = element.querySelector(".question");
  const now = question ? document.querySelectorAll("#log .turn").length + question.textContent : "";
  if (question && now !== shown) {
    const pages = document.getElementById("pages");
    pages.scrollTop += question.getBoundingClientRect().top - pages.getBoundingClientRect().top - 20;
  }
  shown = now;
}

if (element.closest("#article")) watch("value", afterArticle);
if (element.closest("#current")) watch("value", afterAnswer);
