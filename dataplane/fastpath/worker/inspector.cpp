#include "dataplane/fastpath/worker/inspector.h"

#include <algorithm>

#include "mpegts/monitor/stream_report.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace headgate::fastpath {
namespace {

constexpr std::uint16_t kFree = 0xFFFF;
constexpr std::int64_t kPcrPidSilenceNs = 2'000'000'000;
constexpr std::uint8_t kSyncLost = 2;
constexpr std::uint8_t kSyncFound = 5;
constexpr std::int64_t kPcrLimitNs = std::chrono::nanoseconds(mpegts::kPcrLimit).count();
constexpr std::int64_t kTickNs = 100'000'000;  // how often absences are judged
constexpr auto kPcrLimit = static_cast<std::uint64_t>(kPcrLimitNs / 1000 * 27);

// The index of `pid` among the 32, or 32.
std::size_t index_of(const std::array<std::uint16_t, Inspector::kCompactPids>& pids,
                     std::uint16_t pid) noexcept {
#if defined(__SSE2__)
  const __m128i wanted = _mm_set1_epi16(static_cast<short>(pid));
  const auto* lanes = reinterpret_cast<const __m128i*>(pids.data());
  std::uint32_t hits = 0;
  for (int i = 0; i < 2; ++i) {
    const __m128i low = _mm_cmpeq_epi16(_mm_load_si128(lanes + 2 * i), wanted);
    const __m128i high = _mm_cmpeq_epi16(_mm_load_si128(lanes + 2 * i + 1), wanted);
    hits |= static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high))) << (16 * i);
  }
  return hits == 0 ? Inspector::kCompactPids : static_cast<std::size_t>(__builtin_ctz(hits));
#else
  return static_cast<std::size_t>(std::find(pids.begin(), pids.end(), pid) - pids.begin());
#endif
}

}  // namespace

Inspector::Inspector() { pids_.fill(kFree); }

Inspector::~Inspector() { delete offered_.load(); }

void Inspector::offer_wide(std::unique_ptr<WideTable> table) noexcept {
  wants_wide_.store(false, std::memory_order_relaxed);
  delete offered_.exchange(table.release(), std::memory_order_acq_rel);
}

bool Inspector::adopt_wide() noexcept {
  WideTable* table = offered_.exchange(nullptr, std::memory_order_acq_rel);
  if (table == nullptr && spares_ != nullptr) table = spares_->take();
  if (table == nullptr) return false;
  wide_.reset(table);
  for (std::size_t i = 0; i < count_; ++i) {
    const std::uint16_t pid = pids_[i];
    wide_->hot[pid] = hot_[i];
    wide_->cold[pid] = cold_[i];
    wide_->known[pid] = true;
    wide_->order[i] = pid;
  }
  return true;
}

Inspector::Place Inspector::find_wide(mpegts::Pid pid) noexcept {
  const std::uint16_t i = pid.value;
  if (!wide_->known[i]) [[unlikely]] {
    wide_->known[i] = true;
    wide_->hot[i].attention = attention_of(pid);
    wide_->order[count_++] = i;
  }
  return {&wide_->hot[i], &wide_->cold[i]};
}

Inspector::Place Inspector::add_compact(mpegts::Pid pid) noexcept {
  if (count_ < kCompactPids) {
    pids_[count_] = pid.value;
    hot_[count_].attention = attention_of(pid);
    last_ = count_++;
    return {&hot_[last_], &cold_[last_]};
  }
  if (adopt_wide()) return find_wide(pid);
  if (!wants_wide_.load(std::memory_order_relaxed)) wants_wide_.store(true, std::memory_order_release);
  ++totals_.pids_beyond;
  return {nullptr, nullptr};
}

Inspector::Place Inspector::find(mpegts::Pid pid) noexcept {
  if (wide_) return find_wide(pid);
  if (pids_[last_] == pid.value) return {&hot_[last_], &cold_[last_]};
  const std::size_t i = index_of(pids_, pid.value);
  if (i == kCompactPids) [[unlikely]]
    return add_compact(pid);
  last_ = i;
  return {&hot_[i], &cold_[i]};
}

Inspector::PidView Inspector::pid_at(std::size_t index) noexcept {
  if (wide_) {
    const std::uint16_t pid = wide_->order[index];
    return {mpegts::Pid{pid}, &wide_->hot[pid], &wide_->cold[pid]};
  }
  return {mpegts::Pid{pids_[index]}, &hot_[index], &cold_[index]};
}

void Inspector::set_monitor(std::unique_ptr<mpegts::StreamMonitor> monitor, Clock clock) noexcept {
  monitor_ = std::move(monitor);
  clock_ = clock;
}

std::unique_ptr<mpegts::StreamMonitor> Inspector::make_monitor() {
  return std::make_unique<mpegts::StreamMonitor>(mpegts::StreamMonitor::Limits{512, 64, 512});
}

