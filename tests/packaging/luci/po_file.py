# SPDX-License-Identifier: MIT
"""Translations: gettext's .po files, and the strings of the sources."""
import ast
import json
import re
import subprocess


def entries(path):
    """msgid -> msgstr, without the head and without what is marked fuzzy."""
    found = {}
    for block in path.read_text().split("\n\n"):
        if re.search(r"^#,.*\bfuzzy\b", block, re.M):
            continue
        text = {}
        for key, rest in re.findall(r'^(msgid|msgstr) ((?:".*"\s*)+)', block, re.M):
            text[key] = "".join(ast.literal_eval(part) for part in re.findall(r'".*"', rest))
        if text.get("msgid"):
            found[text["msgid"]] = text["msgstr"]
    return found


def translations(package, language):
    path = package / f"po/{language}/lansplice.po"
    return entries(path) if path.exists() else {}


def strings(package):
    """What the sources say to people: _('...') in the scripts, and the ACL's description."""
    scripts = sorted(str(path) for path in package.glob("htdocs/**/*.js"))
    pot = subprocess.run(["xgettext", "--from-code=UTF-8", "-L", "JavaScript", "-k_", "-o", "-",
                          *scripts], check=True, capture_output=True, text=True).stdout
    found = set(re.findall(r"^msgid (.+(?:\n\".*\")*)", pot, re.M))
    found = {"".join(ast.literal_eval(part) for part in re.findall(r'".*"', one)) for one in found}
    for path in package.glob("root/usr/share/rpcd/acl.d/*.json"):
        found |= {group["description"] for group in json.loads(path.read_text()).values()}
    return found - {""}
