"""The annotator's page in a real Label Studio, seen by a real browser."""

from __future__ import annotations

from urllib.parse import urlsplit

import polars as pl
import pytest

from annotation.local.install import find_executable
from annotation.page.languages import languages
from annotation.page.texts import clean
from annotation.server import LocalServer
from annotation.sync.desk import open_desk
from annotation.sync.pull import pull
from annotation.sync.push import push

pytestmark = [
    pytest.mark.live,
    pytest.mark.browser,
    # The SDK's own, while it refreshes a token.
    pytest.mark.filterwarnings("ignore:The `parse_obj` method:DeprecationWarning"),
]

WIDE, HIGH = 1440, 900
LOCALES = {"en": "en-GB", "fr": "fr-FR", "es": "es-MX", "ja": "ja-JP"}
HOSTILE, KEYBOARD = "de-DE", "en-US"
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 9" width="400" height="900">'
    '<rect width="3" height="4"/></svg>'
)

WANTED = [  # what is pressed for Pin k0, k1, …; grade, problems, note
    ("5", "", ""),
    ("4", "", ""),
    ("3", "6", ""),
    ("2", "", "5 or 4? Not sure"),
    ("1", "9", ""),
    ("0", "78", ""),
    ("34", "", ""),  # a second thought
    ("2", "66", ""),  # ticked and unticked
    ("5", "", ""),
    ("1", "", ""),
]
PROBLEM = {"6": "picture", "7": "language", "8": "query", "9": "unsafe"}

RUNS = "window.__ran=1;document.title='ran'"
TEXTS = {
    "title": f"<script>{RUNS}</script><b>bold</b>",
    "description": f'"><img src=x onerror="{RUNS}"><iframe src="https://evil.example/f"></iframe>'
    + "A" * 10_000,
    "image_caption": f"javascript:{RUNS} {{{{7*7}}}} ${{7*7}} $query $title",
    "board_titles": "gnp.\u202eexe &lt;b&gt;x&amp;&#106;&lt;/b&gt; z" + "\u0301\u0316" * 9,
    "link_title": '<a href="https://evil.example/a">click</a>',
    "link_description": "https://evil.example/p.png <svg onload=alert(1)>",
    "image": f'https://evil.example/p.png" onerror="{RUNS}',
}
QUERY = f"<img src=https://evil.example/q.png onerror={RUNS}> {{{{constructor}}}}"

LONG = {
    "title": "Title that never ends " * 30,
    "description": "A description that goes on and on about a rug. " * 60 + "THE END",
    "image_caption": "a round rug on a wooden floor " * 30,
    "board_titles": "Boards of many people · " * 40,
    "link_title": "x" * 500,
    "link_description": "A shop " * 60,
    "image": "images/p0.svg",
}


def tables() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    queries = [("k", "round boho rug", KEYBOARD), ("h", QUERY, HOSTILE)]
    pins = [{"pin_id": f"k{i}", "title": f"Rug number {i}"} for i in range(len(WANTED))]
    pairs = [("k", pin["pin_id"]) for pin in pins] + [("h", "hostile")]
    pins += [{"pin_id": "hostile", **TEXTS}, {"pin_id": "long", **LONG}]
    for code, locale in LOCALES.items():
        queries.append((code, "a very long query about rugs " * 8, locale))
        pairs.append((code, "long"))
    asked = [
        {"query_id": name, "text": text, "language": locale[:2], "country": locale[3:]}
        for name, text, locale in queries
    ]
    samples = pl.DataFrame(pairs, schema=["query_id", "pin_id"], orient="row")
    return pl.DataFrame(asked), pl.DataFrame(pins), samples


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if find_executable() is None:
        pytest.skip("needs Label Studio: gradewise annotation serve --install-only")
    folder = tmp_path_factory.mktemp("page")
    (folder / "images").mkdir()
    (folder / "images" / "p0.svg").write_text(DRAWING)
    with LocalServer(folder / "label-studio") as started:
        yield started


@pytest.fixture(scope="module")
def projects(server):
    with open_desk(server.data_dir.parent, server=server) as desk:
        yield dict(push(desk, *tables(), overlap=1).projects)


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def page(browser, server):
    opened = browser.new_page(viewport={"width": WIDE, "height": HIGH})
    opened.goto(f"{server.url}/user/login/")
    opened.fill("input[name=email]", server.secrets.email)
    opened.fill("input[name=password]", server.secrets.password)
    opened.press("input[name=password]", "Enter")
    opened.wait_for_function("() => !location.pathname.startsWith('/user/login')")
    return opened


def open_page(page, server, project: int) -> None:
    """The labelling page, with the guidelines in front of it."""
    page.goto(f"{server.url}/projects/{project}/data?labeling=1")
    page.wait_for_selector(".lsf-modal-ls_visible .rg", timeout=60_000)
    page.wait_for_selector(".rv .top label")


def close_guidelines(page) -> None:
    page.keyboard.press("Escape")
    page.wait_for_selector(".lsf-modal-ls_visible", state="detached")


