"""How the panel looks: in light and in dark, wide and narrow.

JupyterLab and Notebook 7 say which colours they use; Notebook 6 says so as far as ipywidgets does. Colab only says that
it is dark, and VS Code likewise. Where nobody says anything the card is light, and readable by itself.
"""

from __future__ import annotations

__all__ = ["ROOT", "STYLE", "WIDTH"]

ROOT = "cr-panel"
"""The class of the outermost element."""
WIDTH = 744
"""Pixels of what stands in it, where there is so much room."""

_LIGHT = """
--cr-ink: var(--jp-ui-font-color0, #1f2328); --cr-soft: #59636e; --cr-edge: #d1d9e0; --cr-well: #f3f5f7;
--cr-card: var(--jp-layout-color1, #fff); --cr-good: #116329; --cr-busy: #0550ae; --cr-warn: #8a4600;
--cr-alarm: #fff4e0; color-scheme: light;
"""
_DARK = """
--cr-ink: #e6e9ed; --cr-soft: #a2abb5; --cr-edge: #454c54; --cr-well: #2a2e33; --cr-card: #1c1e21;
--cr-good: #6cd184; --cr-busy: #79b8ff; --cr-warn: #f0b429; --cr-alarm: #3a2f14; color-scheme: dark;
"""
_SAY_DARK = ", ".join(
    f"{place} .{ROOT}"
    for place in ('[data-jp-theme-light="false"]', 'html[theme="dark"]', ".vscode-dark", ".vscode-high-contrast")
)

STYLE = f"""<style>
.{ROOT} {{ {_LIGHT} }}
{_SAY_DARK} {{ {_DARK} }}
[data-jp-theme-light="false"] .{ROOT} {{ --cr-card: var(--jp-layout-color1, #1c1e21); }}
.{ROOT} {{ container-type: inline-size; box-sizing: content-box; width: auto; max-width: {WIDTH}px;
  padding: 14px 18px 16px;
  color: var(--cr-ink); background: var(--cr-card); border: 1px solid var(--cr-edge); border-radius: 10px; }}
.{ROOT}, .{ROOT} .widget-html-content {{ font: 13px/19px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans",
  sans-serif; font-variant-numeric: tabular-nums; overflow: visible; }}
.{ROOT} .widget-html {{ width: auto; margin: 0; overflow: visible; color: inherit; }}
.{ROOT} .cr-label {{ font-size: 12px; color: var(--cr-soft); }}
.{ROOT} b {{ font-weight: 600; }}
.{ROOT} small {{ font-size: 12px; color: var(--cr-soft); }}
.{ROOT} i {{ font-style: normal; font-weight: 700; margin-right: .45em; }}
.{ROOT} .cr-good > i, .{ROOT} .cr-good > span > i {{ color: var(--cr-good); }}
.{ROOT} .cr-busy > i, .{ROOT} .cr-moves > span > i {{ color: var(--cr-busy); }}
.{ROOT} .cr-warn i {{ color: var(--cr-warn); }}
.{ROOT} .cr-head {{ display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline;
  justify-content: space-between; }}
.{ROOT} .cr-head b {{ font-size: 16px; margin-right: 6px; overflow-wrap: anywhere; }}
.{ROOT} .cr-state {{ padding: 1px 10px; border: 1px solid currentColor; border-radius: 12px; white-space: nowrap; }}
.{ROOT} .cr-state.cr-good {{ color: var(--cr-good); }}
.{ROOT} .cr-state.cr-busy {{ color: var(--cr-busy); }}
.{ROOT} .cr-state.cr-warn {{ color: var(--cr-warn); }}
.{ROOT} .cr-story {{ display: grid; grid-template-columns: 72px minmax(0, 1fr); gap: 1px 0; margin-top: 8px; }}
.{ROOT} .cr-story div:nth-child(2) {{ font-weight: 600; }}
.{ROOT} .cr-story, .{ROOT} .cr-problems {{ overflow-wrap: anywhere; }}
.{ROOT} .cr-going {{ display: flex; flex-wrap: wrap; gap: 0 12px; justify-content: space-between; margin-top: 14px;
  min-height: 19px; }}
.{ROOT} .cr-bar {{ height: 6px; margin-top: 5px; border-radius: 3px; overflow: hidden; background: var(--cr-edge); }}
.{ROOT} .cr-bar span {{ display: block; height: 100%; border-radius: 3px; background: var(--cr-busy); }}
.{ROOT} .cr-stages {{ display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 22px; margin-top: 14px; }}
.{ROOT} .cr-stage {{ position: relative; padding: 8px 12px 10px; border-radius: 8px;
  background: var(--cr-well); }}
.{ROOT} .cr-stage + .cr-stage::before {{ content: "→"; position: absolute; left: -18px; top: 50%; margin-top: -10px;
  color: var(--cr-soft); }}
.{ROOT} .cr-stage > :is(span, b, small) {{ display: block; }}
.{ROOT} .cr-stage b {{ font-size: 16px; line-height: 24px; }}
.{ROOT} .cr-stage small {{ min-height: 19px; }}
.{ROOT} .cr-stage .cr-bar {{ position: absolute; left: 12px; right: 12px; bottom: 5px; height: 3px; }}
.{ROOT} .cr-facts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(124px, 1fr)); gap: 8px 16px;
  margin-top: 14px; }}
.{ROOT} .cr-facts small {{ display: block; min-height: 19px; }}
.{ROOT} .cr-problems {{ margin-top: 12px; padding: 6px 12px; border-radius: 8px; background: var(--cr-well); }}
.{ROOT} .cr-problems.cr-warn {{ background: var(--cr-alarm); box-shadow: inset 4px 0 var(--cr-warn); }}
.{ROOT} .cr-problems div + div {{ margin-top: 4px; }}
.{ROOT} .cr-problems small {{ display: block; color: inherit; padding-left: 1em; }}
.{ROOT} .cr-picture {{ margin-top: 14px; }}
.{ROOT} .cr-caption {{ display: flex; justify-content: space-between; margin-bottom: 4px; }}
.{ROOT} .cr-picture svg {{ display: block; overflow: visible; color: var(--cr-ink); }}
.{ROOT} .cr-curve text {{ font-size: 11px; fill: var(--cr-soft); stroke: var(--cr-card); stroke-width: 3px;
  paint-order: stroke; }}
.{ROOT} .cr-curve :is(path, polyline) {{ fill: none; vector-effect: non-scaling-stroke; stroke-linecap: round; }}
.{ROOT} .cr-line {{ stroke: var(--cr-busy); stroke-width: 1.6px; stroke-linejoin: round; }}
.{ROOT} .cr-grid {{ stroke: var(--cr-edge); }}
.{ROOT} .cr-restart {{ stroke: var(--cr-soft); stroke-dasharray: 2 4; }}
.{ROOT} .cr-empty {{ display: grid; place-items: center; color: var(--cr-soft); border: 1px dashed var(--cr-edge);
  border-radius: 8px; box-sizing: border-box; }}
@container (max-width: 560px) {{
  .{ROOT} .cr-stages {{ grid-template-columns: minmax(0, 1fr); gap: 4px; }}
  .{ROOT} .cr-stage {{ display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 12px; }}
  .{ROOT} .cr-stage + .cr-stage::before {{ content: none; }}
  .{ROOT} .cr-stage b {{ font-size: 14px; line-height: 19px; text-align: right; }}
  .{ROOT} .cr-stage small + small {{ text-align: right; }}
  .{ROOT} .cr-facts {{ grid-template-columns: repeat(2, minmax(0, 1fr)); }}
}}
</style>"""
