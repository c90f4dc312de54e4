#include "control/daemon/seen_alarms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/daemon/rising_count.h"
#include "sample_view.h"

namespace headgate::control {
namespace {

using protocol::DropReason;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr std::int64_t kSeenStart = 1'700'000'000'000'000'000;
constexpr std::int64_t seen_at(double second) { return kSeenStart + static_cast<std::int64_t>(second * 1e9); }

config::Model model_of_one() {
  config::Model model;
  model.channels.resize(1);
  model.channels[0].id = "news";
  model.channels[0].inputs.resize(1);
  model.channels[0].inputs[0].url = "udp://239.10.1.1:5000";
  model.channels[0].inputs[0].number = 1;
  return model;
}

struct SeenAlarms : testing::Test {
  // A look at the channel: so many CC errors and packets so far.
  const ChannelHealth& look(double second, std::uint64_t cc) {
    snapshot.epoch = 1;
    snapshot.heartbeat_unix_ns = static_cast<std::uint64_t>(seen_at(second));
    snapshot.inputs = {sample_input("news", "udp://239.10.1.1:5000")};
    snapshot.inputs[0].last_packet_unix_ns = static_cast<std::uint64_t>(seen_at(second));
    snapshot.inputs[0].ts_packets = static_cast<std::uint64_t>(second * 1000) + 1000;
    snapshot.inputs[0].cc_errors = cc;
    monitor.update(model, snapshot, seen_at(second), {});
    return *monitor.find("news");
  }
  config::Model model = model_of_one();
  Snapshot snapshot;
  ChannelMonitor monitor;
};

TEST_F(SeenAlarms, EachCcErrorDegradesAndManyAreAnAlarm) {
  look(0, 0);
  EXPECT_EQ(look(1, 1).state, ChannelState::degraded);
  EXPECT_THAT(faulty(model, monitor, "cc_errors"), IsEmpty());
  EXPECT_EQ(look(13, 1).state, ChannelState::ok);
  EXPECT_EQ(look(14, 10).state, ChannelState::degraded);
  EXPECT_THAT(faulty(model, monitor, "cc_errors"), ElementsAre(Pair("news", "9 CC errors")));
  look(30, 10);
  EXPECT_THAT(faulty(model, monitor, "cc_errors"), IsEmpty());
}

TEST_F(SeenAlarms, WhereTheMapNamesARateFewerCcErrorsAreInOrder) {
  model.channels[0].alarms.cc_errors = config::ErrorRate{3, std::chrono::minutes(1)};
  look(0, 0);
  EXPECT_EQ(look(1, 2).state, ChannelState::ok);
  EXPECT_EQ(look(20, 3).state, ChannelState::degraded);
  EXPECT_EQ(look(20, 3).reason, "3 CC errors in the last minute");
  EXPECT_THAT(faulty(model, monitor, "cc_errors"),
              ElementsAre(Pair("news", "3 CC errors in the last minute")));
  EXPECT_EQ(look(70, 3).state, ChannelState::ok);
  model.channels[0].alarms.cc_errors = config::ErrorRate{0, std::chrono::minutes(1)};
  look(71, 3);
  EXPECT_EQ(look(72, 300).state, ChannelState::ok) << "never";
}

TEST_F(SeenAlarms, BitrateOutsideOfItsRange) {
  look(0, 0);
  EXPECT_THAT(rates_outside(model, monitor, snapshot), IsEmpty());
  model.channels[0].alarms.bitrate = config::RateRange{3'000'000, 7'000'000};
  EXPECT_THAT(rates_outside(model, monitor, snapshot), IsEmpty());
  snapshot.inputs[0].bitrate_bps = 1'500'000;
  EXPECT_THAT(rates_outside(model, monitor, snapshot),
              ElementsAre(Pair("news", "1.50 Mb/s is below alarms.bitrate (3.00 to 7.00 Mb/s)")));
  snapshot.inputs[0].bitrate_bps = 8'000'000;
  EXPECT_THAT(rates_outside(model, monitor, snapshot), ElementsAre(Pair("news", HasSubstr("above"))));
  monitor.update(model, {}, seen_at(60), {});
  EXPECT_THAT(rates_outside(model, monitor, snapshot), IsEmpty())
      << "of a channel that is down that is no news";
  EXPECT_THAT(channels_down(model, monitor), ElementsAre(Pair("news", HasSubstr("no datagram"))));
}

TEST_F(SeenAlarms, WhatIsDroppedLatelyAndPidsAndClocksThatAreGone) {
  look(0, 0);
  Recent recent;
  recent.window_ns = 10'000'000'000;
  InputRecent& lately = recent.inputs[{"news", 1}];
  EXPECT_THAT(wrong_sources(model, recent), IsEmpty());
  lately.flows = lately.had_pcr = true;
  lately.packets = 1000;
  lately.drops[static_cast<std::size_t>(DropReason::wrong_source)] = 4;
  lately.drops[static_cast<std::size_t>(DropReason::not_ts_size)] = 7;
  lately.gone = {{0x101, seen_at(30)}, {0x11, 0}, {0x1FFF, 0}};
  EXPECT_THAT(wrong_sources(model, recent), IsEmpty()) << "the map names none";
  model.channels[0].inputs[0].source = "10.1.1.7";
  lately.wrong_source = 0x0A140009;
  EXPECT_THAT(wrong_sources(model, recent),
              ElementsAre(Pair("news input 1", "4 wrong_source lately: " + model.channels[0].inputs[0].group +
                                                   " is sent by 10.20.0.9, the map names 10.1.1.7")));
  EXPECT_THAT(wrong_formats(model, recent), ElementsAre(Pair("news input 1", HasSubstr("7 not_ts_size"))));
  EXPECT_THAT(clocks_lost(model, monitor, recent), ElementsAre(Pair("news", HasSubstr("no PCR for 10 s"))));
  EXPECT_THAT(pids_lost(model, monitor, recent, {}),
              ElementsAre(Pair("news pid 0x0101", HasSubstr("stopped"))));
  const auto bridge = [](const char* pid) {
    return nlohmann::json::parse(std::string(R"({"channels": {"news": {"tracks": [{"pid": )") + pid +
                                 "}]}}}");
  };
  EXPECT_EQ(pids_lost(model, monitor, recent, bridge("257")).size(), 1U);
  EXPECT_THAT(tracks_lost(model, monitor, recent, bridge("257"), seen_at(60)),
              ElementsAre(Pair("news", "PID 0x0101 gone for 30 s")));
  EXPECT_THAT(tracks_lost(model, monitor, recent, bridge("258"), seen_at(60)), IsEmpty());
  EXPECT_THAT(pids_lost(model, monitor, recent, bridge("258")), IsEmpty()) << "the PMT took it out";
}

TEST_F(SeenAlarms, LinksAndQueriers) {
  snapshot.started_unix_ns = static_cast<std::uint64_t>(seen_at(0));
  snapshot.interfaces.resize(2);
  snapshot.interfaces[0].name = "cap0", snapshot.interfaces[0].device = "af_packet:eth1";
  snapshot.interfaces[1].name = "cap1", snapshot.interfaces[1].link_up = true;
  EXPECT_THAT(links_down(snapshot), ElementsAre(Pair("cap0", "af_packet:eth1 has no link")));
  NetworkSnapshot network;
  network.interface = "cap0", network.vlan = 120, network.groups = 3;
  snapshot.networks = {network};
  Recent recent;
  recent.networks[{"cap0", 120}].query_late_ns = 260'000'000'000;
  EXPECT_THAT(queriers_missing(snapshot, recent, seen_at(259)), IsEmpty());
  EXPECT_THAT(queriers_missing(snapshot, recent, seen_at(261)),
              ElementsAre(Pair("cap0 vlan 120", HasSubstr("no query seen"))));
  snapshot.networks[0].groups = 0;
  EXPECT_THAT(queriers_missing(snapshot, recent, seen_at(261)), IsEmpty());
}

TEST_F(SeenAlarms, TheMachineByItsConditionsAndMissedFrames) {
  HostView host;
  Recent recent;
  host.conditions = {{"disk_full", "data_dir", "3 % left", 1}};
  EXPECT_THAT(host_alarms(host, recent, "disk_full"), ElementsAre(Pair("data_dir", "3 % left")));
  EXPECT_THAT(host_alarms(host, recent, "host_overload"), IsEmpty());
  recent.ports["cap0"].drops[static_cast<std::size_t>(DropReason::nic_missed)] = 12;
  EXPECT_THAT(host_alarms(host, recent, "host_overload"),
              ElementsAre(Pair("", "cap0: 12 nic_missed lately")));
}

TEST(RisingCount, CountsWithinItsWindow) {
  RisingCount count;
  count.update(100, seconds(60), seen_at(0));
  EXPECT_EQ(count.within(), 0U) << "what was before is not ours";
  for (int second = 1; second <= 30; ++second) count.update(100 + second, seconds(60), seen_at(second));
  EXPECT_EQ(count.within(), 30U);
  for (int second = 31; second <= 89; ++second) count.update(130, seconds(60), seen_at(second));
  EXPECT_LE(count.within(), 4U);
  for (int second = 90; second <= 100; ++second) count.update(130, seconds(60), seen_at(second));
  EXPECT_EQ(count.within(), 0U);
  count.update(2, seconds(60), seen_at(101));
  EXPECT_EQ(count.within(), 2U) << "it began anew";
  count.update(5, seconds(60), seen_at(10));
  EXPECT_EQ(count.within(), 5U) << "the clock was set back";
  count.clear();
  EXPECT_EQ(count.within(), 0U);
}

}  // namespace
}  // namespace headgate::control
