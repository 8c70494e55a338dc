"""Which URLs endpoints may have, and which addresses strangers may lead us to."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.webhooks.addresses import Reach, address, may_be_reached, reach
from models.domain.webhooks.urls import UnusableUrl, UrlFault, WebhookUrl, webhook_url

TAKEN: dict[str, WebhookUrl] = {
    "https://hooks.example.com": WebhookUrl("https", "hooks.example.com", 443, "/"),
    "HTTP://Hooks.Example.COM/A": WebhookUrl("http", "hooks.example.com", 80, "/A"),
    "https://hooks.example.com:8443/a/b?c=d&e=//f?": WebhookUrl("https", "hooks.example.com", 8443, "/a/b?c=d&e=//f?"),
    "https://hooks.example.com?a=b@c": WebhookUrl("https", "hooks.example.com", 443, "/?a=b@c"),
    "https://hooks.example.com:/": WebhookUrl("https", "hooks.example.com", 443, "/"),
    "https://hooks.example.com.": WebhookUrl("https", "hooks.example.com.", 443, "/"),
    "http://a_b.internal:1": WebhookUrl("http", "a_b.internal", 1, "/"),
    "http://[2001:DB8::1]:65535/": WebhookUrl("http", "2001:db8::1", 65535, "/"),
    "http://xn--e1afmkfd.example/": WebhookUrl("http", "xn--e1afmkfd.example", 80, "/"),
    # What these stand for is seen when they are resolved.
    "http://2130706433/": WebhookUrl("http", "2130706433", 80, "/"),
    "http://0x7f.1/": WebhookUrl("http", "0x7f.1", 80, "/"),
    "http://localhost./": WebhookUrl("http", "localhost.", 80, "/"),
}
NOT_TAKEN: dict[UrlFault, list[str]] = {
    UrlFault.TOO_LONG: ["https://example.com/" + "a" * 1_981],
    UrlFault.CHARACTERS: [
        " https://example.com", "https://example.com\n", "https://exa\tmple.com", "https://example.com/a b",
        "https://\u2460\u2461.example.com", "https://\uff11\uff12\uff17.1", "https://ex\u00e4mple.com", "https://a\u3002com",
        "https://example.com\\@127.0.0.1", "https://example.com/\x00", "https://example.com/\x7f",
    ],
    UrlFault.SCHEME: [
        "", "example.com", "//example.com", "ftp://example.com", "file:///etc/passwd", "https:example.com", "https:/a",
        "gopher://example.com", "javascript:alert(1)", "://example.com", "https//example.com",
    ],
    UrlFault.CREDENTIALS: ["https://a@example.com", "https://a:b@example.com", "https://:@example.com", "https://@a/"],
    UrlFault.FRAGMENT: ["https://example.com#", "https://example.com/a#b", "https://example.com#@127.0.0.1"],
    UrlFault.HOST: [
        "https://", "https:///a", "https://?a", "https://:443", "https://.example.com", "https://a..b", "https://.",
        "https://%31%32%37.0.0.1", "https://exa$mple.com", "https://a,b", f"https://{'a' * 64}.com", "https://[::1",
        f"https://{'a.' * 127}a", "https://[]", "https://[::1%25lo]", "https://[fe80::1%eth0]", "https://[127.0.0.1]",
        "https://[v1.a]", "https://::1", "https://[::1]a", "https://a[::1]", "https://[[::1]]", "https://[::1]]:1",
    ],
    UrlFault.PORT: [
        "https://a:0", "https://a:65536", "https://a:99999", "https://a:999999", "https://a:-1", "https://a:+1",
        "https://a:1x", "https://a:1_0", "https://[::1]:0", "https://[::1]:x",
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", TAKEN)
def test_urls_that_are_taken(text: str) -> None:
    assert webhook_url(text) == TAKEN[text]


@pytest.mark.parametrize(("fault", "text"), [(fault, text) for fault, texts in NOT_TAKEN.items() for text in texts])
def test_urls_that_are_not(fault: UrlFault, text: str) -> None:
    with pytest.raises(UnusableUrl) as refused:
        webhook_url(text)
    assert refused.value.fault is fault
    assert str(refused.value) == fault.text


def test_the_longest_that_is_taken() -> None:
    assert webhook_url("https://example.com/" + "a" * 1_980).target == "/" + "a" * 1_980


@given(st.text(max_size=40) | st.text("htps:/.@#?%[]\\a1 \n", max_size=40))
def test_whatever_comes_is_taken_or_refused(text: str) -> None:
    for url in (text, f"https://{text}"):
        try:
            found = webhook_url(url)
        except UnusableUrl:
            continue
        # Who reads it another way, or writes it down and reads it again, comes to the same place.
        assert webhook_url(f"{found.scheme}://{found.authority}{found.target}") == found


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("https://example.com:443/", "example.com"),
        ("http://example.com:80/", "example.com"),
        ("http://example.com:443/", "example.com:443"),
        ("https://[::1]/", "[::1]"),
        ("https://[::1]:1/", "[::1]:1"),
    ],
)
def test_the_host_as_it_is_told(text: str, authority: str) -> None:
    assert webhook_url(text).authority == authority


ADDRESSES: dict[Reach, list[str]] = {
    Reach.PUBLIC: [
        "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
        "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0",
        "198.17.255.255", "198.20.0.0", "223.255.255.255",
        "2000::1", "2001:200::1", "2600::1", "3ffe::1", "2003::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1",
        "2002:101:101::1", "2001:0:101:101::fefe:fefe",
    ],
    Reach.PRIVATE: [
        "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255",
        "169.254.169.254", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255", "198.18.0.1",
        "198.19.255.255", "::1", "fc00::1", "fdff::1", "fe80::1", "febf::1", "fec0::1", "feff::1",
        "::ffff:127.0.0.1", "::ffff:a00:1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2002:a9fe:a9fe::1", "2001:0:7f00:1::fefe:fefe", "2001:0:101:101::80ff:fffe",
    ],
    Reach.NOBODY: [
        "0.0.0.0", "0.1.2.3", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
        "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::2", "::1.1.1.1", "::ffff:0:1.1.1.1", "64:ff9b:1::1.1.1.1", "100::1", "2001:1::1", "2001:20::1",
        "2001:db8::1", "3fff::1", "4000::1", "5f00::1", "e000::1", "ff02::1", "ff0e::1", "::ffff:0.0.0.0",
        "::ffff:224.0.0.1", "64:ff9b::0.0.0.0", "2002::1", "2002:e000:1::",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("expected", "text"), [(each, text) for each, texts in ADDRESSES.items() for text in texts])
def test_whom_an_address_leads_to(expected: Reach, text: str) -> None:
    found = ip_address(text)
    assert reach(found) is expected
    assert may_be_reached(found, allow_private=False) is (expected is Reach.PUBLIC)
    assert may_be_reached(found, allow_private=True) is (expected is not Reach.NOBODY)


@given(st.ip_addresses())
def test_nothing_is_public_that_the_library_calls_otherwise(found: object) -> None:
    """Two lists of the same registries, by different hands; of what carries IPv4 the library knows less than ours."""
    one = ip_address(str(found))
    if reach(one) is Reach.PUBLIC and one not in ip_network("64:ff9b::/96"):
        told = (one.is_loopback, one.is_link_local, one.is_multicast, one.is_unspecified, one.is_reserved)
        assert not any(told)
        assert not one.is_private or one in ip_network("2002::/16") or one in ip_network("2001::/32")


@pytest.mark.parametrize("text", ["fe80::1%lo", "2600::1%1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "", "a"])
def test_what_is_no_plain_address(text: str) -> None:
    assert address(text) is None
