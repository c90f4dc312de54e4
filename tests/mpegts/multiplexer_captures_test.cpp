// Real broadcasts side by side: what their tracks carry comes out as it went in.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/mux/multiplexer.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kBegin = 1'700'000'000'000'000'000;
constexpr std::uint64_t kRate = 40'000'000;

using Payloads = std::map<std::uint16_t, std::vector<std::uint8_t>>;

void take(const TsPacket& packet, Payloads& to) {
  const auto payload = packet.payload();
  auto& bytes = to[packet.pid().value];
  bytes.insert(bytes.end(), payload.begin(), payload.end());
}

struct Member {
  std::string name;
  std::vector<test::Packet> packets;
  std::unique_ptr<MultiplexMember> member;
  std::size_t next = 0;
  Payloads sent;
};

TEST(MultiplexerCaptures, CarriesTheTracksOfBroadcastsBitByBit) {
  const std::vector<std::string> names{"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts",
                                       "scte35-h264-bframes-aac-80s.ts",
                                       "dvbt-fr-hd-scrambled-csa.ts",
                                       "teletext-fra-psi-h264-mp2x4.ts",
                                       "hevc-aac-0.ts",
                                       "h264-ac3dvb-0.ts"};
  Multiplexer mux(MultiplexIdentity{1, 2, 3, "Net", true}, kRate);
  std::vector<Member> members;
  std::vector<MultiplexPlace> places;
  for (const std::string& name : names) {
    const auto bytes = test::capture(name);
    if (!bytes) GTEST_SKIP() << "HEADGATE_STREAMS has no " << name;
    Member& member = members.emplace_back();
    member.name = name;
    member.packets = test::split(*bytes);
    const auto number = static_cast<std::uint16_t>(members.size());
    member.member = std::make_unique<MultiplexMember>(MultiplexMember::Identity{number, number, 1, 3},
                                                      Multiplexer::most_packets(kRate));
    places.push_back({member.member.get(), "", "", number, 0});
  }
  mux.adopt(places);
  std::vector<test::Packet> out;
  Multiplexer::Datagram datagram;
  const auto drain = [&](std::int64_t now) {
    while (mux.pop(now, now, datagram)) {
      for (std::size_t at = 0; at < datagram.bytes.size(); at += kPacketSize)
        std::copy_n(datagram.bytes.begin() + static_cast<std::ptrdiff_t>(at), kPacketSize,
                    out.emplace_back().begin());
    }
  };
  // Each at 6 Mb/s: 250 us a packet.
  std::int64_t now = kBegin;
  for (bool more = true; more; now += 250'000) {
    more = false;
    drain(now);
    for (Member& member : members) {
      if (member.next == member.packets.size()) continue;
      more = true;
      mux.on_packet(*member.member, test::view(member.packets[member.next++]), now);
    }
  }
  drain(now + 100'000'000);

  Payloads came;
  StreamAnalyzer analyzer;
  for (const test::Packet& packet : out) {
    analyzer.on_packet(test::view(packet));
    take(test::view(packet), came);
  }
  const StreamReport report = analyzer.report();
  EXPECT_EQ(report.services.size(), members.size());
  EXPECT_EQ(report.crc_errors, 0U);
  for (Member& member : members) {
    for (const test::Packet& packet : member.packets) take(test::view(packet), member.sent);
    EXPECT_EQ(member.member->counters().all_dropped(), 0U) << member.name;
    const std::uint16_t base = member.member->pmt_pid().value;
    std::size_t tracks = 0;
    for (auto at = came.upper_bound(base + 1); at != came.end() && at->first < base + PidBlock::kSize; ++at) {
      // From when its PMT was known on, to the end.
      const auto& bytes = at->second;
      const bool found = std::any_of(member.sent.begin(), member.sent.end(), [&](const auto& source) {
        return source.second.size() >= bytes.size() &&
               std::equal(bytes.begin(), bytes.end(),
                          source.second.end() - static_cast<std::ptrdiff_t>(bytes.size()));
      });
      EXPECT_TRUE(found) << member.name << " PID " << at->first;
      tracks += bytes.size() > 10'000 ? 1 : 0;
    }
    EXPECT_GE(tracks, 1U) << member.name;
  }
}

}  // namespace
}  // namespace headgate::mpegts
