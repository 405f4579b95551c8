// The live page. One socket carries JSON (state, news, refusals) and JPEG pictures. A picture comes for each {next},
// so that a slow browser gets fewer of them.
import { makeControl, showValue } from "./controls.js";

const AHEAD = 2; // pictures asked for before the last one has come
const SHOWN_MS = 8000; // a refusal stays for so long
const QUIET_MS = 3000; // without a picture for so long, the status says so
const NAMES = {
  rate_hz: ["rate", " Hz"], age_ms: ["latency", " ms"], inference_ms: ["network", " ms"], dropped: ["dropped", ""],
  bad_frames: ["bad frames", ""], errors: ["errors", ""],
};

const get = (id) => document.getElementById(id);
const picture = get("picture"), stage = get("stage");
let socket, state, layer = localStorage.getItem("layer") || "";
let photo = null, shown = null, cameAt = 0, controls = new Map(), waiting = null, lost = false;

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket.binaryType = "blob";
  socket.onmessage = ({ data }) => (data instanceof Blob ? showLive(data) : hear(JSON.parse(data)));
  socket.onclose = () => {
    lost = true;
    state = null;
    setTimeout(connect, 1000);
  };
}

function hear(message) {
  if (message.state) start(message.state);
  if (message.news && state) renew(message.news);
  if (message.refused) refuse(message.refused);
}

function refuse(sentence) {
  get("refused").textContent = sentence;
  get("refused").hidden = false;
  clearTimeout(refuse.timer);
  refuse.timer = setTimeout(() => { get("refused").hidden = true; }, SHOWN_MS);
}

function start(fresh) {
  state = fresh;
  lost = false;
  document.title = get("title").textContent = state.title.replace(/^\//, "");
  get("open").hidden = !state.photos;
  get("hint").textContent = state.photos ? "No picture yet. Drop a photo here to see its people." : "No picture yet.";
  makeControls();
  get("readonly").hidden = state.changes || !state.controls.length;
  document.querySelector(".panel").hidden = !state.controls.length;
  renew(state);
  if (!document.hidden) for (let i = 0; i < AHEAD; i += 1) ask();
  if (photo) sendPhoto();
}

function renew({ layers, figures, values }) {
  if (layers.join() !== get("layers").dataset.names) makeLayers(layers);
  makeFigures(figures);
  for (const [name, value] of Object.entries(values)) {
    if (controls.has(name)) showValue(controls.get(name), value);
  }
}

function makeLayers(layers) {
  get("layers").dataset.names = layers.join();
  if (!layers.includes(layer)) layer = layers[0] || "";
  get("layers").replaceChildren(...layers.map((name) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.role = "radio";
    button.ariaChecked = String(name === layer);
    button.onclick = () => choose(name);
    return button;
  }));
}

function choose(name) {
  layer = name;
  localStorage.setItem("layer", name);
  for (const button of get("layers").children) button.ariaChecked = String(button.textContent === name);
  if (photo) sendPhoto();
  else ask();
}

function makeFigures(figures) {
  const shown = Object.keys(NAMES).filter((name) => figures[name] && !(/^bad|^err/.test(name) && figures[name] === "0"));
  get("figures").replaceChildren(...shown.map((name) => {
    const [label, unit] = NAMES[name], box = document.createElement("div");
    const term = document.createElement("dt"), value = document.createElement("dd");
    term.textContent = label;
    value.textContent = unit ? `${Number(figures[name]).toFixed(1)}${unit}` : figures[name];
    box.append(term, value);
    return box;
  }));
  const { model, engine, device, state: said = "" } = figures;
  get("runs").textContent = model ? `${model} on ${engine}, ${device}` : "";
  get("trouble").textContent = /bad frames/.test(said) ? said : "";
}

function ask() {
  if (socket.readyState === WebSocket.OPEN && layer && !photo) socket.send(JSON.stringify({ next: layer }));
}

