// What the hub knows of a channel's elementary streams, and the units in which it hands their packets on.
// References: ISO/IEC 13818-1:2022 2.4.3.6 (PES), 2.4.4.8 (PMT).
// Threading: values; a Configuration is immutable once published.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpegts/es/audio.h"
#include "mpegts/es/video.h"
#include "mpegts/packet/types.h"
#include "mpegts/psi/tables.h"
#include "mpegts/scte35/splice_info.h"

namespace headgate::bridge::hub {

// One entry of the PMT.
struct Track {
  mpegts::Pid pid;
  std::uint8_t stream_type = 0;
  mpegts::StreamKind kind = mpegts::StreamKind::unknown;
  std::string language;
  bool carried = false;
  std::string reason;  // why it is not carried, for status
  // This track is made of that one: AAC of its sound (transcode/audio_twins.h), or smaller pictures.
  std::optional<mpegts::Pid> twin_of = std::nullopt;
  std::string name{};  // of pictures made smaller: in addresses
  bool operator==(const Track&) const = default;
};

// A track that an output does not get, or an input does not take.
struct LeftOutTrack {
  Track track;
  std::string reason;
};

// The chosen service with the streams that outputs carry. Index 0 is the master: the video, else the first
// audio.
struct Configuration {
  std::uint16_t transport_stream_id = 0;
  mpegts::Pid pmt_pid;
  mpegts::Pmt pmt;  // carried streams only
  // Twins come last, in the order of their originals.
  std::vector<Track> carried;
  // Sound that no output carries, but that AAC can be made of. Its units come with the numbers after those of
  // `carried`, and go no farther than AudioTwins.
  std::vector<Track> heard;
  // Twins of `carried` that bring nothing, and are not to be offered to players that begin. They may return.
  std::vector<mpegts::Pid> idle_twins;
  // Same streams on the same PIDs: media made under one plays on under the other, idle twins or not.
  bool same_media(const Configuration& other) const;
};

// One PES packet: all its transport packets, bit-exact and in order.
struct Unit {
  std::uint8_t track = 0;  // index in Configuration::carried; kPcrTrack for packets of a PCR PID of its own
  bool timed = false;      // false: no timestamp; it goes where the unit before it on this track went
  mpegts::es::RandomAccess random_access = mpegts::es::RandomAccess::none;
  std::int64_t dts = 0;  // channel's timeline, 27 MHz
  std::int64_t pts = 0;
  const mpegts::es::VideoFormat* video = nullptr;  // what is known of the format so far, or null
  const mpegts::es::AudioFormat* audio = nullptr;
  std::span<const std::uint8_t> packets;
};
inline constexpr std::uint8_t kPcrTrack = 0xFF;

// Splice information (ANSI/SCTE 35 2023 9.6) of the service, each once.
struct Cue {
  mpegts::Pid pid;
  const mpegts::SpliceInfo& info;
  // When it happens, on the channel's timeline; nothing where it is immediate or says no time.
  std::optional<std::int64_t> at;
  std::int64_t came = 0;                  // the channel's clock then
  std::span<const std::uint8_t> section;  // whole, CRC included
};

// Takes what the hub makes of a channel. Calls come on the hub's thread; spans and pointers are valid during
// the call.
class UnitSink {
 public:
  virtual ~UnitSink() = default;
  // Before the first unit, and again when the streams change.
  virtual void on_configuration(std::shared_ptr<const Configuration> configuration) = 0;
  virtual void on_unit(const Unit& unit) = 0;
  virtual void on_cue(const Cue&) {}
  // The timeline's offset changed: units before and after don't join.
  virtual void on_discontinuity() = 0;
  // Packets were lost on the way here (not by the source).
  virtual void on_loss() = 0;
};

}  // namespace headgate::bridge::hub
