"""How the reference looks: on screens of any width, in the dark, and on paper."""

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1b1f;--soft:#5b5b66;--rule:#dcdce2;
--tile:#f5f5f7;--line:#0058b8;--get:#0b6b3a;--post:#0058b8;--put:#8a4b00;--delete:#b00020}
@media(prefers-color-scheme:dark){:root{--paper:#131316;--ink:#ececf0;--soft:#a9a9b4;
--rule:#35353d;--tile:#1e1e23;--line:#8ab8ff;--get:#6fd09b;--post:#8ab8ff;--put:#f0b36b;
--delete:#ff8a94}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,sans-serif;
display:grid;grid-template-columns:17rem minmax(0,1fr);grid-template-areas:"nav head" "nav main"}
header{grid-area:head;padding:2rem clamp(1rem,4vw,3rem) 0;max-width:64rem}
main{grid-area:main;padding:0 clamp(1rem,4vw,3rem) 4rem;max-width:64rem}
nav{grid-area:nav;position:sticky;top:0;height:100vh;overflow:auto;padding:1.5rem 1rem;
border-right:1px solid var(--rule);background:var(--tile);font-size:.875rem}
nav ul{list-style:none;margin:0;padding:0}
nav>ul>li{margin:0 0 1rem}
nav>ul>li>a{font-weight:600}
nav li li a{display:block;padding:.2rem 0;color:inherit;text-decoration:none}
nav li li a:hover{text-decoration:underline}
h1{margin:0 0 1rem;font-size:2rem;line-height:1.2}
h1 small{font-size:1rem;font-weight:400;color:var(--soft)}
h2{margin:3rem 0 .25rem;padding-top:1rem;border-top:3px solid var(--ink);font-size:1.5rem}
h3{margin:2.5rem 0 .25rem;font-size:1.2rem}
h3 a{color:inherit;text-decoration:none}
h3 a:hover{text-decoration:underline}
h4{margin:1.5rem 0 .25rem;font-size:1rem}
a{color:var(--line)}
a:focus-visible,pre:focus-visible,summary:focus-visible,.wide:focus-visible{
outline:3px solid var(--line);outline-offset:2px}
code,pre{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{margin:.25rem 0 1rem;padding:.75rem 1rem;overflow:auto;max-height:30rem;
background:var(--tile);border:1px solid var(--rule);border-radius:.375rem}
pre code{font-size:.8125rem}
figure{margin:.75rem 0}
figcaption,caption{color:var(--soft);font-size:.875rem;text-align:left}
caption{padding:.25rem 0}
.where{margin:.25rem 0}
.where code{font-size:1rem;overflow-wrap:anywhere}
.needs{color:var(--soft);font-size:.9375rem}
.method{display:inline-block;min-width:4.2em;font:600 .75em/1.6 ui-monospace,monospace}
.get{color:var(--get)}.post{color:var(--post)}.put,.patch{color:var(--put)}.delete{color:var(--delete)}
.wide{overflow-x:auto;margin:.75rem 0}
table{border-collapse:collapse;width:100%;font-size:.9375rem}
th,td{padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--rule);text-align:left;
vertical-align:top}
tbody th{font-weight:400;white-space:nowrap}
thead th{color:var(--soft);font-weight:600;font-size:.8125rem}
td{min-width:7rem;overflow-wrap:anywhere}
em{color:var(--delete);font-style:normal;font-size:.8125rem}
.answer{margin:.35rem 0;overflow-wrap:anywhere}
summary{cursor:pointer;color:var(--line)}
.skip{position:absolute;left:-999px}
.skip:focus{left:1rem;top:1rem;padding:.5rem 1rem;background:var(--paper);z-index:1}
@media(max-width:52rem){body{display:block}nav{position:static;height:auto;border:0;
border-bottom:1px solid var(--rule)}header{padding-top:1.5rem}}
@media print{nav,.skip{display:none}body{display:block}pre{white-space:pre-wrap;max-height:none}
article{break-inside:avoid-page}a{color:inherit}}
"""
