#include "dataplane/bridge/hls/segment_file.h"

#include <algorithm>
#include <array>

#include "dataplane/bridge/hls/rendition.h"
#include "dataplane/bridge/hls/segment_psi.h"
#include "mpegts/packet/clock_fields.h"
#include "mpegts/packet/ts_packet.h"
#include "mpegts/pes/pes_packet.h"

namespace headgate::bridge::hls {
namespace {

using mpegts::kPacketSize;

// Between two clocks: at most 100 ms (ISO/IEC 13818-1 2.7.2), where PES packets come as often.
constexpr std::int64_t kClockEvery = mpegts::kTicksPerSecond * 8 / 100;
// What comes is in a decoder's buffer for so long; at most a second may pass there (2.4.2.7).
constexpr std::uint64_t kClockLead = mpegts::kTicksPerSecond * 3 / 10;

// More than pictures are reordered by at the beginning, less than a viewer notices.
constexpr std::int64_t kLateBegin = mpegts::kTicksPerSecond / 10;
constexpr std::uint8_t kRegistration = 0x05;  // 2.6.8

hub::Configuration configuration_of(const hub::Configuration& whole, std::size_t track, bool own_clock) {
  hub::Configuration out;
  out.transport_stream_id = whole.transport_stream_id;
  out.pmt_pid = whole.pmt_pid;
  out.pmt = whole.pmt;
  const mpegts::Pid pid = whole.carried[track].pid;
  std::erase_if(out.pmt.streams, [pid](const mpegts::PmtStream& s) { return s.pid != pid; });
  if (out.pmt.streams.size() > 1) out.pmt.streams.resize(1);
  if (own_clock) out.pmt.pcr_pid = pid;
  for (mpegts::PmtStream& stream : out.pmt.streams) {
    const mpegts::StreamKind kind = whole.carried[track].kind;
    if (kind != mpegts::StreamKind::ac3 && kind != mpegts::StreamKind::eac3) continue;
    const bool ac3 = kind == mpegts::StreamKind::ac3;
    stream.stream_type = ac3 ? 0x81 : 0x87;
    if (stream.descriptors.find(kRegistration)) continue;
    const std::array<std::uint8_t, 6> name{kRegistration,
                                           4,
                                           ac3 ? std::uint8_t{'A'} : std::uint8_t{'E'},
                                           ac3 ? std::uint8_t{'C'} : std::uint8_t{'A'},
                                           ac3 ? std::uint8_t{'-'} : std::uint8_t{'C'},
                                           '3'};
    stream.descriptors.bytes.insert(stream.descriptors.bytes.end(), name.begin(), name.end());
  }
  return out;
}

// A packet that holds nothing but the clock, before the PES packet that `first` begins; nothing where that
// has no time stamp.
bool make_clock(std::span<const std::uint8_t> first, std::vector<std::uint8_t>& out) {
  if (first.size() < kPacketSize) return false;
  const mpegts::TsPacket packet(first.first<kPacketSize>());
  const auto header = mpegts::PesHeader::parse(packet.payload());
  if (!header || !header->dts) return false;
  const std::size_t at = out.size();
  out.resize(at + kPacketSize, 0xFF);
  std::uint8_t* p = out.data() + at;
  p[0] = mpegts::kSyncByte;
  p[1] = static_cast<std::uint8_t>(packet.pid().value >> 8);
  p[2] = static_cast<std::uint8_t>(packet.pid().value);
  // Without payload the counter stays as it was (2.4.3.3).
  p[3] = static_cast<std::uint8_t>(0x20 | ((packet.continuity_counter() - 1) & 0x0F));
  p[4] = 183;
  p[5] = 0x10;  // PCR_flag
  p[10] = 0x7E;
  mpegts::put_pcr(std::span<std::uint8_t, 6>(p + 6, 6),
                  header->dts->ticks * 300 + mpegts::kPcrModulus - kClockLead);
  return true;
}

void add_piece(SegmentFile& file, std::span<const std::uint8_t> piece) {
  file.size += piece.size();
  if (!file.pieces.empty()) {
    auto& last = file.pieces.back();
    if (last.data() + last.size() == piece.data()) {
      last = {last.data(), last.size() + piece.size()};
      return;
    }
  }
  file.pieces.push_back(piece);
}

void build_whole(const hub::Configuration& configuration, std::int64_t k, std::span<const std::uint8_t> bytes,
                 std::span<const SegmentItem> items, SegmentFile& file) {
  file.track = 0;
  file.size = 0;
  file.pieces.clear();
  file.made = make_psi(configuration, k);
  add_piece(file, file.made);
  for (const SegmentItem& item : items) add_piece(file, bytes.subspan(item.offset, item.size));
}

}  // namespace

void build_part(const hub::Configuration& configuration, std::int64_t k, std::size_t track,
                std::int64_t begin, std::span<const std::uint8_t> bytes, std::span<const SegmentItem> items,
                SegmentFile& file) {
  file.track = track;
  file.size = 0;
  file.pieces.clear();
  file.made.clear();
  const mpegts::Pid clock = configuration.pmt.pcr_pid;
  const bool lone_clock = std::none_of(configuration.carried.begin(), configuration.carried.end(),
                                       [clock](const hub::Track& t) { return t.pid == clock; });
  const bool own_clock = clock != configuration.carried[track].pid && !(track == 0 && lone_clock);
  const auto belongs = [&](const SegmentItem& item) {
    return item.track == track || (track == 0 && item.track == hub::kPcrTrack);
  };
  const auto first = std::find_if(items.begin(), items.end(), belongs);
  if (first == items.end()) return;
  const hub::Track& carried = configuration.carried[track];
  if (carried.twin_of && mpegts::is_video(carried.kind) && first->pts > begin + kLateBegin) return;
  const auto count = static_cast<std::size_t>(std::count_if(first, items.end(), belongs));
  const std::vector<std::uint8_t> psi = make_psi(configuration_of(configuration, track, own_clock), k);
  // Pieces point into it: it must not move.
  file.made = psi;
  file.made.reserve(psi.size() + (own_clock ? count * kPacketSize : 0));
  add_piece(file, {file.made.data(), file.made.size()});
  std::int64_t clocked = 0;
  bool any_clock = false;
  for (const SegmentItem& item : items) {
    if (!belongs(item)) continue;
    const auto piece = bytes.subspan(item.offset, item.size);
    if (own_clock && item.timed && (!any_clock || item.key - clocked >= kClockEvery)) {
      const std::size_t at = file.made.size();
      if (make_clock(piece, file.made)) {
        add_piece(file, {file.made.data() + at, kPacketSize});
        clocked = item.key;
        any_clock = true;
      }
    }
    add_piece(file, piece);
  }
}

void build_files(const hub::Configuration& configuration, bool apart, std::int64_t k, std::int64_t begin,
                 std::span<const std::uint8_t> bytes, std::span<const SegmentItem> items, SegmentFile& whole,
                 std::vector<SegmentFile>& parts) {
  parts.clear();
  if (!apart) return build_whole(configuration, k, bytes, items, whole);
  build_part(configuration, k, 0, begin, bytes, items, whole);
  const std::vector<std::size_t> tracks = tracks_with_parts(configuration.carried);
  parts.resize(tracks.size());
  for (std::size_t i = 0; i < tracks.size(); ++i)
    build_part(configuration, k, tracks[i], begin, bytes, items, parts[i]);
}

}  // namespace headgate::bridge::hls
