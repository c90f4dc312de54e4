// Whether a stream can be joined at a PES packet, told from its first transport packets; and what of an open
// group of pictures a decoder must be told when one is joined there. References: ITU-T H.264 7.4.1.2.4,
// D.1.8; ITU-T H.265 3.129 (RASL), 7.4.2.2 (BLA), 8.1.3; ISO/IEC 13818-2 6.3.8 (broken_link); ISO/IEC
// 13818-1:2022 2.4.3.5 (random_access_indicator). Threading: owned by one thread. Memory: at most 16 KiB of
// one PES packet.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "mpegts/es/video.h"
#include "mpegts/packet/ts_packet.h"
#include "mpegts/psi/tables.h"

namespace headgate::mpegts::remux {

class RandomAccessFinder {
 public:
  enum class Verdict : std::uint8_t { undecided, no, yes };

  explicit RandomAccessFinder(StreamKind kind);

  // The PID's packets, the first with payload_unit_start_indicator. Undecided: it takes more of them.
  Verdict begin(const TsPacket& packet);
  Verdict more(const TsPacket& packet);

  // Of the PES packet judged last.
  bool scrambled() const noexcept { return scrambled_; }
  // Pictures that follow may need some from before.
  bool open_group() const noexcept { return open_group_; }
  std::optional<Pts90kHz> pts() const noexcept { return pts_; }

 private:
  Verdict judge();

  StreamKind kind_;
  es::VideoParser parser_;
  std::array<std::uint8_t, 16 * 1024> buffer_{};
  std::size_t filled_ = 0;
  bool indicator_ = false;
  bool scrambled_ = false;
  bool open_group_ = false;
  std::optional<Pts90kHz> pts_;
};

// Marks the picture of a PES packet as one after which leading pictures can't be decoded: a CRA picture of
// HEVC becomes a BLA_W_LP, a group_of_pictures_header of MPEG-2 gets its broken_link where it is open. In
// place, over the payloads of its packets in order.
class BrokenLinkMarker {
 public:
  explicit BrokenLinkMarker(StreamKind kind = StreamKind::unknown) noexcept : kind_(kind) {}
  void on_payload(std::span<std::uint8_t> payload) noexcept;
  bool marked() const noexcept { return marked_; }

 private:
  StreamKind kind_;
  unsigned zeros_ = 0;
  bool code_ = false;        // the next byte follows 00 00 01
  unsigned group_byte_ = 0;  // of a group_of_pictures_header, from 1
  bool marked_ = false;
};

}  // namespace headgate::mpegts::remux
