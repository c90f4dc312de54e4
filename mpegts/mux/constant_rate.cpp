#include "mpegts/mux/constant_rate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "mpegts/clock/clock_map.h"
#include "mpegts/packet/clock_fields.h"
#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kTicksTimesRate = kPacketSize * 8 * std::uint64_t{kTicksPerSecond};
constexpr std::size_t kDatagram = ConstantRate::kDatagramPackets;
constexpr auto kModulus = static_cast<std::int64_t>(kPcrModulus);
// A PCR farther than this from where the stream's clock is expected has jumped.
constexpr std::int64_t kJump = kTicksPerSecond / 10;
constexpr std::size_t kPcrPids = 16;
// Between two PCRs of the stream's own, those of a source that sends fewer are put where a null packet would
// be, and before another packet where the next two positions would be beyond 35 ms.
constexpr std::int64_t kPcrDue = 25 * kTicksPerSecond / 1000;
constexpr std::int64_t kPcrMost = 35 * kTicksPerSecond / 1000;
// The grid's clock follows the stream's as a loop of second order, critically damped, of this many seconds.
constexpr double kFollow = 50;
constexpr double kSmooth = 5;
constexpr double kFastest = 600e-6;
// A step of the PCR against its due time (another input's, at a splice) is no drift: the grid makes up for it
// at this pace, within the 30 ppm of 2.4.2.1.
constexpr double kStep = 100e-6;
constexpr double kStepPace = 20e-6;

constexpr std::array<std::uint8_t, kPacketSize> null_packet() noexcept {
  std::array<std::uint8_t, kPacketSize> packet{};
  for (auto& byte : packet) byte = 0xFF;
  packet[0] = kSyncByte;
  packet[1] = 0x1F;
  packet[3] = 0x10;
  return packet;
}
constexpr auto kNullPacket = null_packet();

std::int64_t modulo(std::int64_t ticks) noexcept { return (ticks % kModulus + kModulus) % kModulus; }

std::int64_t nearest(std::int64_t difference) noexcept {
  const std::int64_t rest = modulo(difference);
  return rest > kModulus / 2 ? rest - kModulus : rest;
}

void write_pcr(std::uint8_t* packet, std::int64_t ticks) noexcept {
  put_pcr(std::span<std::uint8_t, 6>(packet + 6, 6), static_cast<std::uint64_t>(modulo(ticks)));
}

// A packet that carries a PCR and nothing else; PID, counter and value are filled in.
constexpr std::array<std::uint8_t, kPacketSize> pcr_packet() noexcept {
  std::array<std::uint8_t, kPacketSize> packet{};
  for (auto& byte : packet) byte = 0xFF;
  packet[0] = kSyncByte;
  packet[4] = kPacketSize - 5;  // adaptation_field_length: all of it
  packet[5] = 0x10;             // PCR_flag
  return packet;
}
constexpr auto kPcrPacket = pcr_packet();

enum class Rank : std::uint8_t { data, media, tables };  // data: also what no packet has told yet

// What a packet that begins something tells of its PID.
std::optional<Rank> rank_of_start(std::span<const std::uint8_t> payload) noexcept {
  if (payload.size() < 16) return std::nullopt;
  if (payload[0] == 0 && payload[1] == 0 && payload[2] == 1) {  // a PES packet: 2.4.3.7, table 2-22
    const std::uint8_t id = payload[3];
    if (id >= 0xC0 && id <= 0xEF) return Rank::media;
    if (id == 0xFD) return Rank::media;  // extended: VC-1, AC-3 and others
    if (id != 0xBD) return Rank::data;
    // Private stream 1 carries AC-3 and DTS beside teletext and subtitles.
    const std::size_t at = std::size_t{9} + payload[8];
    if (at + 2 > payload.size()) return Rank::data;
    const bool ac3 = payload[at] == 0x0B && payload[at + 1] == 0x77;
    const bool dts = payload[at] == 0x7F && payload[at + 1] == 0xFE;
    return ac3 || dts ? Rank::media : Rank::data;
  }
  const std::size_t table = std::size_t{1} + payload[0];
  return table < payload.size() && payload[table] == 0x02 ? Rank::tables : Rank::data;  // a PMT
}

