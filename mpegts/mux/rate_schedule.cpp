#include "mpegts/mux/rate_schedule.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "mpegts/clock/clock_map.h"
#include "mpegts/clock/program_clock.h"
#include "mpegts/mux/departure_queue.h"
#include "mpegts/mux/position_grid.h"
#include "mpegts/packet/clock_fields.h"
#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kDatagram = RateSchedule::kDatagramPackets;
static_assert(kDatagram == PositionGrid::kDatagram);
constexpr std::size_t kLeastReserve = 64;
// Between two PCRs of a program's own, those of a source that sends fewer are put where a null packet would
// be, and before another packet where the next two positions would be beyond 35 ms.
constexpr std::int64_t kPcrDue = 25 * kTicksPerSecond / 1000;
constexpr std::int64_t kPcrMost = 35 * kTicksPerSecond / 1000;
// The grid's clock follows the first program's as a loop of second order, critically damped, of this many
// seconds.
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

TsPacket view_of(const std::uint8_t* packet) noexcept {
  return TsPacket(std::span<const std::uint8_t, kPacketSize>(packet, kPacketSize));
}

}  // namespace

struct RateSchedule::Impl {
  static constexpr std::uint8_t kNone = WaitingPacket::kNoProgram;

  struct PidState {
    DropRank rank = DropRank::data;  // also what no packet has told yet
    bool dropping = false;           // until its next PES packet
    std::uint8_t counter = 0;        // of the latest packet that left
    std::uint8_t program = kNone;    // whose PCRs it carries
  };
  struct Program {
    Pid pid{};
    bool used = false;
    std::int64_t came = 0;  // its latest PCR
    ProgramClock clock;
    // What left.
    bool sent = false;
    std::int64_t offset = 0;       // of the latest PCR
    std::int64_t tick = 0;         // of that, or of one that was put in since
    std::int64_t source_tick = 0;  // of that
    // And how it was measured: the PCR before.
    bool measured = false;
    std::int64_t pcr = 0;
    std::uint64_t position = 0;
  };

  Impl(std::uint64_t rate, std::size_t max_packets, Clock of)
      : followed(of == Clock::first_program),
        max(std::max<std::size_t>(1, max_packets)),
        room(max + std::max(kLeastReserve, max / 8)),
        grid(rate),
        // A PCR that is put in takes a position of a packet that is due: two of them before the limit.
        pcr_looked_for(std::clamp<std::int64_t>(kPcrMost - 2 * grid.step(), 0, kPcrDue)),
        queue(room, grid.step()) {}

  void on_due(std::int64_t due_ns) noexcept;
  void shift(std::int64_t ns) noexcept;
  std::uint8_t program_of(Pid pid, std::int64_t due_ns) noexcept;
  bool take_pcr(const TsPacket& packet, std::uint8_t number, std::int64_t due_ns) noexcept;
  bool leads(std::uint8_t number, std::int64_t due_ns) noexcept;
  void follow(std::int64_t ahead, std::int64_t due_ns) noexcept;
  std::optional<DropRank> refuse(const TsPacket& packet, bool pcr) noexcept;
  void push(std::span<const std::uint8_t, kPacketSize> bytes, std::int64_t due_ns) noexcept;
  bool pop(std::int64_t now, Datagram& out) noexcept;
  void fill(std::uint8_t* to) noexcept;
  Program* wants_pcr(std::int64_t tick, bool free) noexcept;
  void put_in_pcr(Program& program, std::uint8_t* to, std::int64_t tick) noexcept;
  void stamp(std::uint8_t* packet, const WaitingPacket& entry, std::int64_t tick) noexcept;
  void find_oldest_pcr() noexcept;
  void measure(Program& program, const std::uint8_t* packet, std::int64_t pcr) noexcept;
  std::int64_t next_departure() noexcept {
    if (!departure) departure = started && !silent ? map.to_ns(grid.ahead(kDatagram - 1)) : kNever;
    return *departure;
  }

  const bool followed;  // the grid follows the first program's clock, not the node's
  const std::size_t max;
  const std::size_t room;
  PositionGrid grid;
  const std::int64_t pcr_looked_for;
  ClockMap map;
  DepartureQueue queue;
  std::array<PidState, kPidCount> pids{};
  std::array<Program, kMaxPrograms> programs{};
  std::size_t program_count = 0;     // those beyond were never used
  std::int64_t oldest_pcr = kNever;  // of what left: of the program that has waited the longest
  Counters counters;
  std::uint64_t position = 0;
  std::optional<std::int64_t> departure;  // of the next datagram; nothing where grid or map have moved
  std::optional<std::uint64_t> accuracy_max;

