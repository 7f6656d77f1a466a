// The chat page: sends messages, shows answers, and beside them the reasons. As `/chat` it talks to the
// gateway, whose guests see no reasons.

const TEXTS = {
  en: {
    skip: "Skip to the message field", restart: "New conversation", conversation: "Conversation",
    message: "Your message", placeholder: "Write a message", send: "Send", reasons: "Why it answered so",
    noReasons: "Write a message to see what was understood and why the answer was chosen.",
    intent: "Intent", entities: "Entities", actions: "Actions", slots: "Slots set", none: "none",
    noIntent: "nothing recognised", failed: "The message could not be sent", silent: "(no answer)", broken: "the answer broke off",
    timing: "answered in {ms} ms", role: "role", group: "group", by: "by",
    noModel: "no model loaded", show: "Show why",
  },
  de: {
    skip: "Zum Eingabefeld", restart: "Neues Gespräch", conversation: "Gespräch",
    message: "Ihre Nachricht", placeholder: "Nachricht schreiben", send: "Senden", reasons: "Warum so geantwortet wurde",
    noReasons: "Schreiben Sie eine Nachricht, um zu sehen, was verstanden wurde und warum so geantwortet wird.",
    intent: "Absicht", entities: "Entitäten", actions: "Aktionen", slots: "Gesetzte Slots", none: "keine",
    noIntent: "nichts erkannt", failed: "Die Nachricht konnte nicht gesendet werden", silent: "(keine Antwort)", broken: "die Antwort brach ab",
    timing: "beantwortet in {ms} ms", role: "Rolle", group: "Gruppe", by: "durch",
    noModel: "kein Modell geladen", show: "Begründung zeigen",
  },
  fr: {
    skip: "Aller au champ de saisie", restart: "Nouvelle conversation", conversation: "Conversation",
    message: "Votre message", placeholder: "Écrire un message", send: "Envoyer", reasons: "Pourquoi cette réponse",
    noReasons: "Écrivez un message pour voir ce qui a été compris et pourquoi la réponse a été choisie.",
    intent: "Intention", entities: "Entités", actions: "Actions", slots: "Slots remplis", none: "aucun",
    noIntent: "rien de reconnu", failed: "Le message n'a pas pu être envoyé", silent: "(pas de réponse)", broken: "la réponse s’est interrompue",
    timing: "réponse en {ms} ms", role: "rôle", group: "groupe", by: "par",
    noModel: "aucun modèle chargé", show: "Voir pourquoi",
  },
};

const language = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in TEXTS) ?? "en";
const texts = TEXTS[language];
const byId = (id) => document.getElementById(id);
const log = byId("log");
const form = byId("form");
const input = byId("input");
const errorLine = byId("error");
const isGuest = location.pathname.startsWith("/chat");
let sender = newSender();
// The gateway makes the ids of its conversations.
let session;

document.documentElement.lang = language;
for (const element of document.querySelectorAll("[data-text]")) element.textContent = texts[element.dataset.text];
for (const element of document.querySelectorAll("[data-placeholder]")) element.placeholder = texts[element.dataset.placeholder];

function newSender() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return "console-" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function value(json) {
  return typeof json === "string" ? json : JSON.stringify(json);
}

async function say(text, shown = text) {
  errorLine.hidden = true;
  const mine = addUser(shown);
  input.disabled = true;
  try {
    const body = isGuest ? await askGateway(text) : await ask("/api/chat", { sender, message: text });
    for (const message of body.messages) addBot(message);
    if (body.messages.length === 0) log.append(element("li", texts.silent, "quiet"));
    if (body.reasons) {
      mine.reasons = body.reasons;
      explain(mine);
    }
  } catch (error) {
    errorLine.textContent = `${texts.failed}: ${error.message}`;
    errorLine.hidden = false;
  } finally {
    input.disabled = false;
    input.focus();
    log.scrollTop = log.scrollHeight;
  }
}

async function ask(path, question) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream, application/json" },
    body: JSON.stringify(question),
  });
  const isStream = answer.headers.get("Content-Type")?.startsWith("text/event-stream");
  const body = isStream ? await readEvents(answer.body) : await answer.json();
  // A problem has a sentence for the user, in the user's language.
  if (!answer.ok && !body.detail) throw new Error(body.message ?? answer.statusText);
  return body;
}

async function askGateway(text) {
  let body = await ask("/api/gateway/message", { text, session, language });
  if (body.code === "unknown_session") body = await ask("/api/gateway/message", { text, language });
  session = body.session ?? session;
  return { messages: body.messages ?? [{ text: body.detail }] };
}

