"""Hostile text, each piece with its own number: markup, attributes, htmx, templates, terminals, direction marks.

Whatever an element of ours could be made to do bears a trace: `data-zz` on what is injected, "zz" in what it asks for.
"""

from __future__ import annotations

from itertools import product

_SCRIPTS = (
    "<script data-zz>alert({n})</script>", "<script data-zz src=/zz/{n}></script>", "<ScRiPt data-zz>alert({n})//",
    "<img data-zz src=/zz/{n} onerror=alert({n})>", "<svg data-zz onload=alert({n})>",
    "<svg><script data-zz>alert({n})</script></svg>",
    "<math data-zz href='javascript:alert({n})'>x</math>", "<iframe data-zz srcdoc='<script>alert({n})</script>'>",
    "<iframe data-zz src=javascript:alert({n})>", "<body data-zz onpageshow=alert({n})>",
    "<details data-zz open ontoggle=alert({n})>",
    "<input data-zz autofocus onfocus=alert({n})>", "<a data-zz href=javascript:alert({n})>x</a>",
    "<form data-zz action=/zz/{n}><button>x", "<base data-zz href=//evil.test/zz>",
    "<meta data-zz http-equiv=refresh content=0;url=/zz/{n}>", "<link data-zz rel=stylesheet href=/zz/{n}>",
    "<style data-zz>*{{display:none}}</style>",
    "<object data-zz data=/zz/{n}>", "<video data-zz><source onerror=alert({n})>",
    "<template data-zz><img src=/zz/{n}></template>",
    "<noscript><p title='</noscript><img data-zz src=/zz/{n} onerror=alert({n})>'>", "<dialog data-zz open>{n}",
    "<button data-zz popovertarget=x formaction=/zz/{n}>",
)  # fmt: skip
_HTMX = (
    "<div data-zz hx-get=/zz/{n} hx-trigger=load>x</div>", "<div data-zz hx-on:click=alert({n})>x</div>",
    "<div data-zz hx-vals='js:alert({n})' hx-post=/zz/{n} hx-trigger=load></div>",
    "<hx-partial hx-target='body' hx-swap='innerHTML'><i data-zz>{n}</i></hx-partial>",
    "</hx-partial><hx-partial hx-target='#rows' hx-swap='delete'></hx-partial>",
    "<div data-zz data-stream hx-sse:connect=/zz/{n}>",
    "<div data-zz hx-swap-oob=true id=rows>{n}</div>", "</tr></table><p data-zz id=sentence>{n}</p>",
    "<p data-zz id=foot data-beat=a>{n}</p>",
    "<meta data-zz name=htmx-config content='{{\"includeIndicatorStyles\":1}}'>",
)  # fmt: skip
_ATTRIBUTES = (
    "zz{n} onmouseover=alert({n}) data-zz", "zz{n} autofocus onfocus=alert({n}) data-zz=",
    "zz{n} hx-get=/zz/{n} data-zz ",
    "zz{n} style=position:fixed;inset:0 data-zz", "/zz{n}/onclick=alert({n})//data-zz", "zz{n} popover data-zz x=",
)  # fmt: skip
_BREAKS = ("", "\"'>", "'\">", "-->", "</title>", "</textarea>", "</style>", "]]>", "</time>", "&quot;>")
_PLAIN = (
    "{{{{ {n} * 7 }}}}", "{{% raw %}}{n}", "${{alert({n})}}", "#{{{n}}}", "<%= {n} %>",
    "%3Cscript%3Ealert({n})%3C/script%3E",
    "&lt;img data-zz src=x onerror=alert({n})&gt;", "&#60;script data-zz&#62;alert({n})",
    "\\x3cscript\\x3ealert({n})",
    "\\u003cscript\\u003ealert({n})", "javascript:alert({n})", "JaVaScRiPt:alert({n})//https://x.example",
    "data:text/html,<script data-zz>alert({n})</script>",
    "\u202ezz{n}\u2066<script data-zz>alert({n})</script>", "\x1b]8;;javascript:alert({n})\x07zz\x1b[0m",
    "zz{n}\r\ndata: <i data-zz>\r\n\r\n",
    "zz{n}\n\nevent: message\ndata: <i data-zz>x</i>\n\n", "zz{n}\u2028alert({n})\u2029",
    "\ufeff<script data-zz>alert({n})",
    "<\u0000script data-zz>alert({n})</script>", "\uff1cscript data-zz\uff1ealert({n})",
    "<scr<script data-zz>ipt>alert({n})",
    "'; DROP TABLE audit; -- {n}", "' OR 1=1 -- {n}", "%_\\%{n}", "../../../../etc/passwd#{n}",
    "=HYPERLINK(\"//evil.test\";{n})",
    "zz{n}" + "A" * 400, "Z\u0353\u031e\u0352" * 40 + "{n}",
    "x" * 250 + "<img data-zz src=/zz/{n} onerror=alert({n})>",
)  # fmt: skip


def payloads() -> list[str]:
    """Some four hundred."""
    forms = [b + f for b, f in product(_BREAKS, (*_SCRIPTS, *_HTMX))]
    forms += [b + f for b, f in product(('"', "'", "` ", "\x00", '"\n'), _ATTRIBUTES)]
    return [form.format(n=n) for n, form in enumerate((*forms, *_PLAIN))]
