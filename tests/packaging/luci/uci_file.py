# SPDX-License-Identifier: MIT
"""UCI's files as dicts: section name -> {".type", ".name", ".index", option: text or list}."""
import shlex


def parse(text):
    sections, current = {}, None
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] == "config":
            current = sections[words[2]] = {".type": words[1], ".name": words[2],
                                            ".anonymous": False, ".index": len(sections)}
        elif words[0] == "option":
            current[words[1]] = words[2]
        elif words[0] == "list":
            current.setdefault(words[1], []).append(words[2])
        else:
            raise ValueError(line)
    return sections


def quote(value):
    return "'" + str(value).replace("'", "'\\''") + "'"


def render(sections):
    lines = []
    for name, section in sections.items():
        lines.append(f"\nconfig {section['.type']} {quote(name)}")
        for option, value in section.items():
            if option.startswith("."):
                continue
            if isinstance(value, list):
                lines += [f"\tlist {option} {quote(one)}" for one in value]
            else:
                lines.append(f"\toption {option} {quote(value)}")
    return "\n".join(lines) + "\n"