  bool started = false;
  bool silent = false;
  bool reseat = false;  // our clock was set: the next PCR tells where the grid lies
  std::int64_t last_due = 0;
  std::int64_t last_due_tick = 0;
  std::int64_t last_now = 0;

  std::uint8_t leader = kNone;  // the program whose PCRs the grid follows
  std::int64_t leader_due = 0;
  std::int64_t leader_ahead = 0;  // of the grid
  double drift = 0;               // the loop's integral and
  double error = 0;               // smoothed error in seconds, but for
  double owed = 0;                // the rest of what came in steps
  double last = 0;                // the error of the PCR before
};

// ---- times ----

// Our clock may be set by more than a second: the grid goes on from where it was. A pause looks alike but for
// the datagrams that were fetched meanwhile.
void RateSchedule::Impl::on_due(std::int64_t due_ns) noexcept {
  if (!started) {
    started = true;
    map.anchor(0, due_ns);
    departure.reset();
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
    departure.reset();
    for (std::size_t i = 0; i < program_count; ++i) programs[i].measured = false;
  }
  last_due_tick = std::max(last_due_tick, tick);
}

void RateSchedule::Impl::shift(std::int64_t ns) noexcept {
  map.shift(ns);
  departure.reset();
  last_due += ns;
  last_now += ns;
  leader_due += ns;
  for (std::size_t i = 0; i < program_count; ++i) programs[i].came += ns;
  reseat = followed;
}

// ---- PCR ----

// Where all are taken, that which has had no PCR for the longest makes room.
std::uint8_t RateSchedule::Impl::program_of(Pid pid, std::int64_t due_ns) noexcept {
  const std::uint8_t known = pids[pid.value].program;
  if (known != kNone) {
    programs[known].came = due_ns;
    return known;
  }
  const auto oldest = [](const Program& a, const Program& b) { return a.came < b.came; };
  Program* place = program_count < kMaxPrograms ? &programs[program_count++]
                                                : std::min_element(programs.begin(), programs.end(), oldest);
  const auto number = static_cast<std::uint8_t>(place - programs.data());
  if (place->used) {
    pids[place->pid.value].program = kNone;
    if (leader == number) leader = kNone;
  }
  *place = Program{};
  place->pid = pid;
  place->used = true;
  place->came = due_ns;
  pids[pid.value].program = number;
  return number;
}

bool RateSchedule::Impl::leads(std::uint8_t number, std::int64_t due_ns) noexcept {
  if (!followed) return false;
  if (leader == kNone || (leader != number && due_ns - leader_due > kSecond)) leader = number;
  return leader == number;
}

// True: the clock has jumped.
bool RateSchedule::Impl::take_pcr(const TsPacket& packet, std::uint8_t number, std::int64_t due_ns) noexcept {
  ProgramClock& clock = programs[number].clock;
  const bool leading = leads(number, due_ns);
  // For the others not when the grid says that it is due: the grid only follows the leader's clock.
  const std::int64_t tick = map.to_tick(due_ns) + (leading ? 0 : leader_ahead);
  const ProgramClock::Step step = clock.on_pcr(*packet.pcr(), packet.discontinuity(), tick);
  if (!leading) {
    // Until the leader has told, nobody knows what a due time means.
    if (step == ProgramClock::Step::follows && !reseat) clock.follow(grid.tick());
    return step == ProgramClock::Step::jumped;
  }
  leader_ahead = 0;
  if (step != ProgramClock::Step::follows) {
    error = owed = last = 0;
  } else if (reseat) {
    map.anchor(tick + clock.ahead(), due_ns);
    departure.reset();
    error = owed = last = 0;
  } else {
    follow(clock.ahead(), due_ns);
    leader_ahead = clock.ahead();
  }
  clock.lead(grid.tick());
  reseat = false;
  leader_due = due_ns;
  return step == ProgramClock::Step::jumped;
}

void RateSchedule::Impl::follow(std::int64_t ahead, std::int64_t due_ns) noexcept {
  const double seconds = std::clamp(static_cast<double>(due_ns - leader_due) / 1e9, 0.0, 1.0);
  const double now = static_cast<double>(ahead) / static_cast<double>(kTicksPerSecond);
  if (std::abs(now - last) > kStep + kFastest * seconds) owed += now - last;
  last = now;
  error += (now - owed - error) * std::min(1.0, seconds / kSmooth);
  drift = std::clamp(drift + (now - owed) * seconds / (kFollow * kFollow), -kFastest, kFastest);
  const double pace = std::clamp(owed / kFollow, -kStepPace, kStepPace);
  owed -= pace * seconds;
  map.turn(std::clamp(drift + 2 * error / kFollow + pace, -kFastest, kFastest), grid.tick());
  departure.reset();
}

// ---- packets ----

