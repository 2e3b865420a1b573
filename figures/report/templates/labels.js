"use strict";
// Every label of a reader's own data: sorted, filtered, after other numbers of rounds, with the samples that speak against it.
(() => {
  const app = document.getElementById("labels-app");
  const data = JSON.parse(document.getElementById("labels-data").textContent);
  const control = (name) => app.querySelector(`[name="${name}"]`);
  const body = app.querySelector("table.rows tbody"), more = app.querySelector("[data-more]");
  const headings = [...app.querySelectorAll("th[data-key]")];
  const PAGE = 100;
  let shown = PAGE, order = { key: "score", direction: -1 };
  const open = new Set();

  const say = (input, text) => {
    input.previousElementSibling.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  const number = (value, places) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(places);
  control("rounds").value = data.rounds.findIndex((r) => r.rounds === data.chosen);

  // What is known of every label after the chosen rounds.
  function labels() {
    const after = data.rounds[Number(control("rounds").value)];
    return data.rows.map((row, i) => ({
      row, i, given: data.given[i], score: after.scores[i], confidence: after.confidence[i],
      suggested: after.suggested[i],
    }));
  }

  const values = data.classes.map((_, k) => k);
  const rank = new Map([...values].sort((a, b) => data.classes[a].localeCompare(data.classes[b], undefined, { numeric: true })).map((k, i) => [k, i]));
  const place = { row: (l) => l.row, given: (l) => rank.get(l.given), suggested: (l) => rank.get(l.suggested), score: (l) => l.score, confidence: (l) => l.confidence };

  function wanted() {
    const word = control("search").value.trim().toLowerCase();
    const least = Number(control("confidence").value), given = control("given").value, suggested = control("suggested").value;
    const found = labels().filter((l) =>
      (!control("contradicted").checked || l.score > 0) && l.confidence >= least &&
      (given === "" || l.given === Number(given)) && (suggested === "" || l.suggested === Number(suggested)) &&
      (!word || (/^\d+$/.test(word) ? String(l.row) === word : words(l).includes(word))));
    const of = place[order.key];
    return found.sort((a, b) => order.direction * (of(a) - of(b)) || a.row - b.row);
  }

  const words = (l) => [data.classes[l.given], data.classes[l.suggested], ...(data.features[l.i] ?? [])].join(" ").toLowerCase();

  const cell = (text, className) => {
    const made = document.createElement("td");
    made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  function line(cells, head) {
    const row = document.createElement("tr");
    for (const [text, className] of cells) {
      const made = cell(text, className);
      row.append(head ? Object.assign(document.createElement("th"), { textContent: text, scope: "col" }) : made);
    }
    return row;
  }

  // The samples whose labels weigh most, beside the sample itself.
  function reasons(l) {
    const row = document.createElement("tr"), holder = cell("", "reasons"), table = document.createElement("table");
    holder.colSpan = headings.length + 1;
    table.append(Object.assign(document.createElement("caption"), { textContent: `Whose labels weigh most for row ${l.row}, after ${data.chosen} ${data.chosen === 1 ? "round" : "rounds"}` }));
    table.append(line([["row"], ["label"], ["weight"], ...data.names.map((n) => [n])], true));
    table.append(line([[`${l.row} itself`, "num"], [data.classes[l.given]], [""], ...(data.features[l.i] ?? []).map((v) => [v])]));
    for (const n of data.neighbours[l.i])
      table.append(line([[n.row, "num"], [data.classes[n.label]], [number(n.weight, 3), "num"], ...(n.features ?? []).map((v) => [v])]));
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    scroll.append(table);
    holder.append(scroll);
    row.append(holder);
    return row;
  }

  function update() {
    const after = data.rounds[Number(control("rounds").value)], all = labels(), found = wanted();
    say(control("rounds"), `${after.rounds}${after.rounds === data.chosen ? " (chosen by leave-one-out)" : ""}`);
    say(control("confidence"), Number(control("confidence").value).toFixed(2));
    for (const heading of headings) {
      if (heading.dataset.key === order.key) heading.setAttribute("aria-sort", order.direction > 0 ? "ascending" : "descending");
      else heading.removeAttribute("aria-sort");
    }
    body.replaceChildren();
    for (const l of found.slice(0, shown)) {
      const row = line([[l.row, "num"], [data.classes[l.given]], [data.classes[l.suggested], l.score > 0 ? "fails" : "soft"], [number(l.score, 3), "num"], [number(l.confidence, 2), "num"]]);
      const last = cell("");
      if (data.neighbours[l.i]) {
        const button = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: open.has(l.i) ? "hide" : "why?" });
        button.setAttribute("aria-expanded", String(open.has(l.i)));
        button.setAttribute("aria-label", `why row ${l.row}`);
        button.dataset.row = l.row;
        button.addEventListener("click", () => {
          if (!open.delete(l.i)) open.add(l.i);
          update();
          body.querySelector(`button[data-row="${l.row}"]`)?.focus();
        });
        last.append(button);
      }
      row.append(last);
      body.append(row);
      if (open.has(l.i) && data.neighbours[l.i]) body.append(reasons(l));
    }
    more.hidden = found.length <= shown;
    const wrong = all.filter((l) => l.score > 0).length;
    app.querySelector("[role=status]").textContent =
      `After ${after.rounds} ${after.rounds === 1 ? "round" : "rounds"} the others contradict ${wrong} of ${all.length} labels; ${found.length} rows match, ${Math.min(shown, found.length)} are shown.`;
  }

  for (const heading of headings) heading.querySelector("button").addEventListener("click", () => {
    const key = heading.dataset.key;
    order = { key, direction: order.key === key ? -order.direction : key === "score" || key === "confidence" ? -1 : 1 };
    update();
  });
  more.addEventListener("click", () => { shown += PAGE; update(); });
  app.addEventListener("input", () => { shown = PAGE; update(); });
  update();
})();
