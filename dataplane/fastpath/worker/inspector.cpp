#include "dataplane/fastpath/worker/inspector.h"

#include <algorithm>

#include "mpegts/monitor/continuity.h"
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
    wide_->order[count_++] = i;
  }
  return {&wide_->hot[i], &wide_->cold[i]};
}

Inspector::Place Inspector::add_compact(mpegts::Pid pid) noexcept {
  if (count_ < kCompactPids) {
    pids_[count_] = pid.value;
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

void Inspector::on_packets(std::span<const std::uint8_t> packets, std::int64_t arrival_unix_ns) noexcept {
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

  const std::uint8_t cc = packet.continuity_counter();
  const std::uint8_t flags = packet.adaptation_flags();
  bool duplicate = false;
  if (hot.last_cc != PidHot::kNoCc) {
    const auto verdict = mpegts::check_continuity(hot.last_cc, cc, packet.has_payload(), (flags & 0x80) != 0,
                                                  hot.duplicate_seen);
    if (verdict == mpegts::Continuity::error) [[unlikely]] {
      ++totals_.cc_errors;
      ++place.cold->cc_errors;
    }
    duplicate = verdict == mpegts::Continuity::duplicate;
    totals_.duplicates += duplicate ? 1 : 0;
  }
  hot.last_cc = cc;
  if (packet.has_payload()) hot.duplicate_seen = duplicate;
  const bool scrambled = (packet.scrambling_control() & 2) != 0;
  hot.scrambled_now = scrambled;
  if (scrambled) [[unlikely]] {
    ++totals_.scrambled;
    ++place.cold->scrambled;
  }
  if ((flags & 0x10) != 0 && !duplicate) on_pcr(packet, place, arrival_unix_ns);
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
  if (place.hot->has_pcr) {
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
  place.hot->has_pcr = true;
  cold.last_pcr = pcr->ticks;
  cold.last_pcr_ns = arrival_unix_ns;
  if (drives_timeline(packet.pid(), arrival_unix_ns)) {
    const auto step = timeline_.on_pcr(*pcr, packet.discontinuity(), arrival_unix_ns);
    discontinuity_ |= step.discontinuity;
    jumped = step.discontinuity;
  }
  totals_.pcr_discontinuities += jumped ? 1 : 0;
}

}  // namespace headgate::fastpath
