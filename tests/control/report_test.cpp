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

TEST(Report, OfTheGatewaySaysWhereItComesFrom) {
  const auto answer = nlohmann::json::parse(R"({"taken":true,
    "gateway":{"channel":"news","input":1,"url":"udp://239.10.1.1:5000","interface":"cap0","vlan":120},
    "report":{"source":"udp://239.10.1.1:5000","packets":1000,"duration_s":2.0,"bitrate_bps":752000,
      "cc_errors":3,"datagrams":143,"pids_beyond":0,
      "services":[{"program_number":101,"streams":[{"pid":256,"stream_type":27,"kind":"h264","language":"",
        "present":true,"scrambled":false,"codec":{"codec":"avc1.64001f","width":1920,"height":1080,
        "interlaced":true,"frame_rate":25.0}}]}],
      "pids":[{"pid":256,"label":"h264","packets":900,"cc_errors":3,"scrambled":0,"bitrate_bps":676800}],
      "pcr":{"count":40,"discontinuities":0,"interval_max_ms":38.5}}})");
  const std::string text = render_gateway_probe(answer);
  for (const char* part :
       {"as the running gateway takes it in: channel news, input 1, interface cap0 VLAN 120\n",
        "1000 packets, 2.0 s, 752k bit/s\n", "Service 101\n",
        "  0x0100  type 0x1b  h264             avc1.64001f 1920x1080i 25 fps\n",
        "PCR  40 in all, 38.5 ms apart at most; jumps 0\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "in\n" << text;
}

}  // namespace
}  // namespace headgate::control
