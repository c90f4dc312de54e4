// Makes a single-program transport stream of elementary streams: PAT, PMT and SDT at their repetition rates,
// PES, PCR at most 35 ms apart, sound and pictures interleaved by their decoding times. The stream has a
// clock of its own that follows the units: between two PCRs its packets lie evenly, so that whoever reads
// PCR and position (ISO/IEC 13818-1 2.4.2.2) finds when each is due. It is not of constant rate.
// References: ISO/IEC 13818-1:2022 2.4.3 (packets, PES), 2.4.4 (PSI), 2.7 (repetition); EN 300 468 5.2.3
// (SDT); TR 101 211 4.4 (repetition rates); TR 101 290 5.2 (PCR interval).
// Threading: owned by one thread. Memory: units that wait to be interleaved, at most kMaxWaitingBytes and
// kMaxWaitingUnits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mpegts/packet/types.h"
#include "mpegts/psi/tables.h"

namespace headgate::mpegts {

struct MuxTrack {
  StreamKind kind = StreamKind::unknown;  // h264, hevc, mpeg2_video, aac_adts, mpeg_audio, ac3, eac3, …
  std::string language;                   // ISO 639-2, or ""
  // MPEG audio: under 32 kHz it has a stream_type of its own (ISO/IEC 13818-3). 0: not known.
  std::uint32_t sample_rate = 0;
  // AAC: MPEG-4_audio_profile_and_level for DVB's AAC descriptor (EN 300 468 Annex H); 0: without one.
  std::uint8_t aac_profile_and_level = 0;
  bool operator==(const MuxTrack&) const = default;
};

struct MuxProgram {
  std::uint16_t transport_stream_id = 1;
  std::uint16_t original_network_id = 0xFF01;  // private use (TS 101 162)
  std::uint16_t program_number = 1;
  std::string service_name;  // UTF-8
  std::string provider;
  std::vector<MuxTrack> tracks;  // video first; their PIDs follow from their order and stay
  bool operator==(const MuxProgram&) const = default;
};

struct MuxUnit {
  std::size_t track = 0;
  std::int64_t dts = 0;  // 27 MHz, unrolled; any origin
  std::int64_t pts = 0;
  bool random_access = false;
  // As it goes into a PES packet: byte stream format with delimiters and, where a decoder begins,
  // parameter sets; ADTS; frames with their own headers.
  std::span<const std::uint8_t> data;
};

class ProgramMuxer {
 public:
  static constexpr std::size_t kMaxWaitingBytes = 16 * 1024 * 1024;
  // Of a track: seconds of what any encoder makes. What a packet costs grows with them.
  static constexpr std::size_t kMaxWaitingUnits = 1'024;
  // Whole packets, at least one.
  using Sink = std::function<void(std::span<const std::uint8_t> packets)>;

  explicit ProgramMuxer(Sink sink);
  ~ProgramMuxer();

  // Before the first unit, and whenever tracks or names change: table versions rise, what waits of the
  // old tracks is sent first; continuity counters go on.
  void set_program(const MuxProgram& program);
  // A copy is made. Packets come out of it once their order is known: a track that is silent for
  // kMaxInterleave no longer holds up the others.
  static constexpr std::int64_t kMaxInterleave = kTicksPerSecond / 2;
  void push(const MuxUnit& unit);
  // Sends what waits: the source fell silent or ended.
  void flush();
  // The next unit's times don't follow those before: PCR with discontinuity_indicator.
  void mark_discontinuity();

  struct Counters {
    std::uint64_t packets = 0;
    std::uint64_t units = 0;
    std::uint64_t dropped_units = 0;  // beyond what may wait, or without a known track
    std::uint64_t late_units = 0;     // came after their place in the stream had gone
  };
  const Counters& counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::mpegts
