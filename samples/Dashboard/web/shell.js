// Tabs, theme, and what comes first.

import { byId, setText } from "./dom.js";

// No id of an element: the browser would scroll there.
const hashOf = tab => `#tab=${tab.getAttribute("aria-controls")}`;

export function startTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const select = tab => {
    for (const other of tabs) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", chosen);
      other.tabIndex = chosen ? 0 : -1;
      byId(other.getAttribute("aria-controls")).hidden = !chosen;
    }
    history.replaceState(null, "", hashOf(tab));
  };
  for (const tab of tabs) {
    tab.onclick = () => select(tab);
    tab.onkeydown = event => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const next = tabs[(tabs.indexOf(tab) + 1) % tabs.length]; // there are two
      select(next);
      next.focus();
    };
  }
  select(tabs.find(tab => hashOf(tab) === location.hash) ?? tabs[0]);
}

// The system's theme until somebody chooses.
export function startTheme() {
  const button = byId("theme"), system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = localStorage.getItem("theme");
  const isDark = () => chosen ? chosen === "dark" : system.matches;
  const apply = () => {
    if (chosen) document.documentElement.style.colorScheme = chosen;
    setText(button, isDark() ? "☀ Light" : "☾ Dark");
    button.setAttribute("aria-label", isDark() ? "Light theme" : "Dark theme");
  };
  button.onclick = () => {
    chosen = isDark() ? "light" : "dark";
    localStorage.setItem("theme", chosen);
    apply();
  };
  system.onchange = apply;
  apply();
}

// On a phone, messages and sending come first. The others are moved, because an element that is moved loses the focus: whoever types goes on typing when the phone is turned.
export function startOrder() {
  const phone = matchMedia("(max-width: 620px)"), talk = byId("talk"), charts = byId("charts"), clients = byId("clients-card");
  const apply = () => phone.matches ? talk.after(clients, charts) : talk.before(charts, clients);
  phone.onchange = apply;
  apply();
}
