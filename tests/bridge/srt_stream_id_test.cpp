#include "dataplane/bridge/srt/stream_id.h"

#include <gtest/gtest.h>

namespace headgate::bridge::srt {
namespace {

struct Right {
  const char* text;
  const char* channel;
  Mode mode;
  const char* key;
  const char* token;
  const char* user;
};

TEST(SrtStreamId, TakesEveryFormThatPlayersAndEncodersSend) {
  for (const Right& right : {
           Right{"news", "news", Mode::request, "", "", ""},
           Right{"news?token=17.abc", "news", Mode::request, "", "17.abc", ""},
           Right{"news?x=1&token=17.abc&y", "news", Mode::request, "", "17.abc", ""},
           Right{"#!::r=news,m=request", "news", Mode::request, "", "", ""},
           Right{"#!::m=request,r=news", "news", Mode::request, "", "", ""},
           Right{"#!::r=news", "news", Mode::request, "", "", ""},
           Right{"#!::u=me,h=host.example,s=1f,t=stream,r=news,acme_x=1", "news", Mode::request, "", "",
                 "me"},
           Right{"#!::r=news?token=17.abc,m=request", "news", Mode::request, "", "17.abc", ""},
           Right{"#!::r=news?key=s3cret,m=publish", "news", Mode::publish, "s3cret", "", ""},
           Right{"#!::r=news,m=bidirectional", "news", Mode::bidirectional, "", "", ""},
           Right{"publish:news?key=s3%2Ccret", "news", Mode::publish, "s3,cret", "", ""},
           Right{"publish:news", "news", Mode::publish, "", "", ""},
           Right{"%23!::r=news", "news", Mode::request, "", "", ""},
           Right{"%23%21::r=ne%77s", "news", Mode::request, "", "", ""},
       }) {
    const auto parsed = parse_stream_id(right.text);
    ASSERT_TRUE(parsed) << right.text;
    EXPECT_EQ(parsed->channel, right.channel) << right.text;
    EXPECT_EQ(parsed->mode, right.mode) << right.text;
    EXPECT_EQ(parsed->key, right.key) << right.text;
    EXPECT_EQ(parsed->token, right.token) << right.text;
    EXPECT_EQ(parsed->user, right.user) << right.text;
  }
}

struct Wrong {
  std::string text;
  StreamIdError error;
};

TEST(SrtStreamId, RefusesWhatIsNoneOfThem) {
  for (const Wrong& wrong : {
           Wrong{"", StreamIdError::missing},
           Wrong{"#!::m=request", StreamIdError::missing},
           Wrong{"#!::", StreamIdError::missing},
           Wrong{"publish:", StreamIdError::missing},
           Wrong{"?token=1", StreamIdError::missing},
           Wrong{"#!::r=", StreamIdError::missing},
           Wrong{"#!::r=a,r=b", StreamIdError::malformed},
           Wrong{"#!::r", StreamIdError::malformed},
           Wrong{"#!::=a", StreamIdError::malformed},
           Wrong{"#!::r=a,,m=request", StreamIdError::malformed},
           Wrong{"#!{r=a}", StreamIdError::malformed},
           Wrong{"#!:r=a", StreamIdError::malformed},
           Wrong{"news%", StreamIdError::malformed},
           Wrong{"news%g0", StreamIdError::malformed},
           Wrong{"news%00", StreamIdError::malformed},
           Wrong{"ne\nws", StreamIdError::malformed},
           Wrong{"news?key=a&key=b", StreamIdError::malformed},
           Wrong{"#!::r=a,m=play", StreamIdError::mode},
           Wrong{"#!::r=a,t=file", StreamIdError::not_a_stream},
           Wrong{std::string(513, 'a'), StreamIdError::too_long},
       }) {
    const auto parsed = parse_stream_id(wrong.text);
    ASSERT_FALSE(parsed) << wrong.text;
    EXPECT_EQ(parsed.error(), wrong.error) << wrong.text;
  }
  EXPECT_TRUE(parse_stream_id(std::string(512, 'a')));
}

TEST(SrtStreamId, IsShownWithoutSecrets) {
  EXPECT_EQ(without_query("publish:stage?key=SECRET"), "publish:stage");
  EXPECT_EQ(without_query("#!::r=stage?key=SECRET,m=publish"), "#!::r=stage");
  EXPECT_EQ(without_query("publish:stage%3Fkey=SECRET"), "publish:stage");
  EXPECT_EQ(without_query("#!::r=stage%3fkey=SECRET,m=publish"), "#!::r=stage");
  EXPECT_EQ(without_query("n\xc3\xa9ws\n"), "n??ws?");
}

}  // namespace
}  // namespace headgate::bridge::srt
