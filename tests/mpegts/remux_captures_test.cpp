// Each service of each capture: cut out, sent under other PIDs and another number, and from there back. With
// HEADGATE_REMUX_FILES naming a folder the three streams are left there for other judges
// (tests/e2e/test_remux.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "filter_rig.h"
#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/packet/packet_reader.h"

namespace headgate::mpegts {
namespace {

using Bytes = std::vector<std::uint8_t>;

// Whole packets of 188 bytes, however they are stored.
Bytes packets_of(const Bytes& file) {
  Bytes out;
  PacketReader reader;
  const auto drain = [&] {
    while (const auto item = reader.next())
      out.insert(out.end(), item->packet.bytes().begin(), item->packet.bytes().end());
  };
  for (std::size_t at = 0; at < file.size(); at += 4096) {
    reader.push(
        std::span<const std::uint8_t>(file).subspan(at, std::min<std::size_t>(4096, file.size() - at)));
    drain();
  }
  reader.finish();
  drain();
  return out;
}

Bytes filtered(const Bytes& stream, std::uint16_t program, RemuxOptions options) {
  test::FilterRig rig{{program}, std::move(options)};
  rig.step_ns = 60'000;
  for (const auto& packet : test::split(stream)) rig.feed(packet);
  return rig.out;
}

// All but the tables that the filter writes.
std::map<std::uint16_t, Bytes> media(const Bytes& stream, Pid pmt_pid) {
  std::map<std::uint16_t, Bytes> out;
  for (const auto& packet : test::split(stream)) {
    const Pid pid = test::view(packet).pid();
    if (pid > kTdtPid && pid != pmt_pid)
      out[pid.value].insert(out[pid.value].end(), packet.begin(), packet.end());
  }
  return out;
}

struct Ways {
  RemuxOptions there;
  RemuxOptions back;
  std::map<std::uint16_t, std::uint16_t> pids;
};

Ways ways_of(const ServiceInfo& service) {
  constexpr std::uint16_t kNumber = 4711, kPmt = 0x9FF, kFirst = 0xA00;
  Ways ways;
  ways.there.service_id = kNumber;
  ways.back.service_id = service.program_number;
  const TrackRole pmt{RoleKind::pmt, {}, 0};
  ways.there.pids = {{pmt, Pid{kPmt}}};
  ways.back.pids = {{pmt, service.pmt_pid}};
  const auto add = [&](Pid pid) {
    if (pid == kNullPid || pid == service.pmt_pid || ways.pids.count(pid.value) != 0) return;
    const Pid to{static_cast<std::uint16_t>(kFirst + ways.pids.size())};
    ways.pids[pid.value] = to.value;
    ways.there.pids.push_back({pid, to});
    ways.back.pids.push_back({to, pid});
  };
  for (const auto& stream : service.streams) add(stream.pid);
  add(service.pcr_pid);
  return ways;
}

void save(const std::string& name, const Bytes& stream) {
  const char* folder = std::getenv("HEADGATE_REMUX_FILES");
  if (folder == nullptr || *folder == '\0') return;
  std::ofstream file(std::string(folder) + "/" + name, std::ios::binary);
  file.write(reinterpret_cast<const char*>(stream.data()), static_cast<std::streamsize>(stream.size()));
}

TEST(RemuxCaptures, ThereAndBackEachPacketIsTheSame) {
  const char* folder = std::getenv("HEADGATE_STREAMS");
  if (folder == nullptr || *folder == '\0') GTEST_SKIP() << "HEADGATE_STREAMS names no captures";
  std::size_t services = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".ts") continue;
    const Bytes source = packets_of(test::capture(entry.path().filename().string()).value());
    StreamAnalyzer analyzer;
    for (const auto& packet : test::split(source)) analyzer.on_packet(test::view(packet));
    for (const ServiceInfo& service : analyzer.report().services) {
      if (!service.has_pmt) continue;
      ++services;
      const std::string name = entry.path().stem().string() + "." + std::to_string(service.program_number);
      SCOPED_TRACE(name);
      const Ways ways = ways_of(service);
      const Bytes cut = filtered(source, service.program_number, {});
      const Bytes there = filtered(cut, service.program_number, ways.there);
      const Bytes back = filtered(there, 4711, ways.back);
      const auto before = media(cut, service.pmt_pid);
      EXPECT_TRUE(media(back, service.pmt_pid) == before);
      for (const auto& [pid, bytes] : media(there, Pid{0x9FF})) {
        const auto from = std::find_if(ways.pids.begin(), ways.pids.end(),
                                       [&, to = pid](const auto& way) { return way.second == to; });
        const auto& original = before.at(from != ways.pids.end() ? from->first : pid);
        EXPECT_EQ(bytes.size(), original.size()) << pid;
      }
      save(name + ".cut.ts", cut);
      save(name + ".there.ts", there);
      save(name + ".back.ts", back);
    }
  }
  EXPECT_GT(services, 30U);
}

}  // namespace
}  // namespace headgate::mpegts
