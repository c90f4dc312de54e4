// A made single-program stream for tests: PAT, PMT, one H.264 PID of 25 pictures a second with a PCR each and
// a random access point each half second; a picture has ten packets. The pictures hold no real video. And a
// look at what came out: continuity, PCR, which packets were whose.
#pragma once

#include <map>
#include <optional>

#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "tests/fastpath/fastpath_support.h"

namespace headgate::fastpath {

class MadeService {
 public:
  static constexpr std::int64_t kPictureNs = 40'000'000;
  static constexpr int kPackets = 10;
  // `fill`: of every payload's end, to tell two services apart. `clock`: its PCR at the first picture.
  MadeService(std::uint8_t fill, std::uint64_t clock, std::uint16_t video = 0x100, std::uint16_t pmt = 0x20)
      : fill_(fill), clock_(clock), video_(video), pmt_(pmt) {}

  // The packets of the next picture, tables before it now and then.
  std::vector<FrameBytes> next() {
    std::vector<FrameBytes> packets;
    if (tables && picture_ % 2 == 0) packets.push_back(pat());
    if (tables && picture_ % 2 == 0) packets.push_back(pmt());
    packets.push_back(start(picture_ % 12 == 0));
    while (packets.size() < per_picture) packets.push_back(ts_packet(video_, video_cc_++, fill_));
    ++picture_;
    return packets;
  }
  // Its clock jumps.
  void jump(std::uint64_t ticks) { clock_ += ticks; }
  bool tables = true;
  std::size_t per_picture = kPackets;

 private:
  FrameBytes pat() {
    mpegts::Pat pat;
    pat.transport_stream_id = 1;
    pat.entries = {{1, mpegts::Pid{pmt_}}};
    return mpegts::pack_section(mpegts::kPatPid, pat.to_section(), pat_cc_++);
  }
  FrameBytes pmt() {
    mpegts::Pmt pmt;
    pmt.program_number = 1;
    pmt.pcr_pid = mpegts::Pid{video_};
    pmt.streams = {{0x1B, mpegts::Pid{video_}, {}}};
    return mpegts::pack_section(mpegts::Pid{pmt_}, pmt.to_section(), pmt_cc_++);
  }
  FrameBytes start(bool random_access) {
    const std::uint64_t pcr = clock_ + static_cast<std::uint64_t>(picture_) * 1'080'000;
    FrameBytes packet = pcr_packet(video_, video_cc_++, pcr % mpegts::kPcrModulus);
    packet[1] |= 0x40;
    packet[3] |= 0x10;
    packet[4] = 7;
    packet[5] = static_cast<std::uint8_t>(0x10 | (random_access ? 0x40 : 0));
    const std::uint64_t t = (pcr / 300 + 45'000) % mpegts::kPtsModulus;
    FrameBytes pes{0, 0, 1, 0xE0, 0, 0, 0x80, 0x80, 5};
    pes.push_back(static_cast<std::uint8_t>(0x21 | (t >> 29 & 0x0E)));
    pes.push_back(static_cast<std::uint8_t>(t >> 22));
    pes.push_back(static_cast<std::uint8_t>(t >> 14 | 1));
    pes.push_back(static_cast<std::uint8_t>(t >> 7));
    pes.push_back(static_cast<std::uint8_t>(t << 1 | 1));
    const FrameBytes idr{0, 0, 0, 1, 0x09, 0x10, 0,    0,    0, 1, 0x67, 0x42, 0xC0, 0x1E, 0xD9,
                         0, 0, 0, 1, 0x68, 0xCE, 0x3C, 0x80, 0, 0, 0,    1,    0x65, 0x88, 0x84};
    const FrameBytes other{0, 0, 0, 1, 0x09, 0x30, 0, 0, 0, 1, 0x41, 0x9A, 0x21};
    const FrameBytes& unit = random_access ? idr : other;
    pes.insert(pes.end(), unit.begin(), unit.end());
    std::copy(pes.begin(), pes.end(), packet.begin() + 12);
    std::fill(packet.begin() + 12 + static_cast<std::ptrdiff_t>(pes.size()), packet.end(), fill_);
    return packet;
  }

  std::uint8_t fill_;
  std::uint64_t clock_;
  std::uint16_t video_;
  std::uint16_t pmt_;
  int picture_ = 0;
  std::uint8_t pat_cc_ = 0;
  std::uint8_t pmt_cc_ = 0;
  std::uint8_t video_cc_ = 0;
};

// What a receiver sees of a stream.
struct SeenStream {
  std::uint64_t packets = 0;
  std::uint64_t nulls = 0;
  std::uint64_t alone = 0;  // packets without payload: a PCR that was put in between
  int cc_errors = 0;
  std::int64_t pcr_pause_ns = 0;  // the longest between two
  std::int64_t pat_pause_ns = 0;
  std::int64_t last_pat_ns = 0;
  int pcr_jumps = 0;  // PCRs farther than 50 ms from where the time since the one before puts them
  std::optional<std::uint64_t> last_pcr;
  std::int64_t last_pcr_ns = 0;
  std::map<std::uint8_t, std::uint64_t> filled;  // packets by their last byte
  std::map<std::uint16_t, std::uint8_t> last_cc;

  void take(const FrameBytes& stream, std::int64_t now_ns) {
    for (std::size_t at = 0; at + 188 <= stream.size(); at += 188)
      take(mpegts::TsPacket(std::span<const std::uint8_t>(stream).subspan(at).first<188>()), now_ns);
  }
  void take(const mpegts::TsPacket& packet, std::int64_t now_ns) {
    ++packets;
    const std::uint16_t pid = packet.pid().value;
    if (pid == 0x1FFF) {
      ++nulls;
      return;
    }
    const auto last = last_cc.find(pid);
    const int step = packet.has_payload() ? 1 : 0;
    if (last != last_cc.end() && packet.continuity_counter() != ((last->second + step) & 15)) ++cc_errors;
    last_cc[pid] = packet.continuity_counter();
    if (!packet.has_payload()) ++alone;
    ++filled[packet.bytes()[187]];
    if (pid == 0) {
      if (last_pat_ns != 0) pat_pause_ns = std::max(pat_pause_ns, now_ns - last_pat_ns);
      last_pat_ns = now_ns;
    }
    if (const auto pcr = packet.pcr()) {
      if (last_pcr) {
        pcr_pause_ns = std::max(pcr_pause_ns, now_ns - last_pcr_ns);
        const std::uint64_t ticks = (pcr->ticks + mpegts::kPcrModulus - *last_pcr) % mpegts::kPcrModulus;
        const std::int64_t off = static_cast<std::int64_t>(ticks * 1000 / 27) - (now_ns - last_pcr_ns);
        if (off > 50'000'000 || off < -50'000'000) ++pcr_jumps;
      }
      last_pcr = pcr->ticks;
      last_pcr_ns = now_ns;
    }
  }
};

}  // namespace headgate::fastpath
