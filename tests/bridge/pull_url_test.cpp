#include "dataplane/bridge/pull/url.h"

#include <gtest/gtest.h>

namespace headgate::bridge::pull {
namespace {

TEST(PullUrl, TakesAnAddressApart) {
  const auto url = parse_url("https://Ann:p%40ss@CDN.Example.net:8443/live/a b.ts?token=x/y#part");
  ASSERT_TRUE(url) << url.error();
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "cdn.example.net");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->target, "/live/a%20b.ts?token=x/y");
  EXPECT_EQ(url->user, "Ann");
  EXPECT_EQ(url->password, "p@ss");
  EXPECT_EQ(url->authority(), "cdn.example.net:8443");
  EXPECT_EQ(url->authorization(), "Basic QW5uOnBAc3M=");
}

TEST(PullUrl, ShowsNoSecrets) {
  const auto url = parse_url("http://u:p@h/a.ts?token=t");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->shown(), "http://h/a.ts");
}

TEST(PullUrl, KnowsDefaultsAndIpv6) {
  EXPECT_EQ(parse_url("http://h")->target, "/");
  EXPECT_EQ(parse_url("http://h")->port, 80);
  EXPECT_EQ(parse_url("HTTPS://h?x=1")->port, 443);
  EXPECT_EQ(parse_url("HTTPS://h?x=1")->target, "/?x=1");
  const auto six = parse_url("http://[2001:DB8::1]:81/x");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->host, "2001:db8::1");
  EXPECT_EQ(six->authority(), "[2001:db8::1]:81");
}

TEST(PullUrl, EncodesCredentialsOfEveryLength) {  // RFC 4648 10
  EXPECT_EQ(parse_url("http://a:b@h/")->authorization(), "Basic YTpi");
  EXPECT_EQ(parse_url("http://a:bc@h/")->authorization(), "Basic YTpiYw==");
  EXPECT_EQ(parse_url("http://a:bcd@h/")->authorization(), "Basic YTpiY2Q=");
  EXPECT_EQ(parse_url("http://a@h/")->authorization(), "Basic YTo=");
  EXPECT_EQ(parse_url("http://h/")->authorization(), "");
}

TEST(PullUrl, RefusesWhatIsNoAddressAndQuotesNothing) {
  for (const std::string bad :
       {"", "x", "ftp://h/", "http:/h", "http://", "http:///x", "http://h:0/", "http://h:65536/",
        "http://h:8x/", "http://h h/", "http://[::1/", "http://[x]/", "http://h/\r\nX: y", "http://u%zz:p@h/",
        "http://u%0a:p@h/", "http://u%3ax:p@h/", "http://h\\x/"}) {
    const auto url = parse_url(bad);
    EXPECT_FALSE(url) << bad;
    if (!url && bad.size() > 8) {
      EXPECT_EQ(url.error().find("u%"), std::string::npos) << url.error();
    }
  }
  EXPECT_FALSE(parse_url("http://h/" + std::string(kMaxUrl, 'a')));
}

// RFC 3986 5.4, those that http addresses can show.
TEST(PullUrl, ResolvesReferences) {
  const auto base = parse_url("http://a/b/c/d;p?q");
  ASSERT_TRUE(base);
  const struct {
    const char* reference;
    const char* target;
  } cases[] = {{"g", "/b/c/g"},
               {"./g", "/b/c/g"},
               {"g/", "/b/c/g/"},
               {"/g", "/g"},
               {"?y", "/b/c/d;p?y"},
               {"g?y", "/b/c/g?y"},
               {"#s", "/b/c/d;p?q"},
               {"", "/b/c/d;p?q"},
               {";x", "/b/c/;x"},
               {".", "/b/c/"},
               {"..", "/b/"},
               {"../g", "/b/g"},
               {"../..", "/"},
               {"../../g", "/g"},
               {"../../../g", "/g"},
               {"/./g", "/g"},
               {"/../g", "/g"},
               {"g.", "/b/c/g."},
               {"..g", "/b/c/..g"},
               {"./../g", "/b/g"},
               {"g/./h", "/b/c/g/h"},
               {"g/../h", "/b/c/h"},
               {"g?y/./x", "/b/c/g?y/./x"}};
  for (const auto& c : cases) {
    const auto url = resolve(*base, c.reference);
    ASSERT_TRUE(url) << c.reference;
    EXPECT_EQ(url->target, c.target) << c.reference;
    EXPECT_EQ(url->host, "a");
  }
  EXPECT_EQ(resolve(*base, "//g:8/x")->authority(), "g:8");
  EXPECT_EQ(resolve(*base, "https://g/x")->port, 443);
  EXPECT_FALSE(resolve(*base, "file:///etc/passwd"));
  EXPECT_FALSE(resolve(*base, "data:x"));
}

TEST(PullUrl, CredentialsStayWithTheirServer) {
  const auto base = parse_url("http://u:p@h/a/list.m3u8");
  ASSERT_TRUE(base);
  EXPECT_EQ(resolve(*base, "seg.ts")->password, "p");
  EXPECT_EQ(resolve(*base, "http://h/x")->password, "p");
  EXPECT_FALSE(resolve(*base, "http://h:81/x")->has_credentials);
  EXPECT_FALSE(resolve(*base, "https://h/x")->has_credentials);
  EXPECT_FALSE(resolve(*base, "//other/x")->has_credentials);
  EXPECT_EQ(resolve(*base, "http://v:w@other/x")->password, "w");
}

}  // namespace
}  // namespace headgate::bridge::pull
