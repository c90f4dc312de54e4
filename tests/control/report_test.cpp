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
  pid.pcr->interval_avg_ms = 40;
  pid.pcr->interval_max_ms = 41.5;
  made.pids = {pid};
  made.tables = {{mpegts::Pid{0}, 0, "PAT", 20}};
  return made;
}

ProbeContext context() {
  ProbeContext made;
  made.host = "head1";
  made.version = "0.1.0";
  made.unix_ns = 1'700'000'000'000'000'000;
  return made;
}

TEST(Report, IsThatOfTheGoldenFile) {
  Reception reception;
  reception.live = true;
  reception.datagrams = 143;
  expect_golden("probe.txt", render_report("udp://239.10.1.1:5000", report(), reception, context()));
}

TEST(Report, GivesMachinesTheSame) {
  const auto json = report_json("x.ts", report(), {}, context());
  EXPECT_EQ(json["services"][0]["streams"][0]["codec"]["codec"], "avc1.64001f");
  EXPECT_EQ(json["pids"][0]["cc_errors"], 3);
  EXPECT_EQ(json["live"], false);
  EXPECT_FALSE(json.contains("kernel_drops"));
  EXPECT_TRUE(json["original_network_id"].is_null());
}

TEST(Report, SaysWhenWhereAndByWhatItWasMade) {
  ProbeContext of = context();
  of.gateway = {{"channel", "news"}, {"input", 2}, {"interface", "cap0"}, {"vlan", 0}};
  const std::string text = render_report("x", report(), {}, of);
  for (const char* part : {"probed 2023-11-14 22:13:20 UTC on head1 by headgate 0.1.0\n",
                           "as the running gateway takes it in: channel news, input 2, interface cap0\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "in\n" << text;
  const auto json = report_json("x", report(), {}, of);
  EXPECT_EQ(json["host"], "head1");
  EXPECT_EQ(json["version"], "0.1.0");
  EXPECT_EQ(json["unix_ns"], 1'700'000'000'000'000'000);
  EXPECT_EQ(json["gateway"]["channel"], "news");
  EXPECT_FALSE(json.contains("note"));
  of.note = "the map takes this in as udp, not as rtp";
  EXPECT_NE(render_report("x", report(), {}, of).find("\n! " + of.note + "\n"), std::string::npos);
  EXPECT_EQ(report_json("x", report(), {}, of)["note"], of.note);
  EXPECT_EQ(json["tr101290_limits"]["pat_interval_ms"], 500);
}

TEST(Report, TellsWhatTheTablesSay) {
  mpegts::StreamReport with = report();
  with.services[0].lcn = 7;
  with.services[0].ca = {{0x1802, "Nagravision", mpegts::Pid{0x640}}};
  mpegts::NetworkTable network;
  network.id = 12289;
  network.name = "Head\nend";
  network.version = 3;
  network.streams.emplace_back().transport_stream_id = 5;
  network.streams[0].original_network_id = 318;
  network.streams[0].delivery = mpegts::Delivery{};
  network.streams[0].delivery->system = "DVB-T";
  network.streams[0].delivery->frequency_hz = 498'000'000;
  with.si.networks = {network};
  mpegts::ScheduledEvent event;
  event.start_unix_s = 1'700'000'000;
  event.duration_s = 3300;
  event.name = "Film";
  event.language = "ita";
  with.si.events = {{101, event, std::nullopt}};
  with.si.time = mpegts::BroadcastTime{"TOT", 1'700'000'000, 1'700'000'002'500'000'000};
  with.si.offsets = {{{'I', 'T', 'A'}, 0, 3600, {}, 3600}};
  with.si.damaged = 2;
  const std::string text = render_report("x", with, {}, context());
  for (const char* part :
       {"  LCN 7", "  CA Nagravision 0x1802 (PID 0x0640)\n",
        "Network 12289  Head end, version 3, 1 transport stream\n  stream 5 of 318: DVB-T 498 MHz\n",
        "Now     101  11-14 22:13Z +0:55 Film (ita)\n",
        "Time    2023-11-14 22:13:20 UTC by TOT, 2.5 s behind this machine's clock; ITA\n        +1:00\n",
        "! 2 sections whose form is wrong\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "in\n" << text;
  const auto json = report_json("x", with, {}, context());
  EXPECT_EQ(json["services"][0]["lcn"], 7);
  EXPECT_EQ(json["si"]["networks"][0]["streams"][0]["delivery"]["frequency_hz"], 498'000'000);
  EXPECT_EQ(json["si"]["events"][0]["present"]["name"], "Film");
  EXPECT_TRUE(json["si"]["events"][0]["following"].is_null());
  EXPECT_DOUBLE_EQ(json["si"]["time"]["ahead_s"].get<double>(), -2.5);
}

TEST(Report, FoldsPidsThatCameHardlyAtAllUnlessAskedForAll) {
  mpegts::StreamReport many = report();
  for (std::uint16_t i = 0; i < 37; ++i) {
    mpegts::PidInfo ghost;
    ghost.pid = mpegts::Pid{static_cast<std::uint16_t>(0x800 + i)};
    ghost.packets = 1 + i % 2;
    many.pids.push_back(ghost);
  }
  const char* line = "and 37 PIDs with fewer than 3 packets that no table names; --all shows them\n";
  ProbeContext of = context();
  const std::string folded = render_report("x", many, {}, of);
  EXPECT_NE(folded.find(line), std::string::npos) << folded;
  EXPECT_EQ(folded.find("0x0800"), std::string::npos);
  EXPECT_NE(folded.find("0x0100  h264"), std::string::npos);
  of.all_pids = true;
  const std::string all = render_report("x", many, {}, of);
  EXPECT_EQ(all.find(line), std::string::npos);
  EXPECT_NE(all.find("0x0824"), std::string::npos);
  EXPECT_EQ(report_json("x", many, {}, of)["pids"].size(), 38U);
}

TEST(Report, ClaimsNoIntervalWhereNoneWasMeasured) {
  mpegts::StreamReport one = report();
  one.pids[0].pcr = mpegts::PcrInfo{};
  one.pids[0].pcr->count = 1;
  EXPECT_NE(
      render_report("x", one, {}, context()).find("PCR 0x0100  1 in all, no interval to measure; jumps 0"),
      std::string::npos);
  EXPECT_TRUE(report_json("x", one, {}, context())["pids"][0]["pcr"]["interval_max_ms"].is_null());
}

TEST(Report, MarksANameThatNoTableGives) {
  mpegts::StreamReport unnamed = report();
  unnamed.services[0].name.clear();
  EXPECT_NE(render_report("x", unnamed, {}, context()).find("Service 101  -\n"), std::string::npos);
  const auto json = report_json("x", unnamed, {}, context());
  EXPECT_TRUE(json["services"][0]["name"].is_null());
  EXPECT_TRUE(json["services"][0]["provider"].is_null());
}

TEST(Report, SaysWhatAnInputOfTheGatewayWouldDrop) {
  mpegts::StreamReport file = report();
  file.packet_size = 204;
  EXPECT_NE(render_report("x.ts", file, {}, context()).find("dropped by the gateway (packet_size_204)"),
            std::string::npos);
  Reception reception;
  reception.live = true;
  reception.packets_204 = 3;
  reception.over_seven = 5;
  const std::string text = render_report("x", report(), reception, context());
  EXPECT_NE(text.find("! 3 datagrams of 204-byte packets"), std::string::npos) << text;
  EXPECT_NE(text.find("! 5 datagrams of more than 7 packets"), std::string::npos) << text;
}

TEST(Report, ListsCuesWithTheirTimes) {
  mpegts::StreamReport cued = report();
  EXPECT_EQ(render_report("x", cued, {}, context()).find("SCTE-35"), std::string::npos);
  mpegts::CueInfo cue;
  cue.pid = mpegts::Pid{0x1f0};
  cue.program_number = 101;
  cue.count = 3;
  cue.time_s = 12.5;
  cue.clock = mpegts::Pts90kHz{900'000};
  cue.info.command_type = mpegts::SpliceCommand::splice_insert;
  cue.info.pts_adjustment = mpegts::Pts90kHz{90'000};
  mpegts::SpliceInsert insert;
  insert.event_id = 4711;
  insert.out_of_network = insert.program_splice = insert.auto_return = true;
  insert.time = {true, mpegts::Pts90kHz{1'170'000}};
  insert.duration = 2'700'000;
  cue.info.command = insert;
  mpegts::SegmentationDescriptor segment;
  segment.event_id = 12;
  segment.type_id = 0x30;
  segment.upid_type = 3;
  segment.upid = {'A', 'B', 'C', 'D', '0', '1', '2', '3', '0', '0', '0', 'H'};
  cue.info.descriptors = {segment};
  cued.cues = {cue};
  cued.cues_damaged = 1;
  const std::string text = render_report("x", cued, {}, context());
  for (const char* part :
       {"0x01f0          12.5 s    3x  splice_insert event 4711 out for 30.0 s, auto return"
        "  PTS 1260000 (14.000 s), 4.0 s ahead\n",
        "segmentation event 12  Provider Advertisement Start 0/0  upid 0x03 ABCD0123000H\n",
        "! 1 cues damaged"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "in\n" << text;
  const auto json = report_json("x", cued, {}, context());
  EXPECT_EQ(json["cues"][0]["pts"], 1'260'000);
  EXPECT_EQ(json["cues"][0]["ahead_s"], 4.0);
  EXPECT_EQ(json["cues"][0]["event_id"], 4711);
  EXPECT_EQ(json["cues"][0]["descriptors"][0]["type"], "Provider Advertisement Start");
  EXPECT_EQ(json["cues_damaged"], 1);
}

TEST(Report, WarnsOfItsOwnDrops) {
  Reception reception;
  reception.live = true;
  reception.kernel_drops = 4;
  EXPECT_NE(render_report("x", report(), reception, context()).find("this host dropped 4"),
            std::string::npos);
}

TEST(Report, OfTheGatewaySaysWhereItComesFrom) {
  const auto answer = nlohmann::json::parse(R"({"taken":true,
    "gateway":{"channel":"news","input":1,"url":"udp://239.10.1.1:5000","interface":"cap0","vlan":120},
    "drops":[{"reason":"wrong_source","count":12,"sentence":"a sentence"}],
    "report":{"source":"udp://239.10.1.1:5000","packets":1000,"duration_s":2.0,"bitrate_bps":752000,
      "cc_errors":3,"datagrams":143,"pids_beyond":0,
      "services":[{"program_number":101,"streams":[{"pid":256,"stream_type":27,"kind":"h264","language":"",
        "present":true,"scrambled":false,"codec":{"codec":"avc1.64001f","width":1920,"height":1080,
        "interlaced":true,"frame_rate":25.0}}]}],
      "pids":[{"pid":256,"label":"h264","packets":900,"cc_errors":3,"scrambled":0,"bitrate_bps":676800}],
      "pcr":{"count":40,"discontinuities":0,"interval_max_ms":38.5}}})");
  ProbeContext of = context();
  of.gateway = answer["gateway"];
  const std::string text = render_gateway_probe(answer, of, "no room");
  for (const char* part :
       {"as the running gateway takes it in: channel news, input 1, interface cap0 VLAN 120\n",
        "1000 packets, 2.0 s, 752k bit/s\n", "Service 101\n",
        "  0x0100  type 0x1b  h264             avc1.64001f 1920x1080i 25 fps\n",
        "PCR  40 in all, 38.5 ms apart at most; jumps 0\n", "can't be read: no room\n",
        "! dropped meanwhile: 12 wrong_source (a sentence)\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "in\n" << text;
}

TEST(Report, TellsTheBuffersOfAFilesDecoder) {
  mpegts::StreamReport file = report();
  EXPECT_EQ(report_json("a.ts", file, {}, context())["pids"][0]["tstd"], nullptr);
  mpegts::TstdInfo tstd;
  tstd.transport_bps = 18'000'000;
  tstd.transport = {512, 111, 0};
  tstd.multiplexing = mpegts::TstdBuffer{10'000, 58, 0};
  tstd.main = mpegts::TstdBuffer{229'376, 230'000, 1};
  tstd.access_units = 19;
  tstd.underflows = 2;
  tstd.delay_max_ms = 306.5;
  file.pids[0].tstd = tstd;
  const std::string page = render_report("a.ts", file, {}, context());
  EXPECT_NE(
      page.find("111 of 512     58 of 10000         230000 of 229376        1      19       2      306.5\n"),
      std::string::npos)
      << page;
  const auto json = report_json("a.ts", file, {}, context())["pids"][0]["tstd"];
  EXPECT_EQ(json["main"], (nlohmann::json{{"size", 229'376}, {"max", 230'000}, {"overflows", 1}}));
  EXPECT_EQ(json["underflows"], 2);
  EXPECT_EQ(json["unjudged"], nullptr);
  file.pids[0].tstd = mpegts::TstdInfo{};
  file.pids[0].tstd->unjudged = "scrambled";
  EXPECT_NE(render_report("a.ts", file, {}, context()).find("not judged: scrambled\n"), std::string::npos);
  EXPECT_EQ(report_json("a.ts", file, {}, context())["pids"][0]["tstd"]["transport"], nullptr);
}

}  // namespace
}  // namespace headgate::control
