from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.page.pictures import MAX_ADDRESS, Pictures, ascii_host, picture_html, picture_source
from relevance.errors import SettingsError

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><g><rect width="1" height="1" {}/></g>{}</svg>'
HOSTS = frozenset({"cdn.example", "*.pinimg.com", "bücher.example"})


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "images").mkdir()
    return Pictures(tmp_path, HOSTS)


@pytest.mark.parametrize(
    "image",
    [
        None,
        "",
        "http://cdn.example/a.png",
        "//cdn.example/a.png",
        "https:cdn.example/a.png",
        "https://evil.example/a.png",
        "https://cdn.example.evil.example/a.png",
        "https://cdn.example@evil.example/a.png",
        "https://cdn.example%40evil.example/a.png",
        "https://user:pw@cdn.example/a.png",
        "https://@cdn.example/a.png",
        "https://cdn.example\\@evil.example/a.png",
        "https://evil.example#@cdn.example/a.png",
        "https://cdn.example:8443/a.png",
        "https://cdn.example:x/a.png",
        "https://cdn.example\n.evil.example/a.png",
        "https://cdn.examp\tle/a.png",
        "https://pinimg.com/a.png",  # the wildcard means its subdomains
        "https://evilpinimg.com/a.png",
        "https://i.pinimg.com.evil.example/a.png",
        "https://i.pіnimg.com/a.png",  # a Cyrillic і
        "https://127.0.0.1/a.png",
        "https://0x7f.1/a.png",
        "https://[::1]/a.png",
        "https://cdn.example/" + "a" * MAX_ADDRESS,
        "https://[/a.png",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)//https://cdn.example/",
        "data:image/svg+xml,<svg onload=alert(1)>",
        "images/../label-studio/secrets.json",
        "images/missing.svg",
        "images/ａ.svg",
        "/etc/passwd",
        "images/a.svg?x=1",
    ],
)
def test_pictures_from_elsewhere_are_not_shown(image, pictures):
    assert picture_html(image, pictures) == ""


@pytest.mark.parametrize(
    ("image", "source"),
    [
        ("https://cdn.example/a.png", "https://cdn.example/a.png"),
        (" https://CDN.example./a%20b.png#x ", "https://cdn.example/a%20b.png"),
        ("https://cdn.example:443/a b.png?w=1&h=2", "https://cdn.example/a%20b.png?w=1&h=2"),
        ("https://cdn.example", "https://cdn.example/"),
        ("https://i.pinimg.com/x.jpg", "https://i.pinimg.com/x.jpg"),
        ("https://a.b.pinimg.com/ü.jpg", "https://a.b.pinimg.com/%C3%BC.jpg"),
        ("https://bücher.example/a.png", "https://xn--bcher-kva.example/a.png"),
        ("https://xn--bcher-kva.example/a.png", "https://xn--bcher-kva.example/a.png"),
        ("https://ｃｄｎ.example/a.png", "https://cdn.example/a.png"),
        ('https://cdn.example/a.png?x="><b>', "https://cdn.example/a.png?x=%22%3E%3Cb%3E"),
    ],
)
def test_addresses_on_allowed_hosts_are_put_together_again(image, source, pictures):
    assert picture_source(image, pictures) == source
    assert picture_source(source, pictures) == source


@given(st.text())
def test_whatever_an_address_is_the_browser_gets_one_img_of_an_allowed_host(text):
    for address in (text, f"https://{text}", f"https://cdn.example{text}"):
        html = picture_html(address, Pictures(None, HOSTS))
        found = Tags(html).found
        assert [tag for tag, _ in found] == ["img"] * bool(html)
        for _, attributes in found:
            assert set(attributes) == {"src", "alt", "referrerpolicy"}
            host = attributes["src"].removeprefix("https://").split("/")[0]
            assert host in {"cdn.example", "xn--bcher-kva.example"} or host.endswith(".pinimg.com")


def test_an_allowed_picture_is_an_img_without_referrer(pictures):
    (pictures.root / "images" / "a-1.svg").write_text(SVG.format("", ""))
    ((tag, attributes),) = Tags(picture_html("images/a-1.svg", pictures)).found
    assert tag == "img"
    assert attributes["src"] == "/data/local-files/?d=images/a-1.svg"
    assert attributes["referrerpolicy"] == "no-referrer"
    assert picture_html("images/a-1.svg", Pictures(None)) == ""


def test_a_link_out_of_the_folder_is_not_followed(pictures, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"x")
    (pictures.root / "images" / "a.png").symlink_to(tmp_path / "secret.png")
    assert picture_html("images/a.png", pictures) == ""


@pytest.mark.parametrize(
    ("attribute", "content"),
    [
        ('onload="alert(1)"', ""),
        ('href="https://x"', ""),
        ('fill="url(https://x)"', ""),
        ('style="fill:\\75rl(x)"', ""),
        ("", "<script>alert(1)</script>"),
        ("", "<foreignObject/>"),
        ("", '<image href="x"/>'),
        ("", "<style>@import 'x'</style>"),
        ("", "</svg><svg>"),
    ],
)
def test_only_mere_drawings_are_served(attribute, content, pictures):
    file = pictures.root / "images" / "a.svg"
    file.write_text(SVG.format('fill="url(#g)"', ""))
    assert picture_html("images/a.svg", pictures)
    file.write_text(SVG.format(attribute, content))
    assert picture_html("images/a.svg", pictures) == ""
    file.write_text('<!DOCTYPE s [<!ENTITY a "b">]>' + SVG.format("", ""))
    assert picture_html("images/a.svg", pictures) == ""


@pytest.mark.parametrize(
    "name", ["https://cdn.example", "cdn.example/x", "10.0.0.1", "*.com", "*", "", "a..b", "x_y.z"]
)
def test_a_host_that_is_none_is_refused(name):
    with pytest.raises(SettingsError, match=r"i\.pinimg\.com or"):
        Pictures(Path(), frozenset({name}))


def test_hosts_are_compared_in_lower_case_ascii():
    assert ascii_host("Bücher.EXAMPLE.") == "xn--bcher-kva.example"
    assert ascii_host("-a.example") == ascii_host("a" * 64 + ".example") == ""
    assert Pictures(None, frozenset({"*.PINIMG.com"})).hosts == {"*.pinimg.com"}
