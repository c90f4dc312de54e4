#include "mpegts/mux/pid_block.h"

#include <gtest/gtest.h>

#include <set>

#include "multiplex_support.h"

namespace headgate::mpegts {
namespace {

using Role = PidBlock::Role;

Pmt pmt_with(const std::vector<std::string>& languages) {
  Pmt pmt;
  pmt.streams.push_back({0x1B, Pid{0x200}, {}});
  std::uint16_t pid = 0x201;
  for (const auto& language : languages) pmt.streams.push_back(test::sound(pid++, language));
  return pmt;
}

TEST(PidBlock, LiesBetweenTheTablesAndTheNullPid) {
  EXPECT_EQ(PidBlock(0).pmt(), Pid{0x100});
  EXPECT_EQ(PidBlock(1).pmt(), Pid{0x180});
  EXPECT_EQ(PidBlock(PidBlock::kCount - 1).pmt(), Pid{0x1F00});
  EXPECT_EQ(PidBlock(3).pcr(), Pid{0x281});
}

TEST(PidBlock, PlacesATrackByRoleLanguageAndOrdinal) {
  PidBlock block(0);
  const auto placed = block.place(pmt_with({"", "eng", "eng", "fra"}));
  EXPECT_EQ(placed.streams[0], Pid{0x102});
  EXPECT_EQ(placed.streams[1], Pid{0x110});  // without a language: the first
  std::set<Pid> all;
  for (const auto& pid : placed.streams) {
    ASSERT_TRUE(pid);
    all.insert(*pid);
    if (*pid != Pid{0x102}) {
      EXPECT_GE(pid->value, 0x110);
      EXPECT_LT(pid->value, 0x150);
    }
  }
  EXPECT_EQ(all.size(), placed.streams.size());
}

TEST(PidBlock, MovesNoTrackWhereOneComesOrGoes) {
  PidBlock block(2);
  const auto before = block.place(pmt_with({"eng", "fra"}));
  const auto more = block.place(pmt_with({"deu", "eng", "spa", "fra"}));
  EXPECT_EQ(more.streams[2], before.streams[1]);
  EXPECT_EQ(more.streams[4], before.streams[2]);
  const auto less = block.place(pmt_with({"fra"}));
  EXPECT_EQ(less.streams[1], before.streams[2]);
  EXPECT_EQ(block.place(pmt_with({"eng", "fra"})).streams, before.streams);
}

TEST(PidBlock, GivesTheSameTracksTheSamePidsInANewLife) {
  const auto pmt = pmt_with({"eng", "fra", "deu", "eng", ""});
  EXPECT_EQ(PidBlock(4).place(pmt).streams, PidBlock(4).place(pmt).streams);
  // Whatever their order is, where languages differ.
  const auto one = PidBlock(4).place(pmt_with({"eng", "fra", "deu"}));
  const auto other = PidBlock(4).place(pmt_with({"deu", "eng", "fra"}));
  EXPECT_EQ(one.streams[1], other.streams[2]);
  EXPECT_EQ(one.streams[2], other.streams[3]);
  EXPECT_EQ(one.streams[3], other.streams[1]);
}

TEST(PidBlock, TakesPlacesOfTracksThatAreGoneOnlyWhereNoOtherIsFree) {
  PidBlock block(0);
  std::set<Pid> seen;
  for (int i = 0; i < 200; ++i) {
    const std::string language{static_cast<char>('a' + i / 26), static_cast<char>('a' + i % 26), 'x'};
    const auto placed = block.place(pmt_with({language}));
    ASSERT_TRUE(placed.streams[1]) << i;
    if (i < 0x40) {
      EXPECT_TRUE(seen.insert(*placed.streams[1]).second) << i;
    }
  }
}

TEST(PidBlock, LeavesOutTracksBeyondItsPlaces) {
  PidBlock block(0);
  const auto placed = block.place(pmt_with(std::vector<std::string>(70, "eng")));
  std::set<Pid> all;
  int out = 0;
  for (const auto& pid : placed.streams) {
    if (pid) {
      EXPECT_TRUE(all.insert(*pid).second);
    } else {
      ++out;
    }
  }
  EXPECT_EQ(out, 70 - 0x40);
}

TEST(PidBlock, GivesEcmPidsPlacesByTheirSystem) {
  Pmt pmt = pmt_with({"eng"});
  pmt.descriptors.bytes = {0x09, 4, 0x05, 0x00, 0xE7, 0x00, 0x09, 4, 0x06, 0x00, 0xE7, 0x01};
  PidBlock block(0);
  const auto placed = block.place(pmt);
  ASSERT_EQ(placed.keys.size(), 2U);
  EXPECT_EQ(placed.keys[0].from, Pid{0x700});
  for (const auto& key : placed.keys) {
    EXPECT_GE(key.to.value, 0x178);
    EXPECT_LT(key.to.value, 0x180);
  }
  EXPECT_NE(placed.keys[0].to, placed.keys[1].to);
  // Another ECM PID of the same system goes to the same place.
  pmt.descriptors.bytes[5] = 0x44;
  EXPECT_EQ(block.place(pmt).keys[0].to, placed.keys[0].to);
}

TEST(PidBlock, KnowsRolesFromTypesAndDescriptors) {
  EXPECT_EQ(PidBlock::role_of({0x24, Pid{1}, {}}), Role::video);
  EXPECT_EQ(PidBlock::role_of({0x06, Pid{1}, {{0x6A, 1, 0}}}), Role::audio);
  EXPECT_EQ(PidBlock::role_of({0x06, Pid{1}, {{0x56, 0}}}), Role::text);
  EXPECT_EQ(PidBlock::role_of({0x0B, Pid{1}, {}}), Role::data);
}

}  // namespace
}  // namespace headgate::mpegts
