// Finding one's way on the page: the list of claims and its filters, the contents, buttons that copy.
"use strict";
(() => {
  // -- claims: those with one of the verdicts, of one of the sources, and with all of the words
  const form = document.getElementById("claim-filters");
  if (form) {
    const claims = [...document.querySelectorAll("details.claim")].map((element) => ({
      element,
      verdict: element.dataset.verdict,
      group: element.dataset.group,
      text: element.textContent.toLowerCase(),
    }));
    const count = document.getElementById("claims-count");
    const ticked = (name) => [...form.querySelectorAll(`[name=${name}]:checked`)].map(({ value }) => value);
    const filter = () => {
      const [verdicts, groups] = [ticked("verdict"), ticked("group")];
      const words = form.words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const among = (list, value) => !list.length || list.includes(value);
      let shown = 0;
      for (const { element, verdict, group, text } of claims) {
        const kept = among(verdicts, verdict) && among(groups, group) && words.every((word) => text.includes(word));
        element.hidden = !kept;
        shown += kept;
      }
      for (const group of document.querySelectorAll(".claim-group, .claim-group .folded"))
        group.hidden = !group.querySelector("details.claim:not([hidden])");
      for (const folded of document.querySelectorAll(".claim-group .folded")) folded.open = shown < claims.length;
      count.textContent = count.dataset.text.replace("{n}", shown).replace("{total}", claims.length);
    };
    const read = () => {
      for (const box of form.querySelectorAll("[type=checkbox]"))
        box.checked = (lab.address.get(box.name) ?? "").split(",").includes(box.value);
      form.words.value = lab.address.get("words") ?? "";
      filter();
    };
    form.addEventListener("input", () => {
      lab.remember({ verdict: ticked("verdict").join(), group: ticked("group").join(), words: form.words.value });
      filter();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("hashchange", () => {
      // A link to a claim that is filtered out shows it again.
      if (document.getElementById(location.hash.slice(1))?.closest("details.claim[hidden]")) {
        form.reset();
        filter();
      }
    });
    lab.restored(read);
    read();
  }

  // -- the contents: the section that is being read is marked
  const links = new Map([...document.querySelectorAll("#contents a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        const link = links.get(target.getAttribute("aria-labelledby"));
        link.setAttribute("aria-current", "true");
        const list = link.closest("ul");
        list.scrollTo({ left: link.offsetLeft - list.offsetLeft - 16 });
      }
    },
    { rootMargin: "-30% 0px -65% 0px" },
  );
  for (const section of document.querySelectorAll("main > section[aria-labelledby]"))
    if (links.has(section.getAttribute("aria-labelledby"))) seen.observe(section);

  // -- copying: a button with data-copy; without a clipboard (an old browser, a page that is not trusted) the text is
  // selected, so that a key copies it
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button[data-copy]");
    if (!button) return;
    const said = button.dataset.said ?? "✓";
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      const box = document.createElement("textarea");
      box.value = button.dataset.copy;
      document.body.append(box);
      box.select();
      document.execCommand("copy");
      box.remove();
      button.focus();
    }
    if (label === said) return;
    button.textContent = said;
    setTimeout(() => (button.textContent = label), 1500);
  });
})();
