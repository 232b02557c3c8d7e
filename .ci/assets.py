"""Copies what the pages use out of node_modules into static/vendor, and lists it in manifest.json.

A file's name carries the start of its content's SHA-256, so that browsers may keep it for ever; the manifest
maps the name the templates ask for to it: {"htmx.js": "htmx.3f2a….js"}. Licences keep their names.
"""

import hashlib
import json
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "node_modules"
VENDOR = ROOT / "static/vendor"
GEIST = PACKAGES / "@fontsource-variable/geist"

SSE = PACKAGES / "htmx.org/dist/ext/hx-sse.min.js"
FILES = {
    # One file: loaded by itself, even with `defer`, the extension now and then registers after htmx has gone
    # over the page, and the stream is never opened.
    "htmx.js": [PACKAGES / "htmx.org/dist/htmx.min.js", SSE],
    "hx-sse.js": [SSE],
    "geist-latin.woff2": [GEIST / "files/geist-latin-wght-normal.woff2"],
    "geist-latin-ext.woff2": [GEIST / "files/geist-latin-ext-wght-normal.woff2"],
}
LICENCES = {
    "htmx.LICENSE.txt": PACKAGES / "htmx.org/LICENSE",
    "geist.LICENSE.txt": GEIST / "LICENSE",
}


def font_faces(names: dict[str, str]) -> str:
    """The package's own @font-face rules, of the subsets that are shipped, with the names they have here."""
    shipped = {f"./files/{FILES[name][0].name}": names[name] for name in FILES if name.endswith(".woff2")}
    rules = re.findall(r"@font-face \{.*?\}", (GEIST / "wght.css").read_text(), re.DOTALL)
    kept = []
    for rule in rules:
        source = re.search(r"url\((.*?)\)", rule)
        if source and source[1] in shipped:
            kept.append(rule.replace(source[1], shipped[source[1]]))
    if len(kept) != len(shipped):
        raise SystemExit(f"assets: wght.css has rules for {len(kept)} of {len(shipped)} font files")
    return "\n".join(kept) + "\n"


def main() -> None:
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    manifest: dict[str, str] = {}

    def add(name: str, content: bytes) -> None:
        stem, suffix = name.rsplit(".", 1)
        manifest[name] = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
        (VENDOR / manifest[name]).write_bytes(content)

    for name, sources in FILES.items():
        add(name, b";\n".join(source.read_bytes() for source in sources))
    add("geist.css", font_faces(manifest).encode())
    for name, source in LICENCES.items():
        shutil.copyfile(source, VENDOR / name)
    (VENDOR / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


main()
