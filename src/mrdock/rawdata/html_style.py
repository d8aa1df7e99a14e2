"""What the pages of ExamCards look like, and the search in them. Both stand inside a page, so neither has < or &."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --ink: #1c2430; --soft: #5c6675; --line: #d9dee6; --paper: #ffffff; --panel: #f5f7fa; --accent: #0b5cad;
  --mark: #b3410e; --marked: #fdf1e6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e8ee; --soft: #9aa5b4; --line: #343d4a; --paper: #14181e; --panel: #1c222b; --accent: #7db8f5;
    --mark: #f0a05e; --marked: #33271b;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 4rem; }
body {
  margin: 0 auto; max-width: 100rem; padding: 0 1.25rem 3rem; background: var(--paper); color: var(--ink);
  font: 14px/1.4 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.2; margin: 1.5rem 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 0; overflow-wrap: anywhere; }
a { color: var(--accent); text-decoration: none; }
a:hover, a:focus { text-decoration: underline; }
p { margin: .25rem 0; }
.soft { color: var(--soft); }
.problem { color: var(--mark); font-weight: 600; }
.facts { display: flex; flex-wrap: wrap; gap: .2rem 1.5rem; margin: .75rem 0; }
.facts div { display: flex; gap: .4rem; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th { font-weight: 400; text-align: left; }
td, th { padding: .12rem .4rem; vertical-align: top; }
#search {
  position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; align-items: center; gap: .4rem 1.2rem;
  margin: .75rem -1.25rem; padding: .6rem 1.25rem; background: var(--panel); border: solid var(--line);
  border-width: 1px 0;
}
#search[hidden] { display: none; }
#search input[type=search] {
  width: min(22rem, 60vw); padding: .3rem .5rem; font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--line); border-radius: .3rem;
}
#contents { margin: 1rem 0 2rem; }
#contents thead th { color: var(--soft); border-bottom: 1px solid var(--line); white-space: nowrap; }
#contents tbody tr:hover { background: var(--panel); }
#contents td { overflow-wrap: anywhere; }
#contents .n, .d { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
#contents tfoot td { border-top: 1px solid var(--line); font-weight: 600; }
.scan { margin-top: 2rem; padding-top: 1rem; border-top: 2px solid var(--line); }
.head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .9rem; }
.number { color: var(--soft); font-weight: 400; margin-right: .35rem; }
.tag {
  font-size: .75rem; color: var(--soft); border: 1px solid var(--line); border-radius: .7rem; padding: 0 .5rem;
  white-space: nowrap;
}
.head .d { margin-left: auto; font-weight: 600; }
details { margin: .5rem 0; padding: .4rem .7rem; background: var(--panel); border-radius: .3rem; }
summary { color: var(--soft); cursor: pointer; }
details p { max-width: 60rem; overflow-wrap: anywhere; }
.columns { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0 2rem; align-items: start; }
.columns table { margin-top: .9rem; }
.columns caption {
  text-align: left; font-size: .75rem; font-weight: 700; letter-spacing: .06em; color: var(--accent);
  border-bottom: 1px solid var(--accent); padding: 0 .4rem .1rem;
}
.columns td, .columns th { width: 45%; padding: .08rem .4rem; overflow-wrap: anywhere; }
.columns th { width: 55%; }
.columns tr { border-bottom: 1px solid var(--line); }
.columns .l1 { padding-left: 1.4rem; }
.columns .l2 { padding-left: 2.4rem; }
.guess { font-style: italic; }
.name { font: .8em/1.3 ui-monospace, Consolas, Menlo, monospace; color: var(--soft); }
.unseen { color: var(--soft); }
.new td { background: var(--marked); }
.mark { color: var(--mark); margin-left: .4rem; cursor: help; }
.all .columns, .diff .columns { display: block; }
.all .columns td, .all .columns th { width: 30%; }
.all .columns .name { width: 30%; }
.diff thead th { color: var(--soft); border-bottom: 1px solid var(--line); }
.diff .columns td, .diff .columns th { width: 33%; }
footer { margin-top: 3rem; padding-top: .6rem; border-top: 1px solid var(--line); color: var(--soft); }
footer { font-size: .85rem; }
@media (max-width: 68rem) {
  .columns { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (max-width: 44rem) {
  body { padding: 0 .7rem 2rem; }
  #search { margin: .75rem -.7rem; padding: .5rem .7rem; }
  .columns { display: block; }
  #contents .wide { display: none; }
}
@media print {
  :root {
    color-scheme: light;
    --ink: #000; --soft: #444; --line: #ccc; --paper: #fff; --panel: #fff; --accent: #000; --mark: #000;
    --marked: #eee;
  }
  @page { size: A4; margin: 11mm 10mm; }
  body { max-width: none; padding: 0; font-size: 6.7pt; line-height: 1.2; }
  h1 { font-size: 13pt; margin-top: 0; }
  h2 { font-size: 10pt; }
  #search, footer .screen { display: none; }
  #contents { margin: 1rem 0; font-size: 8pt; }
  #contents .wide { display: table-cell; }
  #contents tr { break-inside: avoid; }
  a { color: inherit; }
  .scan { break-before: page; margin-top: 0; padding-top: 0; border-top: 0; }
  .diff .scan { break-before: auto; margin-top: 6pt; }
  .columns { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0 4mm; }
  .columns td, .columns th { padding: .1pt 2pt; }
  .columns th { width: 60%; }
  details { padding: 0 2pt; }
  details p { max-width: none; }
  .columns .l1 { padding-left: 8pt; }
  .columns .l2 { padding-left: 14pt; }
  .columns table { margin-top: 4pt; }
  .columns caption { font-size: 7pt; }
  .columns tr, .columns caption { break-inside: avoid; }
  .tag { font-size: 7pt; }
  .mark { margin-left: 3pt; }
  .new td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

SCRIPT: Final = """
(function () {
  "use strict";
  var form = document.getElementById("search");
  if (!form) { return; }
  var words = form.querySelector("input[type=search]");
  var changed = form.querySelector("input[type=checkbox]");
  var found = form.querySelector("output");
  var scans = Array.from(document.querySelectorAll(".scan"));
  function text(node) {
    return (node.textContent + " " + (node.getAttribute("data-name") || "")).toLowerCase();
  }
  var tables = Array.from(document.querySelectorAll(".columns table")).map(function (table) {
    return {
      table: table,
      rows: Array.from(table.querySelectorAll("tbody tr")).map(function (row) {
        return { row: row, text: text(row), isNew: row.classList.contains("new") };
      })
    };
  });
  function look() {
    var wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
    var only = changed ? changed.checked : false;
    var all = wanted.length === 0 ? !only : false;
    var count = 0;
    tables.forEach(function (one) {
      var any = false;
      one.rows.forEach(function (row) {
        var hit = (row.isNew || !only) ? wanted.every(function (word) { return row.text.includes(word); }) : false;
        row.row.hidden = !hit;
        if (hit) { any = true; count += 1; }
      });
      one.table.hidden = !any;
    });
    scans.forEach(function (scan) {
      scan.hidden = all ? false : !scan.querySelector(".columns table:not([hidden])");
    });
    found.textContent = all ? "" : count + (count === 1 ? " row" : " rows");
  }
  form.hidden = false;
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  words.addEventListener("input", look);
  if (changed) { changed.addEventListener("change", look); }
  look();
}());
"""
