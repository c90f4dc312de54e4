#include "control/daemon/probe.h"

#include <gtest/gtest.h>

#include "sample_view.h"

namespace headgate::control {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

ProbeWish wish(const std::string& group) {
  ProbeWish made;
  made.group = group;
  made.port = 5000;
  return made;
}

Snapshot later(const Snapshot& from) {
  Snapshot to = from;
  InputSnapshot& input = to.inputs[0];
  input.ts_packets += 1000;
  input.datagrams += 143;
  input.cc_errors += 3;
  input.pcr_count += 40;
  input.pcr_interval_max_ns = 38'500'000;
  input.pids[0].packets += 900;
  input.pids[0].cc_errors += 3;
  return to;
}

nlohmann::json probe(const GatewayView& view, const Snapshot& first, const Snapshot& last) {
  ProbeReading reading(*find_probe_target(*view.model, wish("239.10.1.1")));
  reading.add(first, 10 * kSecondNs);
  reading.add(last, 12 * kSecondNs);
  return reading.report(view);
}

TEST(Probe, CountsOnlyWhatCameDuringItsTime) {
  GatewayView view = sample_view();
  view.bridge_status = nlohmann::json::parse(
      R"({"channels":{"news":{"service":101,"tracks":[{"pid":256,"stream_type":27,"kind":"h264",
          "language":"","carried":true,"reason":"","codec":"avc1.64001f","width":1920,"height":1080}]}}})");
  const auto answer = probe(view, view.snapshot, later(view.snapshot));
  EXPECT_EQ(answer["taken"], true);
  EXPECT_EQ(answer["gateway"]["channel"], "news");
  EXPECT_EQ(answer["gateway"]["interface"], "cap0");
  ASSERT_TRUE(answer.contains("report")) << answer.dump(1);
  const auto& report = answer["report"];
  EXPECT_EQ(report["packets"], 1000);
  EXPECT_EQ(report["cc_errors"], 3);
  EXPECT_EQ(report["bitrate_bps"], 1000 * 188 * 8 / 2);
  EXPECT_EQ(report["pcr"]["count"], 40);
  EXPECT_DOUBLE_EQ(report["pcr"]["interval_max_ms"].get<double>(), 38.5);
  ASSERT_EQ(report["pids"].size(), 1U);
  EXPECT_EQ(report["pids"][0]["label"], "h264");
  EXPECT_EQ(report["pids"][0]["packets"], 900);
  ASSERT_EQ(report["services"].size(), 1U);
  EXPECT_EQ(report["services"][0]["program_number"], 101);
  EXPECT_EQ(report["services"][0]["streams"][0]["codec"]["codec"], "avc1.64001f");
  EXPECT_EQ(report["services"][0]["streams"][0]["present"], true);
}

TEST(Probe, FailsWhereNothingCame) {
  const GatewayView view = sample_view();
  const auto answer = probe(view, view.snapshot, view.snapshot);
  EXPECT_FALSE(answer.contains("report"));
  EXPECT_NE(answer["error"].get<std::string>().find("nothing came in 2.0 s"), std::string::npos);
}

TEST(Probe, NamesWhatWasDroppedWhereNothingElseCame) {
  const GatewayView view = sample_view();
  Snapshot last = view.snapshot;
  last.inputs[0].drops[static_cast<std::size_t>(protocol::DropReason::wrong_source)] += 7;
  last.inputs[0].drops[static_cast<std::size_t>(protocol::DropReason::rtp_malformed)] += 2;
  const auto answer = probe(view, view.snapshot, last);
  const auto error = answer["error"].get<std::string>();
  for (const char* part : {"all that came in 2.0 s was dropped: ", "7 wrong_source (", "2 rtp_malformed ("})
    EXPECT_NE(error.find(part), std::string::npos) << error;
  EXPECT_EQ(error.find("nothing came"), std::string::npos);
  ASSERT_EQ(answer["drops"].size(), 2U);
  EXPECT_EQ(answer["drops"][0]["count"], 7);
}

TEST(Probe, TellsOfDropsBesideWhatCame) {
  const GatewayView view = sample_view();
  Snapshot last = later(view.snapshot);
  last.inputs[0].drops[static_cast<std::size_t>(protocol::DropReason::not_ts_size)] += 4;
  const auto answer = probe(view, view.snapshot, last);
  EXPECT_TRUE(answer.contains("report"));
  EXPECT_EQ(answer["drops"][0]["reason"], "not_ts_size");
}

