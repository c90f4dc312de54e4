#include "dataplane/bridge/srt/access.h"

#include <gtest/gtest.h>

#include "control/protocol/bridge_drops.h"
#include "dataplane/bridge/srt/budget.h"

namespace headgate::bridge::srt {
namespace {

std::shared_ptr<const AccessTable> table() {
  protocol::BridgeChannel news;
  news.id = "news";
  news.srt.emplace();
  protocol::BridgeChannel sport = news;
  sport.id = "sport";
  sport.srt->passphrase = "the channel's own";
  protocol::BridgeChannel hls_only;
  hls_only.id = "hls";
  protocol::BridgeChannel stadium;
  stadium.id = "stadium";
  stadium.inputs.emplace_back().key = "s3cret";
  protocol::BridgeInput pulled;
  pulled.kind = protocol::SourceKind::srt_caller;
  hls_only.inputs.push_back(pulled);
  protocol::BridgeChannel open;
  open.id = "open";
  open.inputs.emplace_back().passphrase = "the input's own";
  return AccessTable::of({{"[::]:9000", 200, "the listener's"}, {"[::]:9001", 120, ""}},
                         {news, sport, hls_only, stadium, open});
}

TEST(SrtAccess, TheChannelsPassphraseGoesBeforeTheListeners) {
  const auto access = table();
  const Decision news = decide(*access, "[::]:9000", "news", 0, 10);
  ASSERT_TRUE(news.accepted);
  EXPECT_EQ(news.channel, "news");
  EXPECT_EQ(news.passphrase, "the listener's");
  EXPECT_EQ(news.latency_ms, 200U);
  EXPECT_EQ(decide(*access, "[::]:9000", "sport", 0, 10).passphrase, "the channel's own");
  EXPECT_EQ(decide(*access, "[::]:9001", "sport", 0, 10).passphrase, "the channel's own");
  const Decision open = decide(*access, "[::]:9001", "news", 0, 10);
  EXPECT_TRUE(open.accepted);
  EXPECT_EQ(open.passphrase, "");
}

TEST(SrtAccess, RefusalsHaveTheCodesOfTheAccessControlTable) {
  struct Case {
    const char* stream_id;
    std::size_t sessions;
    Refusal refusal;
    int code;
  };
  const auto access = table();
  for (const Case& c :
       {Case{"nobody", 0, Refusal::not_found, 1404}, Case{"hls", 0, Refusal::not_found, 1404},
        Case{"", 0, Refusal::no_stream_id, 1400}, Case{"#!::x", 0, Refusal::bad_stream_id, 1400},
        Case{"publish:news?key=k", 0, Refusal::not_found, 1404},
        Case{"#!::r=hls,m=publish", 0, Refusal::not_found, 1404},
        Case{"stadium?key=s3cret", 0, Refusal::not_found, 1404},
        Case{"publish:stadium", 0, Refusal::wrong_key, 1401},
        Case{"publish:stadium?key=s3cre", 0, Refusal::wrong_key, 1401},
        Case{"publish:stadium?key=s3crets3cret", 0, Refusal::wrong_key, 1401},
        Case{"#!::r=stadium?key=S3cret,m=publish", 0, Refusal::wrong_key, 1401},
        Case{"publish:stadium?key=s3cret", 10, Refusal::overload, 1402},
        Case{"#!::r=stadium?key=s3cret,m=bidirectional", 0, Refusal::mode, 1405},
        Case{"#!::r=news,m=bidirectional", 0, Refusal::mode, 1405},
        Case{"#!::r=news,t=file", 0, Refusal::media_type, 1415}, Case{"news", 10, Refusal::overload, 1402}}) {
    const Decision decision = decide(*access, "[::]:9000", c.stream_id, c.sessions, 10);
    EXPECT_FALSE(decision.accepted) << c.stream_id;
    EXPECT_EQ(decision.refusal, c.refusal) << c.stream_id;
    EXPECT_EQ(reject_code(decision.refusal), c.code) << c.stream_id;
  }
}

TEST(SrtAccess, APublisherNeedsItsKeyAndThePassphraseOfTheListenerUnlessItHasItsOwn) {
  const auto access = table();
  const Decision stadium = decide(*access, "[::]:9000", "#!::r=stadium?key=s3cret,m=publish", 0, 10);
  ASSERT_TRUE(stadium.accepted);
  EXPECT_TRUE(stadium.publishing);
  EXPECT_EQ(stadium.channel, "stadium");
  EXPECT_EQ(stadium.passphrase, "the listener's");
  EXPECT_EQ(stadium.latency_ms, 200U);
  EXPECT_EQ(decide(*access, "[::]:9001", "publish:stadium?key=s3cret", 0, 10).passphrase, "");
  const Decision open = decide(*access, "[::]:9000", "publish:open?key=whatever", 0, 10);
  EXPECT_TRUE(open.accepted);
  EXPECT_EQ(open.passphrase, "the input's own");
  EXPECT_FALSE(decide(*access, "[::]:9000", "news", 0, 10).publishing);
}

TEST(SrtAccess, RefusalsStandInTheProtocolInTheirOrder) {
  for (std::size_t i = 0; i < kRefusals; ++i) {
    const int code = reject_code(static_cast<Refusal>(i));
    const bool told = protocol::kSrtRefusals[i].sentence.starts_with(std::to_string(code));
    EXPECT_TRUE(code == 0 || told) << i;
  }
  EXPECT_EQ(name_of(Refusal::bad_stream_id), "bad_stream_id");
  EXPECT_EQ(name_of(Refusal::no_stream_id), "no_stream_id");
  EXPECT_EQ(name_of(Refusal::silent_publisher), "silent_publisher");
  EXPECT_EQ(name_of(Refusal::secret), "secret");
}

TEST(SrtAccess, AListenerThatIsGoneLetsNobodyIn) {
  EXPECT_FALSE(decide(*table(), "[::]:9002", "news", 0, 10).accepted);
}

TEST(SrtBuffer, HoldsTwiceTheLatencyWithinLimits) {
  EXPECT_EQ(buffer_limit(1000, 1'000'000), 2'000'000U);
  EXPECT_EQ(buffer_limit(120, 500'000), 256U * 1024);              // the floor: a picture comes in a burst
  EXPECT_EQ(buffer_limit(60'000, 10'000'000), 40U * 1024 * 1024);  // whatever a receiver asks for
}

TEST(SrtReceiveRoom, HoldsLatencyAndASecondWithinLimits) {
  EXPECT_EQ(receive_room(120).packets, 8'192);
  EXPECT_EQ(receive_room(4'000).packets, 20'000);
  EXPECT_EQ(receive_room(65'535).packets, 36'864);
  EXPECT_EQ(receive_room(4'000).bytes, 20'000 * kPacketOnWire);
}

TEST(SrtBandwidth, LeavesFourTimesTheRateForWhatWasLost) {
  EXPECT_EQ(max_bandwidth(0), 0);
  EXPECT_EQ(max_bandwidth(500'000), 2'500'000);
  EXPECT_EQ(max_bandwidth(10'000), 1'000'000);
}

}  // namespace
}  // namespace headgate::bridge::srt
