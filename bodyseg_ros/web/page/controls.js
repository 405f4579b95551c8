// Controls of parameters, made from what the parameters say of themselves: kind, choices, range.

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const words = (text) => text.split("`").map((part, i) => (i % 2 ? make("code", { textContent: part }) : part));

export function makeControl(control, enabled, change) {
  const name = make("span", { className: "name", textContent: control.name.slice(control.name.indexOf(".") + 1) });
  const box = make("div", { className: "control" });
  box.dataset.name = control.name;
  box.dataset.words = `${control.name} ${control.description}`.toLowerCase();
  box.dataset.default = JSON.stringify(control.default);
  const part = pick(control)(control, change, name);
  box.show = part.show;
  box.append(...part.elements, make("p", {}, ...words(control.description)));
  for (const input of box.querySelectorAll("input, select, button")) input.disabled = !enabled;
  return box;
}

export function showValue(box, value) {
  box.classList.toggle("changed", JSON.stringify(value) !== box.dataset.default);
  if (!box.contains(document.activeElement) || document.activeElement.type === "range") box.show(value);
}

function pick({ kind, choices, options, minimum, maximum }) {
  if (kind === "bool") return makeSwitch;
  if (options.length) return makeChips;
  if (kind.endsWith("_list")) return makeList;
  if (choices.length && minimum === null) return makeSelect;
  if (kind === "int" || kind === "float") return minimum !== null && maximum !== null ? makeSlider : makeNumber;
  return makeText;
}

function makeSwitch(control, change, name) {
  const input = make("input", { type: "checkbox", role: "switch", onchange: () => change(input.checked) });
  return { elements: [make("label", {}, name, input)], show: (value) => { input.checked = value; } };
}

function makeSelect(control, change, name) {
  const choices = control.choices.map((choice) => make("option", { textContent: choice }));
  const input = make("select", { ariaLabel: control.name }, ...choices);
  input.onchange = () => change(control.choices[input.selectedIndex]);
  return {
    elements: [make("div", { className: "label" }, name), input],
    show: (value) => { input.selectedIndex = control.choices.indexOf(value); },
  };
}

function makeSlider(control, change, name) {
  const whole = control.kind === "int";
  const step = whole ? 1 : 10 ** Math.floor(Math.log10((control.maximum - control.minimum) / 99));
  const limits = { min: control.minimum, max: control.maximum, ariaLabel: control.name };
  const slider = make("input", { type: "range", ...limits, step });
  const input = make("input", { type: "number", className: "value", ...limits, step: whole ? 1 : "any" });
  let busyUntil = 0; // while it is moved, older values that come back do not move it
  slider.oninput = () => {
    busyUntil = performance.now() + 800;
    input.value = slider.value;
    change(Number(slider.value));
  };
  input.onchange = () => input.value !== "" && change(Number(input.value));
  return {
    elements: [make("label", {}, name, input), slider],
    show: (value) => { if (performance.now() > busyUntil) input.value = slider.value = value; },
  };
}

function makeNumber(control, change, name) {
  const input = make("input", { type: "number", className: "value", step: control.kind === "int" ? 1 : "any" });
  if (control.minimum !== null) input.min = control.minimum;
  if (control.maximum !== null) input.max = control.maximum;
  input.onchange = () => input.value !== "" && change(Number(input.value));
  return { elements: [make("label", {}, name, input)], show: (value) => { input.value = value; } };
}

// Text, or one of some names or a number: what looks like a number is sent as one where numbers are allowed.
function makeText(control, change, name) {
  const input = make("input", { type: "text", ariaLabel: control.name, placeholder: control.allowed });
  const elements = [make("div", { className: "label" }, name), input];
  if (control.choices.length) {
    const list = make("datalist", { id: `choices of ${control.name}`.replaceAll(" ", "_") });
    list.append(...control.choices.map((choice) => make("option", { value: choice })));
    input.setAttribute("list", list.id);
    elements.push(list);
  }
  const number = (text) => control.minimum !== null && text.trim() !== "" && !Number.isNaN(Number(text));
  input.onchange = () => change(number(input.value) ? Number(input.value) : input.value);
  return { elements, show: (value) => { input.value = value; } };
}

function makeList(control, change, name) {
  const input = make("input", { type: "text", ariaLabel: control.name, placeholder: "comma-separated" });
  const numbers = /^(int|float)/.test(control.kind);
  input.onchange = () => {
    const words = input.value.split(",").map((word) => word.trim()).filter(Boolean);
    change(numbers ? words.map(Number) : words);
  };
  return {
    elements: [make("div", { className: "label" }, name), input],
    show: (value) => { input.value = value.join(", "); },
  };
}

// A chain of names: pressed ones in their order; pressing appends or removes.
function makeChips(control, change, name) {
  let chosen = [];
  const chips = control.options.map((option) => make("button", { type: "button", textContent: option }));
  const show = (value) => {
    chosen = [...value];
    for (const chip of chips) {
      const place = chosen.indexOf(chip.textContent.replace(/^\d+ /, ""));
      const option = chip.textContent.replace(/^\d+ /, "");
      chip.textContent = chosen.length > 1 && place >= 0 ? `${place + 1} ${option}` : option;
      chip.ariaPressed = String(place >= 0);
    }
  };
  for (const [i, chip] of chips.entries()) {
    chip.onclick = () => {
      const option = control.options[i];
      const next = chosen.includes(option) ? chosen.filter((one) => one !== option) : [...chosen, option];
      if (!next.length) return; // a chain needs one effect
      show(next);
      change(next);
    };
  }
  const label = make("div", { className: "label" }, name);
  return { elements: [label, make("div", { className: "chips" }, ...chips)], show };
}