def test_ten_tasks_graded_by_keyboard_alone_are_the_same_grades(page, server, projects):
    open_page(page, server, projects[KEYBOARD])
    close_guidelines(page)
    for number in range(len(WANTED)):
        title = page.inner_text(".rv .row-title .lsf-richtext__line")
        grades, problems, note = WANTED[int(title.removeprefix("Rug number "))]
        with page.expect_response(lambda reply: "/annotations" in reply.url and reply.ok):
            for key in grades + problems:
                page.keyboard.press(key)
            page.wait_for_selector(".rv .top input:checked")
            if note:
                tab_to_note(page)
                page.keyboard.type(note)
                page.keyboard.press("Tab")
            page.keyboard.press("Control+Enter")
        if number + 1 < len(WANTED):
            page.wait_for_function(
                "former => { const line = document.querySelector('.rv .row-title "
                ".lsf-richtext__line'); return line && line.innerText !== former && "
                "!document.querySelector('.rv input:checked') }",
                arg=title,
            )
    with open_desk(server.data_dir.parent, server=server) as desk:
        # No person is as quick as this browser.
        found = pull(desk, min_seconds=0).judgments.filter(pl.col("query_id") == "k").sort("pin_id")
    wanted = [
        (
            None if grades == "0" else int(grades[-1]),
            "cannot_judge" if grades == "0" else None,
            "\n".join(PROBLEM[key] for key in problems) if problems not in ("", "66") else None,
            note or None,
        )
        for grades, problems, note in WANTED
    ]
    assert found.select("grade", "flag", "problems", "comment").rows() == wanted
    assert set(found["source"]) == {"endpoint"}


def tab_to_note(page) -> None:
    """Reaches the note box as a person without a mouse does."""
    for _ in range(60):
        if page.evaluate("document.activeElement.tagName") == "TEXTAREA":
            return
        page.keyboard.press("Tab")
    pytest.fail("the note box is out of the keyboard's reach")


def test_hostile_text_is_shown_runs_nothing_and_asks_nobody(page, server, projects):
    asked, said = [], []
    listeners = {
        "request": lambda one: asked.append(one.url),
        "dialog": lambda one: (said.append(one.message), one.dismiss()),
        "pageerror": lambda one: said.append(str(one)),
    }
    for name, listener in listeners.items():
        page.on(name, listener)
    open_page(page, server, projects[HOSTILE])
    close_guidelines(page)
    shown = page.eval_on_selector_all(
        ".rv .row .lsf-richtext__line", "all => all.map(one => one.textContent)"
    )
    assert shown[0] == TEXTS["title"]
    assert shown[1].startswith(TEXTS["description"][:100])
    assert len(shown[1]) == 2_000
    assert shown[2] == TEXTS["image_caption"]
    assert shown[3] == clean(TEXTS["board_titles"])
    assert shown[3].startswith("gnp.exe &lt;b&gt;x&amp;&#106;&lt;/b&gt; ")
    assert shown[4] == f"{TEXTS['link_title']} — {TEXTS['link_description']}"
    assert page.inner_text(".rv .q") == QUERY
    assert page.locator(".rv :is(script, iframe, img, svg, a)").count() == 0
    sign = page.locator(".rv .pic .lsf-richtext").evaluate(
        "one => getComputedStyle(one, '::before').content"
    )
    assert sign == f'"{languages()["en"].page.no_picture}"'
    page.goto(f"{server.url}/projects/{projects[HOSTILE]}/data")
    page.wait_for_function("text => document.body.innerText.includes(text)", arg=TEXTS["title"])
    assert page.locator("iframe").count() == 0
    page.wait_for_timeout(500)  # time for whatever would load or run
    assert page.evaluate("window.__ran") is None
    for name, listener in listeners.items():
        page.remove_listener(name, listener)
    ours = urlsplit(server.url).netloc
    assert {urlsplit(url).netloc for url in asked if url.startswith("http")} == {ours}
    assert not [text for text in said if "ResizeObserver" not in text]


LAYOUT = """() => {
  const box = one => { const b = one.getBoundingClientRect();
                       return {top: b.top, bottom: b.bottom, left: b.left, right: b.right} }
  const all = (selector, parent = document) => [...parent.querySelectorAll(selector)]
  return {
    fold: Math.min(innerHeight, ...all('.lsf-bottombar').map(one => box(one).top)),
    page: box(document.querySelector('.rv')),
    buttons: all('.rv .top label').map(box),
    cut: all('.rv .top label, .rv .row-problems label')
      .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.innerText),
    picture: box(document.querySelector('.rv .pic img')),
    headings: all('.rv .row .lab').map(one => one.innerText),
    wide: document.querySelector('.lsf-main-content').scrollWidth > innerWidth,
    panels: all('.lsf-sidepanels__wrapper').filter(one => box(one).right > box(one).left).length,
  }
}"""