mpegts::IndicatorCounts Inspector::indicators() const noexcept {
  using enum mpegts::Indicator;
  mpegts::IndicatorCounts counts = monitor_ != nullptr ? monitor_->counts() : mpegts::IndicatorCounts{};
  counts[ts_sync_loss] = totals_.sync_losses;
  counts[sync_byte_error] = totals_.sync_errors;
  counts[continuity_count_error] = totals_.cc_errors + totals_.sent_again;
  counts[transport_error] = totals_.transport_errors;
  counts[pcr_repetition_error] = totals_.pcr_repetition_errors;
  counts[pcr_discontinuity_indicator_error] = totals_.pcr_indicator_errors;
  return counts;
}

bool Inspector::judged(mpegts::Indicator indicator) const noexcept {
  using enum mpegts::Indicator;
  if (!mpegts::measured_live(indicator)) return false;
  switch (indicator) {
    case ts_sync_loss:
    case sync_byte_error:
    case continuity_count_error:
    case transport_error:
    case pcr_repetition_error:
    case pcr_discontinuity_indicator_error:
      return true;
    default:
      return monitor_ != nullptr && (monitor_->counts()[indicator] != 0 ||
                                     monitor_->judged(indicator, std::max<std::int64_t>(watch_ns_, 0)));
  }
}

std::uint32_t Inspector::bitrate_of(mpegts::Pid pid) const noexcept {
  if (wide_) return wide_->cold[pid.value].bitrate_bps;
  const std::size_t i = index_of(pids_, pid.value);
  return i < count_ ? cold_[i].bitrate_bps : 0;
}

std::int64_t Inspector::watch_ns() noexcept {
  if (clock_ == Clock::stream) watch_ns_ = stream_time_.now_ns(totals_.ts_packets);
  return watch_ns_;
}

void Inspector::on_tick() noexcept {
  next_tick_ns_ = watch_ns_ + kTickNs;
  monitor_->on_time(watch_ns_);
  spread_attention();
}

std::uint8_t Inspector::attention_of(mpegts::Pid pid) const noexcept {
  using Interest = mpegts::StreamMonitor::Interest;
  if (monitor_ == nullptr) return 0;
  switch (monitor_->interest(pid)) {
    case Interest::none:
      return 0;
    case Interest::first:
      return kFirst;
    case Interest::starts:
      return kFirst | kStart;
    case Interest::all:
      break;
  }
  return kAll;
}

void Inspector::spread_attention() noexcept {
  interests_ = monitor_->interests();
  for (std::size_t i = 0; i < count_; ++i) {
    if (wide_) {
      const std::uint16_t pid = wide_->order[i];
      wide_->hot[pid].attention = attention_of(mpegts::Pid{pid});
    } else {
      hot_[i].attention = attention_of(mpegts::Pid{pids_[i]});
    }
  }
}

void Inspector::attend(const mpegts::TsPacket& packet, PidHot& hot) noexcept {
  hot.attention = static_cast<std::uint8_t>(hot.attention & ~kFirst);
  monitor_->on_packet(packet, watch_ns());
  if (cues_ != nullptr && monitor_->carries_cues(packet.pid())) [[unlikely]]
    cues_->on_packet(packet, clock_now_, watch_ns_);
  if (monitor_->interests() != interests_) spread_attention();
}

void Inspector::on_packets(std::span<const std::uint8_t> packets, std::int64_t arrival_unix_ns,
                           Watch watch) noexcept {
  if (monitor_ != nullptr) {
    if (watch_start_ns_ < 0) [[unlikely]]
      watch_start_ns_ = watch.ns;
    if (clock_ == Clock::arrival) {
      watch_ns_ = std::max(watch_ns_, watch.ns - watch_start_ns_);
      delivery_.on_datagram(watch_ns_, packets.size(), watch.stalls);
    }
    if (watch_ns() >= next_tick_ns_) [[unlikely]]
      on_tick();
  }
  for (std::size_t at = 0; at + mpegts::kPacketSize <= packets.size(); at += mpegts::kPacketSize) {
    on_packet(mpegts::TsPacket(packets.subspan(at).first<mpegts::kPacketSize>()), arrival_unix_ns);
  }
}

