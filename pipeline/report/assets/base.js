// What the page's other scripts share: elements, numbers as the language writes them, and the state in the address.
"use strict";
const lab = (() => {
  const byId = (id) => document.getElementById(id);
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const draw = (tag, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const read = (id) => byId(id) && JSON.parse(byId(id).textContent);
  document.documentElement.classList.add("scripted");

  const tag = { en: "en-GB", pt: "pt-BR" }[document.documentElement.lang];
  const number = (value, digits = 5) =>
    value === null || value === undefined
      ? "–"
      : new Intl.NumberFormat(tag, { maximumSignificantDigits: digits }).format(value);
  const decimals = (value, digits) =>
    new Intl.NumberFormat(tag, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  const seconds = (value, digits = 3) => {
    if (value === null || value === undefined) return "–";
    const [scale, unit] = value >= 0.9995 || !value ? [1, "s"] : value >= 0.9995e-3 ? [1e3, "ms"] : [1e6, "µs"];
    return `${number(value * scale, digits)}\u00a0${unit}`;
  };

  // The address keeps what a reader has chosen, as #clock=steps&…; an anchor has no "=", and still is a place.
  const chosen = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  const address = { get: (key) => chosen().get(key) };
  const remember = (choices) => {
    const all = chosen();
    for (const [key, value] of Object.entries(choices))
      if (value === null || value === "") all.delete(key);
      else all.set(key, value);
    const text = String(all);
    if (text || location.hash.includes("=")) history.replaceState(null, "", text ? `#${text}` : location.href.split("#")[0]);
  };
  const restored = (listener) =>
    addEventListener("hashchange", () => location.hash.includes("=") && listener());

  return { byId, make, draw, read, number, decimals, seconds, address, remember, restored };
})();
