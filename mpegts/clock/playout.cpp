#include "mpegts/clock/playout.h"

#include <algorithm>
#include <limits>

#include "mpegts/clock/clock_map.h"
#include "mpegts/clock/level_control.h"
#include "mpegts/clock/packet_store.h"
#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kShortestBuffer = 1'000'000;
constexpr std::int64_t kBatchSpan = 1'000'000;
constexpr std::size_t kBatchPackets = 7;
// A PCR with discontinuity_indicator that lies so near where it is expected goes on all the same:
// multiplexers set the flag at every splice.
constexpr std::int64_t kSameClock = kTicksPerSecond / 10;

// Marks of packets.
constexpr std::uint8_t kDiscontinuity = 1;
constexpr std::uint8_t kPcr = 2;

std::int64_t pcr_step(std::uint64_t later, std::uint64_t earlier) noexcept {
  return static_cast<std::int64_t>((later + kPcrModulus - earlier) % kPcrModulus);
}

std::int64_t distance(std::int64_t a, std::int64_t b) noexcept { return a > b ? a - b : b - a; }

// Where the stream's clock stands. Its ticks go on through jumps of the PCR.
struct SourceClock {
  bool runs = false;              // PCRs come; without, ticks follow arrivals
  std::optional<Pid> pid;         // of the PCRs; none yet: no value
  std::uint64_t pcr = 0;          // the last one, and
  std::int64_t pcr_tick = 0;      // its tick, and
  std::int64_t pcr_arrival = 0;   // when it came
  std::uint64_t knot = 0;         // number of the packet that carried it; without PCRs, the last packet's
  std::int64_t knot_tick = 0;     // of that packet
  std::int64_t knot_arrival = 0;  // of that packet
  double pace = 0;                // ticks a packet, of the last interval; 0: not known
  std::optional<Pid> other;       // a PID that may take over, and
  std::uint64_t other_first = 0;  // its first PCR
};

// While the buffer fills, where the first packet falls is still being decided.
struct Hold {
  bool on = false;
  bool starting = false;      // nothing has left yet at all
  std::int64_t since = 0;     // when it began
  std::int64_t earliest = 0;  // nothing leaves before
};

}  // namespace

struct Playout::Impl {
  Impl(std::int64_t buffer, std::size_t max_packets)
      : buffer_ns(std::max(buffer, kShortestBuffer)),
        limit_ns(buffer_ns + std::max(kSecond, buffer_ns)),
        store(max_packets),
        control(buffer_ns) {}

  void on_time(std::int64_t now) noexcept;
  void shift(std::int64_t ns) noexcept;

  void take(std::span<const std::uint8_t, kPacketSize> bytes, std::int64_t arrival) noexcept;
  bool takes_over(Pid pid, std::uint64_t pcr) noexcept;
  void on_pcr(std::uint64_t pcr, bool flagged, bool other, std::int64_t arrival) noexcept;
  bool goes_on(std::int64_t step, bool flagged, std::int64_t predicted, std::int64_t elapsed) const noexcept;
  std::int64_t tick_after_jump(std::int64_t predicted, std::int64_t arrival) const noexcept;
  void time_interval(std::int64_t end, bool jumped) noexcept;
  void lose_clock(std::int64_t arrival) noexcept;
  void give_tick(std::int64_t tick) noexcept;
  std::int64_t extrapolated(std::uint64_t number) const noexcept;

  void settle(std::int64_t arrival) noexcept;
  void place(std::int64_t tick, std::int64_t arrival) noexcept;
  void underflow(std::int64_t arrival) noexcept;
  void jump_ahead(std::int64_t arrival) noexcept;
  void make_room(std::int64_t arrival) noexcept;
  void drop(std::uint64_t to) noexcept;

  Batch pop(std::int64_t now) noexcept;
  void clear() noexcept;

  bool empty() const noexcept { return store.size() == 0; }
  std::int64_t tick_of(std::uint64_t n) const noexcept { return n < timed ? store.tick(n) : extrapolated(n); }
  std::int64_t head_tick() const noexcept { return tick_of(store.head()); }
  std::int64_t next_due() const noexcept { return empty() ? kNever : map.to_ns(head_tick()); }
  std::int64_t fill_ns() const noexcept { return buffer_ns + control.swing_ns(); }

