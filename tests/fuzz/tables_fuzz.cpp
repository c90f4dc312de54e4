// links: headgate::mpegts
// CAT, NIT, BAT, EIT, TDT and TOT on any bytes, with the right CRC where bit 7 of the first byte says so.
// What a codec reads it must write so that it reads the same again. TableCollector and VersionedTable: bit 6,
// sections one behind the other.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "mpegts/monitor/si_collector.h"
#include "mpegts/psi/cat.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/section_edit.h"
#include "mpegts/psi/versioned_table.h"
#include "mpegts/si/eit.h"
#include "mpegts/si/nit.h"
#include "mpegts/si/tdt.h"

using namespace headgate::mpegts;

namespace {

template <class Table>
void table(std::span<const std::uint8_t> bytes) {
  const auto parsed = Table::parse(bytes);
  if (!parsed) return;
  const auto written = parsed->to_section();
  if (written.empty()) return;  // larger than a PSI section
  const auto again = Table::parse(written);
  if (!again || again->to_section() != written) std::abort();
}

void events(std::vector<std::uint8_t> section) {
  const auto header = eit_header(section);
  std::size_t size = 0;
  for (const EitEvent& event : eit_events(section)) {
    size += 12 + event.descriptors.bytes.size();
    if (event.name().size() > 3 * 255 + 3 || event.text().size() > 3 * 255 + 3) std::abort();
  }
  if (!header) return;
  if (size + 18 > section.size()) std::abort();
  write_eit_header(section, *header);
  if (eit_header(section) != header || crc32_mpeg(section) != 0) std::abort();
}

void collect(std::span<const std::uint8_t> bytes) {
  TableCollector collector{1024};
  VersionedTable sent;
  while (bytes.size() >= 3) {
    const std::size_t length = std::size_t{3} + ((bytes[1] & 0x0FU) << 8 | bytes[2]);
    const auto section = bytes.first(std::min(length, bytes.size()));
    const bool was_complete = collector.complete();
    const auto step = collector.on_section(section);
    if (step == TableCollector::Step::repeated && was_complete != collector.complete()) std::abort();
    if (step == TableCollector::Step::complete) {
      const auto version = sent.version();
      const bool first = sent.empty();
      const std::vector<std::vector<std::uint8_t>> all{collector.sections().begin(),
                                                       collector.sections().end()};
      const bool risen = sent.set(all);
      if (sent.version() != (risen && !first ? (version + 1) % 32 : version)) std::abort();
      if (sent.set(all)) std::abort();
    }
    bytes = bytes.subspan(section.size());
  }
}

// Sections one behind the other, of each PID in turn, each with a right CRC.
void service_information(std::span<const std::uint8_t> bytes) {
  constexpr Pid kPids[] = {kCatPid, kNitPid, kSdtPid, kEitPid, kTdtPid, kPsipPid};
  SiCollector si;
  std::size_t place = 0;
  while (bytes.size() >= 3) {
    const std::size_t length = std::size_t{3} + ((bytes[1] & 0x0FU) << 8 | bytes[2]);
    std::vector<std::uint8_t> section(
        bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(length, bytes.size())));
    if (section.size() > 4) seal(section);
    for (const Pid pid : kPids) si.on_section(pid, section, static_cast<std::int64_t>(place++));
    bytes = bytes.subspan(section.size());
  }
  if (si.bytes() > SiCollector::kMaxBytes) std::abort();
  const SiReport report = si.report();
  for (const NetworkTable& network : report.networks) {
    if (network.name.size() > 3 * 255 + 3) std::abort();
  }
  if (report.virtual_channels.size() > 1024) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  std::vector<std::uint8_t> bytes{data + 1, data + size};
  if ((data[0] & 0x40) != 0) {
    collect(bytes);
    return 0;
  }
  if ((data[0] & 0x80) != 0 && bytes.size() > 4) seal(bytes);
  table<Cat>(bytes);
  table<Nit>(bytes);
  if (const auto nit = Nit::parse(bytes); nit && nit->name().size() > 3 * 255 + 3) std::abort();
  table<Tdt>(bytes);
  table<Tot>(bytes);
  service_information(bytes);
  events(std::move(bytes));
  return 0;
}
