// Channels with several inputs, a buffer, a constant rate or an input of the bridge, on their way through the
// worker. Streams are generated.
#include <filesystem>
#include <functional>

#include "tests/fastpath/pipe_support.h"
#include "tests/support/allocation_count.h"

namespace headgate::fastpath {
namespace {

using protocol::DropReason;

constexpr std::uint32_t kFirst = 0xEF010101;
constexpr std::uint64_t kTick = 27'000'000;

TEST_F(PipeTest, WhatTheBridgeSendsLeavesWholeAtOnce) {
  apply(fed_by_bridge(0, 0, true));
  auto bridged = *ring::Consumer::open(folder + "/ring");
  MadeService service(1, 5 * kTick);
  const auto picture = service.next();
  const FrameBytes packets = join_bytes({picture.begin(), picture.begin() + 5});
  push_slot('a', 1, packets);
  wait(kMs);
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(payload_of(frames[0]), packets);
  std::size_t slots = 0;
  bridged->poll(10, [&](const ring::Slot& slot) {
    ++slots;
    EXPECT_EQ(slot.channel, static_cast<std::uint32_t>('a'));
    EXPECT_EQ(slot.input, 0U);
    EXPECT_EQ(FrameBytes(slot.packets.begin(), slot.packets.begin() + 5 * 188), packets);
    EXPECT_NE(slot.flags & ring::kSlotTimeline, 0);
  });
  EXPECT_EQ(slots, 1U);
  EXPECT_EQ(input("a")->ts_packets.load(), 5U);
  EXPECT_EQ(input("a")->datagrams.load(), 1U);
  EXPECT_EQ(input("a")->ring_slots.load(), 1U);
  EXPECT_EQ(input("a")->last_packet_unix_ns.load(), static_cast<std::uint64_t>(now_ns));
  ASSERT_NE(pipe("a"), nullptr);
  EXPECT_EQ(pipe("a")->on_air.load(), 1U);
  EXPECT_TRUE(arrivals().empty()) << "nothing to be joined";
}

TEST_F(PipeTest, SlotsOfNobodyAreCounted) {
  open_ring();
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1"), channel("b", "239.1.1.2", "239.2.1.2")};
  wanted.channels[0].inputs = {bridge_input()};
  apply(wanted);
  push_slot('x', 1, ts_packet(0x100, 0, 1));
  push_slot('a', 2, ts_packet(0x100, 0, 1));
  push_slot('b', 1, ts_packet(0x100, 0, 1));  // its input is no one of the bridge
  wait(kMs);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(stats().workers[0].unknown_slots.load(), 3U);
  EXPECT_EQ(input("a")->ts_packets.load(), 0U);
}

TEST_F(PipeTest, SlotsThatTheRingLostAreCountedAtTheirInput) {
  to_fastpath = *ring::Producer::open(folder + "/back", 64);
  from_bridge = *ring::Consumer::open(folder + "/back");
  apply(fed_by_bridge());
  push_slot('a', 1, ts_packet(0x100, 0, 1));
  wait(kMs);
  for (std::uint8_t i = 1; i < 70; ++i) push_slot('a', 1, ts_packet(0x100, i, 1));  // five more than fit
  wait(kMs);
  push_slot('a', 1, ts_packet(0x100, 70, 1));
  wait(kMs);
  EXPECT_EQ(input_drops("a", DropReason::ring_full), 5U);
  EXPECT_EQ(input("a")->cc_errors.load(), 1U);
  EXPECT_EQ(input("a")->ts_packets.load(), 66U);
}

TEST_F(PipeTest, ABridgeThatIsStartedAgainGoesOnInItsRing) {
  auto wanted = fed_by_bridge();
  apply(wanted);
  for (std::uint8_t i = 0; i < 10; ++i) push_slot('a', 1, ts_packet(0x100, i, 1));
  wait(kMs);
  EXPECT_EQ(sent().size(), 10U);
  to_fastpath.reset();
  to_fastpath = *ring::Producer::open(folder + "/back", 1024);
  push_slot('a', 1, ts_packet(0x100, 10, 1));
  wait(kMs);
  EXPECT_EQ(sent().size(), 1U);
  EXPECT_EQ(input_drops("a", DropReason::ring_full), 1U) << "how many it took with it nobody knows";

  // Its file may be another one: the snapshot then names another consumer.
  std::filesystem::remove(folder + "/back");
  to_fastpath.reset();
  to_fastpath = *ring::Producer::open(folder + "/back", 1024);
  EXPECT_TRUE(from_bridge->stale());
  auto before = std::move(from_bridge);
  from_bridge = *ring::Consumer::open(folder + "/back");
  apply(wanted);
  push_slot('a', 1, ts_packet(0x100, 11, 1));
  wait(kMs);
  EXPECT_EQ(sent().size(), 1U);
  EXPECT_EQ(input("a")->cc_errors.load(), 0U);
  from_bridge.reset();
  apply(wanted);
  push_slot('a', 1, ts_packet(0x100, 12, 1));
  wait(kMs);
  EXPECT_TRUE(sent().empty()) << "no ring, no slots";
}

TEST_F(PipeTest, ABufferTakesBurstsAndLetsThemLeaveEvenly) {
  apply(fed_by_bridge(1000));
  MadeService service(1, 5 * kTick);
  // Half a second at once, each half second.
  for (int burst = 0; burst < 12; ++burst) {
    std::vector<FrameBytes> packets;
    const int pictures = burst % 2 == 0 ? 12 : 13;
    for (int i = 0; i < pictures; ++i) {
      for (FrameBytes& packet : service.next()) packets.push_back(std::move(packet));
    }
    for (std::size_t i = 0; i < packets.size(); i += 5)
      push_slot('a', 1,
                join_bytes({packets.begin() + static_cast<std::ptrdiff_t>(i),
                            packets.begin() + static_cast<std::ptrdiff_t>(i + 5)}));
    run(burst % 2 == 0 ? 480 : 520, {});
    if (burst == 3) forget();
  }
  EXPECT_LE(largest_pause_ns, 40 * kMs);
  EXPECT_EQ(seen.cc_errors, 0);
  const auto packets = seen.packets;
  run(1500, {});
  EXPECT_EQ(seen.packets, 1500U) << "all of it";
  EXPECT_GT(seen.packets, packets + 100) << "half a second of it and more waited";
  EXPECT_EQ(input("a")->buffer_packets.load(), 0U);
  EXPECT_EQ(input("a")->buffer_overflows.load(), 0U);
  EXPECT_EQ(input_drops("a", DropReason::buffer_full), 0U);
}

TEST_F(PipeTest, WhatABufferHoldsAndWhatItCantIsShown) {
  apply(fed_by_bridge(500, 400'000));
  Sender sender{MadeService(1, 5 * kTick), 0, 'a'};
  run(1000, {&sender});
  EXPECT_GT(input("a")->buffer_packets.load(), 80U);
  EXPECT_LT(input("a")->buffer_packets.load(), 200U);
  EXPECT_GT(input("a")->buffer_level_ns.load(), 350'000'000U);
  // Five seconds at once: more than the half second, and the second beyond it, hold.
  for (int i = 0; i < 125; ++i) {
    for (const FrameBytes& packet : sender.service.next()) push_slot('a', 1, packet);
    if (i % 8 == 7) wait(1000);
  }
  run(100, {});
  EXPECT_GT(input("a")->buffer_overflows.load(), 0U);
  EXPECT_GT(input_drops("a", DropReason::buffer_full), 100U);
}

TEST_F(PipeTest, ConstantRateIsStuffedOnMulticastAndNotForTheBridge) {
  apply(fed_by_bridge(200, 1'000'000, true));
  auto bridged = *ring::Consumer::open(folder + "/ring");
  Sender sender{MadeService(1, 5 * kTick), 0, 'a'};
  run(2000, {&sender});
  const auto packets = seen.packets;
  const auto nulls = seen.nulls + seen.alone;
  run(4000, {&sender});
  const double rate = static_cast<double>(seen.packets - packets) * 1504 / 4;
  EXPECT_NEAR(rate, 1e6, 1e6 * 0.005);
  EXPECT_NEAR(static_cast<double>(seen.nulls + seen.alone - nulls), 4 * (1e6 / 1504 - 250), 20);
  EXPECT_EQ(seen.cc_errors, 0);
  EXPECT_EQ(seen.pcr_jumps, 0);
  EXPECT_NEAR(static_cast<double>(pipe("a")->null_packets.load()),
              static_cast<double>(seen.nulls + seen.alone), 7);
  EXPECT_EQ(pipe("a")->rate_dropped.load(), 0U);
  SeenStream bridge_saw;
  bridged->poll(100'000, [&](const ring::Slot& slot) {
    bridge_saw.take(FrameBytes(slot.packets.begin(), slot.packets.begin() + slot.packet_count * 188),
                    slot.arrival_ns);
  });
  EXPECT_EQ(bridge_saw.nulls, 0U);
  EXPECT_EQ(bridge_saw.cc_errors, 0);
  EXPECT_GT(bridge_saw.packets, 1300U);
}

TEST_F(PipeTest, WhatIsBeyondTheConstantRateIsCountedAtTheOutput) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  wanted.channels[0].bitrate_bps = 200'000;  // the stream has 376 kb/s
  apply(wanted);
  Sender sender{MadeService(1, 5 * kTick), kFirst};
  run(5000, {&sender});
  const std::uint64_t dropped = pipe("a")->rate_dropped.load();
  EXPECT_GT(dropped, 200U);
  EXPECT_EQ(stats().outputs[0].drops[static_cast<std::size_t>(DropReason::rate_exceeded)].load(), dropped);
}

TEST_F(PipeTest, DeparturesThatComeLateAreShown) {
  apply(fed_by_bridge(200));
  Sender sender{MadeService(1, 5 * kTick), 0, 'a'};
  run(3000, {&sender});
  stats();
  wait(35 * kMs);  // the worker was kept from its core
  run(1200, {&sender});
  const auto late = static_cast<std::int64_t>(pipe("a")->departure_late_max_ns.load());
  EXPECT_GT(late, 15 * kMs);
  EXPECT_LT(late, 36 * kMs);
}

TEST_F(PipeTest, EveryDepartureIsCountedByItsLateness) {
  apply(fed_by_bridge(200, 1'000'000));  // a datagram every 10.5 ms
  Sender sender{MadeService(1, 5 * kTick), 0, 'a'};
  const auto beyond = [&](std::uint64_t bound_ns) {
    std::uint64_t late = 0;
    for (std::size_t i = 0; i < protocol::kDepartureClasses; ++i) {
      if (i > 0 && protocol::kDepartureBounds[i - 1] >= bound_ns) late += pipe("a")->departures[i].load();
    }
    return late;
  };
  const auto all = [&] { return beyond(0) + pipe("a")->departures[0].load(); };
  run(3000, {&sender});
  EXPECT_EQ(all() * 7, seen.packets);
  EXPECT_NEAR(static_cast<double>(all()), 2.8 * 1e6 / (7 * 1504), 12);
  EXPECT_EQ(beyond(1'000'000), 0U) << "a turn a millisecond";
  EXPECT_GT(beyond(500'000), all() / 3);
  EXPECT_LT(beyond(500'000), all() * 2 / 3);
  const double mean = static_cast<double>(pipe("a")->departure_late_ns.load()) / static_cast<double>(all());
  EXPECT_NEAR(mean, 500'000, 60'000);
  wait(85 * kMs);  // the worker was kept from its core: eight departures, each later than the next
  collect();
  EXPECT_GE(beyond(5'000'000), 7U);
  EXPECT_GE(beyond(50'000'000), 3U);
  EXPECT_LE(beyond(50'000'000), 4U);
  EXPECT_EQ(all() * 7, seen.packets);
}

// A turn that takes something out of the buffer alone would cost a waking before its time.
TEST_F(PipeTest, WhatAConstantRateTakesFromTheBufferComesWithItsDatagrams) {
  apply(fed_by_bridge(200, 4'000'000));  // a datagram every 2.6 ms
  Sender sender{MadeService(1, 5 * kTick), 0, 'a'};
  run(1000, {&sender});
  std::uint64_t turns = 0;
  const auto packets = seen.packets;
  for (int i = 0; i < 20'000; ++i) {
    if (i % 20 == 0) {
      step(sender);
      worker->poll(now_ns);
    }
    now_ns += kMs / 20;
    turns += worker->poll(now_ns) > 0 ? 1U : 0U;
    collect();
  }
  EXPECT_EQ(turns, (seen.packets - packets) / 7);
  EXPECT_EQ(seen.cc_errors, 0);
  EXPECT_EQ(seen.pcr_jumps, 0);
}

// The bridge has its packets soon, but nobody is woken at the time of each.
TEST_F(PipeTest, WhatLeavesByNoPortIsFetchedInLargerParts) {
  open_ring();
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  wanted.channels[0].inputs = {bridge_input()};
  wanted.channels[0].inputs[0].buffer_ms = 200;
  wanted.channels[0].outputs.clear();
  wanted.channels[0].to_bridge = true;
  apply(wanted);
  auto bridged = *ring::Consumer::open(folder + "/ring");
  Sender sender{MadeService(1, 5 * kTick), 0, 'a'};
  run(1000, {&sender});
  std::uint64_t turns = 0, packets = 0;
  bridged->poll(10'000, [](const ring::Slot&) {});
  for (int i = 0; i < 20'000; ++i) {
    if (i % 20 == 0) {
      step(sender);
      worker->poll(now_ns);
    }
    now_ns += kMs / 20;
    turns += worker->poll(now_ns) > 0 ? 1U : 0U;
    bridged->poll(100, [&](const ring::Slot& slot) { packets += slot.packet_count; });
  }
  EXPECT_NEAR(static_cast<double>(packets), 250, 15);
  EXPECT_LE(turns, 200U);
  std::uint64_t departures = 0;
  for (const auto& counter : pipe("a")->departures) departures += counter.load();
  EXPECT_EQ(departures, 0U) << "what leaves by no port departs at no time";
}

TEST_F(PipeTest, AServiceIsCutOutBeforeTheBufferAndTheSwitch) {
  auto made = two_inputs();
  for (auto& input : made.inputs) {
    input.program = std::uint16_t{1};
    input.buffer_ms = 100;
  }
  auto wanted = state();
  wanted.channels = {made};
  apply(wanted);
  Sender first{MadeService(1, 5 * kTick), kFirst};
  Sender foreign{MadeService(9, 7 * kTick, 0x300, 0x30), kFirst};
  foreign.service.tables = false;
  run(1000, {&first, &foreign});
  EXPECT_GT(seen.filled[1], 150U);
  EXPECT_FALSE(seen.last_cc.contains(0x300));
  EXPECT_EQ(seen.cc_errors, 0);
  EXPECT_EQ(input("a", 1)->service_state.load(), 4U);
}

TEST_F(PipeTest, AStepOfTheClockStopsNothing) {
  apply(fed_by_bridge(300, 600'000));
  Sender sender{MadeService(1, 5 * kTick), 0, 'a'};
  for (const std::int64_t step : {std::int64_t{0}, std::int64_t{3600}, std::int64_t{-7200}}) {
    now_ns += step * 1'000'000'000;
    steps_ns += step * 1'000'000'000;
    sender.next_ns += step * 1'000'000'000;
    last_ns = 0;
    run(2000, {&sender});
    if (step == 0) continue;
    EXPECT_LE(largest_pause_ns, 40 * kMs);
    // Nor does it make a moment of what came last look like an hour.
    const auto age = now_ns - steps_ns - static_cast<std::int64_t>(input("a")->last_packet_unix_ns.load());
    EXPECT_GE(age, 0);
    EXPECT_LT(age, 1000 * kMs);
  }
  EXPECT_EQ(seen.cc_errors, 0);
  EXPECT_EQ(seen.pcr_jumps, 0);
  EXPECT_EQ(input("a")->buffer_underflows.load(), 0U);
}

TEST_F(PipeTest, TheTimelineGoesOnAfterARestart) {
  auto wanted = fed_by_bridge(0, 0, true);
  apply(wanted);
  auto bridged = *ring::Consumer::open(folder + "/ring");
  Sender sender{MadeService(1, 5 * kTick), 0, 'a'};
  std::int64_t offset = 0;
  std::size_t discontinuities = 0;
  const auto listen = [&] {
    stats();
    bridged->poll(100'000, [&](const ring::Slot& slot) {
      discontinuities += (slot.flags & ring::kSlotDiscontinuity) != 0 ? 1 : 0;
      if ((slot.flags & ring::kSlotTimeline) != 0) offset = slot.offset;
    });
  };
  run(500, {&sender});
  sender.service = MadeService(1, 5000 * kTick);  // the source's clock jumps
  for (int i = 0; i < 5; ++i) {
    run(500, {&sender});
    listen();
  }
  EXPECT_EQ(discontinuities, 1U);
  EXPECT_NE(offset, 0);
  const std::int64_t before = offset;
  apply(state());  // the pipe is gone, as after a kill
  EXPECT_EQ(pipe("a"), nullptr);
  apply(wanted);
  run(500, {&sender});
  listen();
  EXPECT_EQ(offset, before);
  EXPECT_EQ(discontinuities, 1U);
}

TEST_F(PipeTest, AllocatesNothingPerPacket) {
  open_ring();
  auto wanted = state();
  auto switched = two_inputs();
  switched.to_bridge = true;
  switched.inputs.push_back(bridge_input(3));
  switched.inputs[2].buffer_ms = 200;
  switched.bitrate_bps = 1'000'000;
  auto cut = channel("c", "239.1.1.3", "239.2.1.3");
  cut.inputs[0].program = std::uint16_t{1};
  cut.inputs[0].buffer_ms = 100;
  wanted.channels = {switched, cut};
  apply(wanted);
  Sender first{MadeService(1, 5 * kTick), kFirst};
  Sender second{MadeService(2, 9 * kTick), 0xEF010102};
  Sender third{MadeService(3, 11 * kTick), 0, 'a', 3};
  Sender fourth{MadeService(4, 13 * kTick), 0xEF010103};
  auto bridged = *ring::Consumer::open(folder + "/ring");
  run(1000, {&first, &second, &third, &fourth});
  std::uint64_t allocated = 0;
  for (int i = 0; i < 3000; ++i) {
    if (i == 1000) first.on = false;  // a switch on the way
    for (Sender* sender : {&first, &second, &third, &fourth}) step(*sender);
    now_ns += kMs;
    const std::uint64_t before = test::allocations();
    worker->poll(now_ns);
    // A switch may, where a table changes.
    if (i < 1000 || i > 2500) allocated += test::allocations() - before;
    sent();
    bridged->poll(1000, [](const ring::Slot&) {});
  }
  EXPECT_EQ(allocated, 0U);
  EXPECT_EQ(pipe("a")->on_air.load(), 2U);
}

TEST_F(PipeTest, StatesThatNoPipeCanCarryAreRefused) {
  struct Case {
    std::function<void(protocol::FastpathChannel&)> spoil;
    const char* says;
  };
  const Case cases[] = {
      {[](auto& c) {
         while (c.inputs.size() < 9) {
           c.inputs.push_back(c.inputs[0]);
           c.inputs.back().number = static_cast<std::uint32_t>(c.inputs.size());
         }
       },
       "channel a: 9 inputs; at most 8"},
      {[](auto& c) { c.forced_input = 3; }, "channel a: there is no input 3 to be forced"},
      {[](auto& c) { c.inputs[1].number = 1; }, "two inputs with the number 1"},
      {[](auto& c) { c.inputs[1].buffer_ms = 60'001; }, "a buffer of 60001 ms"},
      {[](auto& c) { c.bitrate_bps = 2'000'000'000; }, "a constant rate of 2000000000"},
  };
  auto wanted = state();
  wanted.channels = {two_inputs()};
  apply(wanted);
  const std::size_t places = places_in_use();
  for (const Case& c : cases) {
    auto bad = wanted;
    c.spoil(bad.channels[0]);
    EXPECT_NE(refusal(bad).find(c.says), std::string::npos) << refusal(bad);
    EXPECT_EQ(places_in_use(), places);
  }
  // Refused after the pipes were made: they are gone again.
  auto bad = wanted;
  bad.channels.push_back(two_inputs("b"));
  bad.channels[1].inputs[0].vlan = 5000;
  EXPECT_NE(refusal(bad).find("flow table"), std::string::npos);
  EXPECT_EQ(places_in_use(), places);
}

}  // namespace
}  // namespace headgate::fastpath
