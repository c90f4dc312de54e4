#include "dataplane/fastpath/worker/table_watch.h"

#include <algorithm>

#include "mpegts/psi/tables.h"

namespace headgate::fastpath {
namespace {

constexpr std::uint8_t kPatTable = 0x00;  // ISO/IEC 13818-1 table 2-31
constexpr std::uint8_t kPmtTable = 0x02;

// CRC_32 as it stands at the section's end: tells whether it is another table.
std::uint32_t crc_of(std::span<const std::uint8_t> section) noexcept {
  std::uint32_t crc = 0;
  for (const std::uint8_t byte : section.last(4)) crc = crc << 8 | byte;
  return crc;
}

}  // namespace

void TableWatch::on_packet(const mpegts::TsPacket& packet, std::int64_t now_ns) noexcept {
  if (!packet.has_sync() || packet.transport_error()) [[unlikely]]
    return;
  if (packet.has_pcr()) last_pcr_ns_ = now_ns;
  const std::uint8_t role = roles_[packet.pid().value];
  if (role == kNone) return;
  if (role >= kFirstStream) {
    Stream& stream = streams_[role - kFirstStream];
    stream.last_ns = now_ns;
    stream.scrambled = (packet.scrambling_control() & 2) != 0;
    return;
  }
  now_ns_ = now_ns;
  if (role == kPat) {
    pat_.on_packet(packet, *this);
  } else if (role == kPmt) {
    pmt_.on_packet(packet, *this);
  } else if (packet.payload_unit_start()) {
    last_pmt_ns_ = now_ns;
  }
}

void TableWatch::on_section(mpegts::Pid pid, std::span<const std::uint8_t> section) noexcept {
  if (section.size() < 12 || (section[5] & 1) == 0) return;  // current_next_indicator 0: the next one
  if (pid == mpegts::kPatPid) {
    if (section[0] == kPatTable) on_pat(section);
  } else if (section[0] == kPmtTable && (section[3] << 8 | section[4]) == program_number_) {
    on_pmt(section);
  }
}

void TableWatch::on_pat(std::span<const std::uint8_t> section) noexcept {
  last_pat_ns_ = now_ns_;
  const std::size_t number = section[6];
  if (number >= kMaxPatSections || pat_crc_[number] == crc_of(section)) return;
  const auto pat = mpegts::Pat::parse(section);
  if (!pat) return;
  if (number == 0) pat_crc_ = {};
  pat_crc_[number] = crc_of(section);
  const auto programs =
      std::count_if(pat->entries.begin(), pat->entries.end(),
                    [](const mpegts::PatEntry& entry) { return entry.program_number != 0; });
  const bool whole = pat->last_section_number == 0;
  if (number == 0) {
    std::replace_if(
        roles_.begin() + 1, roles_.end(),
        [](std::uint8_t role) { return role == kPmt || role == kPmtOfMany; }, std::uint8_t{kNone});
    forget_streams();
    tables_expected_ = programs > 0 || !whole;
  }
  for (const mpegts::PatEntry& entry : pat->entries) {
    if (entry.program_number == 0 || entry.pid == mpegts::kPatPid || entry.pid == mpegts::kNullPid) continue;
    if (whole && programs == 1) {
      program_number_ = entry.program_number;
      pmt_ = mpegts::SectionAssembler(entry.pid);
      roles_[entry.pid.value] = kPmt;
    } else {
      roles_[entry.pid.value] = kPmtOfMany;
    }
  }
}

void TableWatch::on_pmt(std::span<const std::uint8_t> section) noexcept {
  last_pmt_ns_ = now_ns_;
  if (pmt_crc_ == crc_of(section)) return;
  const auto pmt = mpegts::Pmt::parse(section);
  if (!pmt) return;
  forget_streams();
  pmt_crc_ = crc_of(section);
  for (const mpegts::PmtStream& stream : pmt->streams) {
    const mpegts::StreamKind kind = mpegts::stream_kind(stream);
    const bool wanted = mpegts::is_video(kind) || mpegts::is_audio(kind);
    if (!wanted || stream_count_ == kMaxStreams || roles_[stream.pid.value] != kNone) continue;
    roles_[stream.pid.value] = static_cast<std::uint8_t>(kFirstStream + stream_count_);
    streams_[stream_count_++] = {now_ns_, mpegts::is_video(kind), false};
  }
}

void TableWatch::forget_streams() noexcept {
  std::replace_if(
      roles_.begin(), roles_.end(), [](std::uint8_t role) { return role >= kFirstStream; },
      std::uint8_t{kNone});
  stream_count_ = 0;
  pmt_crc_ = 0;
}

bool TableWatch::scrambled() const noexcept {
  const auto begin = streams_.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(stream_count_);
  const auto video = std::find_if(begin, end, [](const Stream& stream) { return stream.video; });
  if (video != end) return video->scrambled;
  return begin != end && std::all_of(begin, end, [](const Stream& stream) { return stream.scrambled; });
}

bool TableWatch::pid_missing(std::int64_t now_ns) const noexcept {
  return std::any_of(streams_.begin(), streams_.begin() + static_cast<std::ptrdiff_t>(stream_count_),
                     [&](const Stream& stream) { return now_ns - stream.last_ns > kSilenceNs; });
}

}  // namespace headgate::fastpath
