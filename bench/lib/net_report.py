# SPDX-License-Identifier: Apache-2.0
"""What bench/net makes of its JSON lines: a table of ratios in Markdown, and a picture (SVG)."""

import html
import json

# (figure, ours, peers of which the best counts, "at least" or "at most", target ratio)
PEERS = ("slirp4netns", "pasta")
TARGETS = (
    ("out x1", "65520", ("slirp4netns 65520",), ">=", 1.6),
    ("out x1", "1500", ("slirp4netns 1500",), ">=", 10),
    ("out x1", "65520", ("loopback",), ">=", 0.62),
    ("out x1", "1500", ("loopback",), ">=", 0.62),
    ("in x1", "65520", ("slirp4netns 65520", "pasta 65520"), ">=", 1.1),
    ("in x1", "1500", ("slirp4netns 1500", "pasta 1500"), ">=", 4),
    ("in x1", "65520", ("loopback",), ">=", 0),
    ("close c=1", "65520", ("slirp4netns 65520", "pasta 65520"), ">=", 1.2),
    ("close c=16", "65520", ("slirp4netns 65520", "pasta 65520"), ">=", 1.2),
    ("close c=128", "65520", ("slirp4netns 65520", "pasta 65520"), ">=", 1.2),
    ("keep c=1", "65520", ("slirp4netns 65520", "pasta 65520"), ">=", 0),
    ("keep c=16", "65520", ("slirp4netns 65520", "pasta 65520"), ">=", 0),
    ("keep c=128", "65520", ("slirp4netns 65520", "pasta 65520"), ">=", 0),
    ("dns new c=1", "65520", ("slirp4netns 65520",), ">=", 2),
    ("dns new c=16", "65520", ("slirp4netns 65520",), ">=", 2),
    ("dns kept c=1", "65520", ("slirp4netns 65520",), ">=", 2),
    ("dns kept c=16", "65520", ("slirp4netns 65520",), ">=", 2),
    ("udp out flood", "65520", ("slirp4netns 65520", "pasta 65520"), ">=", 2),
    ("udp in flood", "65520", ("slirp4netns 65520", "pasta 65520"), ">=", 2),
    ("out x1 CPU s/GB", "65520", ("slirp4netns 65520",), "<=", 0.5),
    ("out x1 CPU s/GB", "1500", ("slirp4netns 1500",), "<=", 0.5),
    ("in x1 CPU s/GB", "65520", ("slirp4netns 65520",), "<=", 0.5),
    ("in x1 CPU s/GB", "1500", ("slirp4netns 1500",), "<=", 0.5),
    ("PSS KiB at rest", "65520", ("original slirp4netns",), "<=", 1),
    ("PSS KiB after connections", "65520", ("original slirp4netns",), "<=", 1),
    ("start ms", "65520", ("ours slirp4netns", "ours pasta"), "<=", 1),
)
COLOURS = {"builtin": "#1b7f4b", "slirp4netns": "#b8860b", "pasta": "#7a5195", "loopback": "#9aa0a6"}
# The groups of the picture: title, unit, (label, figure, suffix of the contestants' names)
GROUPS = (
    ("TCP throughput, one stream", "Gbit/s", (
        ("to the host, MTU 65520", "out x1", " 65520"), ("to the host, MTU 1500", "out x1", " 1500"),
        ("from the host, MTU 65520", "in x1", " 65520"), ("from the host, MTU 1500", "in x1", " 1500"))),
    ("New TCP connections", "1/s", (
        ("1 at a time", "close c=1", " 65520"), ("16 at a time", "close c=16", " 65520"),
        ("128 at a time", "close c=128", " 65520"))),
    ("DNS queries, a socket each", "1/s", (
        ("1 at a time", "dns new c=1", " 65520"), ("16 at a time", "dns new c=16", " 65520"))),
    ("UDP datagrams of 1400 bytes received", "1/s", (
        ("to the host", "udp out flood", " 65520"), ("from the host", "udp in flood", " 65520"))),
    ("CPU seconds per GB, one stream (less is better)", "s", (
        ("to the host, MTU 65520", "out x1 CPU s/GB", " 65520"),
        ("to the host, MTU 1500", "out x1 CPU s/GB", " 1500"))),
)


def read_medians(paths):
    """figure -> contestant -> median, of the JSON lines in some files (later ones win)."""
    medians = {}
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in filter(str.strip, lines):
                entry = json.loads(line)
                if "median" in entry:
                    medians.setdefault(entry["figure"], {})[entry["contestant"]] = entry["median"]
    return medians


def shown(number):
    if number is None:
        return ""
    if number >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def tables(medians):
    """All figures, then the ratios that were wanted."""
    names = []
    for by_name in medians.values():
        names += [name for name in by_name if name not in names]
    yield "| figure | " + " | ".join(names) + " |"
    yield "|---" * (len(names) + 1) + "|"
    for figure, by_name in medians.items():
        yield f"| {figure} | " + " | ".join(shown(by_name.get(name)) for name in names) + " |"
    yield ""
    yield "| figure | MTU | against | ratio | wanted | |"
    yield "|---|---|---|---|---|---|"
    for figure, mtu, peers, relation, target in TARGETS:
        by_name = medians.get(figure, {})
        mine = by_name.get(f"builtin {mtu}")
        best = min if relation == "<=" else max
        there = [(by_name[peer], peer) for peer in peers if peer in by_name]
        if not mine or not there or not best(there)[0]:
            continue
        value, peer = best(there)
        ratio = mine / value
        met = ratio >= target if relation == ">=" else ratio <= target
        wanted = f"{relation} {target}" if target else ""
        yield (f"| {figure} | {mtu} | {peer} | {ratio:.2f} | {wanted} | "
               f"{'' if met else '**missed**'} |")


WIDTH, LABELS, BAR, GAP = 860, 210, 15, 12


def picture(medians):
    """Horizontal bars, one scale for each group."""
    body, y = [], 34
    legend_x = LABELS
    for name, colour in COLOURS.items():
        body.append(f'<rect x="{legend_x}" y="10" width="12" height="12" fill="{colour}"/>'
                    f'<text x="{legend_x + 17}" y="20">{name}</text>')
        legend_x += 120
    for title, unit, rows in GROUPS:
        y = _group(body, medians, title, unit, rows, y)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
            f'viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12">\n'
            f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n")


def _group(body, medians, title, unit, rows, y):
    values = {}
    for label, figure, suffix in rows:
        for peer in COLOURS:
            name = peer if peer == "loopback" else peer + suffix
            values[label, peer] = medians.get(figure, {}).get(name)
    known = [value for value in values.values() if value]
    if not known:
        return y
    scale = (WIDTH - LABELS - 80) / max(known)
    y += 16
    body.append(f'<text x="4" y="{y}" font-weight="bold">{html.escape(title)}</text>')
    y += 8
    for label, _, _ in rows:
        top = y
        for peer, colour in COLOURS.items():
            value = values[label, peer]
            if value is None:
                continue
            body.append(f'<rect x="{LABELS}" y="{y}" width="{max(value * scale, 1):.1f}" '
                        f'height="{BAR - 2}" fill="{colour}"/><text x="{LABELS + value * scale + 5:.1f}" '
                        f'y="{y + 11}">{shown(value)} {unit}</text>')
            y += BAR
        if y > top:
            body.append(f'<text x="{LABELS - 8}" y="{(top + y) / 2 + 4:.0f}" '
                        f'text-anchor="end">{html.escape(label)}</text>')
            y += GAP // 2
    return y + GAP
