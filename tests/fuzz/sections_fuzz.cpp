// links: headgate::mpegts
// Section assembly from packets, and the table codecs and DVB text on bytes. First byte: 0 packets, 1 PAT, 2
// PMT, 3 SDT, 4 text. What a table codec reads it must write so that it reads the same again.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "mpegts/si/sdt.h"

using namespace headgate::mpegts;

namespace {

struct Sink final : SectionSink {
  void on_section(Pid, std::span<const std::uint8_t> section) noexcept override {
    if (section.size() < 3 || section.size() > kMaxSectionSize) std::abort();
    if ((section[1] & 0x80) != 0 && crc32_mpeg(section) != 0) std::abort();
  }
  void on_crc_error(Pid) noexcept override {}
};

void packets(std::span<const std::uint8_t> bytes) {
  Sink sink;
  SectionAssembler assembler{kPatPid};
  for (; bytes.size() >= kPacketSize; bytes = bytes.subspan(kPacketSize)) {
    assembler.on_packet(TsPacket{bytes.first<kPacketSize>()}, sink);
  }
}

template <class Table>
void table(std::span<const std::uint8_t> bytes) {
  const auto parsed = Table::parse(bytes);
  if (!parsed) return;
  const auto written = parsed->to_section();
  if (written.empty()) return;  // larger than a PSI section
  const auto again = Table::parse(written);
  if (!again) std::abort();
  if (again->to_section() != written) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::span<const std::uint8_t> bytes{data + 1, size - 1};
  switch (data[0]) {
    case 0:
      packets(bytes);
      break;
    case 1:
      table<Pat>(bytes);
      break;
    case 2:
      table<Pmt>(bytes);
      if (const auto pmt = Pmt::parse(bytes)) {
        for (const auto& stream : pmt->streams) {
          if (to_string(stream_kind(stream)) == nullptr || language(stream).size() > 3) std::abort();
        }
      }
      break;
    case 3:
      table<Sdt>(bytes);
      if (const auto sdt = Sdt::parse(bytes)) {
        for (const auto& service : sdt->services) {
          if (service.name().size() > 3 * 255 + 3 || service.provider().size() > 3 * 255 + 3) std::abort();
        }
      }
      break;
    default:
      dvb_text_to_utf8(bytes);
      break;
  }
  return 0;
}
