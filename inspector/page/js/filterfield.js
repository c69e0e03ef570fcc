// The field for the filter of a live list, with an explanation of its terms.
import { h, setText } from "./dom.js";
import { get } from "./api.js";

// filterField returns the nodes of a field and its methods. list is the call that
// checks a filter. watch is called with the parameters of the stream when the
// filter has changed and is valid, and at first.
export function filterField({ view, list, value, placeholder, terms, watch }) {
  let filter = value;
  let requested = false; // whether the stream was requested
  let ended = false;
  let timer;
  const wrong = h("p", { class: "bad wrong", id: "wrong", role: "alert", hidden: true });
  const input = h("input", {
    type: "search", value, placeholder, "aria-label": "Filter", "aria-describedby": "wrong", spellcheck: false, autocomplete: "off",
    oninput: () => { clearTimeout(timer); timer = setTimeout(apply, 300); }, onkeydown: (e) => { if (e.key === "Enter") apply(); },
  });
  const help = h("dl", { class: "terms", hidden: true }, terms.map(([term, what]) => [
    h("dt", {}, h("button", { class: "small", title: "Add to the filter", onclick: () => { input.focus(); set((input.value.trim() + " " + term).trim()); } }, term)), h("dd", {}, what)]).flat());
  const toggle = h("button", { "aria-expanded": "false", onclick: () => { help.hidden = !help.hidden; toggle.setAttribute("aria-expanded", String(!help.hidden)); } }, "Terms");

  function set(text) {
    input.value = text;
    apply();
  }

  function apply() {
    clearTimeout(timer);
    if (input.value === filter && wrong.hidden) return;
    filter = input.value;
    history.replaceState(null, "", `#/${view}` + (filter ? "?" + new URLSearchParams({ filter }) : ""));
    check();
  }

  // check requests frames for the filter if the server accepts the filter.
  async function check() {
    const tried = filter;
    let problem = "";
    try {
      await get(list, { filter, limit: 1 });
    } catch (error) {
      if (!error.lost) problem = error.message.replace(/^filter: /, "");
    }
    if (tried !== filter || ended) return;
    input.classList.toggle("wrong", !!problem);
    input.setAttribute("aria-invalid", String(!!problem));
    wrong.hidden = !problem;
    setText(wrong, problem && `${problem[0].toUpperCase()}${problem.slice(1)}. ${requested ? "The list is unchanged." : "The list shows all."}`);
    if (problem && requested) return;
    requested = true;
    watch(problem ? {} : { filter });
  }

  return {
    input, terms: toggle, wrong, help, set, watch: check,
    value: () => filter,
    end() { ended = true; clearTimeout(timer); },
  };
}