// What it was that may not wait; nothing: it may.
std::optional<DropRank> RateSchedule::Impl::refuse(const TsPacket& packet, bool pcr) noexcept {
  const Pid pid = packet.pid();
  PidState& state = pids[pid.value];
  const bool start = packet.payload_unit_start();
  if (start) {
    if (const auto rank = rank_of_start(packet)) state.rank = *rank;
  }
  const std::size_t count = queue.size();
  if (count < max / 2) {
    state.dropping = state.dropping && !start;
    return state.dropping && !pcr ? std::optional(DropRank::media) : std::nullopt;
  }
  if (pcr || pid.value < 0x20 || state.rank == DropRank::tables)
    return count >= room ? std::optional(DropRank::tables) : std::nullopt;
  if (state.rank == DropRank::padding || is_stuffing(packet)) return DropRank::padding;
  if (state.rank == DropRank::data)
    return count >= max - max / 4 ? std::optional(DropRank::data) : std::nullopt;
  if (state.dropping && start && count < max - max / 16) state.dropping = false;
  if (count >= max) state.dropping = true;
  return state.dropping ? std::optional(DropRank::media) : std::nullopt;
}

void RateSchedule::Impl::push(std::span<const std::uint8_t, kPacketSize> bytes,
                              std::int64_t due_ns) noexcept {
  const TsPacket packet(bytes);
  if (packet.pid() == kNullPid) return;
  on_due(due_ns);
  const bool sound = packet.has_sync() && !packet.transport_error() && packet.valid();
  const bool pcr = sound && packet.has_pcr();
  std::uint8_t program = kNone;
  bool jumped = false;
  if (pcr) {
    program = program_of(packet.pid(), due_ns);
    jumped = take_pcr(packet, program, due_ns);
  }
  if (const auto rank = refuse(packet, pcr)) {
    ++counters.dropped[static_cast<std::size_t>(*rank)];
    return;
  }
  WaitingPacket& entry = queue.push();
  std::memcpy(entry.bytes.data(), bytes.data(), kPacketSize);
  entry.program = program;
  entry.due = last_due_tick;
  entry.offset = pcr ? programs[program].clock.offset() : 0;
  // A jump that its source has not marked would be an error of ours on the way out.
  if (jumped) entry.bytes[5] = static_cast<std::uint8_t>(entry.bytes[5] | 0x80);
}

// The program that is to get a PCR here. `free`: nothing else is due. A program without PCRs of its own for a
// second gets none of ours.
RateSchedule::Impl::Program* RateSchedule::Impl::wants_pcr(std::int64_t tick, bool free) noexcept {
  if (!free && queue.size() >= max / 2) return nullptr;
  Program* oldest = nullptr;
  std::int64_t due = 0;  // programs
  bool silent_one = false;
  for (std::size_t i = 0; i < program_count; ++i) {
    Program& program = programs[i];
    if (!program.sent) continue;
    if (tick - program.source_tick > kTicksPerSecond) {
      program.sent = false;
      silent_one = true;
      continue;
    }
    due += tick - program.tick >= kPcrDue ? 1 : 0;
    if (oldest == nullptr || program.tick < oldest->tick) oldest = &program;
  }
  if (silent_one) find_oldest_pcr();
  if (oldest == nullptr) return nullptr;
  const std::int64_t since = tick - oldest->tick;
  const std::int64_t before = std::max<std::int64_t>(due, 1) + 1;  // positions, if all of them get one
  return (free ? since >= kPcrDue : since + before * grid.step() > kPcrMost) ? oldest : nullptr;
}

void RateSchedule::Impl::find_oldest_pcr() noexcept {
  oldest_pcr = kNever;
  for (std::size_t i = 0; i < program_count; ++i) {
    if (programs[i].sent) oldest_pcr = std::min(oldest_pcr, programs[i].tick);
  }
}

void RateSchedule::Impl::put_in_pcr(Program& program, std::uint8_t* to, std::int64_t tick) noexcept {
  // Without payload the continuity counter stands still (2.4.3.3).
  std::memcpy(to, kPcrPacket.data(), kPacketSize);
  to[1] = static_cast<std::uint8_t>(program.pid.value >> 8);
  to[2] = static_cast<std::uint8_t>(program.pid.value);
  to[3] = static_cast<std::uint8_t>(0x20 | pids[program.pid.value].counter);
  const std::uint64_t pcr = program.clock.at(tick, program.offset);
  put_pcr(std::span<std::uint8_t, 6>(to + 6, 6), pcr);
  measure(program, to, static_cast<std::int64_t>(pcr));
  program.tick = tick;
  find_oldest_pcr();
  ++counters.nulls;
}