  const std::int64_t buffer_ns;
  const std::int64_t limit_ns;  // what would wait longer came too early
  PacketStore store;
  LevelControl control;
  ClockMap map;
  SourceClock clock;
  Hold hold;
  Counters counters;
  std::uint64_t timed = 0;     // packets before this number have their tick, and
  std::int64_t last_tick = 0;  // the last of them this one
  bool started = false;
  std::int64_t last_time = 0;
};

// ---- our clock: set by more than a second, everything goes on from where it was ----

void Playout::Impl::on_time(std::int64_t now) noexcept {
  if (!started) {
    last_time = now;
    return;
  }
  const std::int64_t step = now - last_time;
  // Forwards, it was set only if packets that wait seem to be overdue: otherwise nobody had to call.
  if (step < -kSecond || (step > kSecond && !empty() && next_due() < now - kSecond)) shift(step);
  last_time = std::max(last_time, now);
}

void Playout::Impl::shift(std::int64_t ns) noexcept {
  map.shift(ns);
  control.shift(ns);
  clock.pcr_arrival += ns;
  clock.knot_arrival += ns;
  hold.since += ns;
  hold.earliest += ns;
  last_time += ns;
}

// ---- the source's clock ----

void Playout::Impl::give_tick(std::int64_t tick) noexcept {
  last_tick = std::max(last_tick, tick);
  store.set_tick(timed++, last_tick);
}

std::int64_t Playout::Impl::extrapolated(std::uint64_t number) const noexcept {
  const auto packets = static_cast<double>(number > clock.knot ? number - clock.knot : 0);
  return std::max(last_tick, clock.knot_tick + static_cast<std::int64_t>(packets * clock.pace));
}

void Playout::Impl::take(std::span<const std::uint8_t, kPacketSize> bytes, std::int64_t arrival) noexcept {
  if (store.full()) make_room(arrival);
  store.push(bytes);
  const TsPacket packet(bytes);
  const auto pcr = packet.pcr();
  if (pcr && packet.has_sync() && !packet.transport_error() && packet.valid()) {
    store.mark(store.tail() - 1, kPcr);
    const std::uint64_t value = pcr->ticks % kPcrModulus;
    const bool other = clock.pid && packet.pid() != *clock.pid;
    if (!other || takes_over(packet.pid(), value)) {
      on_pcr(value, packet.discontinuity(), other, arrival);
      clock.pid = packet.pid();
      clock.other.reset();
      return;
    }
  }
  if (clock.runs) return;
  give_tick(last_tick + ns_to_ticks(std::max<std::int64_t>(0, arrival - clock.knot_arrival)));
  clock.knot = timed - 1;
  clock.knot_tick = last_tick;
  clock.knot_arrival = arrival;
  settle(arrival);
}

// Whether the PCRs of another PID become those to follow: a second of them came with none of the first.
bool Playout::Impl::takes_over(Pid pid, std::uint64_t pcr) noexcept {
  if (!clock.other) {
    clock.other = pid;
    clock.other_first = pcr;
  }
  if (*clock.other != pid) return false;
  const std::int64_t silent = pcr_step(pcr, clock.other_first);
  if (silent > 10 * kTicksPerSecond) {  // it jumped itself
    clock.other_first = pcr;
    return false;
  }
  return silent > kTicksPerSecond;
}

// Step by value since the last PCR, beside what the pace of the packets and the time since predict.
bool Playout::Impl::goes_on(std::int64_t step, bool flagged, std::int64_t predicted,
                            std::int64_t elapsed) const noexcept {
  if (flagged && distance(step, predicted) > kSameClock && distance(step, elapsed) > kSameClock) return false;
  // A stall of the network shows as time without ticks, a stall of the source as ticks with time.
  return (clock.runs && step <= kTicksPerSecond) || distance(step, elapsed) <= kTicksPerSecond;
}

