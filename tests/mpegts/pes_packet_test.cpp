#include "mpegts/pes/pes_packet.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

namespace headgate::mpegts {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct Collected final : PesSink {
  struct Item {
    PesHeader header;
    Bytes payload;
    bool random_access, damaged;
  };
  std::vector<Item> items;
  void on_pes(Pid, const PesPacket& pes) override {
    items.push_back(
        {pes.header, Bytes(pes.payload.begin(), pes.payload.end()), pes.random_access, pes.damaged});
  }
};

// A PES packet with PTS 0x123456789 (33 bits) and DTS 3003 less; length 0 = unbounded.
Bytes make_pes(std::size_t payload, bool bounded, std::uint8_t stream_id = 0xE0) {
  const std::uint64_t pts = 0x123456789, dts = pts - 3003;
  Bytes b{0, 0, 1, stream_id, 0, 0, 0x84, 0xC0, 12};
  for (const auto& [mark, ts] : {std::pair{0x30U, pts}, std::pair{0x10U, dts}}) {
    b.push_back(static_cast<std::uint8_t>(mark | (ts >> 29 & 0x0E) | 1));
    b.push_back(static_cast<std::uint8_t>(ts >> 22));
    b.push_back(static_cast<std::uint8_t>((ts >> 14 & 0xFE) | 1));
    b.push_back(static_cast<std::uint8_t>(ts >> 7));
    b.push_back(static_cast<std::uint8_t>((ts << 1 & 0xFE) | 1));
  }
  b.insert(b.end(), 2, 0xFF);  // stuffing of the header
  for (std::size_t i = 0; i < payload; ++i) b.push_back(static_cast<std::uint8_t>(i * 7));
  if (bounded) {
    b[4] = static_cast<std::uint8_t>((b.size() - 6) >> 8);
    b[5] = static_cast<std::uint8_t>(b.size() - 6);
  }
  return b;
}

using Packet = std::array<std::uint8_t, kPacketSize>;

// Cuts into transport packets with adaptation stuffing in the last.
std::vector<Packet> packetize(const Bytes& pes, int& continuity) {
  std::vector<Packet> packets;
  for (std::size_t at = 0; at < pes.size();) {
    Packet p;
    p.fill(0xFF);
    const std::size_t n = std::min<std::size_t>(184, pes.size() - at);
    p[0] = kSyncByte;
    p[1] = static_cast<std::uint8_t>((at == 0 ? 0x40 : 0) | 1);
    p[2] = 0;
    p[3] = static_cast<std::uint8_t>((n < 184 ? 0x30 : 0x10) | (continuity++ & 0x0F));
    if (n < 184) p[4] = static_cast<std::uint8_t>(183 - n);
    if (n < 183) p[5] = 0;
    std::copy_n(pes.begin() + static_cast<std::ptrdiff_t>(at), n, p.end() - static_cast<std::ptrdiff_t>(n));
    packets.push_back(p);
    at += n;
  }
  return packets;
}

void feed(PesAssembler& assembler, const std::vector<Packet>& packets, PesSink& sink) {
  for (const auto& p : packets) assembler.on_packet(TsPacket(p), sink);
}

TEST(PesHeader, ReadsTimestampsOf33Bits) {
  const auto h = PesHeader::parse(make_pes(10, true));
  ASSERT_TRUE(h);
  EXPECT_EQ(h->pts->ticks, 0x123456789U);
  EXPECT_EQ(h->dts->ticks, 0x123456789U - 3003);
  EXPECT_EQ(h->payload_offset, 21U);
  EXPECT_EQ(h->packet_length, 25U);
  EXPECT_TRUE(h->data_alignment);
  EXPECT_FALSE(h->scrambled);
}

TEST(PesHeader, DtsIsPtsWhereOnlyThatIsSent) {
  Bytes b = make_pes(10, true);
  b[7] = 0x80;
  const auto h = PesHeader::parse(b);
  ASSERT_TRUE(h);
  EXPECT_EQ(h->dts, h->pts);
}

TEST(PesHeader, DropsTimestampWithMarkerBitZero) {
  Bytes b = make_pes(10, true);
  b[11] &= 0xFE;
  const auto h = PesHeader::parse(b);
  ASSERT_TRUE(h);
  EXPECT_FALSE(h->pts);
}

TEST(PesHeader, PrivateStream2HasNoFlags) {
  const Bytes b{0, 0, 1, 0xBF, 0, 2, 1, 2};
  const auto h = PesHeader::parse(b);
  ASSERT_TRUE(h);
  EXPECT_EQ(h->payload_offset, 6U);
  EXPECT_FALSE(h->pts);
}

TEST(PesHeader, RefusesEveryTruncation) {
  const Bytes b = make_pes(0, true);
  for (std::size_t n = 0; n < 19; ++n) EXPECT_FALSE(PesHeader::parse(std::span(b).first(n))) << n;
  EXPECT_TRUE(PesHeader::parse(std::span(b).first(19)));
}

TEST(PesAssembler, DeliversBoundedPesWhenComplete) {
  PesAssembler assembler(Pid{256});
  Collected out;
  int cc = 14;
  for (const std::size_t size : {0UL, 1UL, 162UL, 163UL, 164UL, 1000UL}) {
    feed(assembler, packetize(make_pes(size, true), cc), out);
    ASSERT_FALSE(out.items.empty());
    EXPECT_EQ(out.items.back().payload.size(), size);
    EXPECT_FALSE(out.items.back().damaged);
  }
  EXPECT_EQ(out.items.size(), 6U);
  EXPECT_EQ(assembler.discarded(), 0U);
}

TEST(PesAssembler, DeliversUnboundedPesAtNextStartAndAtFlush) {
  PesAssembler assembler(Pid{256});
  Collected out;
  int cc = 0;
  feed(assembler, packetize(make_pes(500, false), cc), out);
  EXPECT_TRUE(out.items.empty());
  feed(assembler, packetize(make_pes(300, false), cc), out);
  ASSERT_EQ(out.items.size(), 1U);
  EXPECT_EQ(out.items[0].payload.size(), 500U);
  assembler.flush(out);
  ASSERT_EQ(out.items.size(), 2U);
  EXPECT_EQ(out.items[1].payload.size(), 300U);
  EXPECT_FALSE(out.items[1].damaged);
}

TEST(PesAssembler, MarksPesDamagedOnContinuityGap) {
  PesAssembler assembler(Pid{256});
  Collected out;
  int cc = 0;
  auto packets = packetize(make_pes(700, false), cc);
  packets.erase(packets.begin() + 2);
  feed(assembler, packets, out);
  feed(assembler, packetize(make_pes(100, false), cc), out);
  assembler.flush(out);
  ASSERT_EQ(out.items.size(), 2U);
  EXPECT_TRUE(out.items[0].damaged);
  EXPECT_FALSE(out.items[1].damaged) << "damage must not reach the next PES";
}

TEST(PesAssembler, MarksUnboundedPesDamagedWhenItsTailIsLost) {
  PesAssembler assembler(Pid{256});
  Collected out;
  int cc = 0;
  auto packets = packetize(make_pes(700, false), cc);
  packets.pop_back();
  feed(assembler, packets, out);
  feed(assembler, packetize(make_pes(100, false), cc), out);
  ASSERT_EQ(out.items.size(), 1U);
  EXPECT_TRUE(out.items[0].damaged);
}

TEST(PesAssembler, IgnoresOneDuplicateButNotTwo) {
  PesAssembler assembler(Pid{256});
  Collected out;
  int cc = 0;
  auto packets = packetize(make_pes(700, true), cc);
  auto once = packets;
  once.insert(once.begin() + 1, packets[1]);
  once.insert(once.begin(), packets[0]);
  feed(assembler, once, out);
  ASSERT_EQ(out.items.size(), 1U);
  EXPECT_EQ(out.items[0].payload.size(), 700U);
  EXPECT_FALSE(out.items[0].damaged);

  assembler.reset();
  auto twice = packets;
  twice.insert(twice.begin() + 1, 2, packets[1]);
  feed(assembler, twice, out);
  ASSERT_EQ(out.items.size(), 2U);
  EXPECT_TRUE(out.items[1].damaged);
}

TEST(PesAssembler, MarksPesDamagedWhoseLengthIsNotMet) {
  PesAssembler assembler(Pid{256});
  Collected out;
  int cc = 0;
  Bytes pes = make_pes(700, true);
  pes.resize(pes.size() - 50);
  feed(assembler, packetize(pes, cc), out);
  EXPECT_TRUE(out.items.empty());
  feed(assembler, packetize(make_pes(10, true), cc), out);
  ASSERT_EQ(out.items.size(), 2U);
  EXPECT_TRUE(out.items[0].damaged);
  EXPECT_FALSE(out.items[1].damaged);
}

TEST(PesAssembler, CutsStuffingBehindBoundedPes) {
  PesAssembler assembler(Pid{256});
  Collected out;
  int cc = 0;
  Bytes pes = make_pes(50, true);
  pes.resize(184, 0xFF);
  feed(assembler, packetize(pes, cc), out);
  ASSERT_EQ(out.items.size(), 1U);
  EXPECT_EQ(out.items[0].payload.size(), 50U);
  EXPECT_FALSE(out.items[0].damaged);
}

TEST(PesAssembler, MarksPesDamagedOnTransportErrorAndScrambling) {
  for (const int what : {0, 1, 2}) {
    PesAssembler assembler(Pid{256});
    Collected out;
    int cc = 0;
    Bytes pes = make_pes(700, true);
    if (what == 2) pes[6] |= 0x20;  // PES_scrambling_control
    auto packets = packetize(pes, cc);
    if (what == 0) packets[1][1] |= 0x80;
    if (what == 1) packets[1][3] |= 0x80;
    feed(assembler, packets, out);
    assembler.flush(out);
    ASSERT_EQ(out.items.size(), 1U);
    EXPECT_TRUE(out.items[0].damaged) << what;
    EXPECT_EQ(assembler.discarded(), what == 2 ? 0U : 1U);
  }
}

TEST(PesAssembler, CountsWholeScrambledPesAndDeliversNothing) {
  PesAssembler assembler(Pid{256});
  Collected out;
  int cc = 0;
  auto packets = packetize(make_pes(700, true), cc);
  for (auto& p : packets) p[3] |= 0xC0;
  feed(assembler, packets, out);
  assembler.flush(out);
  EXPECT_TRUE(out.items.empty());
  EXPECT_EQ(assembler.discarded(), packets.size());
}

TEST(PesAssembler, HoldsNoMoreThanItsBound) {
  PesAssembler assembler(Pid{256}, 1000);
  Collected out;
  int cc = 0;
  feed(assembler, packetize(make_pes(5000, false), cc), out);
  assembler.flush(out);
  ASSERT_EQ(out.items.size(), 1U);
  EXPECT_EQ(out.items[0].payload.size(), 1000U - 21);
  EXPECT_TRUE(out.items[0].damaged);
  EXPECT_GT(assembler.discarded(), 0U);
}

TEST(PesAssembler, TellsRandomAccessOfTheFirstPacket) {
  PesAssembler assembler(Pid{256});
  Collected out;
  int cc = 0;
  auto packets = packetize(make_pes(10, true), cc);
  ASSERT_EQ(packets[0][3] & 0x20, 0x20);
  packets[0][5] |= 0x40;
  feed(assembler, packets, out);
  ASSERT_EQ(out.items.size(), 1U);
  EXPECT_TRUE(out.items[0].random_access);
}

}  // namespace
}  // namespace headgate::mpegts
