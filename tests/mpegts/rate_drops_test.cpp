// What leaves of a stream that is faster than its rate.
#include <gtest/gtest.h>

#include <array>
#include <map>

#include "mpegts/mux/rate_schedule.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

using test::Packet;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

Packet pes(std::uint16_t pid, std::uint8_t stream_id, bool start = true) {
  Packet p = test::packet(pid, 0, start);
  const std::array<std::uint8_t, 9> head{0, 0, 1, stream_id, 0, 0, 0x80, 0, 0};
  if (start) std::copy(head.begin(), head.end(), p.begin() + 4);
  return p;
}

Packet table(std::uint16_t pid, std::uint8_t table_id) {
  Packet p = test::packet(pid, 0, true);
  p[4] = 0;
  p[5] = table_id;
  return p;
}

// Nothing but an adaptation field that says nothing.
Packet stuffing(std::uint16_t pid) {
  Packet p = test::packet(pid, 0);
  p[3] = 0x20;
  p[4] = 183;
  p[5] = 0;
  return p;
}

std::uint64_t dropped(const RateSchedule& stage, DropRank rank) {
  return stage.counters().dropped[static_cast<std::size_t>(rank)];
}

TEST(RateDrops, RanksArePaddingThenDataThenMediaThenTables) {
  const struct {
    Packet packet;
    DropRank rank;
  } kCases[] = {{pes(0x100, 0xE0), DropRank::media},    {pes(0x100, 0xC0), DropRank::media},
                {pes(0x100, 0xFD), DropRank::media},    {pes(0x100, 0xBD), DropRank::data},
                {pes(0x100, 0xBE), DropRank::padding},  {pes(0x100, 0xBF), DropRank::data},
                {table(0x100, 0x02), DropRank::tables}, {table(0x100, 0xFC), DropRank::tables},
                {table(0x100, 0x74), DropRank::data}};
  for (const auto& c : kCases) {
    const auto rank = rank_of_start(test::view(c.packet));
    ASSERT_TRUE(rank);
    EXPECT_EQ(*rank, c.rank) << int{c.packet[5]} << " " << int{c.packet[7]};
  }
  EXPECT_EQ(rank_of_start(test::view(test::packet(0x100, 0))), std::nullopt) << "begins nothing";
  EXPECT_TRUE(is_stuffing(test::view(stuffing(0x100))));
  Packet told = stuffing(0x100);
  told[5] = 0x80;  // discontinuity_indicator
  EXPECT_FALSE(is_stuffing(test::view(told)));
}

TEST(RateDrops, EachGoesFromItsOwnLevelOn) {
  constexpr std::size_t kRoom = 400;
  constexpr std::uint64_t kReserve = 64;
  RateSchedule stage(100'000, kRoom);
  std::map<DropRank, std::uint64_t> first;  // how many waited when the first of them went
  for (int i = 0; i < 500; ++i) {
    const std::array<Packet, 5> all{pes(0x101, 0xBE), stuffing(0x100), pes(0x102, 0xBD), pes(0x100, 0xE0),
                                    table(0x11, 0x42)};
    for (const Packet& packet : all) {
      stage.push(packet, kStart);
      for (std::size_t r = 0; r < kDropRanks; ++r) {
        const auto rank = static_cast<DropRank>(r);
        if (dropped(stage, rank) > 0) first.try_emplace(rank, stage.counters().waiting);
      }
    }
  }
  const auto near = [](std::uint64_t waiting, std::uint64_t level) {  // as many as others took meanwhile
    return waiting >= level && waiting <= level + 4;
  };
  EXPECT_TRUE(near(first[DropRank::padding], kRoom / 2)) << first[DropRank::padding];
  EXPECT_TRUE(near(first[DropRank::data], kRoom * 3 / 4)) << first[DropRank::data];
  EXPECT_TRUE(near(first[DropRank::media], kRoom)) << first[DropRank::media];
  EXPECT_EQ(first[DropRank::tables], kRoom + kReserve);
  EXPECT_EQ(stage.counters().waiting, kRoom + kReserve);
}

// Three times too much for a minute, in bursts of 200 ms: all tables and PCRs leave.
TEST(RateDrops, TablesAndPcrsNeverGo) {
  for (const std::uint64_t rate : {200'000ULL, 2'000'000ULL}) {
    const auto room = static_cast<std::size_t>(rate / 2 / 1504);
    RateSchedule stage(rate, room);
    std::map<std::uint16_t, int> pushed, left;
    int pcrs = 0, pcrs_left = 0;
    RateSchedule::Datagram datagram{};
    const auto drain = [&](std::int64_t until) {
      while (stage.next_departure_ns() < until) {
        if (!stage.pop(stage.next_departure_ns(), datagram)) continue;
        for (std::size_t at = 0; at < datagram.bytes.size(); at += kPacketSize) {
          const TsPacket p(std::span<const std::uint8_t>(datagram.bytes).subspan(at).first<kPacketSize>());
          ++left[p.pid().value];
          pcrs_left += p.has_pcr() && p.has_payload() ? 1 : 0;
        }
      }
    };
    const auto push = [&](const Packet& packet, std::int64_t due) {
      ++pushed[test::view(packet).pid().value];
      stage.push(packet, due);
    };
    const auto packets_a_second = static_cast<std::int64_t>(rate * 3 / 1504);
    for (std::int64_t ms = 0; ms < 60'000; ms += 200) {
      const std::int64_t due = kStart + ms * kMs;
      drain(due);
      for (std::int64_t i = 0; i < 200; i += 40) {
        for (std::int64_t n = 0; n < packets_a_second * 40 / 1000; ++n)
          push(n % 20 == 3 ? pes(0x102, 0xBD) : pes(0x100, 0xE0, n % 30 == 0), due);
        push(test::pcr_packet(0x100, 0, static_cast<std::uint64_t>((ms + i) * kTicksPerSecond / 1000)), due);
        ++pcrs;
        if (i % 80 == 0) {
          push(table(0, 0), due);
          push(table(0x50, 0x02), due);
          push(table(0x12, 0x4E), due);
        }
      }
    }
    drain(kStart + 63 * kSecond);
    EXPECT_EQ(dropped(stage, DropRank::tables), 0U) << rate;
    EXPECT_EQ(pcrs_left, pcrs) << rate;
    for (const std::uint16_t pid : std::array<std::uint16_t, 3>{0x00, 0x50, 0x12})
      EXPECT_EQ(left[pid], pushed[pid]) << pid;
    EXPECT_GT(dropped(stage, DropRank::media), 0U);
    EXPECT_GT(left[0x100], pushed[0x100] / 8) << rate;
    EXPECT_LT(left[0x102], pushed[0x102] / 4) << rate;
  }
}

}  // namespace
}  // namespace headgate::mpegts