// Of the packet that was pushed last.
void Playout::Impl::on_pcr(std::uint64_t pcr, bool flagged, bool other, std::int64_t arrival) noexcept {
  const std::uint64_t number = store.tail() - 1;
  const std::int64_t elapsed = ns_to_ticks(std::max<std::int64_t>(0, arrival - clock.pcr_arrival));
  const std::int64_t since_knot =
      clock.runs ? static_cast<std::int64_t>(static_cast<double>(number - clock.knot) * clock.pace)
                 : ns_to_ticks(std::max<std::int64_t>(0, arrival - clock.knot_arrival));
  const bool first = !clock.pid;
  const std::int64_t step = pcr_step(pcr, clock.pcr);
  const bool jumped =
      !first && (other || !goes_on(step, flagged, clock.knot_tick + since_knot - clock.pcr_tick, elapsed));
  std::int64_t tick = clock.pcr_tick + step;
  if (first || jumped) tick = tick_after_jump(clock.knot_tick + since_knot, arrival);
  if (jumped) {
    ++counters.clock_jumps;
    store.mark(number, kDiscontinuity);
    control.restart_clock();
  } else if (clock.runs && step > 0 && step <= kTicksPerSecond && number > clock.knot) {
    clock.pace = static_cast<double>(step) / static_cast<double>(number - clock.knot);
  }
  time_interval(tick, jumped);
  clock.runs = true;
  clock.pcr = pcr;
  clock.pcr_tick = clock.knot_tick = tick;
  clock.pcr_arrival = clock.knot_arrival = arrival;
  clock.knot = number;
  settle(arrival);
}

// Where the buffer stands as it should, the first packet after a jump follows the one before at the pace so
// far: arrivals in bursts say little. Otherwise it leaves a buffer after its arrival.
std::int64_t Playout::Impl::tick_after_jump(std::int64_t predicted, std::int64_t arrival) const noexcept {
  const std::int64_t tick = std::max(last_tick, predicted);
  if (hold.on || distance(map.to_ns(tick) - arrival, buffer_ns) <= buffer_ns / 2) return tick;
  return std::max(last_tick, map.to_tick(arrival + buffer_ns));
}

// Ticks of the packets between two PCRs, the last packet's PCR included.
void Playout::Impl::time_interval(std::int64_t end, bool jumped) noexcept {
  const std::uint64_t number = store.tail() - 1;
  const auto packets = static_cast<std::int64_t>(number - clock.knot);
  while (timed < number) {
    const auto n = static_cast<std::int64_t>(timed - clock.knot);
    give_tick(jumped ? std::min(end, extrapolated(timed))
                     : clock.knot_tick + (end - clock.knot_tick) * n / packets);
  }
  give_tick(end);
}

// A second of packets without a PCR: they are spread over that time, and arrivals count from now on.
void Playout::Impl::lose_clock(std::int64_t arrival) noexcept {
  const std::uint64_t number = store.tail() - 1;
  const auto packets = static_cast<std::int64_t>(number - clock.knot);
  const std::int64_t elapsed = ns_to_ticks(arrival - clock.knot_arrival);
  if (packets < 1 || static_cast<double>(packets) * clock.pace <
                         (clock.pace > 0 ? static_cast<double>(kTicksPerSecond) : 0.0)) {
    return;
  }
  const std::int64_t begin = clock.knot_tick;
  while (timed <= number) {
    const auto n = static_cast<std::int64_t>(timed - clock.knot);
    give_tick(begin + elapsed * n / packets);
  }
  clock.runs = false;
  clock.knot = number;
  clock.knot_tick = last_tick;
  clock.knot_arrival = arrival;
  map.turn(0, head_tick());
  settle(arrival);
}

// ---- the buffer ----

// The newest packet that has a tick came: is it in time, and what does that say of the buffer?
void Playout::Impl::settle(std::int64_t arrival) noexcept {
  const std::int64_t tick = clock.knot_tick;
  if (hold.on) place(tick, arrival);
  const std::int64_t wait = map.to_ns(tick) - arrival;
  if (wait < 0) {
    underflow(arrival);
  } else if (wait > limit_ns) {
    jump_ahead(arrival);
  } else if (!hold.on && clock.runs) {
    map.turn(control.sample(arrival, tick, wait), head_tick());
  }
}

// Where the first packet falls, if the newest one, that came now, is to wait as long as it should.
void Playout::Impl::place(std::int64_t tick, std::int64_t arrival) noexcept {
  const std::int64_t head = head_tick();
  map.anchor(tick, arrival + fill_ns());
  map.anchor(head,
             std::clamp(map.to_ns(head), hold.earliest, std::max(hold.earliest, hold.since + fill_ns())));
}

void Playout::Impl::underflow(std::int64_t arrival) noexcept {
  ++counters.underflows;
  // What left at a pace that was guessed may have run ahead of the clock.
  for (std::uint64_t n = store.head(); n < timed; ++n) {
    store.set_tick(n, std::min(store.tick(n), clock.knot_tick));
  }
  last_tick = clock.knot_tick;
  hold = {true, false, arrival, arrival};
  control.restart_level();
  place(clock.knot_tick, arrival);
}

