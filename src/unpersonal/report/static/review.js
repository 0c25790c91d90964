"use strict";

// One tab of a review. Nothing counts here before the server has said that it is on the disk.
const tab = crypto.randomUUID();
const element = (name) => document.getElementById(name);
const EVERY = 2500;
const WORDS = { keep: "kept", remove: "removed" };

let items = [];
let opinions = {};
let counts = { images: 0, decided: 0, removed: 0 };
let current = 0;
let mine = {}; // what this tab decided last, by image
let ended = false;
let sending = Promise.resolve(); // requests go one after the other, in the order of the keys

const opinion = (item) => opinions[item.image];
const decision = (item) => opinion(item).decision;
const spoken = (value) => (value ? WORDS[value] : "undecided");

function say(text) {
  element("said").textContent = text;
}

function trouble(text) {
  const place = element("trouble");
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Error("The review has ended or was killed, and this was NOT saved. What the page called saved is kept: "
      + "give the command again and open its new link.");
  }
  const type = response.headers.get("content-type") || "";
  const answer = type.startsWith("application/json") ? await response.json() : { error: await response.text() };
  if (!response.ok) {
    const other = response.status === 403 ? " Another review may have begun: give the command and open its link." : "";
    throw new Error((answer.error || "The server refused this.") + other);
  }
  return answer;
}

function showProgress() {
  element("bar").value = counts.decided;
  element("bar").max = Math.max(counts.images, 1);
  element("progress-text").textContent =
    `${counts.decided} of ${counts.images} decided, ${counts.removed} to be removed`;
}

function figure(item, name, place) {
  const box = document.createElement("figure");
  const frame = document.createElement("div");
  const picture = document.createElement("img");
  const caption = document.createElement("figcaption");
  const strong = document.createElement("strong");
  frame.className = "frame";
  picture.src = `/real/${item.image}/${place}.png`;
  picture.alt = place === 0 ? "The real image nearest to the synthetic one" : `Real image ${place + 1} beside it`;
  strong.textContent = "Real";
  caption.append(strong, ` — subject ${name}`);
  frame.append(picture);
  box.append(frame, caption);
  return box;
}

function showItem() {
  const item = items[current];
  const told = opinion(item);
  element("which").textContent = `Image ${current + 1} of ${items.length}`;
  const verdict = element("verdict");
  verdict.textContent = spoken(told.decision);
  verdict.className = `verdict ${told.decision || ""}`;
  for (const name of ["keep", "remove"]) element(name).setAttribute("aria-pressed", String(told.decision === name));
}

function openItem(number) {
  current = Math.min(Math.max(number, 0), items.length - 1);
  const item = items[current];
  const released = element("released");
  released.src = `/released/${item.image}.png`;
  released.alt = `Synthetic image ${current + 1}`;
  element("reasons").replaceChildren(...item.reasons.map((text) => {
    const line = document.createElement("li");
    line.textContent = text;
    return line;
  }));
  element("real").replaceChildren(...item.real.map((name, place) => figure(item, name, place)));
  element("note").value = opinion(item).note;
  showItem();
  [...element("list").querySelectorAll("button")].forEach((button, place) => {
    if (place === current) {
      button.setAttribute("aria-current", "true");
      button.scrollIntoView({ block: "nearest" });
    } else {
      button.removeAttribute("aria-current");
    }
  });
}

function showList() {
  [...element("list").querySelectorAll("button")].forEach((button, place) => {
    const found = decision(items[place]);
    button.setAttribute("aria-label", `Image ${place + 1}: ${spoken(found)}`);
    const mark = button.querySelector(".mark");
    mark.className = `mark ${found || ""}`;
    mark.textContent = { keep: "✓", remove: "✕" }[found] || "";
  });
}

function makeList() {
  element("list").replaceChildren(...items.map((item, place) => {
    const line = document.createElement("li");
    const button = document.createElement("button");
    const picture = document.createElement("img");
    const mark = document.createElement("span");
    button.type = "button";
    picture.src = `/released/${item.image}.png`;
    picture.alt = "";
    mark.className = "mark";
    mark.setAttribute("aria-hidden", "true");
    button.append(picture, mark);
    button.addEventListener("click", () => {
      openItem(place);
      say(`Image ${place + 1}: ${spoken(decision(item))}`);
    });
    line.append(button);
    return line;
  }));
}

function show() {
  showProgress();
  showList();
  showItem();
}

function conflictText(number, before, what) {
  const other = what === "note" ? `the note “${before.note}”` : spoken(before.decision);
  return `Conflict: another tab had image ${number + 1} ${what === "note" ? "with " : ""}${other} meanwhile. `
    + "Both are in the ledger; yours, the last, counts.";
}

