// What the fast path looks at in every transport packet of an input: sync, TEI, continuity, scrambling, null
// packets, PCR, per PID. References: ISO/IEC 13818-1:2022 2.4.3.2, 2.4.3.3, 2.4.3.5; ETSI TR 101 290 5.2 for
// what is counted. What needs tables and time-outs is the StreamMonitor's, which sees few packets: all of
// tables, starts of PES packets, and one of each PID a tick; a byte beside the PID's counter says which.
//
// Up to 32 PIDs lie in a compact block (one cache line of PIDs, eight bytes a PID that every packet touches);
// an input with more gets a flat table of all 8,192: one of the spares that the main thread keeps ready, so
// that no packet of a multiplex goes unchecked, since a worker never allocates. Where many inputs grow at
// once and the spares are gone, it waits for one that the main thread offers.
//
// Threading: owned by the worker thread, but for wants_wide() and offer_wide(), which the main thread
// calls.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "mpegts/clock/timeline.h"
#include "mpegts/monitor/continuity.h"
#include "mpegts/monitor/cue_tap.h"
#include "mpegts/monitor/delivery_monitor.h"
#include "mpegts/monitor/stream_monitor.h"
#include "mpegts/monitor/stream_time.h"
#include "mpegts/packet/ts_packet.h"

namespace headgate::fastpath {

// Touched by every packet of the PID.
struct PidHot {
  std::uint32_t packets = 0;
  mpegts::ContinuityState continuity;
  bool scrambled_now = false;
  std::uint8_t attention = 0;  // when the StreamMonitor is to see a packet: bits of Inspector::Attention
};
static_assert(sizeof(PidHot) == 8);

// Touched only when something happens.
struct PidCold {
  std::uint32_t cc_errors = 0;
  std::uint32_t scrambled = 0;
  std::uint32_t packets_at_mark = 0;  // of the bitrate's window
  std::uint32_t bitrate_bps = 0;
  std::uint64_t last_pcr = 0;
  std::int64_t last_pcr_ns = 0;  // its arrival
  bool has_pcr = false;
};

struct WideTable {
  std::array<PidHot, mpegts::kPidCount> hot{};
  std::array<PidCold, mpegts::kPidCount> cold{};
  std::array<std::uint16_t, mpegts::kPidCount> order{};  // PIDs as they appeared
  std::array<bool, mpegts::kPidCount> known{};
};

// Tables made beforehand. Threading: refill() belongs to one thread, take() to another.
class SpareTables {
 public:
  SpareTables() { refill(); }
  ~SpareTables() {
    for (auto& place : places_) delete place.load();
  }
  SpareTables(const SpareTables&) = delete;
  SpareTables& operator=(const SpareTables&) = delete;

  void refill() {
    for (auto& place : places_) {
      if (place.load(std::memory_order_acquire) == nullptr)
        place.store(new WideTable, std::memory_order_release);
    }
  }
  // Null when all are taken.
  WideTable* take() noexcept {
    for (auto& place : places_) {
      if (WideTable* table = place.exchange(nullptr, std::memory_order_acq_rel); table != nullptr)
        return table;
    }
    return nullptr;
  }

 private:
  static constexpr std::size_t kSpares = 4;
  std::array<std::atomic<WideTable*>, kSpares> places_{};
};

class Inspector {
 public:
  static constexpr std::size_t kCompactPids = 32;

  Inspector();
  ~Inspector();
  Inspector(const Inspector&) = delete;
  Inspector& operator=(const Inspector&) = delete;

  struct Totals {
    std::uint64_t ts_packets = 0;
    std::uint64_t cc_errors = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t sent_again = 0;  // of them those beyond the second
    std::uint64_t transport_errors = 0;
    std::uint64_t sync_errors = 0;
    std::uint64_t sync_losses = 0;  // TR 101 290 1.1: two without 0x47, after five with it
    std::uint64_t scrambled = 0;
    std::uint64_t null_packets = 0;
    std::uint64_t pcr_count = 0;
    std::uint64_t pcr_discontinuities = 0;
    std::uint64_t pcr_repetition_errors = 0;  // TR 101 290 2.3a
    std::uint64_t pcr_indicator_errors = 0;   // TR 101 290 2.3b
    std::uint64_t pids_beyond = 0;            // packets of PIDs that had no place yet
    std::uint64_t cc_lost = 0;                // packets that their counters say are missing
  };

  // The time by which is judged what comes too late: it leaves out those in which nobody looked.
  struct Watch {
    std::int64_t ns = 0;  // never goes back
    std::uint32_t stalls = 0;
  };
  // `packets`: whole packets of a datagram, as many as there are.
  void on_packets(std::span<const std::uint8_t> packets, std::int64_t arrival_unix_ns, Watch watch) noexcept;
  void on_packets(std::span<const std::uint8_t> packets, std::int64_t arrival_unix_ns) noexcept {
    on_packets(packets, arrival_unix_ns, {arrival_unix_ns, 0});
  }
  // A datagram in which no packet begins with 0x47, and which goes no further.
  void on_no_sync() noexcept;
  // The PCR PID of the service that the channel carries; without one, the first PID with PCR counts.
  void set_timeline_pid(std::optional<mpegts::Pid> pid) noexcept { wanted_pcr_pid_ = pid; }
  void restore_timeline(const mpegts::Timeline::State& state) noexcept {
    timeline_ = mpegts::Timeline(state);
  }

