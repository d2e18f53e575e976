"""The HTML report as text: what it holds, what it escapes, what it may run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import pytest
from handmade_profiles import NEEDED, PLAIN, UNNEEDED, finding, profile, sources, timeline

from graphlint.output import profile_html
from graphlint.profiles import HolderProfile, Profile, Released

# dist/d3.min.js of the npm package d3 7.9.2
D3 = "912111098ea99503a6f4967361d2bbdc9dbf58cf9c678c8e27e5b02d1a07f0c1"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u2028"


class Page(HTMLParser):
    """What a browser makes of a page: elements, the text they hold, and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(text)
        self.close()
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        self.words.append(" " * (tag in ("td", "th", "dt", "dd")))
        {"script": self.scripts, "style": self.styles}.get(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        raw = {"script": self.scripts, "style": self.styles}.get(self._inside)
        if raw is None:
            self.words.append(data)
        else:
            raw[-1] += data

    @property
    def data(self) -> Any:
        return json.loads(self.scripts[0])

    def values(self, attribute: str) -> list[str | None]:
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]


def page(**changes: Any) -> Page:
    return Page(profile_html.render(profile(**changes), sources))


def test_every_call_has_its_verdict_and_its_cure() -> None:
    text = page().text
    assert "train.py:4 in step unneeded No later pass visits what it keeps." in text
    assert "No later pass visits the graph that this pass keeps: drop retain_graph." in text
    assert "RG101 unneeded-retain-graph" in text
    assert "train.py:10 in penalty needed" in text
    assert "train.py:11 visits 50 of them." in text
    assert "1 call keeps no graph" in text
    assert "≥ 6.0 MiB" in text


def test_what_has_to_be_mended_comes_first() -> None:
    sites = [replace(UNNEEDED if row % 9 == 8 else NEEDED, row=row) for row in range(30)]
    shown = page(sites=tuple(sites))
    cards = [name for name in shown.values("id") if name and re.match(r"call-\d", name)]
    assert cards[:4] == ["call-8", "call-17", "call-26", "call-0"]
    assert "18 more calls keep graphs" in shown.text
    names = set(shown.values("id"))
    links = [each for each in shown.values("href") if each and each.startswith("#")]
    assert all(link[1:] in names for link in links)


def test_graphs_that_are_visited_sometimes() -> None:
    assert "1 call keeps graphs that no later pass visits." in page().text
    partly = replace(UNNEEDED, verdict="partly", function="<module>")
    text = page(sites=(partly, NEEDED)).text
    assert "1 call keeps graphs, some of which no later pass visits." in text
    assert "train.py:4 partly A later pass" in text


def test_the_cure_has_the_example_of_its_rule() -> None:
    text = profile_html.render(profile(), sources)
    assert "optimizer.zero_grad()\nloss.backward()\n" in text


def test_a_finding_elsewhere_is_told_with_its_place() -> None:
    assert "train.py:7: No later pass" in page(findings=(finding(7),)).text


def test_growth_and_what_holds() -> None:
    text = page().text
    assert "train.py:4: with every pass +6.0 nodes and 64 B more" in text
    assert "losses list train.py:main, line 5 20 40 3.0 MiB" in text


def test_source_stands_beside_bytes() -> None:
    text = page().text
    assert "2 6.0 MiB hidden = model.encoder(batch).relu()" in text
    assert "4 loss.backward(retain_graph=True) keeps 7.0 MiB: unneeded" in text


def test_source_that_is_not_there() -> None:
    text = Page(profile_html.render(profile(), lambda _name: "")).text
    assert "The source is not shown" in text


def test_only_python_files_are_read(tmp_path: Any) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    site = replace(UNNEEDED, filename=str(secret), row=1, holders=())
    assert "password" not in profile_html.render(profile(sites=(site,)))
    program = tmp_path / "train.py"
    program.write_text("loss.backward(retain_graph=True)")
    site = replace(site, filename=str(program))
    assert "loss.backward(retain_graph=True)" in profile_html.render(profile(sites=(site,)))


def test_data_is_that_of_the_profile() -> None:
    data = page().data
    assert data["timelines"][0]["interval"] == 0.5
    assert data["timelines"][0]["series"][0]["name"] == "train.py:4"
    assert [each["module"] for each in data["holders"]][:2] == [
        "encoder.layers.0",
        "encoder.layers.1",
    ]


