// Demultiplexes one channel once for all outputs: takes the ring's slots, follows PAT and PMT, and hands on
// whole PES packets, and cues (SCTE 35), with their times on the channel's timeline. A damaged or scrambled
// PES packet is dropped and counted, never more. References: ISO/IEC 13818-1:2022 2.4.3.3
// (continuity), 2.4.3.6 (PES), 2.4.4 (PSI). Threading: owned by one thread. Memory: one open PES packet per
// carried PID (at most kMaxPes bytes each).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/bridge/hub/program_picker.h"
#include "dataplane/bridge/hub/track.h"
#include "dataplane/ring/ring.h"
#include "mpegts/monitor/continuity.h"
#include "mpegts/monitor/cue_tap.h"
#include "mpegts/pes/pes_packet.h"

namespace headgate::bridge::hub {

struct HubCounters {
  std::uint64_t packets = 0;
  std::uint64_t gaps = 0;         // slots lost before they came here
  std::uint64_t cc_errors = 0;    // of carried PIDs
  std::uint64_t damaged_pes = 0;  // lost packets, TEI, a wrong length, no PES header
  std::uint64_t scrambled_pes = 0;
  std::uint64_t oversized_pes = 0;
  std::uint64_t untimed_pes = 0;        // came before the channel had a timeline
  std::uint64_t bad_timestamp_pes = 0;  // farther from the PCR than kMaxLead
  std::uint64_t unreferenced_pes = 0;   // video from a loss on the way here to the next random access point
  std::uint64_t discontinuities = 0;
  std::uint64_t configurations = 0;
  std::uint64_t cues = 0;         // handed on
  std::uint64_t unread_cues = 0;  // of a form that is wrong, too long, or before the channel had a timeline
  std::uint64_t split_pes = 0;    // at a random access point inside them
};

// What became of a PID's last PES packet.
enum class Fate : std::uint8_t {
  none,
  delivered,
  damaged,
  scrambled,
  oversized,
  untimed,
  bad_timestamp,
  unreferenced
};

class ChannelHub {
 public:
  static constexpr std::size_t kMaxPes = 4 * 1024 * 1024;
  static constexpr std::int64_t kMaxLead = 20 * mpegts::kTicksPerSecond;
  // Without a usable video unit for so long the audio alone is carried.
  static constexpr std::int64_t kVideoPatience = 5 * mpegts::kTicksPerSecond;

  // After a loss on the way here the video waits for its next random access point, since decoders in browsers
  // give up at a picture whose references are missing; a stream that has none for so long goes on as it is.
  static constexpr std::int64_t kReferencePatience = 3 * mpegts::kTicksPerSecond;

  explicit ChannelHub(UnitSink& sink);
  ~ChannelHub();

  void on_slot(const ring::Slot& slot);
  // Every channel has a gap: the ring began anew.
  void on_gap();
  // The input stopped: delivers the open PES packets that are whole, drops the others.
  void on_silence();
  // The end of the stream (tests, files): delivers what is open.
  void flush();

  const HubCounters& counters() const { return counters_; }
  const std::vector<Track>& tracks() const { return tracks_; }
  std::optional<std::uint16_t> program_number() const;
  mpegts::Pid pmt_pid() const { return picker_.pmt_pid(); }  // the null PID without a program
  // Several services and nobody chose one.
  bool program_unset() const { return picker_.service_count() > 1; }
  const mpegts::es::VideoFormat* video_format(mpegts::Pid pid) const;
  const mpegts::es::AudioFormat* audio_format(mpegts::Pid pid) const;
  std::int64_t last_arrival_ns() const { return arrival_ns_; }
  std::size_t service_count() const { return picker_.service_count(); }
  // Of a carried PID, or of the video that was given up.
  Fate last_fate(mpegts::Pid pid) const;
  // The video brought nothing usable for kVideoPatience: the sound alone is carried.
  bool video_given_up() const { return video_given_up_; }

 private:
  struct Stream;  // one carried PID

  void on_packet(const mpegts::TsPacket& packet);
  void on_stream_packet(Stream& stream, const mpegts::TsPacket& packet);
  bool check_continuity(Stream& stream, const mpegts::TsPacket& packet);
  void finish_pes(Stream& stream);
  void deliver(Stream& stream);
  Fate count(Fate fate);
  bool deliver_split(Stream& stream, const Unit& whole);
  Fate inspect(Stream& stream, Unit& unit);
  void inspect_audio(Stream& stream, std::span<const std::uint8_t> payload, std::int64_t dts);
  void configure();
  void open_streams(const std::vector<Track>& wanted);
  void watch_video();
  void on_cue_packet(const mpegts::TsPacket& packet);
  void publish_pcr_packet(const mpegts::TsPacket& packet);
  void await_random_access();
  bool lacks_references(Stream& stream, const Unit& unit);
  Fate stamp(Stream& stream, const mpegts::PesHeader& header, Unit& unit);

  UnitSink& sink_;
  ProgramPicker picker_;
  HubCounters counters_;
  std::vector<Track> tracks_;
  std::shared_ptr<const Configuration> configuration_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<std::uint8_t> stream_of_pid_;  // index + 1 in streams_, 0: none
  std::vector<std::uint8_t> scratch_;
  std::vector<std::uint8_t> split_;
  std::vector<mpegts::Pid> cue_pids_;
  std::unique_ptr<mpegts::CueTap> cue_tap_;      // from the first PID with cues on
  mpegts::Pid lone_pcr_pid_ = mpegts::kNullPid;  // a PCR PID that is no carried stream
  std::int64_t arrival_ns_ = 0;
  std::int64_t timeline_ = 0;
  std::int64_t offset_ = 0;
  std::int64_t reference_ = 0;  // the chosen service's own clock on the timeline
  bool has_timeline_ = false;
  bool has_own_clock_ = false;  // reference_ comes from the service's own PCR
  bool reconfigure_ = false;    // once the slot is done
  bool video_given_up_ = false;
  std::int64_t watch_since_ = 0;  // timeline at which the watch over the video began
  std::optional<std::uint32_t> expected_sequence_;
};

}  // namespace headgate::bridge::hub
