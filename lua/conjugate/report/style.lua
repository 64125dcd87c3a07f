--- The style sheet of every page: light and dark, on screen and on paper.
-- Curves have the colours of `plot.colour` (Okabe and Ito), lighter on a dark page.
-- @module conjugate.report.style
local colour = require "conjugate.plot.colour"

local dark = { "#56a8e8", "#ff8f4d", "#2fc79a", "#e6a0c8", "#f0b93a", "#9ad4f5", "#e8e8e8" }

local function variables(list)
  local lines = {}
  for i, value in ipairs(list) do lines[i] = ("--s%d:%s;"):format(i, value) end
  return table.concat(lines)
end

local function classes()
  local lines = {}
  for i = 1, #dark do lines[i] = (".s%d{color:var(--s%d)}"):format(i, i) end
  return table.concat(lines, "\n")
end

local text = [[
:root{color-scheme:light dark;--page:#fdfdfc;--ink:#1d1f23;--quiet:#61666f;--rule:#d9dbdf;
--soft:#f3f4f5;--good:#0b6b4a;--bad:#a8320f;--open:#7a5a00;LIGHT}
@media(prefers-color-scheme:dark){:root{--page:#16181c;--ink:#e4e6ea;--quiet:#9ba1ab;
--rule:#363a42;--soft:#1f2228;--good:#52cfa0;--bad:#ff9371;--open:#e3bd5c;DARK}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:2.5rem 1.5rem 4rem;max-width:75rem;background:var(--page);
color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",
Arial,sans-serif}
h1{margin:0 0 .3rem;font-size:1.7rem;line-height:1.25;font-weight:600;letter-spacing:-.01em}
h2{margin:2.6rem 0 .7rem;font-size:1.15rem;font-weight:600}
p{margin:.5rem 0;max-width:46rem}
.lead{color:var(--quiet)}
.scroll{overflow-x:auto}
.charts+.scroll,section>figure+figure{margin-top:1.6rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:.34rem .9rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
th:first-child,td:first-child{padding-left:0}
thead th{font-weight:600;border-bottom:1px solid var(--quiet);vertical-align:bottom}
tbody th{font-weight:400}
.num{text-align:right}
td.num{white-space:nowrap}
.line{white-space:nowrap}
.of{color:var(--quiet);white-space:nowrap}
.total td,.total th{font-weight:600}
.caption{color:var(--quiet);font-size:.88rem}
figure{margin:.8rem 0 0}
figcaption{color:var(--quiet);font-size:.88rem;margin-top:.35rem;max-width:46rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30rem,100%),1fr));
gap:1.2rem 2.4rem}
svg{display:block;width:100%;height:auto;max-width:44rem}
svg text{fill:var(--quiet);font-size:12px;font-variant-numeric:tabular-nums}
svg .name,svg .title{fill:var(--ink)}
svg path{fill:none}
.grid{stroke:var(--rule);stroke-width:.7}
.axis{stroke:var(--quiet)}
.curve{stroke:currentColor;stroke-width:1.9;stroke-linejoin:round}
svg .band{fill:currentColor;fill-opacity:.13}
svg circle,svg rect,svg g path:not(.curve):not(.band):not(.grid):not(.axis){fill:currentColor}
img{display:block;background:#fff;border-radius:4px;image-rendering:pixelated}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.6rem;margin:.6rem 0;
font-size:.92rem}
dt{color:var(--quiet)}
dd{margin:0;overflow-wrap:anywhere}
details{margin:.7rem 0;padding-bottom:.4rem;border-bottom:1px solid var(--rule)}
summary{cursor:pointer}
.verdict{font-size:1.15rem;font-weight:600}
.pass{color:var(--good)}
.fail{color:var(--bad)}
.skipped,.reported{color:var(--open)}
.notes li{max-width:46rem;color:var(--bad)}
.vary{font-style:italic;color:var(--quiet)}
footer{margin-top:3rem;padding-top:.8rem;border-top:1px solid var(--rule);color:var(--quiet);
font-size:.85rem}
@media print{body{max-width:none;padding:0}h2{break-after:avoid}figure,tr{break-inside:avoid}}
]]

return {
  --- The style sheet as text.
  text = text:gsub("LIGHT", variables(colour.lines)):gsub("DARK", variables(dark)) .. classes(),
}
