// The buffers of one elementary stream in the T-STD: TB_n, and behind it B_n of audio or MB_n and EB_n of
// video. Packets are looked into as they come; when each came is known later, at the next PCR, and its access
// units' ends and times later still: the buffers follow when both are known. References: ISO/IEC
// 13818-1:2022 2.4.2.3 to 2.4.2.6. Threading: owned by one thread. Memory: bounded by the constants below.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "mpegts/packet/ts_packet.h"
#include "mpegts/pes/pes_packet.h"
#include "mpegts/tstd/main_buffers.h"
#include "mpegts/tstd/program_time.h"
#include "mpegts/tstd/tstd_model.h"
#include "mpegts/tstd/tstd_report.h"
#include "mpegts/tstd/unit_times.h"

namespace headgate::mpegts {

// What a packet brings to the buffers behind TB_n.
struct StreamPacket {
  std::uint64_t number = 0;    // in the transport stream
  std::uint64_t position = 0;  // of its payload in the elementary stream
  std::uint8_t header = 0;     // bytes of a PES packet's header
  std::uint8_t payload = 0;    // bytes of its payload, the packet's last
  bool restart = false;        // nothing before counts any more
};

class StreamBuffers {
 public:
  static constexpr std::size_t kMostQueued = 16'384;
  static constexpr std::size_t kMostUnits = 16'384;
  static constexpr std::size_t kMostPes = 4U << 20;
  // Of all streams of a decoder together.
  static constexpr std::size_t kMostPesInAll = 64U << 20;

  // pes_bytes: what the PES packets of all streams hold.
  StreamBuffers(PmtStream stream, std::size_t& pes_bytes);
  ~StreamBuffers();
  StreamBuffers(const StreamBuffers&) = delete;
  StreamBuffers& operator=(const StreamBuffers&) = delete;

  const PmtStream& stream() const noexcept { return stream_; }
  // Looks into it. A duplicate fills TB_n only. lost: packets are missing before it.
  StreamPacket on_packet(const TsPacket& packet, std::uint64_t number, bool duplicate, bool lost,
                         const ProgramTime& time);
  void arrive(const StreamPacket& packet, std::int64_t tick, std::int64_t duration);
  // All that arrived before time.now() did so.
  void advance(const ProgramTime& time);
  // The clock jumped: nothing on its way has a time.
  void on_jump();
  // The end: what waits for times that never came.
  void finish(const ProgramTime& time);
  TstdInfo info() const;

 private:
  struct Queued {
    StreamPacket packet;
    std::int64_t tick;
    std::int64_t duration;
  };

  void interrupt();
  void begin_pes();
  void end_pes(const ProgramTime& time);
  void take_limits();
  bool judged() const noexcept { return limits_ && limits_->unjudged.empty() && given_up_.empty(); }
  bool is_video() const noexcept { return mpegts::is_video(kind_); }
  void transport(const Queued& queued);
  void flow(double to, double header, double payload, const ProgramTime& time);
  void remove(const TimedUnit& unit, const ProgramTime& time);
  void give_up(std::string_view why);
  void carry_over();

  PmtStream stream_;
  StreamKind kind_;
  std::int64_t longest_stay_;
  std::unique_ptr<UnitTimes> times_;
  std::optional<StreamLimits> limits_;
  std::string_view given_up_;

  // As packets come.
  std::size_t& pes_bytes_;
  bool in_pes_ = false;
  bool anew_ = true;          // the next PES packet begins anew
  std::string_view why_not_;  // nothing could be judged, if it couldn't
  std::vector<std::uint8_t> pes_;
  std::vector<TimedPes::Part> parts_;
  std::optional<PesHeader> header_;
  std::uint64_t pes_position_ = 0;
  std::uint64_t position_ = 0;

  // As their times are known.
  std::deque<Queued> queue_;
  std::deque<TimedUnit> units_;
  std::optional<std::int64_t> horizon_;  // all units up to here are known
  bool timed_ = false;                   // something arrived
  bool running_ = false;
  double now_ = 0;
  TransportBuffer transport_;
  FillGauge transport_gauge_{TransportBuffer::kBytes};
  double transport_free_ = 0;  // when TB_n is empty
  std::int64_t busy_since_ = 0;
  bool late_ = false;
  AudioBuffer audio_;
  VideoBuffers video_;
  TstdInfo counts_;
};

}  // namespace headgate::mpegts
