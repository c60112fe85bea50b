// Small helpers for the page's elements. Data becomes text, never markup.

export const byId = id => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// Touches the page only where something changes.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function showError(node, text) {
  node.hidden = !text;
  setText(node, text ?? "");
}

// Puts new rows on top of a list and drops the oldest ones.
export function prependRows(list, rows, limit) {
  list.prepend(...rows.reverse());
  while (list.children.length > limit) list.lastElementChild.remove();
}
