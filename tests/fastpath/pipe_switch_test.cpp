// The switch between a channel's inputs, by hand and by itself, and what applies leave of it. Streams are
// generated.
#include "tests/fastpath/pipe_support.h"

namespace headgate::fastpath {
namespace {

constexpr std::uint32_t kFirst = 0xEF010101;
constexpr std::uint32_t kSecond = 0xEF010102;
constexpr std::uint64_t kTick = 27'000'000;

class SwitchTest : public PipeTest {
 protected:
  void start(protocol::FastpathChannel made) {
    wanted = state();
    wanted.channels = {std::move(made)};
    apply(wanted);
  }
  // Slots that begin another stream to a decoder.
  std::size_t discontinuities(ring::Consumer& consumer) {
    std::size_t n = 0;
    consumer.poll(100'000, [&](const ring::Slot& slot) {
      n += (slot.flags & ring::kSlotDiscontinuity) != 0 ? 1 : 0;
      EXPECT_GE(slot.timeline, timeline);
      timeline = slot.timeline;
      offset = slot.offset;
    });
    return n;
  }
  protocol::FastpathState wanted;
  std::int64_t timeline = 0;
  std::int64_t offset = 0;
  // Different clocks; the second one's wraps in the first minute.
  Sender first{MadeService(1, 5 * kTick), kFirst};
  Sender second{MadeService(2, mpegts::kPcrModulus - 3 * kTick), kSecond};
};

TEST_F(SwitchTest, SilenceSwitchesAndTheHeldPreferredInputSwitchesBack) {
  auto made = two_inputs();
  made.to_bridge = true;
  start(made);
  auto bridged = *ring::Consumer::open(folder + "/ring");
  run(1000, {&first, &second});
  EXPECT_EQ(seen.filled[2], 0U);
  EXPECT_EQ(pipe("a")->on_air.load(), 1U);
  discontinuities(*bridged);

  first.on = false;
  forget();
  run(1200, {&first, &second});
  EXPECT_GT(seen.filled[2], 50U);
  EXPECT_EQ(pipe("a")->on_air.load(), 2U);
  EXPECT_EQ(pipe("a")->switches.load(), 1U);
  EXPECT_NE(input("a", 1)->troubles.load() & 1, 0U) << "no data";
  EXPECT_EQ(input("a", 2)->troubles.load(), 0U);
  EXPECT_EQ(discontinuities(*bridged), 1U);
  const auto switched = static_cast<std::int64_t>(pipe("a")->switched_unix_ns.load());
  EXPECT_GT(switched, now_ns - 1100 * kMs);
  EXPECT_LT(switched, now_ns);

  first.on = true;
  forget();
  run(900, {&first, &second});
  EXPECT_EQ(pipe("a")->on_air.load(), 2U) << "not good for long enough yet";
  EXPECT_EQ(input("a", 1)->troubles.load(), 0U);
  run(1500, {&first, &second});
  EXPECT_EQ(pipe("a")->on_air.load(), 1U);
  EXPECT_EQ(pipe("a")->switches.load(), 2U);
  EXPECT_EQ(pipe("a")->hard_switches.load(), 0U);
  EXPECT_EQ(discontinuities(*bridged), 1U);
  EXPECT_EQ(seen.cc_errors, 0);
  EXPECT_EQ(seen.pcr_jumps, 0);
}

TEST_F(SwitchTest, EachInputIsMappedBeforeItAndAnotherMapBeginsAnew) {
  auto made = two_inputs();
  made.remux = protocol::RemuxState{101, {}, {{"video", 0, 0x42}}, "", ""};
  start(made);
  Sender other{MadeService(2, 9 * kTick, 0x300, 0x30), kSecond};
  run(1000, {&first, &other});
  EXPECT_GT(seen.filled[1], 100U);
  first.on = false;
  run(1200, {&first, &other});
  EXPECT_EQ(pipe("a")->on_air.load(), 2U);
  EXPECT_GT(seen.filled[2], 50U);
  EXPECT_TRUE(seen.last_cc.contains(0x42));
  EXPECT_FALSE(seen.last_cc.contains(0x100) || seen.last_cc.contains(0x300));
  EXPECT_EQ(seen.cc_errors, 0);
  EXPECT_EQ(seen.pcr_jumps, 0);
  // What the switch made of the second input has the first map's PIDs.
  wanted.channels[0].remux->pids[0].to = 0x43;
  apply(wanted);
  seen.last_cc.clear();
  forget();
  run(1000, {&first, &other});
  EXPECT_GT(seen.filled[2], 100U);
  EXPECT_TRUE(seen.last_cc.contains(0x43));
  EXPECT_FALSE(seen.last_cc.contains(0x42));
}

TEST_F(SwitchTest, ADeadPrimaryAtTheStartIsNotWaitedForLong) {
  start(two_inputs());
  run(2000, {&second});
  EXPECT_EQ(pipe("a")->on_air.load(), 2U);
  EXPECT_GT(seen.filled[2], 100U);
  EXPECT_EQ(seen.cc_errors, 0);
}

TEST_F(SwitchTest, HalfOfTheUsualBitrateSwitchesWhereItIsNamed) {
  auto made = two_inputs();
  made.failover.when = {protocol::Trouble::bitrate};
  start(made);
  run(8000, {&first, &second});
  first.service.per_picture = 4;
  run(3000, {&first, &second});
  EXPECT_EQ(pipe("a")->on_air.load(), 2U);
  EXPECT_NE(input("a", 1)->troubles.load() >> static_cast<unsigned>(protocol::Trouble::bitrate) & 1, 0U);
  EXPECT_EQ(seen.cc_errors, 0);
}

// What a segment brings at once is paced before its rate is looked at.
TEST_F(SwitchTest, BurstsIntoABufferAreNoLossOfBitrate) {
  open_ring();
  auto made = two_inputs();
  made.failover.when = {protocol::Trouble::bitrate};
  made.inputs[0] = bridge_input(1);
  made.inputs[0].buffer_ms = 3000;
  start(made);
  Sender bursts{MadeService(1, 5 * kTick), 0, 'a'};
  for (int segment = 0; segment < 6; ++segment) {
    for (int picture = 0; picture < 75; ++picture) {
      for (const FrameBytes& packet : bursts.service.next()) push_slot('a', 1, packet);
      wait(0);
    }
    run(3000, {&second});
  }
  EXPECT_EQ(pipe("a")->on_air.load(), 1U);
  EXPECT_EQ(pipe("a")->switches.load(), 0U);
  EXPECT_EQ(input("a", 1)->troubles.load(), 0U);
}

TEST_F(SwitchTest, PcrAndTablesGoOnFromTheLastPacketOfAnInputToTheFirstOfTheNext) {
  for (const std::uint64_t bitrate : {0U, 1'000'000U}) {
    auto made = two_inputs();
    made.failover.after_ms = 1500;
    made.bitrate_bps = bitrate;
    if (bitrate != 0) {
      for (auto& input : made.inputs) input.buffer_ms = 200;
    }
    start(made);
    run(2000, {&first, &second});
    first.on = false;
    forget();
    seen.pcr_pause_ns = 0;
    run(3000, {&first, &second});
    EXPECT_EQ(pipe("a")->on_air.load(), 2U);
    EXPECT_LE(seen.pcr_pause_ns, 100 * kMs) << bitrate;
    EXPECT_LE(seen.pat_pause_ns, 500 * kMs) << bitrate;
    EXPECT_EQ(seen.cc_errors, 0) << bitrate;
    EXPECT_EQ(seen.pcr_jumps, 0) << bitrate;
    if (bitrate != 0) {
      EXPECT_LE(largest_pause_ns, 15 * kMs);
    }
    // Nobody is good: silence, so that what follows can react.
    second.on = false;
    run(6000, {&first, &second});
    EXPECT_GT(now_ns - last_ns, 2000 * kMs) << bitrate;
    apply(state());
    first = Sender{MadeService(1, 5 * kTick), kFirst};
    second = Sender{MadeService(2, mpegts::kPcrModulus - 3 * kTick), kSecond};
    seen = {};
    last_ns = 0;
  }
}

TEST_F(SwitchTest, TheOperatorsWordCountsAndDisturbsNothing) {
  start(two_inputs());
  run(500, {&first, &second});
  wanted.channels[0].forced_input = 2;
  apply(wanted);
  run(1500, {&first, &second});
  EXPECT_EQ(pipe("a")->on_air.load(), 2U);
  EXPECT_EQ(pipe("a")->forced.load(), 2U);
  second.on = false;
  run(1000, {&first, &second});
  EXPECT_EQ(pipe("a")->wanted.load(), 2U) << "whatever its state";
  second.on = true;
  run(500, {&first, &second});
  seen = {};  // what it lost is lost
  wanted.channels[0].forced_input = 0;
  wanted.channels[0].failover.back = false;
  apply(wanted);
  run(2000, {&first, &second});
  EXPECT_EQ(pipe("a")->forced.load(), 0U);
  EXPECT_EQ(pipe("a")->on_air.load(), 2U) << "back is off: it stays where it was";
  wanted.channels[0].failover.back = true;
  apply(wanted);
  run(2500, {&first, &second});
  EXPECT_EQ(pipe("a")->on_air.load(), 1U);
  EXPECT_EQ(pipe("a")->switches.load(), 2U);
  EXPECT_EQ(seen.cc_errors, 0);
  EXPECT_EQ(seen.pcr_jumps, 0);
}

TEST_F(SwitchTest, AppliesKeepPipesAndTheirNeighbours) {
  start(two_inputs());
  wanted.channels.push_back(channel("r", "239.1.1.9", "239.2.1.9"));
  apply(wanted);
  const DatagramOptions relayed{.destination = 0xEF010109};
  std::size_t of_r = 0;
  for (std::uint8_t i = 0; i < 60; ++i) {
    run(20, {&first, &second});
    wanted.channels[0].failover.after_ms = 200U + i;
    wanted.channels[0].outputs[0].ttl = static_cast<std::uint8_t>(5 + i);
    if (i % 3 == 0) {
      wanted.channels.resize(2);
    } else if (i % 3 == 1) {
      wanted.channels.push_back(two_inputs("b"));
      wanted.channels.back().outputs[0].group = "239.2.1.7";
    }
    apply(wanted);
    enqueue(udp_frame(ts_packet(0x1FF0, i, 9), relayed));
    wait(1);
    for (const FrameBytes& frame : sent()) {
      if (parse_frame(frame, 0).destination == 0xEF020109) {
        EXPECT_EQ(payload_of(frame), ts_packet(0x1FF0, i, 9));
        ++of_r;
      } else {
        ADD_FAILURE() << "nothing else was sent";
      }
    }
  }
  EXPECT_EQ(of_r, 60U);
  EXPECT_EQ(seen.cc_errors, 0);
  EXPECT_EQ(input("a", 1)->cc_errors.load(), 0U);
  EXPECT_EQ(pipe("a")->switches.load(), 0U);
  EXPECT_EQ(pipe("r"), nullptr) << "one input is a relay";
}

TEST_F(SwitchTest, AnInputThatIsAddedOrRemovedLeavesTheOneOnAir) {
  start(two_inputs());
  run(300, {&first, &second});
  first.on = false;
  run(1500, {&first, &second});
  ASSERT_EQ(pipe("a")->on_air.load(), 2U);
  auto third = wanted.channels[0].inputs[1];
  third.number = 3;
  third.group = "239.1.1.3";
  third.url = "udp://239.1.1.3:5000";
  wanted.channels[0].inputs.push_back(third);
  apply(wanted);
  run(1000, {&first, &second});
  EXPECT_EQ(pipe("a")->on_air.load(), 2U);
  EXPECT_EQ(pipe("a")->switches.load(), 1U);
  wanted.channels[0].inputs.erase(wanted.channels[0].inputs.begin());
  apply(wanted);
  run(1000, {&second});
  EXPECT_EQ(pipe("a")->on_air.load(), 2U);
  Sender other{MadeService(3, 900 * kTick), 0xEF010103};
  second.on = false;
  run(1500, {&second, &other});
  EXPECT_EQ(pipe("a")->on_air.load(), 3U);
  EXPECT_EQ(pipe("a")->switches.load(), 2U);
  EXPECT_EQ(seen.cc_errors, 0);
  EXPECT_EQ(seen.pcr_jumps, 0);
}

TEST_F(SwitchTest, AChannelThatGetsASecondInputGoesOnWithTheOneItHas) {
  // The preferred one is the new one, and silent.
  auto alone = two_inputs();
  alone.to_bridge = true;
  alone.inputs.erase(alone.inputs.begin());
  start(alone);
  auto bridged = *ring::Consumer::open(folder + "/ring");
  run(200, {&second});
  second.service.jump(kTick * 5000);  // from here on the timeline tells this channel from a fresh one
  run(500, {&second});
  EXPECT_EQ(discontinuities(*bridged), 1U);
  const std::int64_t before = offset;
  EXPECT_NE(before, 0);
  EXPECT_EQ(pipe("a"), nullptr);
  seen = {};
  const std::uint64_t taken = taken_in("a", 2);
  auto both = two_inputs();
  both.to_bridge = true;
  wanted.channels = {both};
  apply(wanted);
  run(500, {&second});
  EXPECT_GT(seen.packets, 100U);
  EXPECT_EQ(seen.packets, taken_in("a", 2) - taken) << "not a packet lost";
  EXPECT_EQ(pipe("a")->on_air.load(), 2U);
  EXPECT_EQ(discontinuities(*bridged), 0U);
  EXPECT_EQ(offset, before) << "its timeline goes on";
  wanted.channels = {alone};
  apply(wanted);
  EXPECT_EQ(pipe("a"), nullptr);
  run(500, {&second});
  EXPECT_EQ(seen.cc_errors, 0);
  EXPECT_EQ(seen.pcr_jumps, 0);
  EXPECT_EQ(seen.packets, taken_in("a", 2) - taken) << "and its counters";
  EXPECT_EQ(discontinuities(*bridged), 0U);
  EXPECT_EQ(offset, before);
}

TEST_F(SwitchTest, AChannelThatKeepsOneInputKeepsItsTimeline) {
  auto both = two_inputs();
  both.to_bridge = true;
  start(both);
  auto bridged = *ring::Consumer::open(folder + "/ring");
  run(500, {&first, &second});
  discontinuities(*bridged);
  const std::int64_t before = timeline;
  auto alone = both;
  alone.inputs.erase(alone.inputs.begin());
  wanted.channels = {alone};
  apply(wanted);
  run(500, {&second});
  EXPECT_EQ(discontinuities(*bridged), 1U) << "another clock, and said so";
  EXPECT_NEAR(static_cast<double>(timeline - before) / kTick, 0.5, 0.1);
}

TEST_F(SwitchTest, TheLastBackupMayGoAfterASwitchToo) {
  auto both = two_inputs();
  both.to_bridge = true;
  start(both);
  auto bridged = *ring::Consumer::open(folder + "/ring");
  run(500, {&first, &second});
  for (const std::uint32_t forced : {2U, 1U}) {
    wanted.channels[0].forced_input = forced;
    apply(wanted);
    run(1500, {&first, &second});
    ASSERT_EQ(pipe("a")->on_air.load(), forced);
  }
  discontinuities(*bridged);
  const std::uint64_t before = seen.filled[1];
  wanted.channels[0].forced_input = 0;
  wanted.channels[0].inputs.pop_back();
  apply(wanted);
  run(1000, {&first});
  // 25 pictures with 10 packets each, PAT and PMT among those of every other one; up to six wait for a
  // seventh.
  EXPECT_NEAR(static_cast<double>(seen.filled[1] - before), 25 * 10 - 26, 6) << "not a packet lost";
  EXPECT_EQ(seen.cc_errors, 0);
  EXPECT_EQ(seen.pcr_jumps, 0);
  EXPECT_EQ(discontinuities(*bridged), 0U);
  EXPECT_NE(pipe("a"), nullptr) << "its counters and clock are no more those of the input";
  // Another input altogether is another stream.
  wanted.channels[0].inputs[0].group = "239.1.1.7";
  apply(wanted);
  EXPECT_EQ(pipe("a"), nullptr);
}

TEST_F(SwitchTest, WhatIsGatheredLeavesWithThePipe) {
  auto made = two_inputs();
  for (auto& input : made.inputs) input.program = std::uint16_t{1};
  start(made);
  const auto picture = first.service.next();
  receive(udp_frame(join_bytes({picture.begin(), picture.begin() + 7}), {.destination = kFirst}));
  sent();
  receive(udp_frame(join_bytes({picture.begin() + 7, picture.begin() + 9}), {.destination = kFirst}));
  EXPECT_TRUE(sent().empty()) << "a cut service is gathered by sevens";
  apply(state());
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(payload_of(frames[0]).size(), 2U * 188);
}

TEST_F(SwitchTest, DatagramsKeepTheirSizeAndTheirMoment) {
  start(two_inputs());
  for (std::uint8_t i = 0; i < 20; ++i) {
    const FrameBytes packets = join_bytes({ts_packet(0x100, static_cast<std::uint8_t>(3 * i), i),
                                           ts_packet(0x100, static_cast<std::uint8_t>(3 * i + 1), i),
                                           ts_packet(0x100, static_cast<std::uint8_t>(3 * i + 2), i)});
    receive(udp_frame(packets));
    const auto frames = sent();
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(payload_of(frames[0]), packets);
  }
}

}  // namespace
}  // namespace headgate::fastpath