function decide(action, note = "") {
  const number = current;
  const item = items[number];
  // what this tab knew when the key was pressed, not when the request goes out
  const seen = opinion(item).line;
  sending = sending.then(() => send(number, item, action, note, seen));
  // the next key is about the next image, whether or not this answer is there
  if (action !== "note") openItem(current + 1);
}

async function send(number, item, action, note, seen) {
  let answer;
  try {
    answer = await ask("/decide", { image: item.image, action, note, tab, seen });
  } catch (error) {
    trouble(`Image ${number + 1}: ${error.message}`);
    openItem(number);
    say(`Image ${number + 1}: NOT saved`);
    return;
  }
  trouble(answer.conflict ? conflictText(number, answer.conflict, action) : "");
  opinions[item.image] = answer.opinion;
  counts = answer.counts;
  if (action !== "note") mine[item.image] = action;
  const what = action === "note" ? "note saved" : `${WORDS[action]}, saved`;
  show();
  const on = current === number ? "" : ` Now image ${current + 1}: ${spoken(decision(items[current]))}.`;
  say(`Image ${number + 1}: ${what}.${on}`);
}

function saveNote() {
  decide("note", element("note").value.trim());
  element("which").focus();
}

function step(by) {
  openItem(current + by);
  say(`Image ${current + 1}: ${spoken(decision(items[current]))}`);
}

function toUndecided() {
  for (let ahead = 1; ahead <= items.length; ahead += 1) {
    const place = (current + ahead) % items.length;
    if (!decision(items[place])) {
      openItem(place);
      say(`Image ${place + 1}: undecided`);
      return;
    }
  }
  say("All images are decided on.");
}

async function refresh() {
  if (ended || document.hidden) return;
  let state;
  try {
    state = await ask("/state");
  } catch (error) {
    trouble(error.message.replace("this was NOT saved. What", "what"));
    return;
  }
  const changed = items.filter((item) => state.opinions[item.image].line > opinion(item).line
    && state.opinions[item.image].tab !== tab);
  const against = changed.filter((item) => mine[item.image]
    && state.opinions[item.image].decision !== mine[item.image]);
  const noting = document.activeElement === element("note");
  // an answer that is older than what this tab has is no news
  items.forEach((item) => {
    if (state.opinions[item.image].line >= opinion(item).line) opinions[item.image] = state.opinions[item.image];
  });
  if (!changed.length) return;
  counts = state.counts;
  if (!noting) element("note").value = opinion(items[current]).note;
  show();
  if (against.length) {
    const named = against.map((item) => `image ${items.indexOf(item) + 1} is ${spoken(decision(item))} now`).join(", ");
    against.forEach((item) => delete mine[item.image]);
    trouble(`Conflict: another tab decided otherwise than you did: ${named}. Both are in the ledger; the last counts.`);
  } else {
    say(`Another tab decided on ${changed.length} image${changed.length === 1 ? "" : "s"}.`);
  }
}

async function end() {
  try {
    await sending;
    const answer = await ask("/end", {});
    ended = true;
    document.querySelectorAll("button, input").forEach((part) => { part.disabled = true; });
    const told = `${answer.counts.decided} of ${answer.counts.images} images decided on, ${answer.counts.removed} removed.`;
    trouble("");
    say("");
    element("progress-text").textContent = `The review has ended: ${told} You may close this page.`;
  } catch (error) {
    trouble(error.message);
  }
}

function onKey(event) {
  if (ended || !items.length || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target === element("note")) {
    if (event.key === "Enter") saveNote();
    else if (event.key === "Escape") {
      element("note").value = opinion(items[current]).note;
      element("which").focus();
    } else return;
    event.preventDefault();
    return;
  }
  if (event.repeat && !event.key.startsWith("Arrow")) return;
  const keys = {
    k: () => decide("keep"),
    r: () => decide("remove"),
    n: () => element("note").focus(),
    u: toUndecided,
    arrowleft: () => step(-1),
    arrowright: () => step(1),
  };
  const act = keys[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
}

async function begin() {
  element("end").addEventListener("click", end);
  let answer;
  try {
    answer = await ask("/items");
  } catch (error) {
    trouble(error.message);
    return;
  }
  items = answer.items;
  opinions = answer.opinions;
  counts = answer.counts;
  showProgress();
  if (!items.length) return;
  makeList();
  const first = items.findIndex((item) => !decision(item));
  openItem(first < 0 ? 0 : first);
  show();
  element("keep").addEventListener("click", () => decide("keep"));
  element("remove").addEventListener("click", () => decide("remove"));
  element("previous").addEventListener("click", () => step(-1));
  element("next").addEventListener("click", () => step(1));
  element("undecided").addEventListener("click", toUndecided);
  element("save").addEventListener("click", saveNote);
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, EVERY);
}

begin();