void Inspector::on_packet(const mpegts::TsPacket& packet, std::int64_t arrival_unix_ns) noexcept {
  ++totals_.ts_packets;
  if (!packet.has_sync()) [[unlikely]] {
    ++totals_.sync_errors;
    lose_sync(1);
    return;
  }
  if (without_sync_ != 0) [[unlikely]]
    regain_sync();
  // With the error indicator set no field can be trusted, the PID neither (TR 101 290 2.1).
  if (packet.transport_error()) [[unlikely]] {
    ++totals_.transport_errors;
    return;
  }
  const mpegts::Pid pid = packet.pid();
  if (pid == mpegts::kNullPid) ++totals_.null_packets;
  const Place place = find(pid);
  if (place.hot == nullptr) [[unlikely]]
    return;
  PidHot& hot = *place.hot;
  ++hot.packets;
  if (pid == mpegts::kNullPid) return;

  const std::uint8_t flags = packet.adaptation_flags();
  const std::uint8_t before = hot.continuity.last;
  const auto verdict = hot.continuity.take(packet, [] { return true; });  // bytes are not kept
  const bool duplicate = mpegts::is_repetition(verdict);
  if (verdict == mpegts::Continuity::error) [[unlikely]] {
    ++totals_.cc_errors;
    ++place.cold->cc_errors;
    totals_.cc_lost += hot.continuity.missing(before, packet);
  }
  totals_.duplicates += duplicate ? 1 : 0;
  totals_.sent_again += verdict == mpegts::Continuity::again ? 1 : 0;
  const bool scrambled = (packet.scrambling_control() & 2) != 0;
  hot.scrambled_now = scrambled;
  if (scrambled) [[unlikely]] {
    ++totals_.scrambled;
    ++place.cold->scrambled;
  }
  if ((flags & 0x10) != 0 && !duplicate) on_pcr(packet, place, arrival_unix_ns);
  if ((hot.attention & (packet.payload_unit_start() ? kFirst | kStart | kAll : kFirst | kAll)) != 0)
      [[unlikely]]
    attend(packet, hot);
}

// TR 101 290 5.2.1 (1.1) with the hysteresis that it recommends: five in a row begin synchronisation, two
// without end it.
void Inspector::lose_sync(std::uint8_t packets) noexcept {
  with_sync_ = 0;
  without_sync_ = std::min<std::uint8_t>(kSyncLost, static_cast<std::uint8_t>(without_sync_ + packets));
  if (!in_sync_ || without_sync_ < kSyncLost) return;
  in_sync_ = false;
  ++totals_.sync_losses;
}

void Inspector::on_no_sync() noexcept { lose_sync(kSyncLost); }

void Inspector::regain_sync() noexcept {
  if (!in_sync_ && ++with_sync_ < kSyncFound) return;
  in_sync_ = true;
  without_sync_ = with_sync_ = 0;
}

bool Inspector::drives_timeline(mpegts::Pid pid, std::int64_t arrival_unix_ns) noexcept {
  if (wanted_pcr_pid_) return pid == *wanted_pcr_pid_;
  if (!pcr_pid_ || (pid != *pcr_pid_ && arrival_unix_ns - pcr_pid_seen_ns_ > kPcrPidSilenceNs))
    pcr_pid_ = pid;
  if (pid != *pcr_pid_) return false;
  pcr_pid_seen_ns_ = arrival_unix_ns;
  return true;
}

void Inspector::on_pcr(const mpegts::TsPacket& packet, Place place, std::int64_t arrival_unix_ns) noexcept {
  const std::optional<mpegts::Pcr27MHz> pcr = packet.pcr();
  if (!pcr || !packet.valid()) return;
  ++totals_.pcr_count;
  PidCold& cold = *place.cold;
  bool jumped = false;
  if (place.cold->has_pcr) {
    const std::uint64_t step = (pcr->ticks + mpegts::kPcrModulus - cold.last_pcr) % mpegts::kPcrModulus;
    jumped = packet.discontinuity() || step > static_cast<std::uint64_t>(mpegts::kTicksPerSecond);
    if (!jumped) pcr_interval_max_ns_ = std::max(pcr_interval_max_ns_, step * 1000 / 27);
    if (step > kPcrLimit && !packet.discontinuity()) [[unlikely]] {
      ++totals_.pcr_indicator_errors;
      // By value, as what comes by the internet comes in bursts and this worker may be held up; values that
      // jumped say nothing.
      if (!jumped || arrival_unix_ns - cold.last_pcr_ns > kPcrLimitNs) ++totals_.pcr_repetition_errors;
    }
  }
  place.cold->has_pcr = true;
  cold.last_pcr = pcr->ticks;
  cold.last_pcr_ns = arrival_unix_ns;
  if (drives_timeline(packet.pid(), arrival_unix_ns)) {
    clock_now_ = pcr;
    stream_time_.on_pcr(*pcr, packet.discontinuity(), totals_.ts_packets);
    delivery_.on_pcr(*pcr, packet.discontinuity(), totals_.ts_packets * mpegts::kPacketSize, watch_ns_);
    const auto step = timeline_.on_pcr(*pcr, packet.discontinuity(), arrival_unix_ns);
    discontinuity_ |= step.discontinuity;
    jumped = step.discontinuity;
  }
  totals_.pcr_discontinuities += jumped ? 1 : 0;
}

}  // namespace headgate::fastpath
