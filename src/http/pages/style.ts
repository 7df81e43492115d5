import { createHash } from 'node:crypto'

/**
 * The whole look of the pages: the tokens of the product (light and dark by the reader's system), one column, lines
 * instead of boxes; only what will run gets a frame. Nothing comes from outside, fonts included.
 */
export const STYLE = `
:root{color-scheme:light dark;
--canvas:#F6F7F9;--surface:#FFFFFF;--sunken:#F8F9FB;--hover:#F1F3F6;--line:#E4E7EC;--line-strong:#CDD3DB;
--ink:#14181F;--ink-2:#475060;--ink-3:#626B79;--accent:#1A50BF;--accent-soft:#EAF1FE;
--held:#8A4B00;--held-soft:#FFF3DC;--held-mark:#C67700;--ok:#13663F;--ok-soft:#E6F5EC;--ok-mark:#1E8A57;
--no:#B0201A;--no-soft:#FDECEB;--no-mark:#CF2F28;--end:#566070;--end-soft:#EEF0F4;
--mono:"JetBrains Mono",ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (prefers-color-scheme:dark){:root{
--canvas:#0B0D11;--surface:#12151A;--sunken:#0E1116;--hover:#1A1E25;--line:#242932;--line-strong:#39414D;
--ink:#ECEFF4;--ink-2:#AEB7C4;--ink-3:#8C96A5;--accent:#82AEFF;--accent-soft:#15233F;
--held:#F3BA57;--held-soft:#2C2110;--held-mark:#E09A26;--ok:#6AD29B;--ok-soft:#10271C;--ok-mark:#38AD74;
--no:#FF938B;--no-soft:#361917;--no-mark:#F0564D;--end:#A3ADBB;--end-soft:#1D222A}}
*{box-sizing:border-box;margin:0}
html{scroll-padding-top:60px;-webkit-text-size-adjust:100%}
body{background:var(--surface);color:var(--ink);font:400 14px/22px Inter,ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-feature-settings:"tnum","cv05";overflow-wrap:break-word}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:4px}
.top{position:sticky;top:0;z-index:1;background:var(--surface);border-bottom:1px solid var(--line)}
.top>div{display:flex;align-items:center;gap:12px;height:48px;padding:0 24px;margin:0 auto}
.brand{display:flex;align-items:center;gap:10px;color:var(--ink);font-weight:650;font-size:15px;letter-spacing:-.01em}
.brand:hover{text-decoration:none}
.mark{width:20px;height:20px;display:block;flex:none}.mark .post{fill:var(--ink)}.mark .point{fill:var(--held-mark)}
.tag{border:1px dashed var(--line-strong);border-radius:6px;padding:0 6px;font-size:11.5px;line-height:18px;color:var(--ink-2)}
.top nav{margin-left:auto;display:flex;gap:20px;font-size:13px}.top nav a{color:var(--ink-2)}
main{max-width:720px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:22px;line-height:30px;font-weight:600;letter-spacing:-.015em;text-wrap:balance}
h2{font-size:13.5px;line-height:20px;font-weight:650;margin:36px 0 8px}
p{margin-top:8px;color:var(--ink-2);max-width:66ch}p strong,td strong{color:var(--ink);font-weight:600}
.lead{font-size:15px;line-height:24px;margin-top:10px}
.pill{display:inline-flex;align-items:center;gap:6px;height:22px;padding:0 8px;border-radius:4px;font-size:12.5px;font-weight:600;background:var(--held-soft);color:var(--held)}
.pill svg{width:12px;height:12px}.pill .post{fill:var(--held)}.pill .point{fill:var(--held-mark)}
.pill.ok{background:var(--ok-soft);color:var(--ok)}.pill.no{background:var(--no-soft);color:var(--no)}.pill.end{background:var(--end-soft);color:var(--end)}
.pill .cut{fill:none;stroke:var(--surface);stroke-width:2;stroke-linecap:round;stroke-linejoin:round}.pill.ok .disc{fill:var(--ok-mark)}.pill.no .disc{fill:var(--no-mark)}
.over{display:flex;gap:10px;align-items:center;margin-bottom:14px;color:var(--ink-3);font-size:13px;flex-wrap:wrap}
pre,code{font-family:var(--mono);font-variant-ligatures:none;font-feature-settings:"zero","liga" 0}
code{font-size:.9em;color:var(--ink)}p code{white-space:nowrap}
.runs{margin-top:14px;border:1px solid var(--line-strong);border-radius:8px;overflow:hidden}
.runs header{display:flex;justify-content:space-between;gap:12px;padding:7px 14px;border-bottom:1px solid var(--line);font-size:12.5px;color:var(--ink-3)}
.runs header b{color:var(--ink);font-weight:600}
.runs pre{background:var(--sunken);padding:10px 14px;font-size:12.5px;line-height:20px;white-space:pre-wrap;overflow-wrap:anywhere;color:var(--ink)}
.runs pre code{display:block;font-size:12.5px;-webkit-user-select:all;user-select:all;cursor:text}
.runs pre+pre{border-top:1px solid var(--line)}
.runs pre .note{color:var(--ink-3)}
table{width:100%;border-collapse:collapse;margin-top:8px;font-size:13px;line-height:20px}
th{text-align:left;font-weight:400;color:var(--ink-3);font-size:12px;padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:bottom}
td{padding:7px 12px 7px 0;border-bottom:1px solid var(--line);vertical-align:top;color:var(--ink-2)}
td:first-child{color:var(--ink);white-space:nowrap}td.wrap:first-child{white-space:normal}
td.c,th.c{text-align:center;padding-right:0}
footer{margin-top:48px;padding-top:14px;border-top:1px solid var(--line);color:var(--ink-3);font-size:12.5px;display:flex;gap:16px;flex-wrap:wrap}
footer code{color:var(--ink-2)}
.docs{display:grid;grid-template-columns:228px minmax(0,1fr);max-width:1160px;margin:0 auto}
.docs>nav{position:sticky;top:49px;align-self:start;max-height:calc(100vh - 49px);overflow:auto;padding:24px 16px 32px 24px;border-right:1px solid var(--line);font-size:12.5px;line-height:20px}
.docs>nav h2{margin:18px 0 4px;font-size:11.5px;font-weight:600;color:var(--ink-3)}.docs>nav h2:first-child{margin-top:0}
.docs>nav a{display:block;color:var(--ink-2);padding:2px 8px;margin-left:-8px;border-radius:6px}.docs>nav a:hover{background:var(--hover);text-decoration:none;color:var(--ink)}
.docs main{max-width:none;padding:32px 32px 80px}
.op{padding:28px 0 8px;border-top:1px solid var(--line);margin-top:28px}
.op h3{font-size:16px;line-height:24px;font-weight:600;letter-spacing:-.01em}
.op .path{font-family:var(--mono);font-size:12.5px;color:var(--ink-2);margin-top:2px}
.verb{font-family:var(--mono);font-weight:700;font-size:11.5px;margin-right:8px;color:var(--accent)}.verb.DELETE{color:var(--no)}
.op dl{display:grid;grid-template-columns:112px minmax(0,1fr);gap:2px 12px;margin-top:10px;font-size:12.5px;line-height:20px}
.op dt{color:var(--ink-3)}.op dd{color:var(--ink-2);margin:0}
details{margin-top:10px;border-top:1px solid var(--line)}
summary{cursor:pointer;padding:7px 0;font-size:12.5px;font-weight:600;color:var(--ink)}
.fields{list-style:none;padding:0 0 6px;font-size:12.5px;line-height:20px}
.fields .fields{padding:0 0 0 14px;margin:2px 0 2px 3px;border-left:1px solid var(--line)}
.fields code{font-weight:600}.fields .type{color:var(--ink-3)}.fields .req{color:var(--held)}
.cells{display:flex;flex-wrap:wrap;gap:4px 14px}.cells span{white-space:nowrap}.cells b{font-weight:600;color:var(--ink)}
@media (max-width:860px){.docs{display:block}.docs>nav{position:static;max-height:none;border-right:0;border-bottom:1px solid var(--line);columns:2}.docs main{padding:24px}}
@media (max-width:720px){main{padding:28px 20px 48px}.top>div{padding:0 20px}.op dl{grid-template-columns:1fr}.op dt{margin-top:6px}a{padding:2px 0}}
@media print{.top{position:static}}
`

/** The only style sheet that the content policy lets a page have. */
export const STYLE_HASH = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`
