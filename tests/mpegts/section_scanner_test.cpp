#include "mpegts/monitor/section_scanner.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "mpegts/packet/packet_reader.h"
#include "mpegts/psi/section.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

// What either sees of a PID: table_id, size, and whether the CRC of a long section is right.
struct Seen {
  std::vector<std::array<std::size_t, 3>> sections;
  bool operator==(const Seen&) const = default;
};

struct Both final : SectionSink {
  explicit Both(Pid pid) : assembler(pid) {}
  void on_packet(const TsPacket& packet) {
    assembler.on_packet(packet, *this);
    scanner.on_packet(packet, [&](const SectionScanner::Section& section) {
      if (section.crc_ok || !section.long_form())
        scanned.sections.push_back({section.table_id(), section.size, 1});
      else
        scanned.sections.push_back({0, 0, 0});
    });
  }
  void on_section(Pid, std::span<const std::uint8_t> section) noexcept override {
    assembled.sections.push_back({section[0], section.size(), 1});
  }
  void on_crc_error(Pid) noexcept override { assembled.sections.push_back({0, 0, 0}); }
  SectionAssembler assembler;
  SectionScanner scanner;
  Seen assembled, scanned;
};

TEST(SectionScanner, SeesTheSectionsOfCapturesAsTheAssemblerDoes) {
  const char* directory = std::getenv("HEADGATE_STREAMS");
  if (directory == nullptr) GTEST_SKIP() << "HEADGATE_STREAMS names no captures";
  std::size_t sections = 0, damaged = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".ts") continue;
    SCOPED_TRACE(entry.path().filename().string());
    const auto bytes = test::capture(entry.path().filename().string());
    PacketReader reader;
    reader.push(*bytes);
    reader.finish();
    std::map<std::uint16_t, std::unique_ptr<Both>> pids;
    // Of all PIDs: those of media are not sections, but both must read them alike.
    while (const auto item = reader.next()) {
      auto& both = pids[item->packet.pid().value];
      if (!both) both = std::make_unique<Both>(item->packet.pid());
      both->on_packet(item->packet);
    }
    for (const auto& [pid, both] : pids) {
      EXPECT_EQ(both->scanned, both->assembled) << pid;
      sections += both->assembled.sections.size();
      for (const auto& section : both->assembled.sections) damaged += section[2] == 0 ? 1 : 0;
    }
  }
  EXPECT_GT(sections, 1000U);
  EXPECT_GT(damaged, 0U);
}

TEST(SectionScanner, GivesTheHeaderAndChecksTheCrcOfATot) {
  std::vector<std::uint8_t> tot{0x73, 0x70, 11, 0xC0, 0x79, 0x12, 0x45, 0x00, 0xF0, 0};
  const std::uint32_t crc = crc32_mpeg(tot);
  for (int shift = 24; shift >= 0; shift -= 8) tot.push_back(static_cast<std::uint8_t>(crc >> shift));
  SectionScanner scanner;
  int good = 0, bad = 0;
  const auto run = [&](std::uint8_t cc) {
    for (const auto& packet : test::split(pack_section(kTdtPid, tot, cc)))
      scanner.on_packet(test::view(packet), [&](const SectionScanner::Section& section) {
        EXPECT_EQ(section.table_id(), 0x73);
        EXPECT_EQ(section.size, tot.size());
        ++(section.crc_ok ? good : bad);
      });
  };
  run(0);
  tot[5] ^= 1;
  run(1);
  EXPECT_EQ(good, 1);
  EXPECT_EQ(bad, 1);
}

}  // namespace
}  // namespace headgate::mpegts