  const Totals& totals() const noexcept { return totals_; }
  // All indicators; those of tables only with a monitor.
  mpegts::IndicatorCounts indicators() const noexcept;
  // Of the services that the tables name; empty without a monitor.
  std::span<const mpegts::StreamMonitor::ProgramPid> program_pids() const noexcept {
    return monitor_ != nullptr ? monitor_->program_pids()
                               : std::span<const mpegts::StreamMonitor::ProgramPid>();
  }
  // As last told by the publisher; 0 for a PID that did not come.
  std::uint32_t bitrate_of(mpegts::Pid pid) const noexcept;
  // Whether there was something to judge: never without a monitor where it takes one.
  bool judged(mpegts::Indicator indicator) const noexcept;
  const mpegts::Timeline& timeline() const noexcept { return timeline_; }
  // Whether the last on_packets() moved the timeline's offset; taking it clears it.
  bool take_discontinuity() noexcept {
    const bool was = discontinuity_;
    discontinuity_ = false;
    return was;
  }
  // The largest PCR interval since the last call, in ns.
  std::uint64_t take_pcr_interval_max() noexcept {
    const std::uint64_t was = pcr_interval_max_ns_;
    pcr_interval_max_ns_ = 0;
    return was;
  }

  std::size_t pid_count() const noexcept { return count_; }
  struct PidView {
    mpegts::Pid pid;
    const PidHot* hot;
    PidCold* cold;
  };
  PidView pid_at(std::size_t index) noexcept;

  // Of what arrives in datagrams.
  const std::optional<mpegts::DeliveryMonitor::Second>& delivery() const noexcept { return delivery_.last(); }
  // Which time a monitor goes by: that of arrival, or the stream's own where it comes in lumps.
  enum class Clock : std::uint8_t { arrival, stream };
  // Before the first packet. It judges from the first packet on.
  void set_monitor(std::unique_ptr<mpegts::StreamMonitor> monitor, Clock clock) noexcept;
  // What an input or output of a gateway is judged by: some 44 KiB at first, 4 more a program.
  static std::unique_ptr<mpegts::StreamMonitor> make_monitor();
  // Before the first packet, with a monitor: keeps the cues for who takes them.
  void keep_cues() { cues_ = std::make_unique<mpegts::CueTap>(); }
  mpegts::CueTap* cues() noexcept { return cues_.get(); }
  // Before the first packet; the spares outlive the inspector.
  void set_spare_tables(SpareTables* spares) noexcept { spares_ = spares; }
  bool wants_wide() const noexcept { return wants_wide_.load(std::memory_order_acquire); }
  void offer_wide(std::unique_ptr<WideTable> table) noexcept;

 private:
  struct Place {
    PidHot* hot;
    PidCold* cold;
  };
  Place find(mpegts::Pid pid) noexcept;
  Place find_wide(mpegts::Pid pid) noexcept;
  Place add_compact(mpegts::Pid pid) noexcept;
  bool adopt_wide() noexcept;
  void on_packet(const mpegts::TsPacket& packet, std::int64_t arrival_unix_ns) noexcept;
  void on_pcr(const mpegts::TsPacket& packet, Place place, std::int64_t arrival_unix_ns) noexcept;
  enum Attention : std::uint8_t { kFirst = 1, kStart = 2, kAll = 4 };
  void on_tick() noexcept;
  void attend(const mpegts::TsPacket& packet, PidHot& hot) noexcept;
  void spread_attention() noexcept;
  std::uint8_t attention_of(mpegts::Pid pid) const noexcept;
  std::int64_t watch_ns() noexcept;
  void lose_sync(std::uint8_t packets) noexcept;
  void regain_sync() noexcept;
  bool drives_timeline(mpegts::Pid pid, std::int64_t arrival_unix_ns) noexcept;

  alignas(64) std::array<std::uint16_t, kCompactPids> pids_;
  alignas(64) std::array<PidHot, kCompactPids> hot_{};
  std::array<PidCold, kCompactPids> cold_{};
  std::size_t count_ = 0;
  std::size_t last_ = 0;
  Totals totals_;
  mpegts::Timeline timeline_;
  std::optional<mpegts::Pid> wanted_pcr_pid_;
  std::optional<mpegts::Pid> pcr_pid_;
  std::int64_t pcr_pid_seen_ns_ = 0;
  std::uint64_t pcr_interval_max_ns_ = 0;
  bool discontinuity_ = false;
  bool in_sync_ = true;
  std::uint8_t without_sync_ = 0;  // packets in a row, as far as they matter; not 0 while out of step
  std::uint8_t with_sync_ = 0;     // since then
  std::unique_ptr<mpegts::StreamMonitor> monitor_;
  std::unique_ptr<mpegts::CueTap> cues_;
  std::optional<mpegts::Pcr27MHz> clock_now_;  // the latest of the PID that drives the timeline
  mpegts::DeliveryMonitor delivery_;
  std::int64_t watch_start_ns_ = -1;  // of the first packet
  std::int64_t watch_ns_ = 0;         // since then
  std::int64_t next_tick_ns_ = 0;
  std::uint32_t interests_ = 0;
  Clock clock_ = Clock::arrival;
  mpegts::StreamTime stream_time_;
  std::unique_ptr<WideTable> wide_;
  SpareTables* spares_ = nullptr;
  std::atomic<WideTable*> offered_{nullptr};
  std::atomic<bool> wants_wide_{false};
};

}  // namespace headgate::fastpath