// The positions of packets, in ticks of the stream's clock: 188 * 8 * 27e6 / rate apart, exactly.
class Grid {
 public:
  explicit Grid(std::uint64_t rate) noexcept
      : rate_(std::max<std::uint64_t>(rate, 1504)),
        step_(static_cast<std::int64_t>(kTicksTimesRate / rate_)),
        step_rest_(kTicksTimesRate % rate_) {}
  std::int64_t tick() const noexcept { return tick_; }
  std::int64_t step() const noexcept { return step_; }
  std::uint64_t rate() const noexcept { return rate_; }
  // So many positions on.
  std::int64_t ahead(std::uint64_t positions) const noexcept {
    const Wide rest = Wide{rest_} + Wide{positions} * step_rest_;
    return tick_ + static_cast<std::int64_t>(positions) * step_ + static_cast<std::int64_t>(rest / rate_);
  }
  void advance() noexcept {
    tick_ += step_;
    rest_ += step_rest_;
    if (rest_ < rate_) return;
    rest_ -= rate_;
    ++tick_;
  }
  // Whole datagrams, until the last position of the next one lies at or after this tick.
  void skip_to(std::int64_t tick) noexcept {
    const std::int64_t last = ahead(kDatagram - 1);
    if (tick <= last) return;
    const Wide datagram = Wide{kTicksTimesRate} * kDatagram;
    const auto count =
        static_cast<std::uint64_t>(Wide(static_cast<std::uint64_t>(tick - last)) * rate_ / datagram);
    const std::uint64_t positions = count * kDatagram;
    const Wide rest = Wide{rest_} + Wide{positions} * step_rest_;
    tick_ += static_cast<std::int64_t>(positions) * step_ + static_cast<std::int64_t>(rest / rate_);
    rest_ = static_cast<std::uint64_t>(rest % rate_);
    while (ahead(kDatagram - 1) < tick) {
      for (std::size_t i = 0; i < kDatagram; ++i) advance();
    }
  }

 private:
  std::uint64_t rate_;
  std::int64_t step_;
  std::uint64_t step_rest_;
  std::int64_t tick_ = 0;   // of the next position, and
  std::uint64_t rest_ = 0;  // what it lies behind that, in ticks / rate
};

}  // namespace

struct ConstantRate::Impl {
  struct Waiting {
    std::array<std::uint8_t, kPacketSize> bytes;
    bool restamp;
    std::int64_t due;     // in ticks of the grid
    std::int64_t offset;  // of the PCR against the grid
  };
  struct PidState {
    Rank rank = Rank::data;
    bool dropping = false;  // until its next PES packet
  };
  struct PcrPid {
    Pid pid{};
    bool used = false;
    std::int64_t offset = 0;
  };

  Impl(std::uint64_t rate, std::size_t max_packets)
      : max(std::max<std::size_t>(1, max_packets)),
        grid(rate),
        queue(std::make_unique_for_overwrite<Waiting[]>(max)) {}

  void on_due(std::int64_t due_ns) noexcept;
  void shift(std::int64_t ns) noexcept;
  std::int64_t take_pcr(const TsPacket& packet, std::int64_t due_ns, bool& jumped) noexcept;
  PcrPid& find(Pid pid) noexcept;
  bool leads(Pid pid, std::int64_t due_ns) noexcept;
  void follow(std::int64_t error, std::int64_t due_ns) noexcept;
  bool refuse(const TsPacket& packet, bool pcr) noexcept;
  void push(std::span<const std::uint8_t, kPacketSize> bytes, std::int64_t due_ns) noexcept;
  bool pop(std::int64_t now, Datagram& out) noexcept;
  void fill(std::uint8_t* to) noexcept;
  bool wants_pcr(std::int64_t tick, bool free) const noexcept;
  void note_sent(const std::uint8_t* packet, const Waiting& entry, std::int64_t tick) noexcept;
  void measure(const std::uint8_t* packet) noexcept;
  std::int64_t next_departure() const noexcept {
    return started && !silent ? map.to_ns(grid.ahead(kDatagram - 1)) : kNever;
  }