// Too much waits: the oldest packets go, so that the newest waits as long as it should.
void Playout::Impl::jump_ahead(std::int64_t arrival) noexcept {
  if (!hold.starting) ++counters.overflows;
  map.anchor(clock.knot_tick, arrival + fill_ns());
  const std::int64_t first = map.to_tick(arrival);
  std::uint64_t to = store.head();
  while (to < clock.knot && to < timed && store.tick(to) < first) ++to;
  drop(to);
  control.restart_level();
  if (hold.on) place(clock.knot_tick, arrival);
}

// More packets than fit: a quarter of them goes, and the rest moves up.
void Playout::Impl::make_room(std::int64_t arrival) noexcept {
  ++counters.overflows;
  drop(store.head() + std::max<std::uint64_t>(1, store.size() / 4));
  control.restart_level();
  if (empty()) return;
  const std::int64_t early = next_due() - arrival;
  if (early > 0) map.shift(-early);
  if (hold.on) hold.since = hold.earliest = arrival - fill_ns();
}

void Playout::Impl::drop(std::uint64_t to) noexcept {
  counters.dropped += to - store.head();
  store.drop(static_cast<std::size_t>(to - store.head()));
  timed = std::max(timed, store.head());
  if (!empty()) store.mark(store.head(), kDiscontinuity);
}

Playout::Batch Playout::Impl::pop(std::int64_t now) noexcept {
  on_time(now);
  Batch batch;
  std::size_t count = 0;
  const std::uint64_t head = store.head();
  for (std::uint64_t n = head; count < kBatchPackets && n < store.tail(); ++n) {
    const std::int64_t tick = tick_of(n);
    const std::int64_t due = map.to_ns(tick);
    if (due > now) break;
    if (count == 0) {
      batch.due_ns = due;
      batch.discontinuity = (store.marks(n) & kDiscontinuity) != 0;
    } else if (due - batch.due_ns > kBatchSpan || store.marks(n) != 0 || !PacketStore::joined(n - 1)) {
      break;
    }
    if (n >= timed) give_tick(tick);
    ++count;
  }
  if (count == 0) return batch;
  if (hold.on) {
    hold = {};
    control.restart_level();
  }
  batch.packets = {store.bytes(head), count * kPacketSize};
  store.drop(count);
  return batch;
}

void Playout::Impl::clear() noexcept {
  store.drop(store.size());
  control = LevelControl(buffer_ns);
  map = {};
  clock = {};
  hold = {};
  timed = store.head();
  last_tick = 0;
  started = false;
}

Playout::Playout(std::int64_t buffer_ns, std::size_t max_packets)
    : impl_(std::make_unique<Impl>(buffer_ns, max_packets)) {}

Playout::~Playout() = default;

void Playout::push(std::span<const std::uint8_t> packets, std::int64_t arrival_ns) noexcept {
  Impl& impl = *impl_;
  if (packets.size() < kPacketSize) return;
  impl.on_time(arrival_ns);
  if (!impl.started) {
    impl.started = true;
    impl.clock.knot_arrival = arrival_ns;
    impl.clock.knot = impl.store.tail();
    // Half a buffer shows whether what came at first was a burst of its own.
    impl.hold = {true, true, arrival_ns, arrival_ns + impl.buffer_ns / 2};
  }
  for (; packets.size() >= kPacketSize; packets = packets.subspan(kPacketSize)) {
    impl.take(packets.first<kPacketSize>(), arrival_ns);
  }
  if (impl.clock.runs && arrival_ns - impl.clock.knot_arrival > kSecond) impl.lose_clock(arrival_ns);
}

Playout::Batch Playout::pop(std::int64_t now_ns) noexcept { return impl_->pop(now_ns); }

std::int64_t Playout::next_due_ns() const noexcept { return impl_->next_due(); }

void Playout::clear() noexcept { impl_->clear(); }

const Playout::Counters& Playout::counters() const noexcept {
  Impl& impl = *impl_;
  impl.counters.waiting = impl.store.size();
  impl.counters.level_ns =
      impl.empty() ? 0 : impl.map.to_ns(impl.tick_of(impl.store.tail() - 1)) - impl.next_due();
  impl.counters.drift_ppb = static_cast<std::int64_t>(impl.control.drift() * 1e9);
  return impl.counters;
}

}  // namespace headgate::mpegts