# Contrast of every text with what is painted behind it (WCAG 2.2, 1.4.3), as [ratio, text].
CONTRAST = """selector => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
  const ink = canvas.getContext('2d', {willReadFrequently: true})
  const rgba = colour => { ink.clearRect(0, 0, 1, 1); ink.fillStyle = colour
    ink.fillRect(0, 0, 1, 1); return [...ink.getImageData(0, 0, 1, 1).data] }
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0)
  const behind = one => { for (let x = one; x; x = x.parentElement) {
    const found = rgba(getComputedStyle(x).backgroundColor); if (found[3] === 255) return found }
    return [255, 255, 255, 255] }
  const ratio = (one, other) => { const [a, b] = [light(one), light(other)]
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) }
  return [...document.querySelectorAll(selector)].filter(one => one.innerText || one.placeholder)
    .map(one => [ratio(rgba(getComputedStyle(one, one.placeholder ? '::placeholder' : null).color),
                       behind(one)), one.innerText || one.placeholder])
}"""

# Contrast of every control's edge with the page (WCAG 2.2, 1.4.11).
EDGES = CONTRAST.replace("selector =>", "() =>").replace(
    CONTRAST[CONTRAST.index("return [...document") :],
    """return [...document.querySelectorAll('.rv label, .rv textarea')].map(one =>
    ratio(rgba(getComputedStyle(one).borderTopColor), behind(one.parentElement)))
}""",
)


@pytest.mark.parametrize("code", LOCALES)
def test_everything_is_above_the_fold_and_readable(page, server, projects, code):
    open_page(page, server, projects[LOCALES[code]])
    for mode in ("dark", "light"):
        page.evaluate("mode => { document.documentElement.dataset.colorScheme = mode }", mode)
        read_guidelines(page, code)
    close_guidelines(page)
    page.wait_for_function("() => document.querySelector('.rv .pic img')?.naturalWidth > 0")
    check_layout(page.evaluate(LAYOUT), code)
    for keys in ((), ("2", "6")):
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_function(
            "n => document.querySelectorAll('.rv input:checked').length === n", arg=len(keys)
        )
        for mode in ("light", "dark"):
            page.evaluate("mode => { document.documentElement.dataset.colorScheme = mode }", mode)
            page.wait_for_timeout(300)  # colours change slowly
            low = page.evaluate(CONTRAST, ".rv :is(h2, h4, .n, .h, .k, textarea)")
            low += page.evaluate(CONTRAST, ".rv .lsf-richtext__line")
            assert len(low) > 35
            assert [one for one in low if one[0] < 4.5] == [], mode
            assert [one for one in page.evaluate(EDGES) if one < 3] == [], mode


def check_layout(found, code: str) -> None:
    tops = {(round(one["top"]), round(one["bottom"])) for one in found["buttons"]}
    assert len(found["buttons"]) == 6
    assert len(tops) == 1, "one row of even buttons"
    assert found["page"]["bottom"] <= found["fold"], "the longest texts need no scrolling"
    assert found["picture"]["bottom"] <= found["fold"]
    assert found["picture"]["right"] - found["picture"]["left"] > 100
    assert (found["cut"], found["wide"], found["panels"]) == ([], False, 0)
    words = languages()[code].page
    labels = [*words.fields.values(), *(one.label for one in words.questions.values())]
    assert found["headings"] == labels


def read_guidelines(page, code: str) -> None:
    """The dialog says everything, in full contrast, and can be scrolled to its end."""
    guide = languages()[code].guide
    text = page.inner_text(".rg")
    for told in (guide.question, guide.scale, guide.torn, guide.cases[-1].situation):
        assert told in text
    last = page.locator(".rg li").last
    last.scroll_into_view_if_needed()
    box = last.bounding_box()
    assert 0 <= box["y"] <= HIGH - box["height"]
    assert last.inner_text() == guide.pace[-1]
    low = page.evaluate(CONTRAST, ".rg :is(h2, h3, h4, p, td, li, kbd, b)")
    assert len(low) > 100
    assert [one for one in low if one[0] < 4.5] == []


def test_long_texts_are_read_to_their_end_by_keyboard(page, server, projects):
    open_page(page, server, projects[LOCALES["en"]])
    close_guidelines(page)
    box = page.locator(".rv .row-description .lsf-richtext__container")
    assert box.evaluate("one => one.scrollHeight > one.clientHeight")
    box.focus()
    page.keyboard.press("End")
    page.wait_for_function(
        "() => { const one = document.querySelector('.rv .row-description "
        ".lsf-richtext__container'); return one.scrollTop + one.clientHeight + 2 >= "
        "one.scrollHeight }"
    )
    assert box.inner_text().endswith("…")  # cut at 2,000 characters


def test_narrower_windows_keep_six_buttons_in_a_row(page, server, projects):
    open_page(page, server, projects[LOCALES["fr"]])
    close_guidelines(page)
    for width in (1280, 1024):
        page.set_viewport_size({"width": width, "height": 768})
        found = page.evaluate(LAYOUT)
        assert len({round(one["top"]) for one in found["buttons"]}) == 1
        assert max(one["bottom"] for one in found["buttons"]) < found["fold"]
        assert (found["cut"], found["wide"]) == ([], False)
    page.set_viewport_size({"width": WIDE, "height": HIGH})