  const std::size_t max;
  Grid grid;
  ClockMap map;
  std::unique_ptr<Waiting[]> queue;  // a ring; left as it is until used
  std::size_t first = 0;
  std::size_t count = 0;
  std::array<PidState, kPidCount> pids{};
  std::array<PcrPid, kPcrPids> pcr_pids{};
  std::size_t next_pcr_pid = 0;
  Counters counters;

  struct Sent {
    std::optional<Pid> pid;        // whose PCRs are completed: the leader's
    std::uint8_t counter = 0;      // of its latest packet
    std::int64_t offset = 0;       // of its latest PCR
    std::int64_t tick = 0;         // of that, or of one that was put in since
    std::int64_t source_tick = 0;  // of that
  } sent;

  // What leaves, measured: positions, and the PCR of the leader before.
  std::uint64_t position = 0;
  struct Measured {
    std::optional<Pid> pid;
    std::int64_t pcr = 0;
    std::uint64_t position = 0;
  } measured;
  std::optional<std::uint64_t> accuracy_max;

  bool started = false;
  bool silent = false;
  bool reseat = false;  // our clock was set: the next PCR tells where the grid lies
  std::int64_t last_due = 0;
  std::int64_t last_due_tick = 0;
  std::int64_t last_now = 0;

  std::optional<Pid> leader;  // the PID whose PCRs the grid follows
  std::int64_t leader_due = 0;
  double drift = 0;  // the loop's integral and
  double error = 0;  // smoothed error in seconds, but for
  double owed = 0;   // the rest of what came in steps
  double last = 0;   // the error of the PCR before
};

// ---- times ----

// Our clock may be set by more than a second: the grid goes on from where it was. A pause looks alike but for
// the datagrams that were fetched meanwhile.
void ConstantRate::Impl::on_due(std::int64_t due_ns) noexcept {
  if (!started) {
    started = true;
    map.anchor(0, due_ns);
    last_now = due_ns;
  } else if (const std::int64_t step = due_ns - last_due;
             step < -kSecond || (step > kSecond && !silent && next_departure() < due_ns - kSecond &&
                                 last_now < due_ns - kSecond)) {
    shift(step);
  }
  last_due = std::max(last_due, due_ns);
  const std::int64_t tick = map.to_tick(due_ns);
  if (silent) {
    silent = false;
    last_now = std::max(last_now, due_ns);
    grid.skip_to(tick);
    measured.pid.reset();
  }
  last_due_tick = std::max(last_due_tick, tick);
}

void ConstantRate::Impl::shift(std::int64_t ns) noexcept {
  map.shift(ns);
  last_due += ns;
  last_now += ns;
  leader_due += ns;
  reseat = true;
}

// ---- PCR ----

ConstantRate::Impl::PcrPid& ConstantRate::Impl::find(Pid pid) noexcept {
  for (auto& entry : pcr_pids) {
    if (entry.used && entry.pid == pid) return entry;
  }
  PcrPid& entry = pcr_pids[next_pcr_pid];
  next_pcr_pid = (next_pcr_pid + 1) % kPcrPids;
  entry = {pid, false, 0};
  return entry;
}

bool ConstantRate::Impl::leads(Pid pid, std::int64_t due_ns) noexcept {
  if (!leader || (*leader != pid && due_ns - leader_due > kSecond)) leader = pid;
  return *leader == pid;
}

