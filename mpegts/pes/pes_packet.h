// PES packets (ISO/IEC 13818-1:2022 2.4.3.6): header parsing and assembly from transport packets.
// Threading: owned by one thread. Memory: one PES packet per assembler, bounded by max_size.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

struct PesHeader {
  std::uint8_t stream_id = 0;
  std::size_t packet_length = 0;   // PES_packet_length as sent; 0 = unbounded (video only)
  std::size_t payload_offset = 0;  // of the first payload byte, from the start of the PES packet
  bool data_alignment = false;
  bool scrambled = false;
  std::optional<Pts90kHz> pts;
  std::optional<Pts90kHz> dts;  // = pts where only that is sent

  // Parses a header from the first bytes of a PES packet; nothing where they are no PES start or too few.
  static std::optional<PesHeader> parse(std::span<const std::uint8_t> bytes) noexcept;
};

// One whole PES packet.
struct PesPacket {
  PesHeader header;
  std::span<const std::uint8_t> payload;  // valid during the call
  bool random_access = false;             // random_access_indicator of its first transport packet
  bool damaged = false;  // a continuity gap, TEI or scrambling inside, or PES_packet_length not met
};

class PesSink {
 public:
  virtual ~PesSink() = default;
  virtual void on_pes(Pid pid, const PesPacket& pes) = 0;
};

// Puts together the PES packets of one PID. A bounded PES is delivered when complete, an unbounded one at the
// next start.
class PesAssembler {
 public:
  explicit PesAssembler(Pid pid, std::size_t max_size = 4 * 1024 * 1024) : pid_(pid), max_size_(max_size) {}
  void on_packet(const TsPacket& packet, PesSink& sink);
  void flush(PesSink& sink);  // end of stream: deliver what is there
  void reset();
  // Packets whose payload reached no PES: transport errors, scrambled, beyond max_size, outside a PES or
  // without a header that can be read (counted once per PES).
  std::uint64_t discarded() const { return discarded_; }

 private:
  void begin(const TsPacket& packet);
  void append(const TsPacket& packet);
  void deliver_if_complete(PesSink& sink);
  void finish(PesSink& sink);

  Pid pid_;
  std::size_t max_size_;
  std::vector<std::uint8_t> buffer_;
  bool in_pes_ = false;
  bool damaged_ = false;
  bool random_access_ = false;
  bool duplicate_seen_ = false;
  int last_continuity_ = -1;
  std::uint64_t discarded_ = 0;
};

}  // namespace headgate::mpegts
