"""How the pages look."""

STYLE = """\
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #0969da; }
@media (prefers-color-scheme: dark) { :root { --link: #6cb6ff; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }
header { border-bottom: 1px solid var(--line); display: flex; gap: 1rem; padding-bottom: .5rem; }
header b { flex: 1; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; }
code, pre { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--soft); overflow: auto; padding: .8rem; max-height: 40rem; }
.none { color: #888; }
"""