// The offset that this PCR gets against the grid: that of its PID, unless its clock jumped.
std::int64_t ConstantRate::Impl::take_pcr(const TsPacket& packet, std::int64_t due_ns,
                                          bool& jumped) noexcept {
  const auto pcr = static_cast<std::int64_t>(packet.pcr()->ticks % kPcrModulus);
  PcrPid& entry = find(packet.pid());
  const std::int64_t tick = map.to_tick(due_ns);
  const std::int64_t ahead = nearest(pcr - entry.offset - tick);
  const bool leading = leads(packet.pid(), due_ns);
  const bool off = ahead > kJump || ahead < -kJump;
  if (!entry.used || off || packet.discontinuity()) {
    jumped = entry.used && off;
    entry.used = true;
    entry.offset = modulo(pcr - tick);
    if (leading) error = owed = last = 0;
  } else if (leading && reseat) {
    map.anchor(tick + ahead, due_ns);
    error = owed = last = 0;
  } else if (leading) {
    follow(ahead, due_ns);
  }
  if (leading) {
    reseat = false;
    leader_due = due_ns;
  }
  return entry.offset;
}

void ConstantRate::Impl::follow(std::int64_t ahead, std::int64_t due_ns) noexcept {
  const double seconds = std::clamp(static_cast<double>(due_ns - leader_due) / 1e9, 0.0, 1.0);
  const double now = static_cast<double>(ahead) / static_cast<double>(kTicksPerSecond);
  if (std::abs(now - last) > kStep + kFastest * seconds) owed += now - last;
  last = now;
  error += (now - owed - error) * std::min(1.0, seconds / kSmooth);
  drift = std::clamp(drift + (now - owed) * seconds / (kFollow * kFollow), -kFastest, kFastest);
  const double pace = std::clamp(owed / kFollow, -kStepPace, kStepPace);
  owed -= pace * seconds;
  map.turn(std::clamp(drift + 2 * error / kFollow + pace, -kFastest, kFastest), grid.tick());
}

// ---- packets ----

bool ConstantRate::Impl::refuse(const TsPacket& packet, bool pcr) noexcept {
  const Pid pid = packet.pid();
  PidState& state = pids[pid.value];
  const bool start = packet.payload_unit_start();
  if (start) {
    if (const auto rank = rank_of_start(packet.payload())) state.rank = *rank;
  }
  if (pcr || pid.value < 0x20 || state.rank == Rank::tables) return count >= max;
  if (state.rank == Rank::data) return count >= max - max / 4;
  if (state.dropping && start && count < max - max / 8) state.dropping = false;
  if (count >= max - max / 16) state.dropping = true;
  return state.dropping;
}

void ConstantRate::Impl::push(std::span<const std::uint8_t, kPacketSize> bytes,
                              std::int64_t due_ns) noexcept {
  const TsPacket packet(bytes);
  if (packet.pid() == kNullPid) return;
  on_due(due_ns);
  const bool sound = packet.has_sync() && !packet.transport_error() && packet.valid();
  const bool pcr = sound && packet.has_pcr();
  bool jumped = false;
  const std::int64_t offset = pcr ? take_pcr(packet, due_ns, jumped) : 0;
  if (refuse(packet, pcr)) {
    ++counters.dropped;
    return;
  }
  Waiting& entry = queue[(first + count) % max];
  std::memcpy(entry.bytes.data(), bytes.data(), kPacketSize);
  entry.restamp = pcr;
  entry.due = last_due_tick;
  entry.offset = offset;
  // A jump that its source has not marked would be an error of ours on the way out.
  if (jumped) entry.bytes[5] = static_cast<std::uint8_t>(entry.bytes[5] | 0x80);
  ++count;
}

// `free`: nothing else is due. A PID without PCRs of its own for a second gets none of ours.
bool ConstantRate::Impl::wants_pcr(std::int64_t tick, bool free) const noexcept {
  if (!sent.pid || tick - sent.source_tick > kTicksPerSecond) return false;
  const std::int64_t since = tick - sent.tick;
  return free ? since >= kPcrDue : since + 2 * grid.step() > kPcrMost && count < max / 2;
}

void ConstantRate::Impl::note_sent(const std::uint8_t* packet, const Waiting& entry,
                                   std::int64_t tick) noexcept {
  const Pid pid = TsPacket(std::span<const std::uint8_t, kPacketSize>(packet, kPacketSize)).pid();
  if (entry.restamp && leader == pid) {
    sent = {pid, 0, entry.offset, tick, tick};
    measure(packet);
  }
  if (sent.pid == pid) sent.counter = packet[3] & 0x0F;
}

