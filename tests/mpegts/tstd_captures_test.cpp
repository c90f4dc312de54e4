// What the T-STD makes of every capture: golden/tstd.txt, which HEADGATE_GOLDEN_UPDATE=1 writes anew. Videos
// stand against another reading of the bytes in tests/e2e/test_tstd.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "mpegts/monitor/es_probe.h"
#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/packet/packet_reader.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

std::string told(const std::optional<TstdBuffer>& buffer) {
  if (!buffer) return "-";
  return std::to_string(buffer->most) + "/" + std::to_string(buffer->size) + "/" +
         std::to_string(buffer->overflows);
}

std::string told(const StreamReport& report, Indicator indicator) {
  const auto at = static_cast<std::size_t>(indicator);
  return report.unmeasured[at] ? "-" : std::to_string(report.tr101290[indicator]);
}

std::string judge(const std::string& name, const std::vector<std::uint8_t>& bytes) {
  StreamAnalyzer analyzer{es_codec_probes()};
  analyzer.model_decoder();
  PacketReader reader;
  reader.push(bytes);
  reader.finish();
  while (const auto item = reader.next()) analyzer.on_packet(item->packet);
  const StreamReport report = analyzer.report();
  std::ostringstream out;
  out << name << " 3.3=" << told(report, Indicator::buffer_error)
      << " 3.9=" << told(report, Indicator::empty_buffer_error)
      << " 3.10=" << told(report, Indicator::data_delay_error) << "\n";
  for (const PidInfo& pid : report.pids) {
    if (!pid.tstd) continue;
    const TstdInfo& it = *pid.tstd;
    out << "  " << pid.pid.value << " " << pid.label << " TB=" << told(it.transport)
        << " MB=" << told(it.multiplexing) << " main=" << told(it.main) << " units=" << it.access_units
        << " late=" << it.underflows;
    if (it.delay_max_ms) out << " stay_us=" << static_cast<std::int64_t>(*it.delay_max_ms * 1000);
    if (it.restarts != 0) out << " restarts=" << it.restarts;
    if (!it.unjudged.empty()) out << " not judged: " << it.unjudged;
    out << "\n";
  }
  return out.str();
}

TEST(TstdCaptures, AreThoseOfTheGoldenFile) {
  const char* folder = std::getenv("HEADGATE_STREAMS");
  if (folder == nullptr || *folder == '\0') GTEST_SKIP() << "no captures";
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".ts") names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  std::string found;
  for (const std::string& name : names) found += judge(name, test::capture(name).value());
  const std::string path = std::string(HEADGATE_MPEGTS_GOLDEN_DIR) + "/tstd.txt";
  if (std::getenv("HEADGATE_GOLDEN_UPDATE") != nullptr) {
    std::ofstream(path) << found;
    return;
  }
  std::ifstream file(path);
  const std::string expected{std::istreambuf_iterator<char>{file}, {}};
  EXPECT_EQ(found, expected) << "HEADGATE_GOLDEN_UPDATE=1 writes " << path;
}

}  // namespace
}  // namespace headgate::mpegts
