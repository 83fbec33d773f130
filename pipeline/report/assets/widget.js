// "What should I use?": looks up what pipeline.analysis.advise, or a race, answered when the page was made.
"use strict";
(() => {
  const { byId, make, address } = lab;
  const data = lab.read("choose-data");
  if (!data) return;
  const { studies, strings } = data;
  const part = Object.fromEntries(
    ["study", "optimizer", "target", "scarce", "answer"].map((name) => [name, byId(`choose-${name}`)]),
  );
  const study = () => studies[Number(part.study.value)];
  const fill = (select, entries, chosen) => {
    select.replaceChildren(...entries.map(([value, text]) => make("option", text, { value })));
    select.value = chosen;
  };

  const show = () => {
    const { value: scarce } = part.scarce;
    byId("choose-target-field").hidden = study().targets.length < 2 || scarce === "loss";
    const found = study().answers[`${part.optimizer.value}|${part.target.value}|${scarce}`] ?? { why: strings.none };
    if (found.why) return part.answer.replaceChildren(make("p", found.why));
    const unit = ["epochs", "steps", "examples"].includes(scarce) ? ` ${part.scarce.selectedOptions[0].text}` : "";
    const best = make("p", undefined, { class: "best" });
    best.append(make("strong", found.who, { id: "choose-best" }), " ", make("span", `${found.cost}${unit}`, { id: "choose-cost" }));
    const sure = make("p", undefined, { class: found.decided ? "sure" : "unsure" });
    sure.append(make("span", found.decided ? "✓" : "?", { class: "sign", "aria-hidden": "true" }), " ", found.sure);
    const runner = make("p", `${strings.runner}: ${found.runner}`, { class: "quiet" });
    const command = make("p", `${strings.command}: `, { class: "command" });
    if (found.command) {
      const copy = make("button", strings.copy, { type: "button", class: "copy", "data-copy": found.command });
      command.append(make("code", found.command), " ", copy);
    } else command.append(strings.noCommand);
    if (lab.curves?.has(study().name, found.cell)) {
      const curve = make("button", strings.curve, { type: "button", class: "copy" });
      curve.addEventListener("click", () => lab.curves.add(study().name, found.cell));
      command.append(" ", curve);
    }
    const parting = study().parting ? [make("p", study().parting, { class: "quiet" })] : [];
    return part.answer.replaceChildren(best, sure, runner, ...parting, command);
  };
  const refill = (optimizer, target) => {
    const { optimizers, targets, target: own } = study();
    const known = optimizers.includes(optimizer) ? optimizer : "";
    fill(part.optimizer, [["", strings.any], ...optimizers.map((name) => [name, name])], known);
    const words = ({ text }, i) => [i, i === own ? strings.own.replace("{loss}", text) : text];
    const number = targets.findIndex(({ text }) => text === target);
    fill(part.target, targets.map(words), number < 0 ? own : number);
    for (const option of part.scarce.options)
      option.hidden = option.disabled = !Object.keys(study().answers).some((key) => key.endsWith(`|${option.value}`));
    if (part.scarce.selectedOptions[0]?.disabled)
      part.scarce.value = [...part.scarce.options].find((option) => !option.disabled).value;
  };
  const keep = () => {
    const { targets, target } = study();
    lab.remember({
      of: part.study.value === "0" ? null : study().name,
      scarce: part.scarce.value === "epochs" ? null : part.scarce.value,
      optimizer: part.optimizer.value,
      target: Number(part.target.value) === target ? null : targets[Number(part.target.value)].text,
    });
  };
  const restore = () => {
    part.study.value = String(Math.max(studies.findIndex(({ name }) => name === address.get("of")), 0));
    const wanted = [...part.scarce.options].find(({ value }) => value === address.get("scarce"));
    part.scarce.value = wanted?.value ?? "epochs";
    refill(address.get("optimizer"), address.get("target"));
    show();
  };

  part.study.addEventListener("change", () => (refill(part.optimizer.value), show(), keep()));
  for (const name of ["optimizer", "target", "scarce"]) part[name].addEventListener("change", () => (show(), keep()));
  restore();
  lab.restored(restore);
})();
