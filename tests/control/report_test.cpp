#include "control/cli/report.h"

#include <gtest/gtest.h>

#include "golden.h"

namespace headgate::control {
namespace {

mpegts::StreamReport report() {
  mpegts::StreamReport made;
  made.packets = 1000;
  made.bytes = 188'000;
  made.duration_s = 2;
  made.bitrate = 752'000;
  made.cc_errors = 3;
  made.transport_stream_id = 1;
  mpegts::ServiceInfo service;
  service.program_number = 101;
  service.name = "News HD";
  service.has_pmt = true;
  service.pmt_pid = mpegts::Pid{0x1000};
  service.pcr_pid = mpegts::Pid{0x100};
  mpegts::StreamInfo video;
  video.pid = mpegts::Pid{0x100};
  video.stream_type = 0x1b;
  video.kind = mpegts::StreamKind::h264;
  video.present = true;
  video.codec = mpegts::CodecDetails{"avc1.64001f", 1920, 1080, 25, 1, true, 0, 0};
  service.streams = {video};
  made.services = {service};
  mpegts::PidInfo pid;
  pid.pid = mpegts::Pid{0x100};
  pid.label = "h264";
  pid.packets = 900;
  pid.cc_errors = 3;
  pid.bitrate = 700'000;
  pid.pcr = mpegts::PcrInfo{};
  pid.pcr->count = 50;
  made.pids = {pid};
  made.tables = {{mpegts::Pid{0}, 0, "PAT", 20}};
  return made;
}

TEST(Report, IsThatOfTheGoldenFile) {
  Reception reception;
  reception.live = true;
  reception.datagrams = 143;
  expect_golden("probe.txt", render_report("udp://239.10.1.1:5000", report(), reception));
}

TEST(Report, GivesMachinesTheSame) {
  const auto json = report_json("x.ts", report(), {});
  EXPECT_EQ(json["services"][0]["streams"][0]["codec"]["codec"], "avc1.64001f");
  EXPECT_EQ(json["pids"][0]["cc_errors"], 3);
  EXPECT_EQ(json["live"], false);
  EXPECT_FALSE(json.contains("kernel_drops"));
  EXPECT_TRUE(json["original_network_id"].is_null());
}

TEST(Report, WarnsOfItsOwnDrops) {
  Reception reception;
  reception.live = true;
  reception.kernel_drops = 4;
  EXPECT_NE(render_report("x", report(), reception).find("this host dropped 4"), std::string::npos);
}

}  // namespace
}  // namespace headgate::control
