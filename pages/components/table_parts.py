"""Styles and functions that the tables in the browser share: put before a component's own `css` and `js`."""

from __future__ import annotations

CSS = """
:host { display: block; }
.frame { font-family: var(--st-font); color: var(--st-text-color); }
caption, .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
"""
"""Text of a table in the app's font and colour; a caption and `.hidden` are for screen readers only."""

JS = """
const make = (tag, text, values) => Object.assign(document.createElement(tag), { textContent: text, ...values });
const fill = (table, label, head, rows) => {
  const top = make("thead", ""), body = make("tbody", "");
  top.append(head);
  body.append(...rows);
  table.replaceChildren(make("caption", label), top, body);
};
"""
"""`make` returns an element with a text and properties; `fill` replaces a table's caption, head row and rows."""