// Shows the pieces of an answer while it is made, and gives the whole of it: server-sent events with two
// lines each, `piece` as often as it likes, then `done` or `problem`.
async function readEvents(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let draft;
  let waiting = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error(texts.broken);
      const events = (waiting + value).split("\n\n");
      waiting = events.pop();
      for (const event of events) {
        const [name, data] = event.split("\n").map((line) => line.slice(line.indexOf(":") + 2));
        const body = JSON.parse(data);
        if (name !== "piece") return body;
        draft ??= addBot({ text: "" });
        draft.firstChild.append(body.text);
        log.scrollTop = log.scrollHeight;
      }
    }
  } finally {
    // The whole answer stands in its place.
    draft?.remove();
  }
}

function addUser(text) {
  const item = element("li", undefined, "user");
  const bubble = element("button", text, "bubble");
  bubble.type = "button";
  bubble.title = texts.show;
  bubble.setAttribute("aria-pressed", "false");
  bubble.addEventListener("click", () => bubble.reasons && explain(bubble));
  item.append(bubble);
  log.append(item);
  log.scrollTop = log.scrollHeight;
  return bubble;
}

function addBot(message) {
  const item = element("li", undefined, "bot");
  const bubble = element("div", undefined, "bubble");
  if (message.text) bubble.append(message.text);
  if (message.image) {
    const image = element("img");
    image.src = message.image;
    image.alt = "";
    bubble.append(image);
  }
  for (const key of ["custom", "attachment", "elements"]) {
    if (message[key]) bubble.append(element("pre", JSON.stringify(message[key], null, 2)));
  }
  const choices = [...(message.buttons ?? []), ...(message.quick_replies ?? [])];
  if (choices.length > 0) {
    const row = element("div", undefined, "choices");
    for (const choice of choices) {
      const button = element("button", choice.title);
      button.type = "button";
      button.addEventListener("click", () => say(choice.payload ?? choice.title, choice.title));
      row.append(button);
    }
    bubble.append(row);
  }
  item.append(bubble);
  log.append(item);
  return item;
}

function explain(bubble) {
  for (const other of log.querySelectorAll("[aria-pressed]")) other.setAttribute("aria-pressed", String(other === bubble));
  const { reasons } = bubble;
  byId("no-reasons").hidden = true;
  byId("reasons").hidden = false;
  byId("said").textContent = bubble.textContent;
  fill("ranking", reasons.intent_ranking.slice(0, 5), texts.noIntent, (intent) => {
    const item = element("li");
    const share = intent.confidence ?? 0;
    const meter = element("meter");
    meter.value = share;
    meter.setAttribute("aria-hidden", "true");
    item.append(element("code", intent.name ?? texts.noIntent), element("span", `${(100 * share).toFixed(1)} %`, "share"), meter);
    return item;
  });
  fill("entities", reasons.entities, texts.none, (entity) => {
    const labels = ["role", "group"].filter((label) => entity[label]).map((label) => `, ${texts[label]} ${entity[label]}`);
    const item = element("li");
    item.append(element("code", entity.entity), ` = ${value(entity.value)}${labels.join("")} (${texts.by} ${entity.extractor ?? "?"})`);
    return item;
  });
  fill("actions", reasons.actions, texts.none, (action) => {
    const item = element("li");
    const why = action.policy ? ` – ${action.policy}, ${(100 * (action.confidence ?? 0)).toFixed(1)} %` : "";
    item.append(element("code", action.name), why);
    return item;
  });
  fill("slots", reasons.slots, texts.none, (slot) => {
    const item = element("li");
    item.append(element("code", slot.name), ` = ${value(slot.value)}`);
    return item;
  });
  byId("timing").textContent = texts.timing.replace("{ms}", (reasons.duration_micros / 1000).toFixed(2));
}

function fill(id, facts, nothing, draw) {
  const items = facts.length > 0 ? facts.map(draw) : [element("li", nothing, "quiet")];
  byId(id).replaceChildren(...items);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text) return;
  input.value = "";
  say(text);
});

byId("restart").addEventListener("click", () => {
  sender = newSender();
  session = undefined;
  log.replaceChildren();
  byId("reasons").hidden = true;
  byId("no-reasons").hidden = false;
  input.focus();
});

const about = isGuest ? { model_file: "" } : await (await fetch("/api/chat/about")).json();
byId("assistant").textContent = about.assistant_id ?? "Intendant";
byId("model").textContent = about.model_file ?? texts.noModel;
byId("why").hidden = isGuest;
document.title = `${about.assistant_id ?? "Intendant"} – ${texts.conversation}`;
input.focus();