void RateSchedule::Impl::stamp(std::uint8_t* packet, const WaitingPacket& entry, std::int64_t tick) noexcept {
  Program& program = programs[entry.program];
  const std::uint64_t pcr = program.clock.at(tick, entry.offset);
  put_pcr(std::span<std::uint8_t, 6>(packet + 6, 6), pcr);
  if (program.pid != view_of(packet).pid()) return;  // its place was taken while it waited
  program.offset = entry.offset;
  program.tick = program.source_tick = tick;
  program.sent = true;
  measure(program, packet, static_cast<std::int64_t>(pcr));
  find_oldest_pcr();
}

// The values that leave against the positions they leave at.
void RateSchedule::Impl::measure(Program& program, const std::uint8_t* packet, std::int64_t pcr) noexcept {
  if (program.measured && !view_of(packet).discontinuity()) {
    using Wide = PositionGrid::Wide;
    constexpr auto kModulus = static_cast<std::int64_t>(kPcrModulus);
    const auto told = static_cast<std::int64_t>((pcr - program.pcr + kModulus) % kModulus);
    // What the clock is faster than the grid by is no error.
    const double faster = static_cast<double>(told) * program.clock.rate() / (1 + program.clock.rate());
    const auto at_rate = static_cast<std::uint64_t>(std::max<std::int64_t>(0, told - std::llround(faster)));
    const Wide apart = Wide{PositionGrid::kTicksTimesRate} * (position - program.position);
    const Wide by_pcr = Wide{at_rate} * grid.rate();
    const Wide off = by_pcr > apart ? by_pcr - apart : apart - by_pcr;
    const auto ticks = static_cast<std::uint64_t>((off + grid.rate() - 1) / grid.rate());
    accuracy_max = std::max(accuracy_max.value_or(0), ticks);
  }
  program.measured = true;
  program.pcr = pcr;
  program.position = position;
}

// The packet of the next position.
void RateSchedule::Impl::fill(std::uint8_t* to) noexcept {
  const std::int64_t tick = grid.tick();
  grid.advance();
  ++position;
  const WaitingPacket* next = queue.choose(tick);
  const bool free = next == nullptr;
  if (oldest_pcr != kNever && tick - oldest_pcr >= pcr_looked_for) {
    if (Program* program = wants_pcr(tick, free)) {
      put_in_pcr(*program, to, tick);
      return queue.on_sent(program->pid, tick);
    }
  }
  if (free) {
    std::memcpy(to, kNullPacket.data(), kPacketSize);
    ++counters.nulls;
    return;
  }
  std::memcpy(to, next->bytes.data(), kPacketSize);
  if (next->program != kNone) stamp(to, *next, tick);
  queue.remove();
  const Pid pid = view_of(to).pid();
  queue.on_sent(pid, tick);
  pids[pid.value].counter = view_of(to).continuity_counter();
  ++counters.packets;
}

bool RateSchedule::Impl::pop(std::int64_t now, Datagram& out) noexcept {
  if (!started || silent) return false;
  if (const std::int64_t step = now - last_now;
      step < -kSecond || (step > kSecond && next_departure() < now - kSecond && last_due < now - kSecond)) {
    shift(step);
  }
  last_now = std::max(last_now, now);
  const std::int64_t leaves = next_departure();
  if (leaves > now) return false;
  if (queue.size() == 0 && leaves > last_due + kSecond) {
    silent = true;
    departure.reset();
    return false;
  }
  out.departure_ns = leaves;
  for (std::size_t i = 0; i < kDatagram; ++i) fill(out.bytes.data() + i * kPacketSize);
  departure.reset();
  return true;
}

RateSchedule::RateSchedule(std::uint64_t bitrate_bps, std::size_t max_packets, Clock clock)
    : impl_(std::make_unique<Impl>(bitrate_bps, max_packets, clock)) {}

RateSchedule::~RateSchedule() = default;

void RateSchedule::push(std::span<const std::uint8_t, kPacketSize> packet, std::int64_t due_ns) noexcept {
  impl_->push(packet, due_ns);
}

bool RateSchedule::pop(std::int64_t now_ns, Datagram& out) noexcept { return impl_->pop(now_ns, out); }

std::int64_t RateSchedule::next_departure_ns() const noexcept { return impl_->next_departure(); }

std::optional<std::uint64_t> RateSchedule::take_pcr_accuracy_max() noexcept {
  return std::exchange(impl_->accuracy_max, std::nullopt);
}

RateSchedule::Counters RateSchedule::counters() const noexcept {
  impl_->counters.waiting = impl_->queue.size();
  impl_->counters.held = impl_->queue.held();
  impl_->counters.crowded = impl_->queue.crowded();
  return impl_->counters;
}

}  // namespace headgate::mpegts
