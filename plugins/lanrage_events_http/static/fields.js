// A form for the fields of an event, made from its JSON Schema.

import { element, newId, setText } from "./dom.js";
import { words } from "./format.js";

const KEPT_BY_THE_BUS = new Set(["type", "id", "time", "parent_id"]);

/**
 * Make the inputs for an event type.
 *
 * @param {object} schema the JSON Schema of the event type
 * @param {object} values the values to begin with
 * @param {() => void} changed called when a value is edited
 * @returns {{node: Element, read: () => object, showErrors: (errors: {path: string, message: string}[]) => void}}
 */
export function fieldsForm(schema, values, changed) {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {})
    .filter(([name]) => !KEPT_BY_THE_BUS.has(name))
    .map(([name, part]) => new Field(name, resolve(part, schema), values[name], required.has(name), changed));
  return {
    node: element("div", { class: "fields" }, fields.map((field) => field.node)),
    read: () => Object.fromEntries(fields.filter((field) => !field.isAbsent()).map((field) => [field.name, field.read()])),
    showErrors: (errors) => fields.forEach((field) => field.showErrors(errors)),
  };
}

class Field {
  constructor(name, part, value, required, changed) {
    this.name = name;
    this.part = part;
    this.changed = changed;
    this.given = value !== undefined;
    this.required = required;
    this.inputId = newId("field");
    this.messageId = newId("field");
    const hintId = newId("field");
    this.isNull = value === null || value === undefined;
    this.input = this.#input(value ?? empty(part.kind));
    this.input.id = this.inputId;
    this.message = element("p", { class: "field-message", id: this.messageId, "aria-live": "polite" });
    const hint = [part.description, part.kind === "list" ? "one in each line" : null].filter(Boolean).join("; ");
    this.input.setAttribute("aria-describedby", hint ? `${hintId} ${this.messageId}` : this.messageId);
    const label = element("label", { for: this.inputId }, words(name));
    this.node = element(
      "div",
      { class: part.kind === "boolean" ? "field field-boolean" : "field", "data-field": name },
      element("div", { class: "field-head" }, label, part.nullable ? this.#nullSwitch(name) : null),
      this.input,
      hint ? element("p", { class: "field-hint", id: hintId }, hint) : null,
      this.message,
    );
    this.#showNull();
  }

  /** Whether to make the event without it. */
  isAbsent() {
    return this.isNull && !this.required && !this.given;
  }

  read() {
    if (this.part.nullable && this.isNull) {
      return null;
    }

    const text = this.input.value;
    switch (this.part.kind) {
      case "boolean":
        return this.input.checked;
      case "integer":
      case "number":
        // Anything else goes to the server as it is, which says what is wrong.
        return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
      case "list":
        return text.split("\n").filter((line) => line.trim() !== "").map((line) => this.#item(line.trim()));
      case "json":
        try {
          return JSON.parse(text);
        } catch {
          return text;
        }
      default:
        return text;
    }
  }

  showErrors(errors) {
    const own = errors.filter(({ path }) => String(path).split(/[.[]/).includes(this.name));
    setText(this.message, own.map(({ message }) => message).join("; "));
    this.message.className = own.length ? "field-message field-error" : "field-message";
    if (own.length) {
      this.input.setAttribute("aria-invalid", "true");
    } else {
      this.input.removeAttribute("aria-invalid");
    }
  }

  #item(line) {
    return this.part.items === "string" || !Number.isFinite(Number(line)) ? line : Number(line);
  }

  #nullSwitch(name) {
    const box = element("input", {
      type: "checkbox",
      checked: this.isNull,
      "aria-label": `${words(name)}: no value`,
      onchange: () => {
        this.isNull = box.checked;
        this.given = true;
        this.#showNull();
        this.changed();
      },
    });
    return element("label", { class: "null-switch" }, box, "no value");
  }

  #showNull() {
    this.input.disabled = Boolean(this.part.nullable && this.isNull);
  }

  #input(value) {
    const oninput = () => {
      this.given = true;
      this.isNull = false;
      this.changed();
    };
    const number = (inputmode) => element("input", { class: "input", type: "text", inputmode, value: String(value), oninput });
    const lines = (rows, text, kind = "input") => element("textarea", { class: kind, rows, value: text, oninput });
    switch (this.part.kind) {
      case "boolean":
        return element("input", { type: "checkbox", checked: Boolean(value), onchange: oninput });
      case "integer":
        return number("numeric");
      case "number":
        return number("decimal");
      case "choice":
        return element(
          "select",
          { class: "input", onchange: oninput },
          this.part.choices.map((choice) => element("option", { value: choice, selected: choice === value }, choice)),
        );
      case "list":
        return lines(Math.min(6, value.length + 1), value.join("\n"));
      case "json":
        return lines(3, JSON.stringify(value, null, 2), "input code-input");
      default:
        return lines(String(value).length > 60 ? 3 : 1, String(value));
    }
  }
}

/** Return what kind of input a part of the schema needs. */
function resolve(part, schema) {
  const seen = followed(part, schema);
  const options = (seen.anyOf ?? seen.oneOf ?? [seen]).map((option) => followed(option, schema));
  const real = options.filter(({ type }) => type !== "null");
  const nullable = real.length < options.length;
  const description = seen.description ?? real[0]?.description ?? "";
  const one = real.length === 1 ? real[0] : {};
  return { nullable, description, ...kindOf(one) };
}

function kindOf(one) {
  if (Array.isArray(one.enum) && one.enum.every((choice) => typeof choice === "string")) {
    return { kind: "choice", choices: one.enum };
  }

  const items = one.items?.type;
  if (one.type === "array" && ["string", "number", "integer"].includes(items)) {
    return { kind: "list", items };
  }

  return { kind: ["string", "number", "integer", "boolean"].includes(one.type) ? one.type : "json" };
}

function followed(part, schema) {
  const name = /^#\/\$defs\/(.+)$/.exec(part.$ref ?? "")?.[1];
  return name ? { ...schema.$defs?.[name], ...part } : part;
}

function empty(kind) {
  return { boolean: false, list: [], json: null }[kind] ?? "";
}