// The values that leave against the positions they leave at, whatever made them.
void ConstantRate::Impl::measure(const std::uint8_t* bytes) noexcept {
  const TsPacket packet(std::span<const std::uint8_t, kPacketSize>(bytes, kPacketSize));
  const auto pcr = static_cast<std::int64_t>(packet.pcr()->ticks);
  if (measured.pid == packet.pid() && !packet.discontinuity()) {
    const Wide apart = Wide{kTicksTimesRate} * (position - measured.position);
    const Wide told = Wide{static_cast<std::uint64_t>(modulo(pcr - measured.pcr))} * grid.rate();
    const Wide off = told > apart ? told - apart : apart - told;
    const auto ticks = static_cast<std::uint64_t>((off + grid.rate() - 1) / grid.rate());
    accuracy_max = std::max(accuracy_max.value_or(0), ticks);
  }
  measured = {packet.pid(), pcr, position};
}

// The packet of the next position.
void ConstantRate::Impl::fill(std::uint8_t* to) noexcept {
  const std::int64_t tick = grid.tick();
  grid.advance();
  ++position;
  const bool free = count == 0 || queue[first].due > tick;
  if (wants_pcr(tick, free)) {
    // Without payload the continuity counter stands still (2.4.3.3).
    std::memcpy(to, kPcrPacket.data(), kPacketSize);
    to[1] = static_cast<std::uint8_t>(sent.pid->value >> 8);
    to[2] = static_cast<std::uint8_t>(sent.pid->value);
    to[3] = static_cast<std::uint8_t>(0x20 | sent.counter);
    write_pcr(to, tick + sent.offset);
    measure(to);
    sent.tick = tick;
    ++counters.nulls;
    return;
  }
  if (free) {
    std::memcpy(to, kNullPacket.data(), kPacketSize);
    ++counters.nulls;
    return;
  }
  const Waiting& entry = queue[first];
  std::memcpy(to, entry.bytes.data(), kPacketSize);
  if (entry.restamp) write_pcr(to, tick + entry.offset);
  note_sent(to, entry, tick);
  ++counters.packets;
  first = --count == 0 ? 0 : (first + 1) % max;
}

bool ConstantRate::Impl::pop(std::int64_t now, Datagram& out) noexcept {
  if (!started || silent) return false;
  if (const std::int64_t step = now - last_now;
      step < -kSecond || (step > kSecond && next_departure() < now - kSecond && last_due < now - kSecond)) {
    shift(step);
  }
  last_now = std::max(last_now, now);
  const std::int64_t departure = next_departure();
  if (departure > now) return false;
  if (count == 0 && departure > last_due + kSecond) {
    silent = true;
    return false;
  }
  out.departure_ns = departure;
  for (std::size_t i = 0; i < kDatagram; ++i) fill(out.bytes.data() + i * kPacketSize);
  return true;
}

ConstantRate::ConstantRate(std::uint64_t bitrate_bps, std::size_t max_packets)
    : impl_(std::make_unique<Impl>(bitrate_bps, max_packets)) {}

ConstantRate::~ConstantRate() = default;

void ConstantRate::push(std::span<const std::uint8_t, kPacketSize> packet, std::int64_t due_ns) noexcept {
  impl_->push(packet, due_ns);
}

bool ConstantRate::pop(std::int64_t now_ns, Datagram& out) noexcept { return impl_->pop(now_ns, out); }

std::int64_t ConstantRate::next_departure_ns() const noexcept { return impl_->next_departure(); }

std::optional<std::uint64_t> ConstantRate::take_pcr_accuracy_max() noexcept {
  return std::exchange(impl_->accuracy_max, std::nullopt);
}

ConstantRate::Counters ConstantRate::counters() const noexcept {
  impl_->counters.waiting = impl_->count;
  return impl_->counters;
}

}  // namespace headgate::mpegts