TEST(Probe, BlamesTheLinkWhereItIsDown) {
  GatewayView view = sample_view();
  InterfaceSnapshot interface;
  interface.name = "cap0";
  interface.link_up = false;
  view.snapshot.interfaces = {interface};
  const auto error = probe(view, view.snapshot, view.snapshot)["error"].get<std::string>();
  EXPECT_NE(error.find("nothing came in 2.0 s: the link of interface cap0"), std::string::npos) << error;
  view.snapshot.interfaces[0].link_up = true;
  EXPECT_EQ(probe(view, view.snapshot, view.snapshot)["error"].get<std::string>().find("link"),
            std::string::npos);
}

TEST(Probe, HandsOnTheFastPathsRingOrItsRefusal) {
  const auto target = *find_probe_target(sample_model(), wish("239.10.1.1"));
  EXPECT_EQ(tap_request(target, std::chrono::milliseconds(2500)),
            nlohmann::json(
                {{"channel", "news"}, {"input", 1}, {"url", "udp://239.10.1.1:5000"}, {"seconds", 2.5}}));
  const auto good = tap_answer(target, nlohmann::json{{"ring", "/r"}});
  EXPECT_EQ(good["ring"], "/r");
  EXPECT_EQ(good["gateway"]["channel"], "news");
  EXPECT_FALSE(good.contains("error"));
  EXPECT_EQ(tap_answer(target, tl::unexpected<std::string>("full"))["error"], "full");
  EXPECT_TRUE(tap_answer(target, nlohmann::json{{"ring", 5}}).contains("error"));
}

TEST(Probe, FailsWhereTheCountersBeganAnew) {
  const GatewayView view = sample_view();
  Snapshot restarted = later(view.snapshot);
  restarted.epoch = 2;
  Snapshot less = view.snapshot;
  less.inputs[0].ts_packets = 1;
  Snapshot gone = view.snapshot;
  gone.inputs.clear();
  for (const Snapshot& last : {restarted, less, gone})
    EXPECT_NE(probe(view, view.snapshot, last).value("error", "").find("began anew"), std::string::npos);
}

TEST(Probe, FindsOnlyAnInputThatTakesExactlyThisIn) {
  const auto model = sample_model();
  EXPECT_EQ(find_probe_target(model, wish("239.10.1.2"))->channel, "sport");
  EXPECT_FALSE(find_probe_target(model, wish("239.10.1.9")).has_value()) << "its channel is disabled";
  EXPECT_FALSE(find_probe_target(model, wish("239.10.1.3")).has_value());
  ProbeWish other = wish("239.10.1.2");
  other.source = "10.0.0.1";
  EXPECT_FALSE(find_probe_target(model, other).has_value()) << "its counters hold every source";
  other = wish("239.10.1.2");
  for (const char* name : {"cap0", "eth1"}) {
    other.interface = name;
    EXPECT_TRUE(find_probe_target(model, other).has_value()) << name;
  }
  other.interface = "eth2";
  EXPECT_FALSE(find_probe_target(model, other).has_value());
}

TEST(Probe, RefusesAWishThatIsNone) {
  using nlohmann::json;
  EXPECT_FALSE(parse_probe_wish(json::object()).has_value());
  EXPECT_FALSE(parse_probe_wish({{"group", "239.1.1.1"}, {"port", 0}}).has_value());
  EXPECT_FALSE(parse_probe_wish({{"group", "239.1.1.1"}, {"port", "x"}}).has_value());
  EXPECT_FALSE(parse_probe_wish({{"group", "239.1.1.1"}, {"port", 5000}, {"seconds", 4000}}).has_value());
  EXPECT_FALSE(parse_probe_wish({{"group", "239.1.1.1"}, {"port", 5000}, {"seconds", -1}}).has_value());
  const auto good = parse_probe_wish({{"group", "239.1.1.1"}, {"port", 5000}, {"seconds", 2.5}});
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->time, std::chrono::milliseconds(2500));
}

}  // namespace
}  // namespace headgate::control
