// Runs once for each of the page's parts (head, log, current, waiting, article), each with its own `element`,
// `trigger` and `watch` from Gradio. What the parts share is kept on `desk`.
// Text is never turned into HTML here: the server sends finished, escaped HTML, and this only moves and marks it.

const desk = document.body;
const pane = () => document.getElementById("reading");
const box = () => document.querySelector("#box textarea");
const key = (place) => ["doc", "start", "end"].map((name) => place[name] ?? "").join(" ");

function showPlace() {
  const mark = pane()?.querySelector("mark");
  if (!mark) return;
  const top = mark.getBoundingClientRect().top - pane().getBoundingClientRect().top;
  pane().scrollTop += top - pane().clientHeight / 4;
}

function openSheet(button) {
  pane().opener = button;
  pane().place = "doc" in button.dataset ? key(button.dataset) : "";
  desk.classList.add("sheet-open");
  if (matchMedia("(max-width: 60rem)").matches) pane().querySelector("[data-back]").focus({ preventScroll: true });
  markCurrent(button);
}

function markCurrent(button) {
  document.querySelectorAll("[aria-current]").forEach((b) => b.removeAttribute("aria-current"));
  for (const b of button.closest(".turn")?.querySelectorAll("[data-doc]") ?? []) {
    if (key(b.dataset) === key(button.dataset)) b.setAttribute("aria-current", "true");
  }
}

function openPlace(place) {
  desk.wanted = place;
  trigger("click", place);
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
    openPlace({ ...button.dataset });
  } else if ("ask" in button.dataset) {
    if (!desk.asking) desk.take(button.dataset.ask); // a double click asks once
  } else if ("again" in button.dataset) {
    trigger("clear");
  } else if ("shelf" in button.dataset) {
    openSheet(button);
  } else if ("back" in button.dataset) {
    closeSheet();
  }
});

element.addEventListener("change", (event) => {
  if (event.target.matches("select")) openPlace({ doc: event.target.value });
});

element.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeSheet();
});

function afterArticle() {
  const list = element.querySelector("select");
  list.value = list.dataset.chosen;
  // Replies can overtake each other: one that came after the one that is wanted gives way to it.
  if (desk.wanted && list.dataset.asked !== key(desk.wanted)) return trigger("click", desk.wanted);
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

// With each event Gradio redraws the turns: marks are lost, and the button that was clicked may have become another.
function keepCurrent() {
  const { place, opener } = pane();
  if (!place) return;
  const same = [...document.querySelectorAll("#pages [data-doc]")].filter((button) => key(button.dataset) === place);
  if (!same.includes(opener)) pane().opener = same.at(-1);
  if (pane().opener) markCurrent(pane().opener);
}

// One question at a time: what is entered during an answer is shown above the box and asked when that has ended.
function converse() {
  const waiting = [];
  desk.asking = "";

  // A reload, also Gradio's own after the server was away, gives back what was typed and what was not answered.
  function keepDraft(typed) {
    sessionStorage.setItem("draft", [desk.asking, ...waiting, typed].filter(Boolean).join("\n"));
  }

  function askNext() {
    desk.asking = waiting.shift() ?? "";
    if (desk.asking) {
      trigger("select", { question: desk.asking, shown: document.querySelectorAll("#pages .turn").length });
    }
  }

  function showWaiting() {
    const items = waiting.map((question) => Object.assign(document.createElement("li"), { textContent: question }));
    document.querySelector(".waiting").replaceChildren(...items);
  }

  desk.begin = () => {
    box().setAttribute("aria-label", "Your question"); // Gradio's label would name the button in the box too
    return sessionStorage.getItem("draft") ?? "";
  };
  desk.take = (question) => {
    if (question.trim()) waiting.push(question);
    if (!desk.asking) askNext();
    showWaiting();
    keepDraft("");
    return "";
  };
  desk.ended = async () => {
    await new Promise((drawn) => setTimeout(drawn));
    const failed = element.querySelector(".error") ? desk.asking : "";
    askNext();
    showWaiting();
    if (failed && !box().value) {
      box().value = failed;
      box().dispatchEvent(new Event("input", { bubbles: true })); // as if typed, for Gradio
    }
    keepDraft(box().value);
  };
  desk.addEventListener("input", (event) => {
    if (event.target === box()) keepDraft(event.target.value);
  });
}

if (element.closest("#article")) watch("value", afterArticle);
if (element.closest("#log, #current")) watch("value", keepCurrent);
if (element.closest("#current")) {
  watch("value", afterAnswer);
  converse();
}