async function show(blob) {
  const bitmap = await createImageBitmap(blob);
  Object.assign(picture, { width: bitmap.width, height: bitmap.height });
  picture.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  picture.ariaLabel = `${layer}: ${photo ? photo.name : state?.title}`;
  picture.hidden = false;
  shown = blob;
  get("save").disabled = false;
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(shown);
  link.download = `${layer.replaceAll(" ", "_")}.jpg`;
  link.click();
  URL.revokeObjectURL(link.href);
}

async function showLive(blob) {
  cameAt = performance.now();
  if (!photo) await show(blob);
  if (!document.hidden) ask();
}

async function sendPhoto() {
  const file = photo;
  const answer = await fetch(`photo?layer=${encodeURIComponent(layer)}`, { method: "POST", body: file });
  if (file !== photo) return;
  if (answer.ok) await show(await answer.blob());
  else refuse(await answer.text());
}

function takePhoto(file) {
  if (!file || !state?.photos) return;
  photo = file;
  get("live").hidden = false;
  sendPhoto();
}

function backToLive() {
  photo = null;
  get("live").hidden = true;
  get("file").value = "";
  picture.hidden = true;
  for (let i = 0; i < AHEAD; i += 1) ask();
}

// The newest value of each parameter, at most one message per frame of the screen.
function change(name, value) {
  if (name === "effects" && layer !== "effects") choose("effects");
  if (!waiting) {
    waiting = {};
    requestAnimationFrame(() => {
      socket.send(JSON.stringify({ set: waiting }));
      waiting = null;
      if (photo) setTimeout(sendPhoto, 60);
    });
  }
  waiting[name] = value;
}

function makeControls() {
  const open = new Set([...document.querySelectorAll("details[open]")].map((group) => group.dataset.name));
  controls = new Map();
  const groups = new Map();
  for (const control of state.controls) {
    const dot = control.name.indexOf("."), group = dot < 0 ? "main" : control.name.slice(0, dot);
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(control);
  }
  get("controls").replaceChildren(...[...groups].map(([name, members]) => {
    const details = document.createElement("details"), summary = document.createElement("summary");
    details.dataset.name = name;
    details.open = name === "main" || open.has(name);
    summary.textContent = name.replaceAll("_", " ");
    details.append(summary, ...members.map((control) => {
      const box = makeControl(control, state.changes, (value) => change(control.name, value));
      controls.set(control.name, box);
      return box;
    }));
    return details;
  }));
  filter();
}

function filter() {
  const word = get("filter").value.trim().toLowerCase();
  for (const details of get("controls").children) {
    let any = false;
    for (const box of details.querySelectorAll(".control")) {
      box.hidden = Boolean(word) && !box.dataset.words.includes(word);
      any ||= !box.hidden;
    }
    details.hidden = !any;
    if (word) details.open = any;
  }
}

function tick() {
  const since = performance.now() - cameAt;
  const [kind, text] = lost ? ["lost", "connection lost; trying again …"]
    : !state ? ["waiting", "connecting …"]
      : photo ? ["live", photo.name]
        : !cameAt ? ["waiting", "no picture yet"]
          : since > QUIET_MS ? ["waiting", `no new picture for ${Math.round(since / 1000)} s`] : ["live", "live"];
  if (get("status").textContent !== text) get("status").textContent = text;
  get("status").dataset.state = kind;
}

get("filter").oninput = filter;
get("file").onchange = () => takePhoto(get("file").files[0]);
get("live").onclick = backToLive;
get("save").onclick = save;
document.addEventListener("visibilitychange", () => document.hidden || ask());
let inside = 0;
for (const kind of ["dragenter", "dragleave", "dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    inside = kind === "drop" ? 0 : inside + (kind === "dragenter") - (kind === "dragleave");
    document.body.classList.toggle("dropping", inside > 0 && Boolean(state?.photos));
    if (kind === "drop") takePhoto(event.dataTransfer.files[0]);
  });
}
setInterval(tick, 250);
connect();