def test_small_holders_are_put_together() -> None:
    holders = tuple(HolderProfile("MulBackward0", f"saved {n}", n, 1) for n in range(1, 151))
    shown = page(sites=(replace(UNNEEDED, holders=holders),)).data["holders"]
    assert [each["bytes"] for each in shown] == [*range(150, 50, -1), sum(range(51))]
    assert shown[-1]["operation"] == "50 others"


def test_ranks_have_a_chart_each_as_far_as_they_fit() -> None:
    lines = tuple(timeline(rank) for rank in range(20))
    both = page(world_size=20, timelines=lines)
    assert len(both.data["timelines"]) == 8
    assert "19 train.py:4 7.0 MiB" in both.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sites": (PLAIN,), "findings": ()}, "Its one backward call keeps no graph."),
        ({"sites": ()}, "No backward pass ran."),
    ],
)
def test_a_program_that_keeps_nothing(changes: dict[str, Any], said: str) -> None:
    nothing = page(**changes, timelines=(), growth=(), held_by=())
    assert said in nothing.text
    assert "#calls" in nothing.values("href")
    assert "Parts of this report" not in nothing.values("aria-label")
    assert nothing.data == {"timelines": [], "holders": []}


def test_an_empty_profile() -> None:
    assert "Graphs that the program keeps" in Page(profile_html.render(Profile())).text


# --- somebody's text -----------------------------------------------------------------------------


def hostile() -> Profile:
    holders = (HolderProfile(HOSTILE, HOSTILE, 5, 1, HOSTILE, f"{HOSTILE}:3", HOSTILE),)
    site = replace(
        UNNEEDED,
        filename=HOSTILE,
        function=HOSTILE,
        verdict=HOSTILE,
        holders=holders,
        released=Released(),
    )
    found = finding(
        filename=HOSTILE, code=HOSTILE, name=HOSTILE, message=HOSTILE, url="javascript:alert(3)"
    )
    return profile(program=HOSTILE, torch=HOSTILE, sites=(site, NEEDED), findings=(found,))


def test_no_text_becomes_markup() -> None:
    shown = Page(profile_html.render(hostile(), lambda _name: HOSTILE))
    assert len(shown.scripts) == 3
    assert not [tag for tag, _ in shown.elements if tag == "img"]
    assert not [name for _, attributes in shown.elements for name in attributes if name[:2] == "on"]
    assert shown.data["holders"][0]["operation"] == f"{HOSTILE}.{HOSTILE}"
    assert not [link for link in shown.values("href") if link and link[:1] != "#"]


def test_the_policy_admits_what_is_in_the_page_and_nothing_else() -> None:
    shown = page()
    (policy,) = [
        attributes["content"]
        for _, attributes in shown.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == [checksum(text) for text in shown.scripts[1:]]
    assert rules["style-src"].split() == [checksum(text) for text in shown.styles]


def checksum(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_nothing_is_fetched() -> None:
    tags = {tag for tag, attributes in page().elements if attributes.keys() & {"src", "srcset"}}
    assert not tags
    assert not [tag for tag, _ in page().elements if tag in ("link", "iframe", "object", "base")]
    assert "url(" not in page().styles[0]
    assert "@import" not in page().styles[0]


def test_targets_of_links_are_there_and_unique() -> None:
    shown = page()
    ids = Counter(shown.values("id"))
    assert max(ids.values()) == 1
    targets = {link[1:] for link in shown.values("href") if link and link.startswith("#")}
    assert targets <= ids.keys()


def test_the_page_is_small() -> None:
    assert len(profile_html.render(profile(), sources)) < 500_000


def test_the_library_is_the_published_one_and_its_licence_is_in_the_page() -> None:
    vendor = resources.files(profile_html).joinpath("vendor")
    assert hashlib.sha256(vendor.joinpath("d3.min.js").read_bytes()).hexdigest() == D3
    assert "Permission to use, copy, modify" in vendor.joinpath("d3.LICENSE").read_text()
    assert "Permission to use, copy, modify" in page().text


# --- colours -------------------------------------------------------------------------------------

WORDS = "text quiet accent bad warn good".split()
SERIES = [f"s{number}" for number in range(8)]


def luminance(colour: str) -> float:
    """Relative luminance as in WCAG 2.2."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_from_their_ground(scheme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\}", page().styles[0], re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", blocks[scheme]))
    for name, wanted in {**dict.fromkeys(WORDS, 4.5), **dict.fromkeys(SERIES, 3.0)}.items():
        for ground in ("page", "surface"):
            pair = sorted((luminance(colours[name]), luminance(colours[ground])))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= wanted, (name, ground)
